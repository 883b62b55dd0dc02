/** What a tab knows of the mailbox, and the calls that change it. Screens read it and subscribe. */
import type { ContactView, Event, FindOutcome, Id, LetterView } from '../engine.ts'
import { getServer } from '../net/account.ts'
import type { OpenedVault } from '../passkey/vault-opening.ts'
import type { Action, Open, RecoverySource, Refusal, Reply, State, Status } from '../worker/messages.ts'
import { Link } from './link.ts'

/** How long the answer to a look-up is waited for, in milliseconds. */
const FIND_PATIENCE = 45_000

/** One tab's view of the mailbox. */
export class Mailbox {
  /** `null` until a worker has answered. */
  state: State | null = null
  /** The server serves another page than this one. */
  outdated = false
  /** Something that is told once: the account was deleted, its identity was replaced, … */
  news: News | null = null
  /** Sign-ups given up in this tab: the phone number, and the passkey of the vault they left. */
  readonly #abandoned: { phone: string; credentialId: string }[] = []
  readonly #link: Link
  readonly #watchers = new Set<() => void>()
  readonly #declined = new Set<() => void>()
  readonly #hearers = new Set<(events: Event[]) => void>()

  constructor() {
    this.#link = new Link({
      state: (state) => this.#take(state),
      events: (events) => this.#hear(events),
      status: (status) => this.#status(status),
    })
    void this.checkPage()
  }

  /** Calls `watcher` whenever something changed. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Calls `hearer` with the engine's events. */
  hear(hearer: (events: Event[]) => void): () => void {
    this.#hearers.add(hearer)
    return () => this.#hearers.delete(hearer)
  }

  /** The open mailbox, or `null`. */
  get open(): Open | null {
    return this.state?.phase === 'open' ? this.state : null
  }

  contact(id: Id): ContactView | undefined {
    return this.open?.contacts.find((contact) => contact.id === id)
  }

  /** Letters not seen, over all conversations. */
  get unread(): number {
    const contacts = this.open?.contacts ?? []
    return contacts.reduce((sum, { standing, unread }) => sum + (standing === 'blocked' ? 0 : unread), 0)
  }

  act(action: Action): Promise<Reply> {
    return this.#link.act(action)
  }

  /** Opens a vault in whichever worker leads. */
  openVault({ credentialId, key, prf }: Pick<OpenedVault, 'credentialId' | 'key' | 'prf'>): Promise<Reply> {
    return this.#link.ask({ ask: 'open', credentialId, key, prf })
  }

  /** The open vault has got its passkey. */
  adoptVault({ credentialId, prf }: Pick<OpenedVault, 'credentialId' | 'prf'>): Promise<Reply> {
    return this.#link.ask({ ask: 'adopt', credentialId, prf })
  }

  /** Deletes the open vault with all its letters, if need be also one that was published. */
  async wipeVault(): Promise<void> {
    const { open } = this
    if (open) await this.#link.ask({ ask: 'wipe', credentialId: open.credentialId })
  }

  /** The passkey was touched for a request. */
  touched(request: Id, assertion: string): Promise<Reply> {
    return this.#link.ask({ ask: 'touched', request, assertion })
  }

  /** No touch for a request, or its refusal was read. */
  async untouched(request: Id): Promise<void> {
    await this.#link.ask({ ask: 'untouched', request })
    for (const watcher of [...this.#declined]) watcher()
  }

  /** A fresh recovery code; it counts once `setRecovery` was called with it. */
  async newCode(): Promise<string | null> {
    const reply = await this.#link.ask({ ask: 'new_code' })
    return reply.ok ? (reply.code ?? null) : null
  }

  /** What brings this device back from now on. */
  setRecovery(from: RecoverySource): Promise<Reply> {
    return this.#link.ask({ ask: 'set_recovery', from })
  }

  /** Brings a lost device back into the open, empty vault. */
  async recover(from: RecoverySource, info: string): Promise<Recovery> {
    let end = () => {}
    const outcome = new Promise<Recovery>((resolve) => {
      const stop = this.hear((events) => {
        for (const { type } of events) {
          if (type === 'recovered') resolve('recovered')
          if (type === 'recovery_refused' || type === 'account_refused') resolve('refused')
        }
      })
      const declined = () => resolve('declined')
      this.#declined.add(declined)
      end = () => {
        stop()
        this.#declined.delete(declined)
      }
    })
    const reply = await this.#link.ask({ ask: 'recover', from, info })
    const recovery = reply.ok ? await outcome : reply.refusal
    end()
    return recovery
  }

  /**
   * Gives a sign-up up. Its vault is deleted at once where no keys were ever made in it. Else the
   * server may have them, its answer lost, and the vault is kept until that number is published
   * from another one.
   */
  async abandonSignUp(): Promise<void> {
    const { open } = this
    if (!open) return
    const { account, credentialId } = open
    await this.closeVault()
    if (account) this.#abandoned.push({ phone: account.phone, credentialId })
    else await this.#link.ask({ ask: 'discard', credentialId })
  }

  /** Deletes the open vault, unless its keys were published. */
  async discardVault(): Promise<void> {
    const { open } = this
    if (open) await this.#link.ask({ ask: 'discard', credentialId: open.credentialId })
  }

  /** Closes the vault in all tabs. */
  closeVault(): Promise<Reply> {
    return this.#link.ask({ ask: 'close' })
  }

  /** A page of a thread, newest first. */
  async letters(contact: Id, before: string | null, limit: number): Promise<LetterView[]> {
    const reply = await this.#link.ask({ ask: 'letters', contact, before, limit })
    return reply.ok ? (reply.letters ?? []) : []
  }

  /** Makes and publishes the keys; `null` when they are, else the problem's `type`. */
  async createAccount(phone: string, deviceName: string): Promise<string | null> {
    const outcome = new Promise<string | null>((resolve) => {
      const ends = [
        this.hear((events) => {
          for (const event of events) if (event.type === 'account_refused') settle(event.problem)
        }),
        this.watch(() => {
          if (this.open?.account?.published) settle(null)
        }),
      ]
      const settle = (problem: string | null) => {
        for (const end of ends) end()
        resolve(problem)
      }
    })
    const reply = await this.act({ type: 'create_account', phone, device_name: deviceName })
    const problem = reply.ok ? await outcome : reply.refusal
    if (problem === null) this.#discardAbandoned(phone)
    return problem
  }

  #discardAbandoned(phone: string): void {
    const useless = this.#abandoned.filter((vault) => vault.phone === phone)
    for (const { credentialId } of useless) void this.#link.ask({ ask: 'discard', credentialId })
  }

  /** Looks a number up. Where that has to wait for tokens, `waits` is called, and however long it takes is waited for. */
  async find(phone: string, waits: () => void, signal: AbortSignal): Promise<FindOutcome> {
    let stop = () => {}
    let timer: ReturnType<typeof setTimeout> | undefined
    const outcome = new Promise<FindOutcome>((resolve) => {
      const giveUp = () => resolve({ outcome: 'unreachable' })
      timer = setTimeout(giveUp, FIND_PATIENCE)
      signal.addEventListener('abort', giveUp)
      stop = this.hear((events) => {
        for (const event of events) {
          if (event.type === 'found' && event.phone === phone) resolve(event.outcome)
          if (event.type === 'find_waits' && event.phone === phone) {
            clearTimeout(timer)
            waits()
          }
        }
      })
    })
    const reply = await this.act({ type: 'find_contact', phone })
    const found = reply.ok ? await outcome : ({ outcome: 'refused' } as const)
    clearTimeout(timer)
    stop()
    return found
  }

  /** Whether the server still serves this page. */
  async checkPage(): Promise<void> {
    const own = document.querySelector<HTMLMetaElement>('meta[name="letterbox-page"]')?.content ?? ''
    const served = await getServer().then(
      ({ page }) => page,
      () => '',
    )
    // Without a build there is nothing to compare.
    this.outdated = /^[\w-]{43}$/.test(own) && served !== '' && served !== own
    this.#changed()
  }

  #take(state: State): void {
    const before = this.open
    this.state = state.phase === 'open' ? { ...state, contacts: sorted(state.contacts) } : state
    if (before?.connection !== 'online' && this.open?.connection === 'online') void this.checkPage()
    this.#changed()
  }

  /** Takes the news away once they were read. */
  readNews(): void {
    this.news = null
    this.#changed()
  }

  #status(status: Status): void {
    const { open } = this
    if (open) this.#take({ ...open, ...status })
  }

  #hear(events: Event[]): void {
    if (this.open) this.state = events.reduce(applied, this.open)
    this.news = events.reduce(newsAfter, this.news)
    for (const hearer of [...this.#hearers]) hearer(events)
    this.#changed()
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }
}

