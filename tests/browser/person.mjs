// A person: a real Chromium with a profile and a virtual authenticator of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

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
    person.context = await chromium.launchPersistentContext(person.profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: flags,
      viewport,
      colorScheme,
      locale: 'en-GB',
    })
    person.context.setDefaultTimeout(20_000)
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

  async authenticator(page) {
    const cdp = await this.context.newCDPSession(page)
    await cdp.send('WebAuthn.enable')
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        ctap2Version: 'ctap2_1',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        hasPrf: this.prf,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    })
    return cdp
  }

  async leave() {
    await this.context.close()
    rmSync(this.profile, { recursive: true, force: true })
    if (this.problems.length) throw new Error(`the page logged errors:\n${this.problems.join('\n')}`)
  }
}
