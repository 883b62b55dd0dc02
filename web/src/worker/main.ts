/**
 * A tab's worker. It waits for the Web Lock; the worker that holds it runs the engine and answers
 * all tabs over the channel, until its tab closes and another takes over.
 */
import { randomId } from '../base64url.ts'
import { changeVault, currentVault, findVault, removeVault, type VaultEntry } from '../vault/registry.ts'
import { deleteVault } from '../vault/vault.ts'
import { openWrapping } from '../vault/wrapping.ts'
import { newRecoveryCode } from './engine-module.ts'
import { Host } from './host.ts'
import { type Ask, CHANNEL, type Message, type Reply, type State } from './messages.ts'

const channel = new BroadcastChannel(CHANNEL)
/** The key of the vault that the leader has open, in case this worker has to take over. */
let known: { credentialId: string; key: CryptoKey } | null = null

channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
  if (data.to === 'workers') known = data.key ? { credentialId: data.credentialId, key: data.key } : null
})

// A tab asks for the state by itself; this worker, which may be ready later, needs the key.
post({ to: 'engine', type: 'join' })
void navigator.locks.request(CHANNEL, () => new Leader().lead())

class Leader {
  readonly #id = randomId()
  #host: Host | null = null
  #state: State = { phase: 'empty' }
  /** Opening and closing, one after the other. */
  #turn: Promise<unknown> = Promise.resolve()

  /** Leads until the worker ends: the promise never settles, and so the lock is kept. */
  async lead(): Promise<never> {
    this.#turn = this.#openCurrent()
    await this.#turn
    channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
      if (data.to === 'engine') void this.#hear(data)
    })
    void this.#announce()
    return new Promise(() => {})
  }

  async #hear(message: Message & { to: 'engine' }): Promise<void> {
    if (message.type === 'join') {
      await this.#announce()
    } else if (message.type === 'network') {
      this.#host?.network(message.online)
    } else {
      const reply = await this.#answer(message.id, message.ask).catch(
        (): Reply => ({ ok: false, refusal: 'storage_failed' }),
      )
      post({ to: 'tabs', type: 'reply', id: message.id, reply })
    }
  }

  async #answer(id: string, ask: Ask): Promise<Reply> {
    const opening = this.#opening(ask)
    if (opening) {
      const turn = this.#turn.then(opening)
      this.#turn = turn.catch(() => {})
      return turn
    }
    await this.#turn
    return this.#host ? this.#askHost(this.#host, id, ask) : { ok: false, refusal: 'not_open' }
  }

  /** What opens, closes or moves a vault, which happens one after the other. */
  #opening(ask: Ask): (() => Promise<Reply>) | null {
    switch (ask.ask) {
      case 'open':
        return () => this.#open(ask.credentialId, ask.key, ask.prf)
      case 'close':
        return () => this.#close()
      case 'discard':
        return () => this.#discard(ask.credentialId)
      case 'wipe':
        return () => this.#wipe(ask.credentialId)
      case 'adopt':
        return () => this.#adopt(ask.credentialId, ask.prf)
      default:
        return null
    }
  }

  async #askHost(host: Host, id: string, ask: Ask): Promise<Reply> {
    switch (ask.ask) {
      case 'act':
        return host.act(id, ask.action)
      case 'letters':
        return { ok: true, letters: await host.letters(ask.contact, ask.before, ask.limit) }
      case 'touched':
        host.touched(ask.request, ask.assertion)
        return { ok: true }
      case 'untouched':
        host.untouched(ask.request)
        return { ok: true }
      case 'new_code':
        return { ok: true, code: newRecoveryCode() }
      case 'set_recovery':
        return host.setRecovery(id, ask.from)
      case 'recover':
        return host.recover(id, ask.from, ask.info)
      default:
        return { ok: false, refusal: 'invalid' }
    }
  }

  async #openCurrent(): Promise<void> {
    try {
      const entry = await currentVault()
      if (!entry) return
      if (known?.credentialId === entry.credentialId) await this.#run(entry, known.key)
      else if (entry.wrapping.needs === 'device')
        await this.#run(entry, await openWrapping(entry.wrapping, null))
      else this.#state = { phase: 'locked', credentialId: entry.credentialId }
    } catch {
      this.#state = { phase: 'broken', credentialId: '' }
    }
  }

  async #open(credentialId: string, key: CryptoKey | null, prf: ArrayBuffer | null): Promise<Reply> {
    const entry = await findVault(credentialId)
    if (!entry) return { ok: false, refusal: 'not_open' }
    if (this.#host?.credentialId === credentialId) {
      if (entry.revoked) this.#host.noteRevoked(true)
    } else {
      await this.#host?.close()
      this.#host = null
      await this.#run(entry, key ?? (await openWrapping(entry.wrapping, null)))
    }
    await this.#announce()
    const host = this.#host as Host | null
    if (!host) return { ok: false, refusal: 'storage_failed' }
    if (prf) host.recoverableBy(prf)
    return { ok: true }
  }

  /** The open vault has another entry in the registry now. */
  async #adopt(credentialId: string, prf: ArrayBuffer | null): Promise<Reply> {
    if (!this.#host || !known) return { ok: false, refusal: 'not_open' }
    this.#host.credentialId = credentialId
    known = { ...known, credentialId }
    if (prf) this.#host.recoverableBy(prf)
    await this.#announce()
    return { ok: true }
  }

  async #run(entry: VaultEntry, key: CryptoKey): Promise<void> {
    try {
      this.#host = await Host.open(entry, key, {
        events: (events) => post({ to: 'tabs', type: 'events', events }),
        status: (status) => post({ to: 'tabs', type: 'status', status }),
        renewed: () => void this.#announce(),
        deleted: () => {
          this.#turn = this.#turn.then(() => this.#wipe(this.#host?.credentialId ?? '')).catch(() => {})
        },
      })
    } catch {
      this.#state = { phase: 'broken', credentialId: entry.credentialId }
      return
    }
    known = { credentialId: entry.credentialId, key }
    await changeVault(entry.credentialId, { signedOut: false, usedAt: Date.now() })
  }

  async #close(): Promise<Reply> {
    if (this.#host) await changeVault(this.#host.credentialId, { signedOut: true })
    await this.#host?.close()
    this.#host = null
    known = null
    this.#state = { phase: 'empty' }
    await this.#announce()
    return { ok: true }
  }

  async #discard(credentialId: string): Promise<Reply> {
    if (this.#host?.credentialId === credentialId && this.#host.published) {
      return { ok: false, refusal: 'invalid' }
    }
    return this.#wipe(credentialId)
  }

  async #wipe(credentialId: string): Promise<Reply> {
    const entry = await findVault(credentialId)
    if (!entry) return { ok: true }
    if (this.#host?.credentialId === credentialId) await this.#close()
    // In this order, so that what a crash leaves can still be found.
    await deleteVault(entry.id)
    await removeVault(credentialId)
    return { ok: true }
  }

  async #announce(): Promise<void> {
    const state = this.#host ? await this.#host.state() : this.#state
    post({ to: 'tabs', type: 'state', leader: this.#id, state })
    post({
      to: 'workers',
      type: 'key',
      credentialId: known?.credentialId ?? '',
      key: this.#host ? (known?.key ?? null) : null,
    })
  }
}

function post(message: Message): void {
  channel.postMessage(message)
}
