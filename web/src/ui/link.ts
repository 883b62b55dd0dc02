/** A tab's side of the channel: asks the engine, wherever it runs, and hears what happens. */
import { randomId } from '../base64url.ts'
import type { Event } from '../engine.ts'
import {
  type Action,
  type Ask,
  CHANNEL,
  type Message,
  type Reply,
  type State,
  type Status,
} from '../worker/messages.ts'

/** What a tab hears. */
export interface LinkListener {
  state(state: State): void
  events(events: Event[]): void
  status(status: Status): void
}

interface Pending {
  message: Message
  resolve: (reply: Reply) => void
}

/** Asks that whoever leads must answer; a new leader is asked what the last one left open. */
export class Link {
  readonly #channel = new BroadcastChannel(CHANNEL)
  readonly #pending = new Map<string, Pending>()
  #leader: string | null = null

  constructor(listener: LinkListener) {
    this.#channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
      if (data.to !== 'tabs') return
      if (data.type === 'state') {
        this.#follow(data.leader)
        listener.state(data.state)
      } else if (data.type === 'events') listener.events(data.events)
      else if (data.type === 'status') listener.status(data.status)
      else this.#settle(data.id, data.reply)
    })
    this.#channel.postMessage({ to: 'engine', type: 'join' } satisfies Message)
    for (const name of ['online', 'offline'] as const) {
      addEventListener(name, () => this.#network(name === 'online'))
    }
  }

  /** Asks; the promise settles once the answer is there, whoever gives it. */
  ask(ask: Ask): Promise<Reply> {
    const id = randomId()
    const message: Message = { to: 'engine', type: 'ask', id, ask }
    return new Promise((resolve) => {
      this.#pending.set(id, { message, resolve })
      this.#channel.postMessage(message)
    })
  }

  /** Has the engine do something. */
  act(action: Action): Promise<Reply> {
    return this.ask({ ask: 'act', action })
  }

  #network(online: boolean): void {
    this.#channel.postMessage({ to: 'engine', type: 'network', online } satisfies Message)
  }

  #follow(leader: string): void {
    if (leader === this.#leader) return
    this.#leader = leader
    for (const { message } of this.#pending.values()) this.#channel.postMessage(message)
  }

  #settle(id: string, reply: Reply): void {
    this.#pending.get(id)?.resolve(reply)
    this.#pending.delete(id)
  }
}
