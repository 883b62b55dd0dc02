/** The live socket: opened when the engine says so, and again, with growing pauses, when it closes. */
import { Backoff } from './backoff.ts'

/** What the socket tells. */
export interface LiveEvents {
  opened(): void
  frame(text: string): void
  closed(): void
  /** The server ended it for good: this device was revoked. */
  revoked(): void
  /** It did not open twice in a row: the session may have to be proved again. */
  stuck(): void
}

/** The server's close code for a device that was revoked. */
const REVOKED = 4403

/** One connection at a time to `GET /v1/inbox/live`. */
export class Live {
  readonly #events: LiveEvents
  readonly #backoff = new Backoff(1_000, 60_000)
  #socket: WebSocket | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #wanted = false
  /** Takes note that the present connection is over, once. */
  #end: () => void = () => {}

  constructor(events: LiveEvents) {
    this.#events = events
  }

  /** Connects, unless it is connected or about to be. */
  open(): void {
    this.#wanted = true
    if (!this.#socket) this.#connect()
  }

  /** Closes, and stays closed. */
  close(): void {
    this.#wanted = false
    clearTimeout(this.#timer)
    this.#socket?.close()
    this.#end()
  }

  /** The network is back: do not wait for the pause to end. */
  hurry(): void {
    if (this.#wanted && !this.#socket) this.#connect()
  }

  /** The network is gone: gives the connection up, and waits for `hurry`. */
  drop(): void {
    this.#socket?.close()
    this.#end()
    clearTimeout(this.#timer)
  }

  /** Sends a frame; without a connection it is dropped, and the server will offer again. */
  send(frame: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(frame)
  }

  /** Everything pending came through: the connection is good. */
  settled(): void {
    this.#backoff.reset()
  }

  #connect(): void {
    clearTimeout(this.#timer)
    const socket = new WebSocket('/v1/inbox/live')
    this.#socket = socket
    let wasOpen = false
    let over = false
    const end = () => {
      if (over) return
      over = true
      this.#socket = null
      if (wasOpen) this.#events.closed()
      if (this.#wanted) this.#again(wasOpen)
    }
    this.#end = end
    socket.addEventListener('open', () => {
      if (over) return
      wasOpen = true
      this.#events.opened()
    })
    socket.addEventListener('message', ({ data }) => {
      if (typeof data === 'string' && !over) this.#events.frame(data)
    })
    socket.addEventListener('close', ({ code }) => {
      if (code === REVOKED) this.#wanted = false
      end()
      if (code === REVOKED) this.#events.revoked()
    })
    socket.addEventListener('error', end)
  }

  #again(wasOpen: boolean): void {
    const pause = this.#backoff.next()
    if (!wasOpen && this.#backoff.tries > 1) this.#events.stuck()
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.hurry(), pause)
  }
}
