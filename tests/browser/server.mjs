// Starts the real server binary on a free port, on a database of its own, and stops it again.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PATIENCE } from './patience.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const binary = process.env.LETTERBOX_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug', 'letterbox')

export async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

export class Server {
  #child
  #codes = []
  #waiting = []

  constructor(port, database, settings) {
    this.port = port
    this.database = database
    this.settings = settings
    this.origin = `http://localhost:${port}`
  }

  /** `database` is a URL; without one the server gets a temporary SQLite file. `settings` are flags. */
  static async start(database, settings = []) {
    const folder = mkdtempSync(join(tmpdir(), 'letterbox-browser-'))
    const server = new Server(await freePort(), database ?? `sqlite:${join(folder, 'letterbox.db')}`, settings)
    server.folder = folder
    await server.up()
    return server
  }

  /** Starts the process, on the same port and database as before. */
  async up() {
    const args = ['serve', '--listen', `127.0.0.1:${this.port}`, '--public-url', this.origin, '--database', this.database, ...this.settings]
    this.#child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr.on('data', (text) => (this.stderr = ((this.stderr ?? '') + text).slice(-8000)))
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#line(line))
    const deadline = Date.now() + PATIENCE
    while (!(await this.#ready())) {
      if (this.#child.exitCode !== null) throw new Error(`the server ended at once: ${this.stderr}`)
      if (Date.now() > deadline) throw new Error(`the server does not get ready: ${this.stderr}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  async #ready() {
    try {
      return (await fetch(`${this.origin}/health/ready`)).ok
    } catch {
      return false
    }
  }

  #line(line) {
    const code = line.match(/\b(\d{6})\b/)?.[1]
    if (!code) return
    const waiter = this.#waiting.shift()
    if (waiter) waiter(code)
    else this.#codes.push(code)
  }

  /** The next code that the server printed in place of a text message. */
  code() {
    if (this.#codes.length) return Promise.resolve(this.#codes.shift())
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no code was printed')), PATIENCE)
      this.#waiting.push((code) => (clearTimeout(timer), resolve(code)))
    })
  }

  /** Puts all waiting periods back by so many days, as if they had passed. */
  passWaitingPeriods(days) {
    const columns = ['begun_at', 'ends_at', 'cancelled_at']
    const [program, url, back] = this.database.startsWith('sqlite:')
      ? ['sqlite3', this.database.slice('sqlite:'.length), `- ${days * 86_400}`]
      : ['psql', this.database, `- interval '${days} days'`]
    const changes = columns.map((column) => `${column} = ${column} ${back}`).join(', ')
    const statement = `update registration_waits set ${changes}`
    const given = program === 'psql' ? ['-q', '-c', statement, url] : ['-cmd', '.timeout 5000', url, statement]
    execFileSync(program, given)
  }

  /** Stops the process; `up()` brings it back. */
  async down(signal = 'SIGTERM') {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(signal)
    await ended
  }

  /** The database holds what the privacy manifest says, and nothing else: throws with the report. */
  audit() {
    const { status, stdout, stderr } = spawnSync(binary, ['audit', '--database', this.database], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the audit ended with ${status}:\n${stdout}${stderr}`)
  }

  /** Stops the process for good, and audits what it leaves. */
  async stop() {
    await this.down()
    try {
      this.audit()
    } finally {
      rmSync(this.folder, { recursive: true, force: true })
    }
  }
}
