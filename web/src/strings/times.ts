/** How times and numbers are written. */

/** The language of the texts: what `lang` says, and what Intl is asked for. */
export const LANGUAGE = 'en'

const locales = [globalThis.navigator?.language, LANGUAGE].filter((tag) => tag?.startsWith(LANGUAGE))
const clock = new Intl.DateTimeFormat(locales, { hour: 'numeric', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(locales, { weekday: 'short' })
const shortDay = new Intl.DateTimeFormat(locales, { day: 'numeric', month: 'short' })
const longDay = new Intl.DateTimeFormat(locales, { weekday: 'long', day: 'numeric', month: 'long' })
const longDayAndYear = new Intl.DateTimeFormat(locales, { day: 'numeric', month: 'long', year: 'numeric' })
const fullTime = new Intl.DateTimeFormat(locales, { dateStyle: 'full', timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat(locales, { numeric: 'auto' })
const plural = new Intl.PluralRules(locales)

export const number = new Intl.NumberFormat(locales)

const DAY = 86_400_000

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0)
}

function daysAgo(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / DAY)
}

/** So many of something, in the right number. */
export function count(n: number, one: string, other: string): string {
  return `${number.format(n)} ${plural.select(n) === 'one' ? one : other}`
}

function sentenceCase(text: string): string {
  return text.charAt(0).toLocaleUpperCase(LANGUAGE) + text.slice(1)
}

/** When something was, in the words that fit the place. Moments are in milliseconds. */
export const times = {
  /** For a letter: the time of day. */
  clock: (at: number) => clock.format(at),
  /** For a tooltip, and for ends that matter. */
  full: (at: number) => fullTime.format(at),
  /** A date. */
  date: (at: number) => longDayAndYear.format(at),
  /** For the conversation list: a time today, a weekday this week, else a date. */
  brief(at: number, now: number): string {
    const days = daysAgo(at, now)
    if (days <= 0) return clock.format(at)
    return days < 7 ? weekday.format(at) : shortDay.format(at)
  },
  /** For the line between two days of a thread. */
  day(at: number, now: number): string {
    const days = daysAgo(at, now)
    if (days >= 0 && days < 2) return sentenceCase(relative.format(-days, 'day'))
    return days < 300 ? longDay.format(at) : longDayAndYear.format(at)
  },
  /** What is left of a countdown: minutes and seconds. */
  left(milliseconds: number): string {
    const seconds = Math.max(0, Math.ceil(milliseconds / 1_000))
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
  },
}

/** How long somebody is asked to wait. */
export function pause(seconds: number): string {
  return seconds < 90
    ? count(Math.max(seconds, 1), 'second', 'seconds')
    : count(Math.ceil(seconds / 60), 'minute', 'minutes')
}
