// axe finds nothing serious on any screen, and nothing is cut off at the side: at phone and desktop
// width, light and dark.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, before, describe, test } from 'node:test'
import { DESKTOP, PHONE, visitScreens } from './screens.mjs'
import { Server } from './server.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

async function serious(page) {
  await page.evaluate(axe)
  const violations = await page.evaluate(() => window.axe.run().then((result) => result.violations))
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`)
}

/** In the page: what can be scrolled sideways, so that a part of it is out of sight. */
function tooWide() {
  const scrolls = (element) => element === document.documentElement || /auto|scroll/.test(getComputedStyle(element).overflowX)
  return [...document.querySelectorAll('*')]
    .filter((element) => element.scrollWidth > element.clientWidth + 1 && scrolls(element))
    .map(({ localName, className, scrollWidth, clientWidth }) => `${localName}.${className}: ${scrollWidth} px in ${clientWidth}`)
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
        const faults = [...(await serious(page)), ...(await page.evaluate(tooWide))]
        found.push(...faults.map((what) => `${name}: ${what}`))
      })
      assert.ok(seen.length >= 15, `only ${seen.length} screens were visited`)
      assert.deepEqual(found, [])
    })
  }
})
