import { expect, test } from 'vitest'
import { strings, times } from '../src/strings.ts'
import { comparison } from '../src/ui/conversation/safety.tsx'
import { parseRoute } from '../src/ui/route.ts'
import { hex } from '../src/ui/settings/keys.tsx'
import { deviceName } from '../src/ui/sign/device-name.ts'

const noon = new Date(2026, 5, 17, 12, 0).getTime()
const day = 86_400_000

test('days of a thread are told as people say them', () => {
  expect(times.day(noon, noon + 3_600_000)).toBe('Today')
  expect(times.day(noon - day, noon)).toBe('Yesterday')
  expect(times.day(noon - 3 * day, noon)).toContain('June')
  expect(times.day(noon - 400 * day, noon)).toContain('2025')
})

test('the list tells a time today, a weekday this week, else a date', () => {
  expect(times.brief(noon, noon + 60_000)).toMatch(/12:00/)
  expect(times.brief(noon - 2 * day, noon)).toBe('Mon')
  expect(times.brief(noon - 30 * day, noon)).toMatch(/May/)
})

test('counts are in the right number', () => {
  expect(strings.list.unread(1)).toBe('1 unread letter')
  expect(strings.list.unread(2)).toBe('2 unread letters')
  expect(strings.title(0)).toBe('letterbox')
  expect(strings.title(3)).toBe('(3) letterbox')
})

test('anything that is no address is home', () => {
  expect(parseRoute('#/with/<script>')).toEqual({ at: 'home' })
  expect(parseRoute('#/nowhere')).toEqual({ at: 'home' })
})

test('what the server knows has an address, and a file named after the number', () => {
  expect(parseRoute('#/disclosure')).toEqual({ at: 'disclosure' })
  expect(strings.disclosure.file('+4915112345678')).toBe('letterbox-4915112345678.json')
  expect(strings.disclosure.rows(1)).toBe('1 row')
})

test('a countdown is told in minutes and seconds, and never below nothing', () => {
  expect(times.left(599_001)).toBe('10:00')
  expect(times.left(61_000)).toBe('1:01')
  expect(times.left(-5)).toBe('0:00')
})

test('a scanned safety number is the one shown, another, or none', () => {
  expect(comparison('letterbox-safety:2:AA', 'letterbox-safety:2:AA')).toBe(strings.safety.same)
  expect(comparison('letterbox-safety:2:AB', 'letterbox-safety:2:AA')).toBe(strings.safety.different)
  expect(comparison('https://example.org/', 'letterbox-safety:2:AA')).toBe(strings.safety.notOne)
})

test('a fingerprint is shown in hexadecimal digits', () => {
  expect(hex('AQL_-g')).toBe('0102fffa')
})

test('a device is called after its browser and system', () => {
  expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36')).toBe(
    'Chrome on Linux',
  )
  expect(deviceName('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/18 Safari/605')).toBe(
    'Safari on Mac',
  )
  expect(deviceName('')).toBe('Browser')
})
