// A temporary PostgreSQL cluster from the installed binaries, on a socket in a folder of its own.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync, existsSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { PATIENCE } from './patience.mjs'
import { freePort } from './server.mjs'

function binary(name) {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : []
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0]
  return newest ? `/usr/lib/postgresql/${newest}/bin/${name}` : name
}

// PostgreSQL refuses to run as root.
const asRoot = process.getuid() === 0
const become = asRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : []

function argv(name, args) {
  const all = [...become, binary(name), ...args]
  return [all[0], all.slice(1)]
}

export class Postgres {
  static async start() {
    const cluster = new Postgres()
    cluster.folder = mkdtempSync('/tmp/letterbox-pg-')
    chmodSync(cluster.folder, 0o755)
    if (asRoot) execFileSync('chown', ['postgres', cluster.folder])
    cluster.port = await freePort()
    const data = join(cluster.folder, 'data')
    execFileSync(...argv('initdb', ['-D', data, '-A', 'trust', '-U', 'postgres', '--no-sync', '-E', 'UTF8']), { stdio: 'ignore', cwd: '/' })
    const options = ['-D', data, '-p', String(cluster.port), '-k', cluster.folder, '-c', 'listen_addresses=127.0.0.1']
    cluster.child = spawn(...argv('postgres', options), { stdio: 'ignore', cwd: '/' })
    const deadline = Date.now() + PATIENCE
    for (;;) {
      try {
        cluster.sql('postgres', 'select 1')
        return cluster
      } catch (error) {
        if (Date.now() > deadline) throw error
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }

  sql(database, statement) {
    const args = ['-h', '127.0.0.1', '-p', String(this.port), '-U', 'postgres', '-At', '-c', statement, database]
    return execFileSync('psql', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  }

  /** A new, empty database; its URL. */
  database(name) {
    this.sql('postgres', `create database ${name}`)
    return `postgres://postgres@127.0.0.1:${this.port}/${name}`
  }

  async stop() {
    const ended = once(this.child, 'exit')
    this.child.kill('SIGINT')
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}
