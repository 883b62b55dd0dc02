/**
 * What tabs and workers say to each other over one BroadcastChannel. Every tab has a worker; the one
 * that holds the Web Lock runs the engine and listens as `engine`, for all tabs alike.
 */
import type { AccountView, ContactView, Event, Id, Input, LetterView } from '../engine.ts'

/** The channel's name, and the lock's. */
export const CHANNEL = 'letterbox'

/** How the account stands with the server. */
export type Connection =
  | 'connecting'
  | 'online'
  | 'offline'
  /** The session is gone: a passkey is needed. */
  | 'sign_in'
  /** The server does not know this device. */
  | 'device_unknown'

/** Whether what happens can be kept. */
export type Storage = 'ok' | 'full' | 'failed'

/** What a tab has to show. */
export type State =
  /** No vault, or its owner signed out. */
  | { phase: 'empty' }
  /** The vault's key is needed: the person has to touch the passkey. */
  | { phase: 'locked'; credentialId: string }
  /** The vault could not be read. Nothing was changed. */
  | { phase: 'broken'; credentialId: string }
  | {
      phase: 'open'
      credentialId: string
      account: AccountView | null
      contacts: ContactView[]
      connection: Connection
      storage: Storage
      /** The server serves other keys than this device published, by the latest check. */
      keysAltered: boolean
    }

/** What a person does that the engine is told of. */
export type Action = Extract<
  Input,
  {
    type:
      | 'create_account'
      | 'find_contact'
      | 'send_text'
      | 'retry_letter'
      | 'delete_letter'
      | 'mark_read'
      | 'name_contact'
      | 'accept_contact'
      | 'block_contact'
      | 'delete_conversation'
      | 'signed_in'
  }
>

/** A request from a tab. It is asked again, under the same id, of whoever takes over. */
export type Ask =
  | { ask: 'open'; credentialId: string; key: CryptoKey | null }
  | { ask: 'close' }
  /** Deletes a vault whose keys were never published. */
  | { ask: 'discard'; credentialId: string }
  | { ask: 'act'; action: Action }
  | { ask: 'letters'; contact: Id; before: string | null; limit: number }

/** Why something asked for was not done. */
export type Refusal = 'storage_full' | 'storage_failed' | 'not_open' | 'invalid'

/** The answer to an `Ask`. `letters` are newest first. */
export type Reply = { ok: true; letters?: LetterView[] } | { ok: false; refusal: Refusal }

/** What goes over the channel. */
export type Message =
  | { to: 'engine'; type: 'join' }
  | { to: 'engine'; type: 'ask'; id: string; ask: Ask }
  /** A tab noticed that the network came or went; workers do not always. */
  | { to: 'engine'; type: 'network'; online: boolean }
  | { to: 'tabs'; type: 'state'; leader: string; state: State }
  | { to: 'tabs'; type: 'events'; events: Event[] }
  | { to: 'tabs'; type: 'status'; connection: Connection; storage: Storage }
  | { to: 'tabs'; type: 'reply'; id: string; reply: Reply }
  /** The open vault's key, for workers that may have to take over. It cannot be exported. */
  | { to: 'workers'; type: 'key'; credentialId: string; key: CryptoKey | null }
