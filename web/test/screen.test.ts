import { expect, test } from 'vitest'
import { hrefOf, parseRoute, type Route } from '../src/ui/route.ts'
import { screenOf } from '../src/ui/screen.ts'
import type { Open } from '../src/worker/messages.ts'
import { snapshot } from './fixtures/samples.ts'

const contact = 'AQEBAQEBAQEBAQEBAQEBAQ'

const open: Open = {
  phase: 'open',
  credentialId: 'x',
  ...snapshot,
  link: null,
  connection: 'online',
  storage: 'ok',
  keysAltered: false,
  touch: null,
  historyReceived: null,
  historySent: null,
}
const unpublished = { ...open, account: null }

test('every screen has an address, and every address its screen', () => {
  const routes: Route[] = [
    { at: 'home' },
    { at: 'sign-up' },
    { at: 'sign-in' },
    { at: 'link' },
    { at: 'lost' },
    { at: 'new' },
    { at: 'settings' },
    { at: 'devices' },
    { at: 'keys' },
    { at: 'recovery' },
    { at: 'delete-account' },
    { at: 'link-device', code: '' },
    { at: 'link-device', code: '0123456789ABCDEF' },
    { at: 'conversation', contact },
    { at: 'safety', contact },
  ]
  for (const route of routes) expect(parseRoute(hrefOf(route))).toEqual(route)
})

test('a scanned code is taken as it may be shown, and nothing else is', () => {
  expect(parseRoute('#link=0123%204567%2089AB%20CDEF')).toEqual({
    at: 'link-device',
    code: '0123 4567 89AB CDEF',
  })
  for (const hash of [
    '#link=',
    '#link=short',
    '#link=<script>alert(1)</script>',
    `#link=${'A'.repeat(99)}`,
  ]) {
    expect(parseRoute(hash)).toEqual({ at: 'home' })
  }
  expect(parseRoute('#link=%E0%A4%A%E0%A4%A%E0')).toEqual({ at: 'link-device', code: '' })
})

test('without a vault the address decides', () => {
  const empty = { phase: 'empty' } as const
  expect(screenOf(empty, 'home', null)).toBe('welcome')
  expect(screenOf(empty, 'settings', null)).toBe('welcome')
  for (const at of ['sign-up', 'sign-in', 'link', 'lost'] as const) expect(screenOf(empty, at, null)).toBe(at)
})

test('a locked vault is opened first, or another passkey is used', () => {
  const locked = { phase: 'locked', credentialId: 'x' } as const
  expect(screenOf(locked, 'sign-up', null)).toBe('unlock')
  expect(screenOf(locked, 'link', null)).toBe('unlock')
  expect(screenOf(locked, 'sign-in', null)).toBe('sign-in')
})

test('a vault without published keys goes on with what it was made for', () => {
  expect(screenOf(open, 'sign-in', null)).toBe('shell')
  expect(screenOf(unpublished, 'home', null)).toBe('cut-short')
  expect(screenOf({ ...unpublished, credentialId: 'link-x' }, 'home', null)).toBe('link')
  expect(screenOf({ ...unpublished, link: { state: 'digits_sent', tries: 2 } }, 'home', null)).toBe('link')
})

test('a screen in the middle of something stays, whatever happens below it', () => {
  expect(screenOf(open, 'home', 'link')).toBe('link')
  expect(screenOf({ phase: 'broken', credentialId: '' }, 'home', 'sign-in')).toBe('sign-in')
})
