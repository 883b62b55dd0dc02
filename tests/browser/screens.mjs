// Visits every screen of the page and hands each to `look(page, name)`: for screenshots and for the
// accessibility check.
import { linkOf, offerLink, sendDigits } from './linking.mjs'
import { Person } from './person.mjs'

export const PHONE = { width: 390, height: 844 }
export const DESKTOP = { width: 1280, height: 800 }

let next = 20

function number() {
  next += 1
  return `+49151123457${next}`
}

/** In the page: until its fonts are there, and nothing is on its way from one colour or place to another. */
async function settled() {
  await document.fonts.ready
  const ends = (animation) => animation.effect.getComputedTiming().endTime !== Infinity
  await Promise.allSettled(document.getAnimations().filter(ends).map(({ finished }) => finished))
}

export async function visitScreens(server, { viewport, colorScheme }, look) {
  const narrow = viewport.width < 700
  const friend = await Person.arrive(server, { phone: number() })
  await friend.signUp()
  const person = await Person.arrive(server, { phone: number(), viewport, colorScheme })
  const { page } = person
  const home = () => page.goto(`${server.origin}/#/`)
  const settleOn = async (page, name) => {
    await page.evaluate(settled)
    await look(page, name)
  }
  const settle = (name) => settleOn(page, name)

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
  await page.getByRole('button', { name: 'Details' }).click()
  await page.getByRole('link', { name: 'Safety number' }).click()
  await page.getByTestId('safety-number').waitFor()
  await settle('safety-number')
  await page.getByRole('button', { name: 'Mark as verified' }).click()
  await page.getByRole('button', { name: 'Remove the mark' }).waitFor()
  await settle('verified')
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
  await page.getByLabel('Wipe this browser').check()
  await page.getByRole('button', { name: 'Wipe and sign out' }).scrollIntoViewIfNeeded()
  await settle('sign-out')

  await visitAreas(person, settle)
  await visitLinking(person, settleOn, { viewport, colorScheme })

  await page.reload()
  await page.getByRole('button', { name: 'Unlock' }).waitFor()
  await settle('locked')

  const stranger = await Person.withPasskeyOf(person, { viewport, colorScheme })
  await stranger.page.getByRole('link', { name: 'I have one already' }).click()
  await stranger.page.getByRole('button', { name: 'Use my passkey' }).click()
  await stranger.page.getByRole('heading', { name: 'This browser is not a device yet' }).waitFor()
  await settleOn(stranger.page, 'not-a-device')
  await stranger.page.getByRole('button', { name: 'I have a recovery code' }).or(stranger.page.getByRole('button', { name: 'Bring this device back' })).first().click()
  await stranger.page.getByLabel('Your recovery code').waitFor()
  await settleOn(stranger.page, 'recovery-code-entry')
  await stranger.leave()

  await visitLost(server, person.phone, { viewport, colorScheme }, settleOn)
  await page.getByRole('button', { name: 'Unlock' }).click()
  await page.getByTestId('banner').filter({ hasText: 'wants to begin your mailbox anew' }).waitFor()
  await settle('waiting-period-banner')

  await person.leave()
  await friend.leave()
}

/** Keys, recovery, what the server knows, deletion. */
async function visitAreas({ page }, settle) {
  const go = async (name) => {
    await page.getByRole('link', { name: 'Settings' }).first().click()
    await page.getByTestId('settings').waitFor()
    await page.getByRole('link', { name }).click()
  }
  const settings = () => page.goto(`${new URL(page.url()).origin}/#/`)
  await settings()
  await go('Keys')
  await page.getByTestId('fingerprint').waitFor()
  await settle('keys')
  await settings()
  await go('Recovery')
  await page.getByTestId('recovery').waitFor()
  await settle('recovery')
  await page.getByRole('button', { name: /recovery code/ }).click()
  await page.getByTestId('recovery-code').waitFor()
  await settle('recovery-code')
  await settings()
  await go('What the server knows about you')
  await page.getByTestId('disclosed').first().waitFor()
  await settle('disclosure')
  await page.getByTestId('disclosed').filter({ hasText: 'users' }).first().locator('summary').click()
  await page.getByText('E.164').waitFor()
  await settle('disclosure-table')
  await settings()
  await go('Delete account…')
  await page.getByLabel('to confirm').fill('delete')
  await settle('delete-account')
  await settings()
}

