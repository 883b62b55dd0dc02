/**
 * A tab's worker. It waits for the Web Lock; the worker that holds it runs the engine and answers
 * all tabs over the channel, until its tab closes and another takes over.
 */
import { randomId } from '../base64url.ts'
import { changeVault, currentVault, findVault, removeVault, type VaultEntry } from '../vault/registry.ts'
import { deleteVault } from '../vault/vault.ts'
import { openWrapping } from '../vault/wrapping.ts'
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
    if (ask.ask === 'open' || ask.ask === 'close' || ask.ask === 'discard') {
      const turn = this.#turn.then(() => {
        if (ask.ask === 'close') return this.#close()
        return ask.ask === 'open' ? this.#open(ask.credentialId, ask.key) : this.#discard(ask.credentialId)
      })
      this.#turn = turn.catch(() => {})
      return turn
    }
    await this.#turn
    if (!this.#host) return { ok: false, refusal: 'not_open' }
    if (ask.ask === 'act') return this.#host.act(id, ask.action)
    return { ok: true, letters: await this.#host.letters(ask.contact, ask.before, ask.limit) }
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

  async #open(credentialId: string, key: CryptoKey | null): Promise<Reply> {
    if (this.#host?.credentialId === credentialId) {
      await this.#announce()
      return { ok: true }
    }
    const entry = await findVault(credentialId)
    if (!entry) return { ok: false, refusal: 'not_open' }
    await this.#host?.close()
    this.#host = null
    await this.#run(entry, key ?? (await openWrapping(entry.wrapping, null)))
    await this.#announce()
    return this.#host ? { ok: true } : { ok: false, refusal: 'storage_failed' }
  }

  async #run(entry: VaultEntry, key: CryptoKey): Promise<void> {
    try {
      this.#host = await Host.open(entry, key, {
        events: (events) => post({ to: 'tabs', type: 'events', events }),
        status: (connection, storage) => post({ to: 'tabs', type: 'status', connection, storage }),
        renewed: () => void this.#announce(),
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
    const entry = await findVault(credentialId)
    if (!entry) return { ok: true }
    if (this.#host?.credentialId === credentialId) {
      if (this.#host.published) return { ok: false, refusal: 'invalid' }
      await this.#close()
    }
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
