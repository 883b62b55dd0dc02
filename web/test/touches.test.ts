import { expect, test } from 'vitest'
import type { EngineRequest, Input } from '../src/engine.ts'
import { purposeOf, Touches } from '../src/worker/touches.ts'

const request = (id: string, path = '/v1/devices/x'): EngineRequest => ({
  id,
  half: 'account',
  method: 'DELETE',
  path,
  authorization: null,
  body: '{}',
  touch: true,
})
const answer = (status: number, body = ''): Input => ({
  type: 'response',
  request: 'a',
  status,
  retry_after: null,
  body,
})

test('what a touch is for is told from its request', () => {
  expect(purposeOf('/v1/devices/AAAA')).toBe('revoke')
  expect(purposeOf('/v1/device-links/AAAA')).toBe('link')
  expect(purposeOf('/v1/recovery')).toBe('recover')
  expect(purposeOf('/v1/resets')).toBe('cancel_reset')
  expect(purposeOf('/v1/account')).toBe('delete_account')
  expect(purposeOf('/v1/something')).toBe('other')
})

test('a touched request is sent once, and is gone once it is done', () => {
  const touches = new Touches()
  touches.add(request('a'), 'digest')
  expect(touches.current).toMatchObject({
    request: 'a',
    purpose: 'revoke',
    digest: 'digest',
    stage: 'wanted',
  })
  expect(touches.take('a')).toEqual(request('a'))
  expect(touches.take('a')).toBeNull()
  expect(touches.current?.stage).toBe('sending')
  touches.answered('a', answer(204))
  expect(touches.current).toBeNull()
})

test('a refusal is shown until it was read, and the engine is not told of that', () => {
  const touches = new Touches()
  touches.add(request('a'), 'digest')
  touches.take('a')
  touches.answered('a', answer(409, '{"title":"The list is not the next one"}'))
  expect(touches.current).toMatchObject({ stage: 'refused', problem: 'The list is not the next one' })
  expect(touches.drop('a')).toBe(false)
  expect(touches.current).toBeNull()
})

test('a touch declined is told to the engine; one that is on its way cannot be', () => {
  const touches = new Touches()
  touches.add(request('a'), 'digest')
  touches.add(request('b', '/v1/resets'), 'digest')
  touches.take('a')
  expect(touches.drop('a')).toBe(false)
  touches.answered('a', { type: 'no_answer', request: 'a' })
  expect(touches.current?.stage).toBe('unanswered')
  touches.drop('a')
  expect(touches.current?.request).toBe('b')
  expect(touches.drop('b')).toBe(true)
  expect(touches.drop('b')).toBe(false)
})

test('a request asked for anew waits for another touch', () => {
  const touches = new Touches()
  touches.add(request('a'), 'digest')
  touches.take('a')
  touches.answered('a', { type: 'no_answer', request: 'a' })
  touches.add(request('a'), 'digest')
  expect(touches.current?.stage).toBe('wanted')
})
