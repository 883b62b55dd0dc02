/**
 * Runs the engine over one open vault. Each step is committed in one durable transaction before
 * anything leaves; when a commit fails the engine is dropped and opened anew from what is stored.
 */
import type { ContactView, EngineRequest, Event, Id, Input, LetterView, Millis, Output } from '../engine.ts'
import { send } from '../net/engine-request.ts'
import { Live } from '../net/live.ts'
import { changeVault, type VaultEntry } from '../vault/registry.ts'
import { Fenced, Vault } from '../vault/vault.ts'
import {
  ClientEngine,
  digestOf,
  InvalidInput,
  LETTERS,
  lettersOf,
  loadEngine,
  readLetter,
  recoveryKey,
  recoverySecret,
} from './engine-module.ts'
import { lettersRead } from './letters-wanted.ts'
import type { Action, Connection, Open, RecoverySource, Refusal, Reply, Status, Storage } from './messages.ts'
import { Touches } from './touches.ts'

/** What the host tells the tabs. */
export interface HostListener {
  events(events: Event[]): void
  status(status: Status): void
  /** Everything is to be shown anew. */
  renewed(): void
  /** The account is gone from the server, by this device's wish. */
  deleted(): void
}

/** How long the engine rests after a commit failed, in milliseconds. */
const REST = 30_000
/** The longest time that `setTimeout` takes. */
const LONGEST = 2 ** 31 - 1

/** The engine, its vault and its network, for as long as this worker leads. */
export class Host {
  credentialId: string
  readonly #vault: Vault
  readonly #listener: HostListener
  readonly #live: Live
  #engine: ClientEngine
  #queue: Promise<unknown> = Promise.resolve()
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #touches = new Touches()
  #status: Omit<Status, 'touch'>
  #revoked: boolean
  /** The passkey's PRF output, until the engine has its recovery key. */
  #prf: ArrayBuffer | null = null
  #closed = false
  /** A commit failed. The engine, opened anew, goes on after a rest, or once something is stored. */
  #resting = false

