// Visits every screen of the page and hands each to `look(page, name)`: for screenshots and for the
// accessibility check.
import { Person } from './person.mjs'

export const PHONE = { width: 390, height: 844 }
export const DESKTOP = { width: 1280, height: 800 }

let next = 20

function number() {
  next += 1
  return `+49151123457${next}`
}

export async function visitScreens(server, { viewport, colorScheme }, look) {
  const narrow = viewport.width < 700
  const friend = await Person.arrive(server, { phone: number() })
  await friend.signUp()
  const person = await Person.arrive(server, { phone: number(), viewport, colorScheme })
  const { page } = person
  const home = () => page.goto(`${server.origin}/#/`)
  const settle = async (name) => {
    await page.evaluate(() => document.fonts.ready)
    await look(page, name)
  }

  await page.getByRole('link', { name: 'Create a mailbox' }).waitFor()
  await settle('welcome')
  await page.getByRole('link', { name: 'I have one already' }).click()
  await page.getByRole('button', { name: 'Use my passkey' }).waitFor()
  await settle('sign-in')
  await home()
  await page.getByRole('link', { name: 'Create a mailbox' }).click()
  await page.getByLabel('Your phone number').fill('12345')
  await page.getByRole('button', { name: 'Send the code' }).click()
  await page.getByRole('alert').filter({ hasText: 'country code' }).waitFor()
  await settle('sign-up-phone')
  await page.getByLabel('Your phone number').fill(person.phone)
  await page.getByRole('button', { name: 'Send the code' }).click()
  const code = page.getByLabel('The code we sent you')
  await code.waitFor()
  await settle('sign-up-code')
  await code.fill(await server.code())
  await page.getByRole('button', { name: 'Check the code' }).click()
  await page.getByRole('button', { name: 'Make the passkey' }).waitFor()
  await settle('sign-up-passkey')
  await page.getByRole('button', { name: 'Make the passkey' }).click()
  await person.atHome()
  await page.getByTestId('conversations').getByText('No letters yet').waitFor()
  await settle('empty')

  await friend.find(person.phone)
  await friend.send('Hello! I got your number from Edda. Is this you?')
  await page.getByTestId('requests').waitFor()
  await settle('request-in-list')
  await person.open('Hello!')
  await person.letter('Hello! I got your number from Edda. Is this you?').waitFor()
  await settle('request')
  await page.getByRole('button', { name: 'Accept' }).click()
  await person.send('It is. Good to hear from you.')
  await friend.letter('It is. Good to hear from you.').waitFor()
  await friend.send('Shall we meet on Thursday? The café at the station has tables outside, and I can be there from five.')
  await person.letter(/Shall we meet/).waitFor()
  await person.send('Thursday is fine')
  person.network.cut()
  await page.getByTestId('banner').waitFor()
  await person.write('I am on a train, so this one waits')
  await settle('thread-offline')
  person.network.mend()
  await person.sent('I am on a train, so this one waits')
  await page.getByTestId('banner').waitFor({ state: 'detached' })
  await settle('thread')
  await page.getByRole('button', { name: 'Details' }).click()
  await page.getByLabel('Your name for them').fill('Frida')
  await settle('contact')
  await page.getByRole('button', { name: 'Save' }).click()
  await home()
  if (narrow) await page.getByTestId('conversation').waitFor()
  await settle('list')
  await page.getByRole('link', { name: 'New conversation' }).first().click()
  await page.getByLabel('Phone number').fill('+4915112345699')
  await page.getByRole('button', { name: 'Find' }).click()
  await page.getByRole('alert').filter({ hasText: 'Nobody' }).waitFor()
  await settle('new-conversation')
  await home()
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByTestId('settings').waitFor()
  await settle('settings')
  await page.reload()
  await page.getByRole('button', { name: 'Unlock' }).waitFor()
  await settle('locked')

  const stranger = await Person.withPasskeyOf(person, { viewport, colorScheme })
  await stranger.page.getByRole('link', { name: 'I have one already' }).click()
  await stranger.page.getByRole('button', { name: 'Use my passkey' }).click()
  await stranger.page.getByRole('heading', { name: 'This browser is not a device yet' }).waitFor()
  await look(stranger.page, 'not-a-device')

  await stranger.leave()
  await person.leave()
  await friend.leave()
}
