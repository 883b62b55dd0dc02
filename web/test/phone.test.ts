import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { CountryCode, MetadataJson } from 'libphonenumber-js/core'
import { parsePhoneNumberFromString } from 'libphonenumber-js/core'
import trimmed from 'libphonenumber-js/metadata.min.json'
import { expect, test } from 'vitest'
// The table that the server's parser and the protocol's syntax are held to as well.
import table from '../../tests/phones.json' with { type: 'json' }
import { formatPhone, parsePhone } from '../src/phone.ts'

test.each(table.numbers)('$typed is $e164', ({ typed, e164 }) => {
  expect(parsePhone(typed, undefined)).toBe(e164)
  expect(parsePhone(e164, undefined)).toBe(e164)
})

test.each(table.refused)('%s is no number', (typed) => {
  expect(parsePhone(typed, undefined)).toBeNull()
})

test('a number without its country code is read as one of the browser’s country', () => {
  expect(parsePhone('01511 2345678', 'DE')).toBe('+4915112345678')
  expect(parsePhone('01511 2345678', undefined)).toBeNull()
})

test('numbers are shown in groups', () => {
  expect(formatPhone('+442079460018')).toBe('+44 20 7946 0018')
})

test('of what the library knows of a country, nothing is left out that tells', () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(createRequire(import.meta.url).resolve(`libphonenumber-js/${name}`), 'utf8'))
  const full: MetadataJson = read('metadata.min.json')
  const examples: Record<string, string> = read('examples.mobile.json')
  expect(JSON.stringify(trimmed).length).toBeLessThan(0.85 * JSON.stringify(full).length)
  for (const [country, example] of Object.entries(examples)) {
    for (const typed of variants(example)) {
      const options = { defaultCountry: country as CountryCode }
      const [ours, theirs] = [trimmed, full].map((metadata) => {
        const number = parsePhoneNumberFromString(typed, options, metadata)
        return [number?.number, number?.isPossible(), number?.formatInternational()]
      })
      expect(ours, `${typed} in ${country}`).toEqual(theirs)
    }
  }
})

/** The number itself, and some that differ: at its end, in its length, at its beginning. */
function variants(example: string): string[] {
  const digits = [...'0123456789']
  const shorter = [...example].map((_, length) => example.slice(0, length + 1))
  const others = digits.flatMap((digit) => [digit + example, digit + example.slice(1), example + digit])
  return [...shorter, ...others]
}
