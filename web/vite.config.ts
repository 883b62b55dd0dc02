import { defineConfig } from 'vitest/config'
import { finish } from './build/finish.ts'
import { phoneMetadata } from './build/phone-metadata.ts'

const server = process.env.LETTERBOX_SERVER ?? 'http://localhost:8080'

export default defineConfig({
  // Vite compiles JSX by itself; no framework plug-in is needed for it.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [phoneMetadata(), finish()],
  worker: { format: 'es' },
  build: {
    target: 'es2023',
    // Nothing inline: the page's policy allows neither data: addresses nor inline script.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/v1': { target: server, ws: true } } },
  test: {
    include: ['test/**/*.test.ts'],
    restoreMocks: true,
    // Through the plug-ins, like the page's own code, for the sake of its trimmed metadata.
    server: { deps: { inline: ['libphonenumber-js'] } },
  },
})
