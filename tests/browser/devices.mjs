// Three devices of one person and two of another, in five real browsers: linked, in step, revoked,
// recovered, re-keyed and begun anew. Runs on either database.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Clock } from './clock.mjs'
import { link } from './linking.mjs'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345651'
const BERT = '+4915112345652'

export function devices(database) {
  const clock = new Clock()
  const everybody = []
  let server
  let anna
  let laptop
  let tablet
  let bert
  let phone

  const take = async (person) => {
    everybody.push(person)
    await person.go()
    return person
  }
  // Everybody has one conversation. Its newest letter need not be the one that came last: the server
  // tells the hour alone, and when a letter was written counts no further than that hour's end. Where
  // the browsers are in the next hour already, what they wrote themselves stands below it.
  const open = async (people, text) => {
    for (const person of people) {
      await person.go()
      await clock.until(person.entry())
      await person.open()
      await clock.until(person.letter(text))
    }
  }
  const all = (people, text) => Promise.all(people.map((person) => person.letter(text).waitFor()))

  before(async () => {
    server = await Server.start(await database(), ['--codes-per-hour', '100', '--sign-ins-per-minute', '1000'])
    anna = await Person.arrive(server, { phone: ANNA })
    bert = await Person.arrive(server, { phone: BERT })
    for (const person of [anna, bert]) {
      await clock.give(person)
      await person.signUp()
    }
    everybody.push(anna, bert)
  })
  after(async () => {
    try {
      for (const person of everybody) await person.leave()
    } finally {
      await server?.stop()
    }
  })

  test('one code, six digits and a touch link two more devices of Anna and one of Bert', async () => {
    laptop = await take(await link(anna, { name: 'Laptop', clock }))
    tablet = await take(await link(laptop, { name: 'Tablet', clock, prf: false }))
    phone = await take(await link(bert, { name: 'Phone', clock }))
    await anna.go('devices')
    // A device looks at its siblings six times a minute at most.
    await clock.until(anna.page.getByTestId('device').filter({ hasText: 'Tablet' }))
    assert.equal(await anna.page.getByTestId('device').count(), 3)
  })

  test('letters reach all devices, and sent ones show on the own others', async () => {
    await anna.go()
    await anna.find(BERT)
    await anna.send('To both of you')
    await open([bert, phone], 'To both of you')
    await bert.page.getByRole('button', { name: 'Accept' }).click()
    await open([laptop, tablet], 'To both of you')
    await clock.until(phone.page.getByRole('button', { name: 'Accept' }), 'detached')
    await phone.send('To the three of you')
    await all([anna, laptop, tablet], 'To the three of you')
    await clock.until(bert.letter('To the three of you'))
    await tablet.send('From the third')
    await all([bert, phone], 'From the third')
    for (const person of [anna, laptop]) await clock.until(person.letter('From the third'))
    for (const person of everybody) {
      assert.deepEqual((await person.texts()).sort(), ['From the third', 'To both of you', 'To the three of you'])
    }
  })

  test('names, read marks and deletions follow', async () => {
    await anna.page.getByRole('button', { name: 'Details' }).click()
    await anna.page.getByLabel('Your name for them').fill('Bertram')
    await anna.page.getByRole('button', { name: 'Save' }).click()
    for (const person of [laptop, tablet]) {
      await person.go()
      await clock.until(person.entry('Bertram'))
    }
    await anna.go()
    await bert.send('Unread until one reads it')
    const unread = (person) => person.page.waitForFunction(() => document.title.startsWith('('))
    for (const person of [anna, laptop, tablet]) await unread(person)
    await open([tablet], 'Unread until one reads it')
    for (const { page } of [anna, laptop]) await clock.until(page.locator('title').filter({ hasNotText: /^\(/ }), 'attached')
    await open([anna, laptop], 'Unread until one reads it')
    const doomed = (person) => person.letter('To the three of you')
    await anna.page.bringToFront()
    await doomed(anna).getByRole('button', { name: /^Delete the letter/ }).click()
    for (const person of [laptop, tablet]) await clock.until(doomed(person), 'detached')
    assert.equal(await doomed(bert).count(), 1, 'the other side keeps its own')
  })

  test('a removed browser is closed out at once, and gets nothing more', async () => {
    await anna.go('devices')
    const entry = anna.page.getByTestId('device').filter({ hasText: 'Laptop' })
    await entry.getByRole('button', { name: 'Remove Laptop' }).click()
    await entry.getByRole('button', { name: 'Remove this device' }).click()
    const banner = laptop.page.getByTestId('banner').filter({ hasText: 'This device was removed' })
    await anna.touch(() => banner.waitFor())
    await entry.waitFor({ state: 'detached' })
    await bert.send('Not for the laptop')
    await open([anna, tablet], 'Not for the laptop')
    await all([anna, tablet], 'Not for the laptop')
    assert.equal(await laptop.page.getByText('Not for the laptop').count(), 0)
    await laptop.letter('Unread until one reads it').waitFor()
    await laptop.page.reload()
    await laptop.page.getByRole('button', { name: 'Unlock' }).click()
    await banner.waitFor()
    clock.forget(laptop)
  })

  test('an emptied browser comes back by its passkey alone', async () => {
    await bert.empty()
    await bert.page.getByRole('button', { name: 'Bring this device back' }).click()
    await bert.touch(() => bert.atHome())
    await anna.send('To one who is back')
    await open([bert, phone], 'To one who is back')
    // Whom Bert had accepted, his other device tells.
    await clock.until(bert.page.getByRole('button', { name: 'Accept' }), 'detached')
    await bert.send('I am')
    await anna.letter('I am').waitFor()
    await clock.until(phone.letter('I am'))
  })

  test('one whose passkey gives no secret comes back by a recovery code', async () => {
    await tablet.go('recovery')
    await tablet.page.getByRole('button', { name: 'Make a recovery code' }).click()
    const code = (await tablet.page.getByTestId('recovery-code').textContent()).trim()
    await tablet.page.getByRole('button', { name: 'I have kept it' }).click()
    await tablet.page.locator('[data-testid=recovery][data-method=code]').waitFor()
    await tablet.empty()
    const { page } = tablet
    await page.getByRole('button', { name: 'Bring this device back' }).click()
    await page.getByLabel('Your recovery code').fill(code.replace(/[0-9A-Z]/, (first) => (first === '7' ? '8' : '7')))
    await page.getByRole('button', { name: 'Bring this device back' }).click()
    await page.getByText('That is not a recovery code').waitFor()
    await page.getByLabel('Your recovery code').fill(code)
    await page.getByRole('button', { name: 'Bring this device back' }).click()
    await tablet.touch(() => tablet.atHome())
    await phone.send('To the tablet too')
    await open([tablet, anna], 'To the tablet too')
    await clock.until(tablet.page.getByRole('button', { name: 'Accept' }), 'detached')
    await tablet.send('From the tablet again')
    await all([bert, phone], 'From the tablet again')
    await clock.until(anna.letter('From the tablet again'))
  })

  test('a lively conversation is re-keyed', async () => {
    const seen = { offered: 0, claimed: 0 }
    for (const { context } of [anna, tablet, bert, phone]) {
      context.on('response', (answer) => {
        const path = new URL(answer.url()).pathname
        if (path === '/v1/sealed/ephemeral-keys' && answer.status() === 202) seen.offered += 1
        if (/^\/v1\/ephemeral-keys\/.*\/claim$/.test(path) && answer.status() === 204) seen.claimed += 1
      })
    }
    for (let round = 1; round <= 3 && seen.claimed === 0; round += 1) {
      for (const person of [anna, tablet, bert, phone]) await person.send(`Round ${round} of ${everybody.indexOf(person)}`)
      for (let seconds = 0; seconds < 14 * 60 && seen.claimed === 0; seconds += 20) await clock.pass(20)
    }
    assert.ok(seen.offered > 0 && seen.claimed > 0, `offered ${seen.offered}, claimed ${seen.claimed}`)
    for (let minutes = 0; minutes < 4; minutes += 1) await clock.pass(60)
    for (const [writer, text] of [[anna, 'Under other keys'], [phone, 'Indeed']]) {
      await writer.send(text)
      for (const person of [anna, tablet, bert, phone]) await clock.until(person.letter(text))
    }
  })

  test('a waiting period can be stopped by any device, and takes the account once it is over', async () => {
    const stranger = await take(await Person.arrive(server, { phone: BERT }))
    const { page } = stranger
    const prove = async () => {
      await stranger.go('lost')
      await page.reload()
      await page.getByRole('button', { name: 'Prove my number' }).click()
      await stranger.provePhone()
    }
    const stands = (state) => page.locator(`[data-testid=reset][data-state=${state}]`).waitFor()
    await prove()
    await page.getByRole('button', { name: 'Begin the waiting period' }).click()
    await stands('waiting')
    const alarm = (person) => person.page.getByTestId('banner').filter({ hasText: 'wants to begin your mailbox anew' })
    await alarm(bert).waitFor()
    await alarm(phone).getByRole('button', { name: 'Stop it' }).click()
    await phone.touch(() => alarm(phone).waitFor({ state: 'detached' }))
    await alarm(bert).waitFor({ state: 'detached' })
    await prove()
    await stands('blocked')
    server.passWaitingPeriods(8)
    await prove()
    await page.getByRole('button', { name: 'Begin the waiting period' }).click()
    await stands('waiting')
    await prove()
    await stands('waiting')
    server.passWaitingPeriods(8)
    await prove()
    await stands('ready')
    await page.getByRole('button', { name: 'Begin anew' }).click()
    await page.getByRole('button', { name: 'Make the passkey' }).click()
    await stranger.atHome()
    const gone = (person) => person.page.getByTestId('banner').filter({ hasText: 'the account is gone' })
    for (const person of [bert, phone]) await gone(person).waitFor()
    await anna.send('Are you still you?')
    await anna.page.getByTestId('safety-alert').waitFor()
    await stranger.entry('Are you still you?').waitFor()
  })
}
