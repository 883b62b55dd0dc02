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
