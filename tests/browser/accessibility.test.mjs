// axe finds nothing serious on any screen, at phone and desktop width, light and dark.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { DESKTOP, PHONE, visitScreens } from './screens.mjs'
import { Server } from './server.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function serious(page) {
  // Through the debugger, because the page's policy allows no foreign script.
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Runtime.evaluate', { expression: axe })
  const { result } = await cdp.send('Runtime.evaluate', {
    expression: 'axe.run().then((r) => JSON.stringify(r.violations))',
    awaitPromise: true,
    returnByValue: true,
  })
  await cdp.detach()
  return JSON.parse(result.value)
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`)
}

describe('accessibility', () => {
  let server
  before(async () => (server = await Server.start()))
  after(() => server?.stop())

  for (const [viewport, colorScheme] of [[PHONE, 'light'], [DESKTOP, 'dark'], [PHONE, 'dark'], [DESKTOP, 'light']]) {
    test(`at ${viewport.width} px, ${colorScheme}`, async () => {
      const found = []
      const seen = []
      await visitScreens(server, { viewport, colorScheme }, async (page, name) => {
        seen.push(name)
        found.push(...(await serious(page)).map((what) => `${name}: ${what}`))
      })
      assert.ok(seen.length >= 15, `only ${seen.length} screens were visited`)
      assert.deepEqual(found, [])
    })
  }
})
