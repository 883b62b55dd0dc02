/** Carries the engine's requests to the server, each half in its own way. */
import type { EngineRequest, Input } from '../engine.ts'

/** A request without an answer by then has none. */
const TIMEOUT = 30_000

/**
 * Sends a request and says what came of it, in the engine's words. `touch` is the passkey's word on
 * this very request, where it needs one.
 */
export async function send(request: EngineRequest, touch: string | null = null): Promise<Input> {
  try {
    const answer = await fetch(request.path, {
      method: request.method,
      headers: headersOf(request, touch),
      body: request.body,
      signal: AbortSignal.timeout(TIMEOUT),
      ...(request.half === 'sealed' ? SEALED : ACCOUNT),
    })
    return {
      type: 'response',
      request: request.id,
      status: answer.status,
      retry_after: retryAfter(answer),
      body: await answer.text(),
    }
  } catch {
    return { type: 'no_answer', request: request.id }
  }
}

const ACCOUNT: RequestInit = { credentials: 'same-origin', cache: 'no-store', redirect: 'error' }

/**
 * Nothing that identifies: no cookie, no referrer, no cache, and so no connection that carries one of
 * those. Of sealed requests, the server lets each connection carry one.
 */
const SEALED: RequestInit = {
  credentials: 'omit',
  referrerPolicy: 'no-referrer',
  cache: 'no-store',
  redirect: 'error',
}

function headersOf(request: EngineRequest, touch: string | null): HeadersInit {
  return {
    ...(touch === null ? {} : { 'Letterbox-Touch': touch }),
    ...(request.body === null ? {} : { 'Content-Type': 'application/json' }),
    ...(request.authorization === null ? {} : { Authorization: request.authorization }),
  }
}

function retryAfter(answer: Response): number | null {
  const seconds = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10)
  return Number.isSafeInteger(seconds) && seconds >= 0 ? seconds : null
}