  private constructor(entry: VaultEntry, vault: Vault, engine: ClientEngine, listener: HostListener) {
    this.credentialId = entry.credentialId
    this.#revoked = entry.revoked ?? false
    this.#status = {
      connection: this.#revoked ? 'device_unknown' : navigator.onLine ? 'connecting' : 'offline',
      storage: 'ok',
      keysAltered: entry.keysAltered ?? false,
      historyReceived: null,
      historySent: null,
    }
    this.#vault = vault
    this.#engine = engine
    this.#listener = listener
    this.#live = new Live({
      opened: () => {
        this.#setConnection('online')
        this.#tell({ type: 'live_opened' })
      },
      frame: (text) => this.#tell({ type: 'live_frame', text }),
      closed: () => {
        this.#setConnection(navigator.onLine ? 'connecting' : 'offline')
        this.#tell({ type: 'live_closed' })
      },
      revoked: () => this.noteRevoked(true),
      stuck: () => this.#tell({ type: 'signed_in' }),
    })
  }

  /** Opens a vault and takes up what was left in it. Rejects when its records cannot be read. */
  static async open(entry: VaultEntry, key: CryptoKey, listener: HostListener): Promise<Host> {
    await loadEngine()
    const vault = await Vault.open(entry.id, key, Date.now())
    try {
      const engine = new ClientEngine(await vault.readAllBut(LETTERS))
      const host = new Host(entry, vault, engine, listener)
      host.#begin()
      return host
    } catch (error) {
      vault.close()
      throw error
    }
  }

  /** Does what a person asked for, once: an action already committed is only confirmed. */
  act(id: string, action: Action): Promise<Reply> {
    return this.#actOnce(id, action)
  }

  #actOnce(id: string, input: Input): Promise<Reply> {
    return this.#inTurn(async () => {
      if (await this.#vault.isDone(id)) return { ok: true }
      return this.#step(input, id)
    })
  }

  /** A page of a thread, newest first, from below the key `before`. */
  async letters(contact: Id, before: string | null, limit: number): Promise<LetterView[]> {
    const page = await this.#vault.readPage(lettersOf(contact), before, limit)
    return page.map(([key, record]) => readLetter(key, record)).filter((letter) => letter !== null)
  }

  /** All that a tab needs to show. */
  async state(): Promise<Open> {
    const snapshot = this.#engine.snapshot()
    return {
      phase: 'open',
      credentialId: this.credentialId,
      ...snapshot,
      contacts: await Promise.all(snapshot.contacts.map((contact) => this.#withLast(contact))),
      ...this.status,
    }
  }

  /** What the host knows beside the engine. */
  get status(): Status {
    return { ...this.#status, touch: this.#touches.current }
  }

  /** The passkey was touched for a request: sends it. */
  touched(id: Id, assertion: string): void {
    const request = this.#touches.take(id)
    if (!request) return
    this.#change({})
    this.#send(request, assertion)
  }

  /** The person gave a request up, or has read why it was refused. */
  untouched(id: Id): void {
    if (this.#touches.drop(id)) this.#tell({ type: 'touch_declined', request: id })
    this.#change({})
  }

  /** The passkey's PRF output is known: its device can come back by it. */
  recoverableBy(prf: ArrayBuffer): void {
    this.#prf = prf
    this.#arrangeRecovery()
  }

  /** Seals the recovery capsule to another key from now on. */
  setRecovery(id: string, from: RecoverySource): Promise<Reply> {
    const secret = recoverySecret(from)
    if (!secret) return Promise.resolve(refuse('wrong_code'))
    return this.#actOnce(id, { type: 'set_recovery', key: recoveryKey(secret), method: from.method })
  }

  /** Brings a device back into this empty vault; `info` is what the server keeps for it. */
  recover(id: string, from: RecoverySource, info: string): Promise<Reply> {
    const secret = recoverySecret(from)
    if (!secret) return Promise.resolve(refuse('wrong_code'))
    return this.#actOnce(id, { type: 'recover', secret, method: from.method, info })
  }

  /** Whether the account's keys have reached the server, so that this vault is worth keeping. */
  get published(): boolean {
    return this.#engine.snapshot().account?.published ?? false
  }

  /** Stops, once the step under way is committed. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#live.close()
    await this.#queue
    this.#engine.free()
    this.#vault.close()
  }

  /** The network came or went. */
  network(online: boolean): void {
    if (!online) {
      this.#setConnection('offline')
      this.#live.drop()
    } else if (this.#status.connection === 'offline') {
      this.#setConnection('connecting')
      this.#live.hurry()
      this.#tell({ type: 'signed_in' })
    }
  }

  #begin(): void {
    this.#resting = false
    this.#tell({ type: 'resume' })
    this.#tell({ type: 'signed_in' })
  }

  /** Steps with something that nobody waits for. */
  #tell(input: Input): void {
    void this.#inTurn(() => this.#step(input, null))
  }

  /** One step at a time, in order. */
  #inTurn(work: () => Promise<Reply>): Promise<Reply> {
    const turn = this.#queue.then(() => (this.#closed ? refuse('not_open') : work()))
    this.#queue = turn.catch(() => {})
    return turn
  }

  async #step(input: Input, action: string | null): Promise<Reply> {
    const now = Date.now()
    let output: Output
    let stored: boolean
    try {
      output = this.#engine.step(now, input)
      stored = output.writes.length > 0 || action !== null
      if (stored) await this.#vault.commit(output.writes, action, now)
    } catch (error) {
      if (error instanceof InvalidInput) return refuse('invalid')
      return refuse(await this.#recover(error))
    }
    if (stored && this.#status.storage !== 'ok') this.#setStorage('ok')
    if (stored && this.#resting) this.#begin()
    if (!this.#resting) this.#wakeAt(output.wake_at)
    for (const request of output.requests) {
      if (request.touch) this.#touches.add(request, digestOf(request))
      else this.#send(request, null)
    }
    if (output.requests.some(({ touch }) => touch)) this.#change({})
    for (const frame of output.frames) this.#live.send(frame)
    await this.#show(output.events)
    return { ok: true }
  }

  #send(request: EngineRequest, touch: string | null): void {
    void send(request, touch).then((answer) => this.#answered(request, answer))
  }

  #answered({ id, half, touch }: EngineRequest, answer: Input): void {
    if (half === 'account' && answer.type === 'no_answer' && this.#status.connection === 'connecting') {
      this.#setConnection('offline')
    }
    if (touch) {
      this.#touches.answered(id, answer)
      this.#change({})
    }
    this.#tell(answer)
  }

  async #show(events: Event[]): Promise<void> {
    if (events.length === 0) return
    for (const event of events) this.#heed(event)
    this.#listener.events(
      await Promise.all(
        events
          .filter(({ type }) => type !== 'letters_wanted')
          .map(async (event) =>
            event.type === 'contact' ? { ...event, contact: await this.#withLast(event.contact) } : event,
          ),
      ),
    )
  }

  #heed(event: Event): void {
    switch (event.type) {
      case 'device_ready':
        this.noteRevoked(false)
        if (this.#status.connection !== 'online') this.#setConnection('connecting')
        this.#live.open()
        break
      case 'caught_up':
        this.#live.settled()
        break
      case 'sign_in_needed':
        this.#live.close()
        this.#setConnection('sign_in')
        break
      case 'device_unknown':
        this.#live.close()
        this.noteRevoked(true)
        break
      case 'keys_altered':
      case 'keys_intact':
        this.#noteKeys(event.type === 'keys_altered')
        break
      case 'account_ready':
      case 'recovered':
        this.#arrangeRecovery()
        break
      case 'letters_wanted':
        void lettersRead(this.#vault, event.job, event.query).then((read) => this.#tell(read))
        break
      case 'history_received':
        this.#change({ historyReceived: { letters: event.letters, done: event.done, device: null } })
        break
      case 'history_sent':
        this.#change({ historySent: { letters: event.letters, done: event.done, device: event.device } })
        break
      case 'account_deleted':
        this.#listener.deleted()
    }
  }

  /** Where the passkey can bring the device back, it shall; what the person chose before stays. */
  #arrangeRecovery(): void {
    if (!this.#prf) return
    const { account, keys } = this.#engine.snapshot()
    if (!account?.published) return
    const secret = keys?.recovery ? null : recoverySecret({ method: 'passkey', prf: this.#prf })
    this.#prf = null
    if (secret) this.#tell({ type: 'set_recovery', key: recoveryKey(secret), method: 'passkey' })
  }

  /** The server does not know this device any more, or knows it after all. */
  noteRevoked(revoked: boolean): void {
    if (revoked) this.#setConnection('device_unknown')
    if (this.#revoked === revoked) return
    this.#revoked = revoked
    changeVault(this.credentialId, { revoked }).catch(() => {})
  }

  /** Checks are days apart, so what one found has to outlast this worker. */
  #noteKeys(altered: boolean): void {
    if (this.#status.keysAltered === altered) return
    this.#change({ keysAltered: altered })
    // It is shown in any case; at worst the next check tells again.
    changeVault(this.credentialId, { keysAltered: altered }).catch(() => {})
  }

  async #withLast(contact: ContactView): Promise<ContactView> {
    if (contact.last) return contact
    return { ...contact, last: (await this.letters(contact.id, null, 1))[0] ?? null }
  }

  /** Nothing may leave that was not stored: goes back to what is, and tries again later. */
  async #recover(error: unknown): Promise<Refusal> {
    const full = error instanceof DOMException && error.name === 'QuotaExceededError'
    clearTimeout(this.#timer)
    this.#live.close()
    if (error instanceof Fenced) {
      this.#closed = true
      return 'not_open'
    }
    this.#setStorage(full ? 'full' : 'failed')
    this.#resting = true
    this.#touches.clear()
    try {
      const engine = new ClientEngine(await this.#vault.readAllBut(LETTERS))
      this.#engine.free()
      this.#engine = engine
      this.#listener.renewed()
      this.#timer = setTimeout(() => {
        this.#setStorage('ok')
        this.#begin()
      }, REST)
    } catch {
      this.#closed = true
    }
    return full ? 'storage_full' : 'storage_failed'
  }

  #wakeAt(at: Millis | null): void {
    clearTimeout(this.#timer)
    if (at === null || this.#closed) return
    const pause = Math.min(Math.max(at - Date.now(), 0), LONGEST)
    this.#timer = setTimeout(() => this.#tell({ type: 'tick' }), pause)
  }

  #setConnection(connection: Connection): void {
    if (this.#status.connection === connection) return
    // A device that was revoked has no session either: signing in would not help.
    const lost = this.#revoked && (connection === 'sign_in' || connection === 'connecting')
    this.#change({ connection: lost ? 'device_unknown' : connection })
  }

  #setStorage(storage: Storage): void {
    this.#change({ storage })
  }

  #change(change: Partial<Status>): void {
    this.#status = { ...this.#status, ...change }
    this.#listener.status(this.status)
  }
}

function refuse(refusal: Refusal): Reply {
  return { ok: false, refusal }
}
