/**
 * What tabs and workers say to each other over one BroadcastChannel. Every tab has a worker; the one
 * that holds the Web Lock runs the engine and listens as `engine`, for all tabs alike.
 */
import type { Event, Id, Input, LetterView, Snapshot } from '../engine.ts'

/** The channel's name, and the lock's. */
export const CHANNEL = 'letterbox'

/** How the account stands with the server. */
export type Connection =
  | 'connecting'
  | 'online'
  | 'offline'
  /** The session is gone: a passkey is needed. */
  | 'sign_in'
  /** The server does not know this device: it was revoked, or the account is gone. */
  | 'device_unknown'

/** Whether what happens can be kept. */
export type Storage = 'ok' | 'full' | 'failed'

/** What a passkey touch is wanted for. */
export type TouchPurpose = 'link' | 'revoke' | 'recover' | 'cancel_reset' | 'delete_account' | 'other'

/** A request that waits for a passkey touch. */
export interface TouchWanted {
  request: Id
  purpose: TouchPurpose
  /** What the touch is bound to: the body of `POST /v1/touch`. */
  digest: string
  /** `refused` has the server's words; `unanswered` means that nobody knows what became of it. */
  stage: 'wanted' | 'sending' | 'refused' | 'unanswered'
  problem: string
}

/** How far history has got; `device` is the one it goes to. */
export interface HistoryProgress {
  letters: number
  done: boolean
  device: Id | null
}

/** What the host knows beside the engine. */
export interface Status {
  connection: Connection
  storage: Storage
  /** The server serves other keys than this device published, by the latest check. */
  keysAltered: boolean
  touch: TouchWanted | null
  /** From a sibling to here. */
  historyReceived: HistoryProgress | null
  /** From here to a sibling. */
  historySent: HistoryProgress | null
}

/** The open mailbox: what the engine knows, and what its host knows. */
export type Open = { phase: 'open'; credentialId: string } & Snapshot & Status

/** What a tab has to show. */
export type State =
  /** No vault, or its owner signed out. */
  | { phase: 'empty' }
  /** The vault's key is needed: the person has to touch the passkey. */
  | { phase: 'locked'; credentialId: string }
  /** The vault could not be read. Nothing was changed. */
  | { phase: 'broken'; credentialId: string }
  | Open

/** What only the host tells the engine. */
type HostInput =
  | 'resume'
  | 'live_opened'
  | 'live_closed'
  | 'live_frame'
  | 'response'
  | 'no_answer'
  | 'tick'
  | 'touch_declined'
  | 'letters_read'
  | 'set_recovery'
  | 'recover'

/** What a person does that the engine is told of. */
export type Action = Exclude<Input, { type: HostInput }>

/** Where a recovery secret comes from. */
export type RecoverySource = { method: 'passkey'; prf: ArrayBuffer } | { method: 'code'; code: string }

/** A request from a tab. It is asked again, under the same id, of whoever takes over. */
export type Ask =
  /** `prf`, where it locks the vault, also brings the device back. */
  | { ask: 'open'; credentialId: string; key: CryptoKey | null; prf: ArrayBuffer | null }
  | { ask: 'close' }
  /** Deletes a vault whose keys were never published. */
  | { ask: 'discard'; credentialId: string }
  /** Deletes a vault with all that is in it. */
  | { ask: 'wipe'; credentialId: string }
  /** The open vault has got its passkey, and another entry in the registry. */
  | { ask: 'adopt'; credentialId: string; prf: ArrayBuffer | null }
  | { ask: 'act'; action: Action }
  | { ask: 'letters'; contact: Id; before: string | null; limit: number }
  /** The passkey was touched for a request; `assertion` is what its header holds. */
  | { ask: 'touched'; request: Id; assertion: string }
  /** The person does not want to, or has read why it was refused. */
  | { ask: 'untouched'; request: Id }
  /** A fresh recovery code; nothing is changed. */
  | { ask: 'new_code' }
  | { ask: 'set_recovery'; from: RecoverySource }
  | { ask: 'recover'; from: RecoverySource; info: string }

/** Why something asked for was not done. */
export type Refusal = 'storage_full' | 'storage_failed' | 'not_open' | 'invalid' | 'wrong_code'

/** The answer to an `Ask`. `letters` are newest first. */
export type Reply = { ok: true; letters?: LetterView[]; code?: string } | { ok: false; refusal: Refusal }

/** What goes over the channel. */
export type Message =
  | { to: 'engine'; type: 'join' }
  | { to: 'engine'; type: 'ask'; id: string; ask: Ask }
  /** A tab noticed that the network came or went; workers do not always. */
  | { to: 'engine'; type: 'network'; online: boolean }
  | { to: 'tabs'; type: 'state'; leader: string; state: State }
  | { to: 'tabs'; type: 'events'; events: Event[] }
  | { to: 'tabs'; type: 'status'; status: Status }
  | { to: 'tabs'; type: 'reply'; id: string; reply: Reply }
  /** The open vault's key, for workers that may have to take over. It cannot be exported. */
  | { to: 'workers'; type: 'key'; credentialId: string; key: CryptoKey | null }
