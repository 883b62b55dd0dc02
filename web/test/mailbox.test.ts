import { expect, test } from 'vitest'
import { type ContactView, type LetterView, TEXT_LIMIT } from '../src/engine.ts'
import { applied } from '../src/ui/mailbox.ts'
import { withEvent, withLetters } from '../src/ui/thread-letters.ts'
import type { Open } from '../src/worker/messages.ts'
import { events, inputs, requests, snapshot, textLimit } from './fixtures/samples.ts'

function letter(id: string, at: number, contact = 'c'): LetterView {
  const key = `letter/${contact}/${at}-${id}`
  return {
    key,
    id,
    contact,
    outgoing: false,
    at,
    content: { kind: 'text', text: id },
    state: { state: 'sent' },
  }
}

function contact(id: string, at: number): ContactView {
  const last = at ? letter(`last-${id}`, at, id) : null
  return {
    id,
    phone: '+491511234567',
    name: '',
    standing: 'accepted',
    unread: 0,
    last,
    safety: 'unverified',
    safety_number: '',
    safety_code: '',
  }
}

const open: Open = {
  phase: 'open',
  credentialId: 'x',
  account: null,
  contacts: [],
  devices: [],
  keys: null,
  link: null,
  reset_ends_at: null,
  outdated: false,
  touch: null,
  historyReceived: null,
  historySent: null,
  connection: 'online',
  storage: 'ok',
  keysAltered: false,
}

test('the conversation with the newest letter comes first', () => {
  let state = open
  for (const [id, at] of [
    ['a', 1],
    ['b', 3],
    ['c', 0],
    ['a', 5],
  ] as const) {
    state = applied(state, { type: 'contact', contact: contact(id, at) })
  }
  expect(state.contacts.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
  state = applied(state, { type: 'contact_removed', contact: 'a' })
  expect(state.contacts.map(({ id }) => id)).toEqual(['b', 'c'])
})

test('every event leaves a state that can be shown', () => {
  const state = events.reduce(applied, open)
  expect(state.account).toEqual(snapshot.account)
  expect(state.contacts).toHaveLength(1)
})

test('keys that the server altered are told of until it serves the right ones', () => {
  const altered = applied(open, { type: 'keys_altered' })
  expect(altered.keysAltered).toBe(true)
  expect(applied(altered, { type: 'caught_up' }).keysAltered).toBe(true)
  expect(applied(altered, { type: 'keys_intact' }).keysAltered).toBe(false)
})

test('devices, keys, links and waiting periods follow the engine', () => {
  const [device] = snapshot.devices
  let state = applied(open, { type: 'devices', devices: snapshot.devices })
  state = applied(state, { type: 'link', link: { state: 'searching' } })
  state = applied(state, { type: 'reset', ends_at: 7 })
  state = applied(state, { type: 'vault_outdated' })
  expect(state.devices[0]).toEqual(device)
  expect(state).toMatchObject({ link: { state: 'searching' }, reset_ends_at: 7, outdated: true })
  if (!snapshot.account) throw new Error('the sample has an account')
  state = applied(state, { type: 'recovered', account: snapshot.account })
  state = applied(state, { type: 'reset', ends_at: null })
  expect(state).toMatchObject({ account: snapshot.account, outdated: false, reset_ends_at: null })
})

test('the composer knows how long a letter the engine takes', () => {
  expect(TEXT_LIMIT).toBe(textLimit)
})

test('letters stand by key, whatever the order they come in', () => {
  const letters = withLetters([letter('b', 2)], [letter('c', 3), letter('a', 1)])
  expect(letters.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
})

test('a changed letter takes the place of its earlier view', () => {
  const changed = { ...letter('a', 1), state: { state: 'failed', reason: 'refused' } } as LetterView
  const letters = withEvent([letter('a', 1), letter('b', 2)], 'c', { type: 'letter', letter: changed })
  expect(letters.map(({ state }) => state.state)).toEqual(['failed', 'sent'])
})

test('another conversation’s events leave a thread alone', () => {
  const letters = [letter('a', 1)]
  expect(withEvent(letters, 'c', { type: 'letter', letter: letter('x', 9, 'other') })).toBe(letters)
  expect(withEvent(letters, 'c', { type: 'letter_removed', contact: 'other', letter: 'a' })).toBe(letters)
  expect(withEvent(letters, 'c', { type: 'letter_removed', contact: 'c', letter: 'a' })).toEqual([])
})

test('the samples that Rust wrote are there to be type-checked', () => {
  expect(inputs.length).toBeGreaterThan(15)
  expect(requests.map(({ half }) => half)).toEqual(['sealed', 'account'])
})
