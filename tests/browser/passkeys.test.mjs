// What a passkey can and cannot do in a browser.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

describe('passkeys', () => {
  let server
  let anna
  const bodies = []
  before(async () => {
    server = await Server.start()
    anna = await Person.arrive(server, { phone: '+4915112345611' })
    anna.page.on('request', (request) => bodies.push(request.postData() ?? ''))
    await anna.signUp()
  })
  after(async () => {
    try {
      await anna?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('signing out closes the vault; signing in opens it again', async () => {
    await anna.page.getByRole('link', { name: 'Settings' }).click()
    // Where the server is not told, that is said, and the mailbox stays open for another try.
    anna.network.instead = (path, answer) => path === '/v1/logout' && Boolean(answer.socket.destroy())
    await anna.page.getByRole('button', { name: 'Sign out' }).click()
    await anna.page.getByRole('alert').filter({ hasText: 'stay signed in' }).waitFor()
    await anna.page.getByRole('button', { name: 'Only close my mailbox here' }).waitFor()
    anna.network.instead = () => false
    await anna.page.getByRole('button', { name: 'Sign out' }).click()
    await anna.page.getByRole('link', { name: 'I have one already' }).click()
    await anna.page.getByRole('button', { name: 'Use my passkey' }).click()
    await anna.atHome()
  })

  test('no request carries what the authenticator derived', () => {
    const ceremonies = bodies.filter((body) => body.includes('clientDataJSON'))
    assert.equal(ceremonies.length, 2, 'one sign-up and one sign-in')
    assert.ok(!bodies.some((body) => /"results"|"first"/.test(body)))
  })

  test('a passkey in a browser without its vault publishes nothing', async () => {
    const other = await Person.withPasskeyOf(anna)
    const published = []
    other.page.on('request', (request) => {
      if (request.url().includes('/v1/keys') && request.method() !== 'GET') published.push(request.url())
    })
    await other.page.getByRole('link', { name: 'I have one already' }).click()
    await other.page.getByRole('button', { name: 'Use my passkey' }).click()
    await other.page.getByRole('heading', { name: 'This browser is not a device yet' }).waitFor()
    assert.deepEqual(published, [])
    await other.leave()
  })

  test('a number that has a mailbox is asked for its passkey, and nothing is replaced', async () => {
    const other = await Person.arrive(server, { phone: anna.phone })
    const { page } = other
    await page.getByRole('link', { name: 'Create a mailbox' }).click()
    await page.getByLabel('Your phone number').fill(anna.phone)
    await page.getByRole('button', { name: 'Send the code' }).click()
    const field = page.getByLabel('The code we sent you')
    await field.waitFor()
    await field.fill(await server.code())
    await page.getByRole('button', { name: 'Check the code' }).click()
    await page.getByText('This number has a mailbox already').waitFor()
    await other.leave()
    await anna.page.reload()
    await anna.unlock()
  })
})
