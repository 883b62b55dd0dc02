/** Waiting times between tries: doubled each time, and drawn at random so that clients spread. */
export class Backoff {
  readonly #first: number
  readonly #most: number
  readonly #random: () => number
  #tries = 0

  /** From `first` to at most `most` milliseconds. */
  constructor(first: number, most: number, random: () => number = Math.random) {
    this.#first = first
    this.#most = most
    this.#random = random
  }

  /** How long to wait before the next try: half to all of the doubled time. */
  next(): number {
    const limit = Math.min(this.#most, this.#first * 2 ** this.#tries)
    this.#tries += 1
    return limit * (0.5 + this.#random() / 2)
  }

  /** How many times in a row it was asked. */
  get tries(): number {
    return this.#tries
  }

  /** A try worked: begin anew. */
  reset(): void {
    this.#tries = 0
  }
}
