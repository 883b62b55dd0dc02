import { afterEach, expect, test, vi } from 'vitest'
import type { EngineRequest } from '../src/engine.ts'
import { Backoff } from '../src/net/backoff.ts'
import { send } from '../src/net/engine-request.ts'
import { Live } from '../src/net/live.ts'

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
  touch: false,
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

test('a touch goes with the request that it was given for', async () => {
  const fetch = vi.fn(async (_path: string, _init: RequestInit) => new Response('', { status: 204 }))
  vi.stubGlobal('fetch', fetch)
  await send({ ...request, half: 'account', authorization: null, touch: true }, 'assertion')
  expect(fetch.mock.calls[0]?.[1].headers).toEqual({
    'Letterbox-Touch': 'assertion',
    'Content-Type': 'application/json',
  })
})

test('a device that was revoked does not connect again; one that lost its connection does', () => {
  vi.useFakeTimers()
  const sockets: EventTarget[] = []
  class Socket extends EventTarget {
    constructor() {
      super()
      sockets.push(this)
    }
    close() {}
  }
  vi.stubGlobal('WebSocket', Socket)
  const heard: string[] = []
  const note = (what: string) => () => void heard.push(what)
  const live = new Live({
    opened: note('opened'),
    frame: note('frame'),
    closed: note('closed'),
    revoked: note('revoked'),
    stuck: note('stuck'),
  })
  const end = (code: number) => {
    sockets.at(-1)?.dispatchEvent(new Event('open'))
    sockets.at(-1)?.dispatchEvent(Object.assign(new Event('close'), { code }))
  }
  live.open()
  end(1006)
  vi.advanceTimersByTime(60_000)
  expect(sockets).toHaveLength(2)
  end(4403)
  vi.advanceTimersByTime(600_000)
  expect(sockets).toHaveLength(2)
  expect(heard).toEqual(['opened', 'closed', 'opened', 'closed', 'revoked'])
  live.open()
  expect(sockets).toHaveLength(3)
  live.close()
  vi.useRealTimers()
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
