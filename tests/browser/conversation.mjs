// Two people in two real browsers, from sign-up to reply and through everything that goes wrong in
// between. Runs on either database.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345601'
const BERT = '+4915112345602'
const CARA = '+4915112345603'
const NOBODY = '+4915112345699'

export function conversation(database) {
  let server
  let anna
  let bert

  before(async () => {
    server = await Server.start(await database())
  })
  after(async () => {
    try {
      await anna?.leave()
      await bert?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('two people sign up', async () => {
    anna = await Person.arrive(server, { phone: ANNA })
    await anna.signUp()
    await anna.page.getByTestId('conversations').getByText('No letters yet').waitFor()
    bert = await Person.arrive(server, { phone: BERT })
    await bert.signUp()
  })

  test('a number without a mailbox is said to have none', async () => {
    await anna.find(NOBODY)
    await anna.page.getByRole('alert').filter({ hasText: 'Nobody has a mailbox' }).waitFor()
    await anna.find('12345')
    await anna.page.getByRole('alert').filter({ hasText: 'does not look like a phone number' }).waitFor()
  })

  test('a first letter arrives as a request, and is answered', async () => {
    await anna.find(BERT)
    await anna.send('Hello Bert, this is Anna.')
    const request = bert.page.getByTestId('requests').getByTestId('conversation')
    await request.filter({ hasText: 'Hello Bert' }).waitFor()
    await bert.page.waitForFunction(() => document.title.startsWith('(1)'))
    await bert.open('Hello Bert')
    await bert.letter('Hello Bert, this is Anna.').waitFor()
    await bert.page.getByRole('button', { name: 'Accept' }).click()
    await bert.page.waitForFunction(() => !document.title.startsWith('('))
    await bert.send('Hello Anna!')
    await anna.letter('Hello Anna!').waitFor()
    await anna.shows(['Hello Bert, this is Anna.', 'Hello Anna!'])
  })

  test('letters written while the other is away arrive when they are back', async () => {
    bert.network.cut()
    await bert.page.getByTestId('banner').filter({ hasText: 'You are offline' }).waitFor()
    await anna.send('Are you there?')
    await anna.send('I will wait.')
    await bert.write('Written without a network')
    bert.network.mend()
    await bert.letter('I will wait.').waitFor()
    await bert.letter('Are you there?').waitFor()
    await bert.sent('Written without a network')
    await anna.letter('Written without a network').waitFor()
  })

  test('a reload asks for one touch and shows what was there', async () => {
    await bert.page.reload()
    await bert.unlock()
    await bert.letter('I will wait.').waitFor()
    await bert.letter('Hello Anna!').waitFor()
    await bert.send('Back after a reload')
    await anna.letter('Back after a reload').waitFor()
  })

  test('the server restarts, and both go on', async () => {
    await server.down()
    await anna.write('Written while the server was down')
    await server.up()
    await anna.sent('Written while the server was down')
    await bert.letter('Written while the server was down').waitFor()
    await bert.send('Got it')
    await anna.letter('Got it').waitFor()
  })

  test('a second tab shows the same, and takes over when the first is closed', async () => {
    const second = anna.watch(await anna.context.newPage())
    await second.goto(server.origin)
    await anna.open('Got it', second)
    await anna.send('From the second tab', second)
    await anna.letter('From the second tab').waitFor()
    await bert.letter('From the second tab').waitFor()
    const first = anna.page
    anna.page = second
    await first.close()
    await anna.send('The first tab is gone')
    await bert.letter('The first tab is gone').waitFor()
    await bert.send('And I still reach you')
    await anna.letter('And I still reach you').waitFor()
  })

  test('a tab killed between write and send sends after it is opened again, once', async () => {
    // Without PRF the vault opens without a touch, so that a new tab can go on by itself.
    let cara = await Person.arrive(server, { phone: CARA, prf: false })
    await cara.signUp()
    await cara.find(BERT)
    await cara.send('Cara here')
    await cara.context.route('**/v1/sealed/messages', () => {})
    await cara.write('Survives the tab')
    await cara.letter('Survives the tab').and(cara.page.locator('[data-state="sending"]')).waitFor()
    const fresh = cara.watch(await cara.context.newPage())
    await cara.page.close()
    cara.page = fresh
    await cara.context.unroute('**/v1/sealed/messages')
    await fresh.goto(server.origin)
    await cara.open('Survives the tab')
    await cara.sent('Survives the tab')
    await bert.open('Survives the tab')
    await bert.letter('Survives the tab').waitFor()
    await bert.shows(['Cara here', 'Survives the tab'])
    await cara.leave()
  })

  test('every letter is there exactly once, on both sides', async () => {
    await bert.open('And I still reach you')
    for (const { page } of [anna, bert]) {
      await page.waitForFunction((n) => document.querySelectorAll('[data-testid=text]').length === n, 11)
    }
    const [hers, his] = [await anna.texts(), await bert.texts()]
    assert.equal(new Set(hers).size, 11)
    assert.deepEqual([...hers].sort(), [...his].sort())
  })
}
