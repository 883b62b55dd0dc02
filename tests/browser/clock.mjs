// The clock of several browsers' workers, which a test puts forward: what would have come due by then
// comes due at once. The server's clock stays as it is, so an hour or so is as far as this goes.
const SECOND = 1_000
const TRIES = 60

/** What workers run before their own script. */
const script = (ahead) => `
  const { now } = Date
  const { setTimeout: start, clearTimeout: stop } = self
  const waiting = new Map()
  let ahead = ${ahead}
  Date.now = () => now() + ahead
  self.setTimeout = (run, delay = 0, ...given) => {
    const id = start(() => (waiting.delete(id), run(...given)), delay)
    waiting.set(id, { due: Date.now() + delay, run: () => run(...given) })
    return id
  }
  self.clearTimeout = (id) => (waiting.delete(id), stop(id))
  new BroadcastChannel('clock').onmessage = ({ data }) => {
    ahead = data
    for (const [id, { due, run }] of [...waiting]) {
      if (due > Date.now() || !waiting.has(id)) continue
      self.clearTimeout(id)
      run()
    }
  }
`

export class Clock {
  #ahead = 0
  #browsers = new Set()

  /** Loads the page anew, which goes by this clock from then on. */
  async give(person) {
    this.#browsers.add(person)
    await person.inWorkers(script(this.#ahead))
    await person.page.reload()
  }

  /** This browser is closed, or shall not notice any more. */
  forget(person) {
    this.#browsers.delete(person)
  }

  /** Time passes, and what came due is done. */
  async pass(seconds) {
    this.#ahead += seconds * SECOND
    for (const person of this.#browsers) {
      await person.inWorkers(script(this.#ahead))
      await person.page.evaluate((ahead) => new BroadcastChannel('clock').postMessage(ahead), this.#ahead)
    }
    await Promise.all([...this.#browsers].map(({ network }) => network.quiet()))
  }

  /** Lets time pass until something is there that waits in somebody's delayed pool. */
  async until(locator, state = 'visible') {
    for (let tried = 1; ; tried += 1) {
      try {
        return await locator.waitFor({ state, timeout: SECOND })
      } catch (error) {
        if (tried === TRIES) throw error
      }
      await this.pass(20)
    }
  }
}
