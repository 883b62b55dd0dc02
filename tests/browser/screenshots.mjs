// Writes every screen at phone and desktop width, light and dark, into screenshots/.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DESKTOP, PHONE, visitScreens } from './screens.mjs'
import { Server } from './server.mjs'

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'screenshots')
mkdirSync(folder, { recursive: true })
const server = await Server.start()
try {
  for (const viewport of [PHONE, DESKTOP]) {
    for (const colorScheme of ['light', 'dark']) {
      await visitScreens(server, { viewport, colorScheme }, (page, name) =>
        page.screenshot({ path: join(folder, `${name}-${viewport.width}-${colorScheme}.png`) }),
      )
    }
  }
} finally {
  await server.stop()
}
console.log(`screenshots are in ${folder}`)
