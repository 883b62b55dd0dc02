import { afterEach, expect, test, vi } from 'vitest'
import type { EngineRequest } from '../src/engine.ts'
import { Backoff } from '../src/net/backoff.ts'
import { send } from '../src/net/engine-request.ts'

afterEach(() => {
  vi.unstubAllGlobals()
})

const request: EngineRequest = {
  id: 'r',
  half: 'sealed',
  method: 'POST',
  path: '/v1/sealed/lookup',
  authorization: 'PrivateToken token="t"',
  body: '{}',
}

test('pauses double up to the longest, and are drawn from their upper half', () => {
  const backoff = new Backoff(1_000, 8_000, () => 0)
  expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([500, 1_000, 2_000, 4_000, 4_000])
  backoff.reset()
  expect(backoff.next()).toBe(500)
  expect(new Backoff(1_000, 8_000, () => 1).next()).toBe(1_000)
})

test('a sealed request carries its token and nothing that identifies', async () => {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response('', { status: 202 }))
  vi.stubGlobal('fetch', fetch)
  await send(request)
  const [path, init] = fetch.mock.calls[0] ?? []
  expect(path).toBe('/v1/sealed/lookup')
  expect(init).toMatchObject({
    credentials: 'omit',
    referrerPolicy: 'no-referrer',
    cache: 'no-store',
    body: '{}',
    headers: { Authorization: 'PrivateToken token="t"', 'Content-Type': 'application/json' },
  })
})

test('an account request carries the session and no token', async () => {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response('', { status: 200 }))
  vi.stubGlobal('fetch', fetch)
  await send({ ...request, half: 'account', method: 'GET', authorization: null, body: null })
  expect(fetch.mock.calls[0]?.[1]).toMatchObject({ credentials: 'same-origin', headers: {} })
})

test('an answer comes back with its status, patience and body', async () => {
  const headers = { 'Retry-After': '7' }
  vi.stubGlobal('fetch', async () => new Response('later', { status: 429, headers }))
  expect(await send(request)).toEqual({
    type: 'response',
    request: 'r',
    status: 429,
    retry_after: 7,
    body: 'later',
  })
})

test('no network is no answer', async () => {
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('failed to fetch')))
  expect(await send(request)).toEqual({ type: 'no_answer', request: 'r' })
})