/** A second device, from its first screen to the list with both, and the question before one goes. */
async function visitLinking(person, settleOn, options) {
  const { page, server } = person
  const other = await Person.arrive(server, { phone: person.phone, ...options })
  await page.getByRole('link', { name: 'Settings' }).first().click()
  await page.getByRole('link', { name: 'Devices' }).click()
  await page.getByTestId('device').first().waitFor()
  await page.getByRole('link', { name: 'Link a device' }).click()
  await page.getByLabel('The code on the new device').waitFor()
  await settleOn(page, 'link-device')
  await other.page.getByRole('link', { name: 'Link this browser to an account' }).click()
  await other.page.getByLabel('What to call this device').fill('Old laptop')
  await settleOn(other.page, 'link-browser')
  const code = await offerLink(other)
  await settleOn(other.page, 'link-code')
  // The first touch comes to nothing, so that what asks for it can be seen.
  await person.context.route('**/v1/touch', (route) => route.abort())
  const digits = await linkOf(person, code)
  await settleOn(page, 'link-digits')
  await sendDigits(other, digits)
  await settleOn(other.page, 'link-digits-sent')
  await page.getByTestId('touch').getByRole('alert').filter({ hasText: 'was not reached' }).waitFor()
  await settleOn(page, 'touch')
  await person.context.unroute('**/v1/touch')
  await page.getByTestId('touch').getByRole('button', { name: 'Use my passkey' }).click()
  await other.page.getByRole('button', { name: 'Make the passkey' }).waitFor()
  await settleOn(other.page, 'link-approved')
  await other.page.getByRole('button', { name: 'Make the passkey' }).click()
  await other.page.getByRole('button', { name: 'Open my mailbox' }).waitFor()
  await settleOn(other.page, 'link-done')
  await page.getByTestId('link-device').getByText('Linked').waitFor()
  await settleOn(page, 'share-history')
  await page.getByLabel('All of them').check()
  await page.getByRole('button', { name: 'Go on' }).click()
  await page.getByTestId('history-sent').filter({ hasText: 'All sent' }).waitFor()
  await other.page.getByTestId('history-received').filter({ hasText: 'is here' }).waitFor()
  await settleOn(other.page, 'history-received')
  await page.getByRole('button', { name: 'Close' }).click()
  await page.getByTestId('device').nth(1).waitFor()
  await settleOn(page, 'devices')
  await page.getByRole('button', { name: 'Remove Old laptop' }).click()
  await page.getByLabel('It is lost or stolen').check()
  await settleOn(page, 'remove-device')
  await page.getByRole('button', { name: 'Remove this device' }).click()
  await page.getByTestId('device').nth(1).waitFor({ state: 'detached' })
  await other.page.getByRole('button', { name: 'Open my mailbox' }).click()
  await other.page.getByTestId('banner').filter({ hasText: 'was removed from its account' }).waitFor()
  await settleOn(other.page, 'revoked')
  await other.leave()
}

/** No passkey left. */
async function visitLost(server, phone, options, settleOn) {
  const lost = await Person.arrive(server, { phone, ...options })
  const { page } = lost
  await page.getByRole('link', { name: 'I have one already' }).click()
  await page.getByRole('button', { name: 'I lost my passkey' }).click()
  await page.getByRole('button', { name: 'Prove my number' }).waitFor()
  await settleOn(page, 'lost')
  await page.getByRole('button', { name: 'Prove my number' }).click()
  await lost.provePhone()
  await page.getByRole('button', { name: 'Begin the waiting period' }).waitFor()
  await settleOn(page, 'lost-ask')
  await page.getByRole('button', { name: 'Begin the waiting period' }).click()
  await page.getByTestId('reset').waitFor()
  await settleOn(page, 'lost-waiting')
  await lost.leave()
}
