/** The engine as WASM exposes it, and its loading. */
import init, {
  Engine,
  letterFromRecord,
  letterPrefix,
  newRecoveryCode,
  recoveryKey,
  secretFromCode,
  secretFromPrf,
  touchDigest,
} from '../../pkg/letterbox_wasm.js'
import type { EngineRequest, Event, Input, LetterView, Millis, Output, Snapshot, Write } from '../engine.ts'
import type { RecoverySource } from './messages.ts'

export { newRecoveryCode, recoveryKey }

let loading: Promise<unknown> | undefined

/** Loads and compiles the module, once. */
export function loadEngine(): Promise<unknown> {
  loading ??= init()
  return loading
}

/** Where all letters lie; the engine is opened without them. */
export const LETTERS = 'letter/'

/** The prefix of one contact's letters. */
export function lettersOf(contact: string): string {
  return letterPrefix(contact)
}

/** The view of a stored letter; `null` where this version cannot read it. */
export function readLetter(key: string, record: Uint8Array): LetterView | null {
  const view = letterFromRecord(key, record)
  return view === undefined ? null : (JSON.parse(view) as LetterView)
}

/** What a passkey touch for a request is bound to. */
export function digestOf({ method, path, body }: EngineRequest): string {
  return touchDigest(method, path, body ?? '')
}

/** The recovery secret, base64url; `null` where a code was mistyped. */
export function recoverySecret(from: RecoverySource): string | null {
  if (from.method === 'passkey') return secretFromPrf(new Uint8Array(from.prf))
  return secretFromCode(from.code) ?? null
}

/** An input that the engine's types do not allow, such as a malformed phone number. */
export class InvalidInput extends Error {
  override name = 'InvalidInput'
}

/** One engine over one vault's records. */
export class ClientEngine {
  readonly #engine: Engine

  /** Throws when a record cannot be read. */
  constructor(records: [string, Uint8Array][]) {
    this.#engine = Engine.open(location.hostname, records)
  }

  /** One step. Throws `InvalidInput` with nothing changed; anything else thrown means: reopen. */
  step(now: Millis, input: Input): Output {
    let step: ReturnType<Engine['step']>
    try {
      step = this.#engine.step(now, JSON.stringify(input))
    } catch (error) {
      throw error instanceof WebAssembly.RuntimeError ? error : new InvalidInput()
    }
    const { writes, rest } = step
    step.free()
    return { writes: writes as Write[], ...(JSON.parse(rest) as Rest) }
  }

  /** What the engine knows now. */
  snapshot(): Snapshot {
    return JSON.parse(this.#engine.snapshot()) as Snapshot
  }

  /** Gives its memory back. */
  free(): void {
    this.#engine.free()
  }
}

interface Rest {
  requests: EngineRequest[]
  frames: string[]
  events: Event[]
  wake_at: Millis | null
}
