// What goes wrong around a mailbox: passkeys that give another secret, storage that runs out, sessions
// that end, pages and keys that are not the server's any more, a sign-up cut short.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345631'
const BERT = '+4915112345632'
const CARA = '+4915112345633'

// The browser's own way to have a quota looks at the disk every half minute only.
const FULL_DISK = `
  let full = false
  new BroadcastChannel('disk').onmessage = ({ data }) => (full = data)
  const { put } = IDBObjectStore.prototype
  IDBObjectStore.prototype.put = function (...entry) {
    if (full) throw new DOMException('no room', 'QuotaExceededError')
    return put.apply(this, entry)
  }
`

const CLOCK = `
  const { now } = Date
  let forward = 0
  Date.now = () => now() + forward
  new BroadcastChannel('clock').onmessage = ({ data }) => (forward = data)
`
const A_DAY = 86_400_000

describe('trouble', () => {
  let server
  let anna
  let bert
  before(async () => {
    server = await Server.start()
    anna = await Person.arrive(server, { phone: ANNA })
    await anna.signUp()
    bert = await Person.arrive(server, { phone: BERT })
    await bert.signUp()
    await anna.find(BERT)
    await anna.send('Hello Bert')
    await bert.open('Hello Bert')
    await bert.page.getByRole('button', { name: 'Accept' }).click()
    await bert.send('Hello Anna')
  })
  after(async () => {
    try {
      for (const person of [anna, bert]) await person?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('with full storage nothing is lost, it is said, and it goes on once there is room', async () => {
    await anna.inWorkers(FULL_DISK)
    await anna.page.reload()
    await anna.unlock()
    const full = (value) => anna.page.evaluate((value) => new BroadcastChannel('disk').postMessage(value), value)
    await full(true)
    const composer = anna.page.getByRole('textbox', { name: /^Write to/ })
    await composer.fill('Written into a full disk')
    await composer.press('Enter')
    await anna.page.getByTestId('banner').filter({ hasText: 'no room left' }).waitFor()
    await anna.page.getByRole('alert').filter({ hasText: 'no room left' }).waitFor()
    assert.equal(await composer.inputValue(), 'Written into a full disk', 'what was typed stays')
    assert.equal(await anna.letter('Written into a full disk').count(), 0)
    await bert.send('Sent to a full disk')
    await full(false)
    await composer.press('Enter')
    await anna.sent('Written into a full disk')
    await anna.page.getByTestId('banner').waitFor({ state: 'detached' })
    await anna.letter('Sent to a full disk').waitFor()
    await bert.letter('Written into a full disk').waitFor()
  })

  test('a session that ended is said to have, and signing in brings everything back', async () => {
    await anna.context.clearCookies()
    anna.network.cut()
    anna.network.mend()
    const banner = anna.page.getByTestId('banner').filter({ hasText: 'Your sign-in has run out' })
    await banner.waitFor()
    await anna.send('Letters still go out')
    await bert.send('And this one waits')
    await banner.getByRole('button', { name: 'Sign in' }).click()
    await anna.letter('And this one waits').waitFor()
    await banner.waitFor({ state: 'detached' })
  })

  test('a page older than its server says so', async () => {
    await bert.page.route('**/v1/server', async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, json: { ...(await answer.json()), page: 'A'.repeat(43) } })
    })
    await bert.page.reload()
    await bert.unlock()
    const banner = bert.page.getByTestId('banner').filter({ hasText: 'older than its server' })
    await banner.waitFor()
    await banner.getByRole('button', { name: 'Reload' }).click()
    await bert.page.getByRole('button', { name: 'Unlock' }).waitFor()
    await bert.page.unroute('**/v1/server')
    await bert.unlock()
    await banner.waitFor({ state: 'detached' })
  })

  test('keys that the server altered are told of, also after a reload, until they are right again', async () => {
    const banner = bert.page.getByTestId('banner').filter({ hasText: 'other keys for this device' })
    const checked = (matches) =>
      bert.context.route('**/v1/keys/check', (route) => route.fulfill({ json: { matches } }))
    // Every two days keys are renewed, and then checked. Whatever is done lets the engine see the time.
    const pass = async (days) => {
      await bert.page.evaluate((time) => new BroadcastChannel('clock').postMessage(time), days * A_DAY)
      await bert.page.getByRole('button', { name: 'Details' }).click()
      await bert.page.getByLabel('Your name for them').fill(`Anna, ${days} days on`)
      await bert.page.getByRole('button', { name: 'Save' }).click()
    }
    // The server, whose clock has not moved, would refuse them.
    await bert.context.route('**/v1/keys', (route) => route.fulfill({ status: 204 }))
    await bert.inWorkers(CLOCK)
    await checked(false)
    const status = bert.context.waitForEvent('response', (response) => response.url().endsWith('/v1/keys/status'))
    await bert.page.reload()
    await bert.unlock()
    await status
    await pass(3)
    await banner.waitFor()
    const statusAgain = bert.context.waitForEvent('response', (response) => response.url().endsWith('/v1/keys/status'))
    await bert.page.reload()
    await bert.unlock()
    await banner.waitFor()
    await statusAgain
    await checked(true)
    await pass(6)
    await banner.waitFor({ state: 'detached' })
  })

  test('a passkey that gives another secret leaves the vault closed and as it was', async () => {
    const stored = () =>
      anna.page.evaluate(async () => {
        const { promise, resolve } = Promise.withResolvers()
        const opening = indexedDB.open('letterbox')
        opening.onsuccess = () => {
          const reading = opening.result.transaction('vaults').objectStore('vaults').getAll()
          reading.onsuccess = () => {
            opening.result.close()
            resolve(reading.result.map(({ wrapping, ...entry }) => ({
              ...entry,
              needs: wrapping.needs,
              wrapped: [...new Uint8Array(wrapping.wrapped.bytes)],
            })))
          }
        }
        return promise
      })
    await anna.page.reload()
    await anna.page.getByRole('button', { name: 'Unlock' }).waitFor()
    const before = await stored()
    assert.deepEqual(before.map(({ needs }) => needs), ['device+prf'])
    // The same credential, put in anew: the authenticator derives other secrets for it.
    const { authenticatorId } = anna
    const { credentials } = await anna.keys.send('WebAuthn.getCredentials', { authenticatorId })
    await anna.keys.send('WebAuthn.clearCredentials', { authenticatorId })
    await anna.keys.send('WebAuthn.addCredential', { authenticatorId, credential: credentials[0] })
    await anna.page.getByRole('button', { name: 'Unlock' }).click()
    await anna.page.getByRole('alert').filter({ hasText: 'did not give the secret' }).waitFor()
    assert.equal(await anna.page.getByTestId('conversations').count(), 0)
    assert.deepEqual(await stored(), before)
  })

  test('a sign-up cut short can be begun again, and leaves nothing behind', async () => {
    const cara = await Person.arrive(server, { phone: CARA })
    const { page } = cara
    const vaults = () =>
      page.evaluate(async () => {
        const databases = await indexedDB.databases()
        return databases.filter(({ name }) => name.startsWith('letterbox-vault-')).length
      })
    await cara.context.route('**/v1/keys', (route) => route.abort())
    await cara.beginSignUp()
    await page.getByText('Making your keys').waitFor()
    await page.reload()
    await page.getByRole('button', { name: 'Unlock' }).click()
    await page.getByRole('heading', { name: 'This sign-up was not finished' }).waitFor()
    assert.equal(await vaults(), 1)
    await page.getByRole('button', { name: 'Begin again' }).click()
    await cara.context.unroute('**/v1/keys')
    await cara.keys.send('WebAuthn.clearCredentials', { authenticatorId: cara.authenticatorId })
    await cara.provePhone()
    await page.getByRole('button', { name: 'Make the passkey' }).click()
    await cara.atHome()
    await page.waitForFunction(async () => {
      const databases = await indexedDB.databases()
      return databases.filter(({ name }) => name.startsWith('letterbox-vault-')).length === 1
    })
    await page.reload()
    await cara.unlock()
    await cara.find(BERT)
    await cara.send('Here at last')
    await cara.leave()
  })
})
