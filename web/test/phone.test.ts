import { expect, test } from 'vitest'
import { formatPhone, parsePhone } from '../src/phone.ts'

test.each([
  ['+49 1511 2345678', '+4915112345678'],
  ['+44 (20) 7946-0018', '+442079460018'],
  ['  +1 202 555 0143 ', '+12025550143'],
])('%s is %s', (typed, e164) => {
  expect(parsePhone(typed, undefined)).toBe(e164)
})

test.each([
  '',
  '+',
  '12345',
  'call me',
  '+49 CALL ME',
  '+0 123 456 789',
  `+49${'1'.repeat(60)}`,
  '+49151<b>',
])('%s is no number', (typed) => {
  expect(parsePhone(typed, undefined)).toBeNull()
})

test('a number without its country code is read as one of the browser’s country', () => {
  expect(parsePhone('01511 2345678', 'DE')).toBe('+4915112345678')
  expect(parsePhone('01511 2345678', undefined)).toBeNull()
})

test('numbers are shown in groups', () => {
  expect(formatPhone('+442079460018')).toBe('+44 20 7946 0018')
})
