// What two browsers do to make one of them a device of the other's account.
import { Person } from './person.mjs'

/** In the new browser: from its name to the code it shows. */
export async function offerLink({ page }) {
  await page.getByRole('button', { name: 'Show the code' }).click()
  return (await page.getByTestId('link-code').textContent()).trim()
}

/** On the signed-in device's page "Link a device": from the code to the digits that it shows. */
export async function linkOf({ page }, code) {
  await page.getByLabel('The code on the new device').fill(code)
  await page.getByRole('button', { name: 'Go on' }).click()
  return (await page.getByTestId('link-digits').textContent()).replace(/\s/g, '')
}

/** In the new browser: the digits. */
export async function sendDigits({ page }, digits) {
  await page.getByLabel('Then type the six digits it shows').fill(digits)
  await page.getByRole('button', { name: 'Confirm the digits' }).click()
}

/** One link under way, between a browser and a device. */
export class Linking {
  constructor(browser, device) {
    Object.assign(this, { browser, device })
  }

  /** The browser shows its code. */
  static async offer(browser, device, name = 'Another device') {
    const { page } = browser
    await page.goto(`${browser.server.origin}/#/link`)
    await page.getByLabel('What to call this device').fill(name)
    const linking = new Linking(browser, device)
    linking.code = await offerLink(browser)
    return linking
  }

  /** The device is given a code, and shows digits. */
  async approve(code = this.code) {
    await this.device.page.goto(`${this.device.server.origin}/#/link-device`)
    this.digits = await linkOf(this.device, code)
  }

  /** Digits are typed in the browser. */
  type(digits = this.digits) {
    return sendDigits(this.browser, digits)
  }

  /** Another guess than the right digits; another one for every number. */
  wrong(guess) {
    return String((Number(this.digits) + guess) % 1_000_000).padStart(6, '0')
  }

  /** Waits until one side says why nothing came of it. */
  static async ended(person, text) {
    await person.page.getByRole('alert').filter({ hasText: text }).waitFor()
  }

  /** The browser makes its passkey and its keys. */
  async complete() {
    const { page } = this.browser
    await page.getByRole('button', { name: 'Make the passkey' }).click()
    await page.getByRole('heading', { name: 'This browser is linked' }).waitFor()
    await this.device.page.getByRole('heading', { name: 'Linked', exact: true }).waitFor()
    await page.getByRole('button', { name: 'Open my mailbox' }).click()
    await this.browser.atHome()
  }
}

/** Links a new browser to the account of this device's person, by code, digits and touch. */
export async function link(device, { name, clock, ...options } = {}) {
  const browser = await Person.arrive(device.server, { phone: device.phone, ...options })
  await clock?.give(browser)
  const linking = await Linking.offer(browser, device, name)
  await linking.approve()
  await linking.type()
  await device.touch(() => browser.page.getByRole('button', { name: 'Make the passkey' }).waitFor())
  await linking.complete()
  return browser
}
