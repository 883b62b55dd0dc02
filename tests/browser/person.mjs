// A person: a real Chromium with a profile and a virtual authenticator of its own.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { Network } from './network.mjs'
import { PATIENCE } from './patience.mjs'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export class Person {
  /** `prf`: whether the authenticator can evaluate the PRF extension. */
  static async arrive(server, { phone, prf = true, viewport = { width: 1280, height: 800 }, colorScheme = 'light' } = {}) {
    const person = new Person()
    Object.assign(person, { server, phone, prf, problems: [] })
    person.profile = mkdtempSync(join(tmpdir(), 'letterbox-profile-'))
    person.network = await Network.start()
    person.context = await chromium.launchPersistentContext(person.profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: [...flags, `--proxy-server=http://127.0.0.1:${person.network.port}`, '--proxy-bypass-list=<-loopback>'],
      viewport,
      colorScheme,
      locale: 'en-GB',
    })
    person.context.setDefaultTimeout(PATIENCE)
    person.page = person.watch(person.context.pages()[0] ?? (await person.context.newPage()))
    await person.authenticator(person.page)
    await person.page.goto(server.origin)
    return person
  }

  /** Errors that a page logs fail the test that closes the person. */
  watch(page) {
    page.on('pageerror', (error) => this.problems.push(String(error)))
    page.on('console', (message) => {
      // Chromium logs every failed request; those that a test provokes are expected.
      const text = message.text()
      if (message.type() === 'error' && !text.startsWith('Failed to load resource') && !text.includes('WebSocket connection')) this.problems.push(text)
    })
    return page
  }

  /** Another browser that holds the same passkey, as a provider that syncs them would bring about. */
  static async withPasskeyOf(owner, options = {}) {
    const { credentials } = await owner.keys.send('WebAuthn.getCredentials', { authenticatorId: owner.authenticatorId })
    const person = await Person.arrive(owner.server, { phone: owner.phone, ...options })
    for (const credential of credentials) {
      await person.keys.send('WebAuthn.addCredential', { authenticatorId: person.authenticatorId, credential })
    }
    return person
  }

  async authenticator(page) {
    this.keys = await this.context.newCDPSession(page)
    await this.keys.send('WebAuthn.enable')
    this.authenticatorId = await this.addAuthenticator('internal')
  }

  /** Adds a virtual authenticator to the page; its id. */
  async addAuthenticator(transport) {
    const { authenticatorId } = await this.keys.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport,
        hasResidentKey: true,
        hasUserVerification: true,
        hasPrf: this.prf,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    return authenticatorId
  }

  /** Has workers run `script` before their own, from the next load on. */
  async inWorkers(script) {
    const file = '**/assets/main-*.js'
    await this.context.unroute(file)
    await this.context.route(file, async (route) => {
      const answer = await route.fetch()
      await route.fulfill({ response: answer, body: `{${script}}\n${await answer.text()}` })
    })
  }

  /** From the welcome page to an empty mailbox. */
  async signUp(page = this.page) {
    await this.beginSignUp(page)
    await this.atHome(page)
  }

  /** From the welcome page to the keys being made. */
  async beginSignUp(page = this.page) {
    await page.getByRole('link', { name: 'Create a mailbox' }).click()
    await this.provePhone(page)
    await page.getByRole('button', { name: 'Make the passkey' }).click()
  }

  /** From the form for the phone number to the one for the passkey. */
  async provePhone(page = this.page) {
    await page.getByLabel('Your phone number').fill(this.phone)
    await page.getByRole('button', { name: 'Send the code' }).click()
    const field = page.getByLabel('The code we sent you')
    await field.waitFor()
    await field.fill(await this.server.code())
    await page.getByRole('button', { name: 'Check the code' }).click()
  }

  /** Waits for the conversation list. */
  async atHome(page = this.page) {
    await page.getByRole('heading', { name: 'Conversations' }).waitFor()
  }

  /** One touch, after a cold start or a reload of a vault under PRF. */
  async unlock(page = this.page) {
    await page.getByRole('button', { name: 'Unlock' }).click()
    await page.getByTestId('conversations').waitFor({ state: 'attached' })
  }

  /** To a screen, by its address; home without one. */
  async go(at = '', page = this.page) {
    await page.goto(`${this.server.origin}/#/${at}`)
  }

  /** A conversation in the list, by what its entry shows; the only one without it. */
  entry(text, page = this.page) {
    return page.getByTestId('conversation').filter({ hasText: text })
  }

  /** Touches the passkey, unless the page has begun by itself after a click; `done` waits for what comes of it. */
  async touch(done, page = this.page) {
    const outcome = done()
    const ask = page.getByTestId('touch').getByRole('button', { name: 'Use my passkey' })
    await Promise.race([outcome, ask.click().catch(() => {})])
    await outcome
  }

  /** The browser clears what it stores for the page, its session too. The passkey stays. */
  async empty() {
    // What the page was just writing would fail, and the page say so.
    await this.page.goto('about:blank')
    await this.context.clearCookies()
    await this.keys.send('Storage.clearDataForOrigin', { origin: this.server.origin, storageTypes: 'all' })
    await this.page.goto(`${this.server.origin}/#/`)
    await this.page.getByRole('link', { name: 'I have one already' }).click()
    await this.page.getByRole('button', { name: 'Use my passkey' }).click()
    await this.page.getByRole('heading', { name: 'This browser is not a device yet' }).waitFor()
  }

  /** Looks a number up; the conversation opens where there is a mailbox. */
  async find(phone, page = this.page) {
    await page.getByRole('link', { name: 'New conversation' }).first().click()
    await page.getByLabel('Phone number').fill(phone)
    await page.getByRole('button', { name: 'Find' }).click()
  }

  /** Opens the conversation whose entry in the list shows this text, or the only one. */
  async open(text, page = this.page) {
    await this.entry(text, page).click()
    await page.getByTestId('thread').waitFor()
  }

  /** Types a letter into the open conversation and sends it with Enter. */
  async write(text, page = this.page) {
    const composer = page.getByRole('textbox', { name: /^Write to/ })
    await composer.fill(text)
    await composer.press('Enter')
    await this.letter(text, page).waitFor()
  }

  /** Writes as fast as the composer takes it, without waiting for the letter to show. */
  async put(text, page = this.page) {
    const composer = page.getByRole('textbox', { name: /^Write to/ })
    await composer.fill(text)
    await composer.press('Enter')
    await page.waitForFunction(() => document.querySelector('[data-testid=composer]').value === '')
  }

  /** Presses the tab key until what is called so has the focus. */
  async tabTo(name, page = this.page) {
    for (let presses = 0; presses < 40; presses++) {
      await page.keyboard.press('Tab')
      const focused = await page.evaluate(() => {
        const { ariaLabel, textContent } = document.activeElement
        return (ariaLabel ?? textContent).trim()
      })
      if (focused === name) return
    }
    throw new Error(`the tab key does not lead to "${name}"`)
  }

  /** Waits until the field so labelled has the focus by itself. */
  async focusIn(label, page = this.page) {
    const field = page.getByLabel(label, { exact: true })
    await field.and(page.locator(':focus')).waitFor()
  }

  /** A letter in the open conversation. */
  letter(text, page = this.page) {
    return page.getByTestId('letter').filter({ has: page.getByText(text, { exact: true }) })
  }

  /** Waits until the server has a letter. */
  async sent(text, page = this.page) {
    await this.letter(text, page).and(page.locator('[data-state="sent"]')).waitFor()
  }

  /** Writes, and waits until the server has it. */
  async send(text, page = this.page) {
    await this.write(text, page)
    await this.sent(text, page)
  }

  /** The texts of the open conversation, oldest first. */
  texts(page = this.page) {
    return page.getByTestId('text').allTextContents()
  }

  /** Waits until the open conversation shows these texts and no others, oldest first. */
  async shows(expected, page = this.page) {
    const matches = (expected) => {
      const shown = [...document.querySelectorAll('[data-testid=text]')].map((text) => text.textContent)
      return JSON.stringify(shown) === JSON.stringify(expected)
    }
    await page.waitForFunction(matches, expected).catch(async (error) => {
      assert.deepEqual(await this.texts(page), expected)
      throw error
    })
  }

  async leave() {
    await this.context.close()
    this.network.stop()
    rmSync(this.profile, { recursive: true, force: true })
    if (this.problems.length) throw new Error(`the page logged errors:\n${this.problems.join('\n')}`)
  }
}
