/** Phone numbers as people type and read them. What travels is E.164. */
import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/core'
// Trimmed; see build/phone-metadata.ts.
import metadata from 'libphonenumber-js/metadata.min.json'

/** The longest text that is looked at. */
const LONGEST = 40

/**
 * The E.164 form of what a person typed, or `null` where it cannot be a number. Without a plus sign
 * it is read as one of the country that the browser is set to.
 */
export function parsePhone(typed: string, country = localCountry()): string | null {
  const text = typed.trim()
  if (text.length > LONGEST || !/^[+\d\s().\u2010-\u2015/-]+$/.test(text)) return null
  const parsed = parsePhoneNumberFromString(text, country ? { defaultCountry: country } : {}, metadata)
  return parsed?.isPossible() && /^\+[1-9]\d{6,14}$/.test(parsed.number) ? parsed.number : null
}

/** How a number is shown. */
export function formatPhone(e164: string): string {
  return parsePhoneNumberFromString(e164, metadata)?.formatInternational() ?? e164
}

function localCountry(): CountryCode | undefined {
  try {
    return new Intl.Locale(navigator.language).region as CountryCode | undefined
  } catch {
    return undefined
  }
}
