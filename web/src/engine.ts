/**
 * The engine's inputs, outputs and views as they cross from Rust: a mirror of
 * `protocol/src/engine/interface.rs`. A test holds it to samples that Rust wrote.
 */

/** 16 random bytes as unpadded base64url; means nothing outside this vault. */
export type Id = string
/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Millis = number

/** The longest text of one letter, in bytes of UTF-8. */
export const TEXT_LIMIT = 60_000

/** What the host tells the engine. */
export type Input =
  | { type: 'resume' }
  | { type: 'create_account'; phone: string; device_name: string }
  | { type: 'signed_in' }
  | { type: 'live_opened' }
  | { type: 'live_closed' }
  | { type: 'live_frame'; text: string }
  | { type: 'response'; request: Id; status: number; retry_after: number | null; body: string }
  | { type: 'no_answer'; request: Id }
  | { type: 'tick' }
  | { type: 'find_contact'; phone: string }
  | { type: 'send_text'; contact: Id; text: string }
  | { type: 'retry_letter'; contact: Id; letter: Id }
  | { type: 'delete_letter'; contact: Id; letter: Id; key: string }
  | { type: 'mark_read'; contact: Id }
  | { type: 'name_contact'; contact: Id; name: string }
  | { type: 'accept_contact'; contact: Id }
  | { type: 'block_contact'; contact: Id; blocked: boolean }
  | { type: 'delete_conversation'; contact: Id }

/**
 * A change to one record; no value deletes it, or, where the key ends in a slash, every record whose
 * key begins with it.
 */
export type Write = [key: string, value: Uint8Array<ArrayBuffer> | undefined]

/** What one step asks for: commit the writes, then send, then show the events. */
export interface Output {
  writes: Write[]
  requests: EngineRequest[]
  frames: string[]
  events: Event[]
  wake_at: Millis | null
}

/** An HTTP request to send. */
export interface EngineRequest {
  id: Id
  /** With the session's cookie, or without anything that identifies. */
  half: 'account' | 'sealed'
  method: string
  /** Path and query, beginning with `/v1/`. */
  path: string
  authorization: string | null
  /** The JSON body, byte for byte. */
  body: string | null
}

/** What happened that a person, or the host, should know. */
export type Event =
  | { type: 'account_ready'; account: AccountView }
  | { type: 'account_refused'; problem: string }
  | { type: 'device_ready' }
  | { type: 'sign_in_needed' }
  | { type: 'device_unknown' }
  | { type: 'keys_altered' }
  | { type: 'keys_intact' }
  | { type: 'caught_up' }
  | { type: 'contact'; contact: ContactView }
  | { type: 'contact_removed'; contact: Id }
  | { type: 'letter'; letter: LetterView }
  | { type: 'letter_removed'; contact: Id; letter: Id }
  | { type: 'found'; phone: string; outcome: FindOutcome }

/** What became of a look-up. */
export type FindOutcome =
  | { outcome: 'found'; contact: Id }
  | { outcome: 'no_such_mailbox' }
  | { outcome: 'unreachable' }
  | { outcome: 'refused' }

/** What an opened engine knows, before anything happens. */
export interface Snapshot {
  account: AccountView | null
  contacts: ContactView[]
}

/** The account in this vault. */
export interface AccountView {
  phone: string
  device_name: string
  published: boolean
}

/** A contact. */
export interface ContactView {
  id: Id
  phone: string
  /** Own name for it; empty where none was given. */
  name: string
  standing: 'accepted' | 'request' | 'blocked'
  unread: number
  /** The newest letter, its text cut short; the host reads it where the engine does not know it. */
  last: LetterView | null
  /** The identity key that the server serves is not the one pinned: nothing is sent. */
  identity_changed: boolean
}

/** A letter in a thread; key order is thread order. */
export interface LetterView {
  key: string
  id: Id
  contact: Id
  outgoing: boolean
  at: Millis
  content: ContentView
  state: LetterState
}

/** What a letter says. `newer` is a kind that this version does not know. */
export type ContentView = { kind: 'text'; text: string } | { kind: 'newer' }

/** How far a letter has got. */
export type LetterState =
  | { state: 'waiting'; reason: WaitReason | null }
  | { state: 'sending' }
  | { state: 'sent' }
  | { state: 'failed'; reason: FailReason }
  | { state: 'received' }

/** Why a letter waits. */
export type WaitReason = 'all_dormant' | 'mailbox_full' | 'too_many_requests' | 'list_moving'

/** Why a letter failed. */
export type FailReason = 'no_such_mailbox' | 'identity_changed' | 'keys_refused' | 'refused'
