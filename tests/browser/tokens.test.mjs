// Blind tokens: what happens while there are none, and that nothing else ever goes in their place.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PATIENCE } from './patience.mjs'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345651'
const BERT = '+4915112345652'
const MINUTE = 60_000
// What a device waits at most between two tries, while its server is in trouble.
const LONGEST_PAUSE = 8 * MINUTE

const ISSUER = new Set(['/v1/tokens', '/.well-known/private-token-issuer-directory'])

// All that HTTP has for refusing, redirecting or half answering; 407 would be the proxy's own word.
const STATUSES = [
  200, 203, 204, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 417,
  421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 507, 508, 511,
]

/** What a server might say to be told more. */
const LURES = {
  'Content-Type': 'application/problem+json',
  'Set-Cookie': 'mark=anna; Path=/; Max-Age=3600',
  'WWW-Authenticate': 'Basic realm="letterbox", PrivateToken challenge="AAAA", token-key="AAAA"',
  Location: '/v1/devices',
  // As the server itself does with a sealed request.
  Connection: 'close',
}

describe('tokens', () => {
  let server
  let anna
  let bert
  before(async () => {
    server = await Server.start()
    bert = await Person.arrive(server, { phone: BERT })
    await bert.signUp()
    anna = await Person.arrive(server, { phone: ANNA })
  })
  after(async () => {
    try {
      for (const person of [anna, bert]) await person?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('while the issuer is in trouble and none is left, sending waits, says so, and goes out by itself', async () => {
    const since = Date.now()
    anna.network.instead = (path, answer) => ISSUER.has(path) && answer.writeHead(503).end() && true
    await anna.signUp()
    await anna.find(BERT)
    await anna.page.getByRole('status').filter({ hasText: 'Waiting for stamps' }).waitFor()
    await anna.go()
    await bert.find(ANNA)
    await bert.send('Are you there?')
    await anna.open('Are you there?')
    await anna.page.getByRole('button', { name: 'Accept' }).click()
    await anna.write('I am, and my stamps are not')
    const waiting = anna.letter('I am, and my stamps are not').filter({ hasText: 'Waiting for stamps' })
    await waiting.waitFor()
    await new Promise((resolve) => setTimeout(resolve, since + MINUTE - Date.now()))
    await waiting.waitFor()
    assert.ok(anna.network.passed.some(({ path }) => ISSUER.has(path)), 'the issuer was asked')
    assert.ok(!anna.network.passed.some(({ path }) => path.startsWith('/v1/sealed/')), 'nothing left without a token')
    anna.network.instead = () => false
    await anna.letter('I am, and my stamps are not').and(anna.page.locator('[data-state="sent"]')).waitFor({ timeout: LONGEST_PAUSE })
    await bert.letter('I am, and my stamps are not').waitFor()
  })

  test('no answer of any kind makes a sealed request carry anything but a token', async () => {
    let answered = 0
    const lookUp = async (number) => {
      const before = answered
      await anna.go()
      await anna.find(`+49151123456${String(number).padStart(3, '0')}`)
      for (let waited = 0; answered === before; waited += 50) {
        assert.ok(waited < PATIENCE, 'a sealed request leaves')
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const answering = (respond) => (path, answer) => {
      if (!path.startsWith('/v1/sealed/')) return false
      answered += 1
      respond(answer)
      return true
    }
    for (const status of STATUSES) {
      anna.network.instead = answering((answer) => answer.writeHead(status, LURES).end(status === 204 ? undefined : '{}'))
      await lookUp(status)
    }
    anna.network.instead = answering((answer) => answer.socket.destroy())
    await lookUp(100)

    // A letter as well: refused, it can be tried again, and what it meets then is waited out.
    await anna.go()
    await anna.open(/Are you there|stamps/)
    anna.network.instead = answering((answer) => answer.writeHead(403, LURES).end('{}'))
    await anna.write('Through all of that')
    const failed = anna.letter('Through all of that').and(anna.page.locator('[data-state="failed"]'))
    await failed.waitFor()
    anna.network.instead = answering((answer) => answer.writeHead(500, LURES).end('{}'))
    const before = answered
    await failed.getByRole('button', { name: 'Try again' }).click()
    while (answered < before + 2) await new Promise((resolve) => setTimeout(resolve, 50))
    anna.network.instead = () => false
    await anna.sent('Through all of that')
    await bert.letter('Through all of that').waitFor()

    const { passed } = anna.network
    const sealed = passed.filter(({ path }) => path.startsWith('/v1/sealed/'))
    assert.ok(sealed.length > STATUSES.length, `${sealed.length} sealed requests`)
    const allowed = new Set([
      ...['host', 'connection', 'proxy-connection', 'content-length', 'content-type', 'authorization', 'accept', 'origin'],
      ...['user-agent', 'accept-encoding', 'accept-language', 'cache-control', 'pragma'],
    ])
    for (const { path, headers } of sealed) {
      assert.match(headers.authorization, /^PrivateToken token="[\w-]+=*"$/, path)
      const more = Object.keys(headers).filter((name) => !allowed.has(name) && !/^sec-(ch-ua|fetch)/.test(name))
      assert.deepEqual(more, [], path)
      assert.equal(headers.origin ?? server.origin, server.origin)
    }
    const named = passed.filter(({ headers }) => headers.cookie)
    assert.ok(named.length > 0, 'the account half has its session')
    assert.ok(!named.some(({ headers }) => headers.cookie.includes('mark')), 'no cookie of a sealed answer is kept')
    assert.ok(!passed.some(({ path, headers }) => headers.authorization && !path.startsWith('/v1/sealed/')))
    const connections = new Set(sealed.map(({ connection }) => connection))
    assert.equal(connections.size, sealed.length, 'one sealed request on each connection')
    assert.ok(!named.some(({ connection }) => connections.has(connection)), 'a connection of their own')
  })
})
