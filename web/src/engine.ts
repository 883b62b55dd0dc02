/**
 * The engine's inputs, outputs and views as they cross from Rust: a mirror of
 * `protocol/src/engine/interface/`. A test holds it to samples that Rust wrote.
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
  | { type: 'touch_declined'; request: Id }
  | { type: 'verify_contact'; contact: Id; code: string | null }
  | { type: 'accept_identity'; contact: Id }
  | { type: 'set_receipts'; on: boolean }
  | { type: 'rotate_keys' }
  | { type: 'rename_device'; device: Id; name: string }
  | { type: 'revoke_device'; device: Id; lost: boolean }
  | { type: 'offer_link'; device_name: string }
  | { type: 'enter_link_digits'; digits: string }
  | { type: 'complete_link' }
  | { type: 'approve_link'; code: string }
  | { type: 'cancel_link' }
  | { type: 'share_history'; device: Id; since: Millis | null }
  | { type: 'letters_read'; job: Id; letters: LetterRecord[]; next: string | null }
  | { type: 'set_recovery'; key: string; method: RecoveryMethod }
  | { type: 'recover'; secret: string; method: RecoveryMethod; info: string }
  | { type: 'renew_device' }
  | { type: 'cancel_reset' }
  | { type: 'delete_account' }

/** A letter's record, as the vault keeps it; `value` as base64url. */
export interface LetterRecord {
  key: string
  value: string
}

/** What a recovery secret comes from: the passkey's PRF output, or the printed code. */
export type RecoveryMethod = 'passkey' | 'code'

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
  /** The person has to touch the passkey for this very request. */
  touch: boolean
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
  | { type: 'find_waits'; phone: string }
  | { type: 'devices'; devices: DeviceView[] }
  | { type: 'keys'; keys: KeysView }
  | { type: 'link'; link: LinkView }
  | { type: 'reset'; ends_at: Millis | null }
  | { type: 'identity_replaced' }
  | { type: 'list_disputed'; contact: Id }
  | { type: 'token_keys_disputed'; contact: Id | null }
  | { type: 'vault_outdated' }
  | { type: 'recovered'; account: AccountView }
  | { type: 'recovery_refused' }
  | { type: 'account_deleted' }
  | { type: 'letters_wanted'; job: Id; query: LetterQuery }
  | { type: 'history_sent'; device: Id; letters: number; done: boolean }
  | { type: 'history_received'; letters: number; done: boolean }

/** Which letters' records the host is asked to read. `bytes` bounds a page. */
export type LetterQuery = { by: 'keys'; keys: string[] } | { by: 'all'; after: string | null; bytes: number }

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
  devices: DeviceView[]
  keys: KeysView | null
  link: LinkView | null
  reset_ends_at: Millis | null
  /** This vault is an older copy of what the device was. */
  outdated: boolean
}

/** The account in this vault. */
export interface AccountView {
  phone: string
  device_name: string
  published: boolean
}

/** One of the account's devices. Days are in seconds since 1970. */
export interface DeviceView {
  id: Id
  /** `null` where it does not open. */
  name: string | null
  this: boolean
  created_on: number
  last_used_on: number
  /** Silent for so long that letters skip it. */
  dormant: boolean
  /** Whether its passkey or a recovery code brings it back. */
  recoverable: boolean
}

/** The state of this device's keys. */
export interface KeysView {
  identity_fingerprint: string
  messaging_version: number
  messaging_since: Millis
  list_version: number
  list_since: Millis
  signed_prekey: number
  signed_prekey_since: Millis
  one_time_prekeys: number | null
  sessions: number
  /** When the server was last seen to serve what was published. */
  checked_at: Millis | null
  recovery: RecoveryMethod | null
  rotating: boolean
  receipts: boolean
}

/** How linking stands, on either side. */
export type LinkView =
  | { state: 'offered'; code: string; expires_at: Millis }
  | { state: 'digits_needed'; tries: number }
  | { state: 'digits_sent'; tries: number }
  | { state: 'approved'; link: Id; phone: string }
  | { state: 'searching' }
  | { state: 'show_digits'; digits: string; tries: number }
  | { state: 'approving' }
  | { state: 'completing' }
  | { state: 'linked'; device: Id }
  | { state: 'ended'; reason: LinkEnd }

/** Why a link came to nothing. */
export type LinkEnd =
  | 'cancelled'
  | 'expired'
  | 'wrong_code'
  | 'wrong_digits'
  | 'declined'
  | 'too_many_devices'
  | 'list_moved'
  | 'refused'

/** How sure one can be that a contact's identity key is theirs. */
export type Safety = 'unverified' | 'verified' | 'changed' | 'changed_after_verification'

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
  safety: Safety
  /** 60 digits from both identity keys; empty before the account is published. */
  safety_number: string
  /** What the QR code of the safety number holds. */
  safety_code: string
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

/**
 * What a letter says. `newer` is a kind that this version does not know; `identity_changed` is this
 * device's own note that the contact's identity key changed at that point.
 */
export type ContentView = { kind: 'text'; text: string } | { kind: 'newer' } | { kind: 'identity_changed' }

/** How far a letter has got. */
export type LetterState =
  | { state: 'waiting'; reason: WaitReason | null }
  | { state: 'sending' }
  | { state: 'sent' }
  | { state: 'failed'; reason: FailReason }
  | { state: 'received' }
  /** The recipient says that it arrived, or that it was read. */
  | { state: 'confirmed'; read: boolean }

/** Why a letter waits. */
export type WaitReason =
  | 'all_dormant'
  | 'mailbox_full'
  | 'too_many_requests'
  | 'list_moving'
  | 'identity_changed'
  | 'no_tokens'

/** Why a letter failed. */
export type FailReason = 'no_such_mailbox' | 'identity_changed' | 'keys_refused' | 'refused'
