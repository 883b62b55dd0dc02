// What people do day by day beside writing: names, blocking, deleting, trying again; and a sign-up
// without a mouse.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345621'
const BERT = '+4915112345622'
const CARA = '+4915112345623'

describe('every day', () => {
  let server
  let anna
  let bert
  let cara
  before(async () => {
    server = await Server.start()
    anna = await Person.arrive(server, { phone: ANNA })
    await anna.signUp()
    bert = await Person.arrive(server, { phone: BERT })
    await bert.signUp()
  })
  after(async () => {
    try {
      for (const person of [anna, bert, cara]) await person?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('from the welcome page to a sent letter by keyboard alone', async () => {
    cara = await Person.arrive(server, { phone: CARA })
    const { page } = cara
    const { keyboard } = page
    await page.getByRole('link', { name: 'Create a mailbox' }).waitFor()
    await cara.tabTo('Create a mailbox')
    await keyboard.press('Enter')
    await cara.focusIn('Your phone number')
    await keyboard.type(CARA)
    await keyboard.press('Enter')
    await cara.focusIn('The code we sent you')
    await keyboard.type(await server.code())
    await keyboard.press('Enter')
    await page.getByRole('button', { name: 'Make the passkey' }).waitFor()
    await cara.tabTo('Make the passkey')
    await keyboard.press('Enter')
    await cara.atHome()
    await cara.tabTo('New conversation')
    await keyboard.press('Enter')
    await cara.focusIn('Phone number')
    await keyboard.type(BERT)
    await keyboard.press('Enter')
    await cara.focusIn(/^Write to/)
    await keyboard.type('No mouse was moved')
    await keyboard.press('Enter')
    await cara.sent('No mouse was moved')
    await bert.page.getByTestId('requests').getByText('No mouse was moved').waitFor()
    await bert.open('No mouse was moved')
    await bert.page.getByRole('button', { name: 'Accept' }).click()
  })

  test('an own name for somebody is kept, and a deleted letter is gone, across a reload', async () => {
    await anna.find(BERT)
    await anna.send('Keep this one')
    await anna.send('Delete this one')
    await anna.page.getByRole('button', { name: 'Details' }).click()
    await anna.page.getByLabel('Your name for them').fill('Bertram')
    await anna.page.getByRole('button', { name: 'Save' }).click()
    await anna.page.getByTestId('conversation').filter({ hasText: 'Bertram' }).waitFor()
    await anna.letter('Delete this one').getByRole('button', { name: /^Delete the letter/ }).click()
    await anna.letter('Delete this one').waitFor({ state: 'detached' })
    await anna.page.reload()
    await anna.unlock()
    await anna.page.getByTestId('conversation').filter({ hasText: 'Bertram' }).waitFor()
    await anna.letter('Keep this one').waitFor()
    await anna.shows(['Keep this one'])
    await bert.open('Delete this one')
    await bert.shows(['Keep this one', 'Delete this one'])
  })

  test('a letter that the server cannot place is failed, and goes out when tried again', async () => {
    const problem = { type: '/problems/no-such-mailbox', title: 'There is no such mailbox', status: 404 }
    await anna.context.route('**/v1/sealed/messages', (route) =>
      route.fulfill({ status: 404, contentType: 'application/problem+json', body: JSON.stringify(problem) }),
    )
    await anna.write('At the second try')
    const failed = anna.letter('At the second try').and(anna.page.locator('[data-state="failed"]'))
    await failed.getByText('this number has no mailbox any more').waitFor()
    await anna.context.unroute('**/v1/sealed/messages')
    await failed.getByRole('button', { name: 'Try again' }).click()
    await anna.sent('At the second try')
    await bert.letter('At the second try').waitFor()
  })

  test('letters of somebody blocked never show; after unblocking, new ones do', async () => {
    await bert.page.getByRole('button', { name: 'Accept' }).click()
    await bert.page.getByRole('button', { name: 'Details' }).click()
    await bert.page.getByTestId('details').getByRole('button', { name: 'Block' }).click()
    await bert.page.getByText('You blocked this person').waitFor()
    await anna.send('Nobody sees this')
    // Letters are taken in the order of their arrival: once this one is there, Anna's was thrown away.
    await cara.send('Anna wrote before me')
    await bert.open('Anna wrote before me')
    assert.equal(await bert.page.getByText('Nobody sees this').count(), 0)
    assert.equal(await bert.page.getByTestId('conversation').count(), 1)
    await bert.page.getByRole('link', { name: 'Settings' }).click()
    await bert.page.getByRole('button', { name: /^Unblock/ }).click()
    await anna.send('Can you see this?')
    await bert.open('Can you see this?')
    await bert.letter('Can you see this?').waitFor()
    await bert.shows(['Keep this one', 'Delete this one', 'At the second try', 'Can you see this?'])
  })

  test('a deleted conversation stays away until its other side writes again', async () => {
    await bert.page.getByRole('button', { name: 'Details' }).click()
    await bert.page.getByRole('button', { name: 'Delete conversation' }).click()
    await bert.page.getByRole('button', { name: 'Delete it for good' }).click()
    await bert.page.getByTestId('conversation').filter({ hasText: 'Can you see this?' }).waitFor({ state: 'detached' })
    await bert.page.reload()
    await bert.unlock()
    await bert.page.getByTestId('conversation').filter({ hasText: 'Anna wrote before me' }).waitFor()
    assert.equal(await bert.page.getByTestId('conversation').count(), 1)
    await anna.send('Me again')
    await bert.open('Me again')
    await bert.letter('Me again').waitFor()
    await bert.shows(['Me again'])
  })

  test('earlier letters come as one scrolls up, in order', async () => {
    const all = Array.from({ length: 120 }, (_, n) => `Letter ${n + 1}`)
    await cara.open('Anna wrote before me')
    for (const text of all) await cara.put(text)
    await cara.page.reload()
    await cara.unlock()
    await cara.letter('Letter 120').waitFor()
    assert.ok((await cara.texts()).length < 60, 'a page of the thread, and not all of it')
    for (const text of ['Letter 60', 'Letter 10', 'No mouse was moved']) {
      while ((await cara.letter(text).count()) === 0) {
        const shown = (await cara.texts()).length
        await cara.page.getByRole('region', { name: 'Letters' }).evaluate((thread) => thread.scrollTo(0, 0))
        await cara.page.waitForFunction((n) => document.querySelectorAll('[data-testid=text]').length > n, shown)
      }
    }
    await cara.shows(['No mouse was moved', 'Anna wrote before me', ...all])
  })
})
