// A new browser becomes a device only as its person means it to: every other way in fails closed.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Clock } from './clock.mjs'
import { Linking, link } from './linking.mjs'
import { Person } from './person.mjs'
import { Server } from './server.mjs'

const ANNA = '+4915112345641'

describe('linking', () => {
  let server
  let anna
  const guests = []
  const clock = new Clock()

  const arrive = async () => {
    const guest = await Person.arrive(server, { phone: ANNA })
    guests.push(guest)
    return guest
  }
  const devices = async () => {
    await anna.page.goto(`${server.origin}/#/devices`)
    await anna.page.getByTestId('device').first().waitFor()
    return anna.page.getByTestId('device').count()
  }

  before(async () => {
    server = await Server.start()
    anna = await Person.arrive(server, { phone: ANNA })
    await anna.signUp()
  })
  after(async () => {
    try {
      for (const person of [...guests, anna]) await person?.leave()
    } finally {
      await server?.stop()
    }
  })

  test('wrong digits thrice end the link', async () => {
    const guest = await arrive()
    const linking = await Linking.offer(guest, anna)
    await linking.approve()
    for (const [guess, left] of [[1, '2 tries left'], [2, '1 try left']]) {
      await linking.type(linking.wrong(guess))
      await anna.page.getByText(left).waitFor()
    }
    await linking.type(linking.wrong(3))
    await Linking.ended(anna, 'Three times other digits')
    assert.equal(await guest.page.getByLabel('Then type the six digits it shows').count(), 0)
    assert.equal(await devices(), 1)
  })

  test('an expired offer links nobody', async () => {
    const guest = await arrive()
    await clock.give(guest)
    const linking = await Linking.offer(guest, anna)
    await clock.pass(601)
    clock.forget(guest)
    await Linking.ended(guest, 'the ten minutes are over')
    assert.equal(await devices(), 1)
  })

  test('with a swapped code the digits do no good where they are typed', async () => {
    const [hers, thief] = [await arrive(), await arrive()]
    const linking = await Linking.offer(hers, anna)
    const swapped = await Linking.offer(thief, anna)
    await swapped.approve()
    await linking.type(swapped.digits)
    await hers.page.getByText('Sent. Now confirm on your other device.').waitFor()
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    assert.equal(await anna.page.getByTestId('touch').count(), 0, 'nothing is asked for')
    assert.equal(await thief.page.getByRole('button', { name: 'Make the passkey' }).count(), 0)
    await anna.page.getByRole('button', { name: 'Cancel' }).click()
    await Linking.ended(anna, 'Nothing was sent')
    assert.equal(await devices(), 1)
  })

  test('digits that are typed nowhere send nothing', async () => {
    const thief = await arrive()
    const linking = await Linking.offer(thief, anna)
    await linking.approve()
    await new Promise((resolve) => setTimeout(resolve, 5_000))
    assert.equal(await anna.page.getByTestId('touch').count(), 0, 'nothing is asked for')
    assert.equal(await thief.page.getByRole('button', { name: 'Make the passkey' }).count(), 0)
    await anna.page.getByRole('button', { name: 'Cancel' }).click()
    assert.equal(await devices(), 1)
  })

  test('a declined touch links nobody', async () => {
    const guest = await arrive()
    const linking = await Linking.offer(guest, anna)
    await linking.approve()
    const { authenticatorId } = anna
    await anna.keys.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: false })
    await linking.type()
    const prompt = anna.page.getByTestId('touch')
    await prompt.waitFor()
    await prompt.getByRole('button', { name: 'Not now' }).click()
    await Linking.ended(anna, 'The passkey was not used')
    await anna.keys.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled: true })
    assert.equal(await guest.page.getByRole('button', { name: 'Make the passkey' }).count(), 0)
    assert.equal(await devices(), 1)
  })

  test('after all of that, a link that is meant succeeds', async () => {
    guests.push(await link(anna, { name: 'Laptop' }))
    assert.equal(await devices(), 2)
  })
})