/** What came of trying to bring a device back. */
export type Recovery = 'recovered' | 'refused' | 'declined' | Refusal

/** Something that is told once. */
export type News =
  | { type: 'account_deleted' | 'identity_replaced' | 'recovered' }
  | { type: 'list_disputed'; contact: Id }
  | { type: 'token_keys_disputed'; contact: Id | null }

function newsAfter(news: News | null, event: Event): News | null {
  switch (event.type) {
    case 'account_deleted':
    case 'identity_replaced':
    case 'recovered':
      return { type: event.type }
    case 'list_disputed':
      return { type: event.type, contact: event.contact }
    case 'token_keys_disputed':
      return { type: event.type, contact: event.contact }
    default:
      return news
  }
}

/** The state after an event. */
export function applied(state: Open, event: Event): Open {
  switch (event.type) {
    case 'recovered':
      return { ...state, account: event.account, outdated: false }
    case 'devices':
      return { ...state, devices: event.devices }
    case 'keys':
      return { ...state, keys: event.keys }
    case 'link':
      return { ...state, link: event.link }
    case 'reset':
      return { ...state, reset_ends_at: event.ends_at }
    case 'keys_altered':
    case 'keys_intact':
      return { ...state, keysAltered: event.type === 'keys_altered' }
    case 'vault_outdated':
      return { ...state, outdated: true }
    case 'account_ready':
      return { ...state, account: event.account }
    case 'contact': {
      const others = state.contacts.filter(({ id }) => id !== event.contact.id)
      return { ...state, contacts: sorted([...others, event.contact]) }
    }
    case 'contact_removed':
      return { ...state, contacts: state.contacts.filter(({ id }) => id !== event.contact) }
    default:
      return state
  }
}

function sorted(contacts: ContactView[]): ContactView[] {
  return [...contacts].sort((a, b) => (b.last?.at ?? 0) - (a.last?.at ?? 0) || (a.id < b.id ? -1 : 1))
}
