/**
 * Runs the engine over one open vault. Each step is committed in one durable transaction before
 * anything leaves; when a commit fails the engine is dropped and opened anew from what is stored.
 */
import type { ContactView, Event, Id, Input, LetterView, Millis, Output } from '../engine.ts'
import { send } from '../net/engine-request.ts'
import { Live } from '../net/live.ts'
import { changeVault, type VaultEntry } from '../vault/registry.ts'
import { Fenced, Vault } from '../vault/vault.ts'
import { ClientEngine, InvalidInput, LETTERS, lettersOf, loadEngine, readLetter } from './engine-module.ts'
import type { Action, Connection, Refusal, Reply, State, Storage } from './messages.ts'

/** What the host tells the tabs. */
export interface HostListener {
  events(events: Event[]): void
  status(connection: Connection, storage: Storage): void
  /** Everything is to be shown anew. */
  renewed(): void
}

/** How long the engine rests after a commit failed, in milliseconds. */
const REST = 30_000
/** The longest time that `setTimeout` takes. */
const LONGEST = 2 ** 31 - 1

/** The engine, its vault and its network, for as long as this worker leads. */
export class Host {
  readonly credentialId: string
  readonly #vault: Vault
  readonly #listener: HostListener
  readonly #live: Live
  #engine: ClientEngine
  #queue: Promise<unknown> = Promise.resolve()
  #timer: ReturnType<typeof setTimeout> | undefined
  #connection: Connection = navigator.onLine ? 'connecting' : 'offline'
  #storage: Storage = 'ok'
  #keysAltered: boolean
  #closed = false
  /** A commit failed. The engine, opened anew, goes on after a rest, or once something is stored. */
  #resting = false

  private constructor(entry: VaultEntry, vault: Vault, engine: ClientEngine, listener: HostListener) {
    this.credentialId = entry.credentialId
    this.#keysAltered = entry.keysAltered ?? false
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
    return this.#inTurn(async () => {
      if (await this.#vault.isDone(id)) return { ok: true }
      return this.#step(action, id)
    })
  }

  /** A page of a thread, newest first, from below the key `before`. */
  async letters(contact: Id, before: string | null, limit: number): Promise<LetterView[]> {
    const page = await this.#vault.readPage(lettersOf(contact), before, limit)
    return page.map(([key, record]) => readLetter(key, record)).filter((letter) => letter !== null)
  }

  /** All that a tab needs to show. */
  async state(): Promise<State> {
    const { account, contacts } = this.#engine.snapshot()
    return {
      phase: 'open',
      credentialId: this.credentialId,
      account,
      contacts: await Promise.all(contacts.map((contact) => this.#withLast(contact))),
      connection: this.#connection,
      storage: this.#storage,
      keysAltered: this.#keysAltered,
    }
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
    } else if (this.#connection === 'offline') {
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
    if (stored && this.#storage !== 'ok') this.#setStorage('ok')
    if (stored && this.#resting) this.#begin()
    if (!this.#resting) this.#wakeAt(output.wake_at)
    for (const request of output.requests)
      void send(request).then((answer) => this.#answered(request.half, answer))
    for (const frame of output.frames) this.#live.send(frame)
    await this.#show(output.events)
    return { ok: true }
  }

  #answered(half: 'account' | 'sealed', answer: Input): void {
    if (half === 'account' && answer.type === 'no_answer' && this.#connection === 'connecting') {
      this.#setConnection('offline')
    }
    this.#tell(answer)
  }

  async #show(events: Event[]): Promise<void> {
    if (events.length === 0) return
    for (const event of events) this.#heed(event)
    this.#listener.events(
      await Promise.all(
        events.map(async (event) =>
          event.type === 'contact' ? { ...event, contact: await this.#withLast(event.contact) } : event,
        ),
      ),
    )
  }

  #heed(event: Event): void {
    if (event.type === 'device_ready') {
      if (this.#connection !== 'online') this.#setConnection('connecting')
      this.#live.open()
    } else if (event.type === 'caught_up') {
      this.#live.settled()
    } else if (event.type === 'sign_in_needed' || event.type === 'device_unknown') {
      this.#live.close()
      this.#setConnection(event.type === 'sign_in_needed' ? 'sign_in' : 'device_unknown')
    } else if (event.type === 'keys_altered' || event.type === 'keys_intact') {
      this.#noteKeys(event.type === 'keys_altered')
    }
  }

  /** Checks are days apart, so what one found has to outlast this worker. */
  #noteKeys(altered: boolean): void {
    if (this.#keysAltered === altered) return
    this.#keysAltered = altered
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
    if (this.#connection === connection) return
    this.#connection = connection
    this.#listener.status(connection, this.#storage)
  }

  #setStorage(storage: Storage): void {
    this.#storage = storage
    this.#listener.status(this.#connection, storage)
  }
}

function refuse(refusal: Refusal): Reply {
  return { ok: false, refusal }
}
