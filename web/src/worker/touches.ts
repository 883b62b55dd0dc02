/** The engine's requests that wait for a passkey touch, one shown after the other. */
import type { EngineRequest, Id, Input } from '../engine.ts'
import type { TouchPurpose, TouchWanted } from './messages.ts'

interface Waiting {
  request: EngineRequest
  wanted: TouchWanted
}

/** Requests between the engine and the person's finger. */
export class Touches {
  readonly #waiting = new Map<Id, Waiting>()

  /** What is asked for now. */
  get current(): TouchWanted | null {
    return this.#waiting.values().next().value?.wanted ?? null
  }

  /** Takes a request up; `digest` is what its touch is bound to. */
  add(request: EngineRequest, digest: string): void {
    const wanted: TouchWanted = {
      request: request.id,
      purpose: purposeOf(request.path),
      digest,
      stage: 'wanted',
      problem: '',
    }
    this.#waiting.set(request.id, { request, wanted })
  }

  /** The request to send, now that the passkey was touched; `null` where it is sent or gone. */
  take(id: Id): EngineRequest | null {
    const waiting = this.#waiting.get(id)
    if (waiting?.wanted.stage !== 'wanted') return null
    waiting.wanted = { ...waiting.wanted, stage: 'sending' }
    return waiting.request
  }

  /** What became of a request: what the server refused stays until the person has read why. */
  answered(id: Id, answer: Input): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    if (answer.type === 'response' && answer.status < 300) this.#waiting.delete(id)
    else if (answer.type === 'response') {
      waiting.wanted = { ...waiting.wanted, stage: 'refused', problem: titleOf(answer.body) }
    } else waiting.wanted = { ...waiting.wanted, stage: 'unanswered' }
  }

  /** The person gave a request up; whether the engine has to be told. */
  drop(id: Id): boolean {
    const stage = this.#waiting.get(id)?.wanted.stage
    if (stage !== 'sending') this.#waiting.delete(id)
    return stage === 'wanted'
  }

  /** The engine was opened anew, and will ask anew. */
  clear(): void {
    this.#waiting.clear()
  }
}

/** What a request that needs a touch does. */
export function purposeOf(path: string): TouchPurpose {
  const purposes: [string, TouchPurpose][] = [
    ['/v1/device-links/', 'link'],
    ['/v1/devices/', 'revoke'],
    ['/v1/recovery', 'recover'],
    ['/v1/resets', 'cancel_reset'],
    ['/v1/account', 'delete_account'],
  ]
  return purposes.find(([prefix]) => path.startsWith(prefix))?.[1] ?? 'other'
}

function titleOf(body: string): string {
  try {
    return String((JSON.parse(body) as { title?: string }).title ?? '')
  } catch {
    return ''
  }
}
