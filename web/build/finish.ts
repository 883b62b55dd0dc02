// The last step of a build: gives the page its digest, and holds it to its size.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** Script and WASM together, compressed, may take this many bytes. */
const BUDGET = 250 * 1024
const PLACEHOLDER = '%LETTERBOX_PAGE%'

/**
 * Writes a digest over every built file into `digest.txt` and into the page itself, so that a page
 * can tell from `GET /v1/server` that it is older than its server. Prints the compressed sizes and
 * fails when they pass the budget.
 */
export function finish(): Plugin {
  let folder = 'dist'
  return {
    name: 'letterbox-finish',
    apply: 'build',
    configResolved(config) {
      folder = join(config.root, config.build.outDir)
    },
    closeBundle() {
      const files = listFiles(folder)
      stampDigest(folder, files)
      printSizes(folder, files)
    },
  }
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

function stampDigest(folder: string, files: string[]) {
  const hash = createHash('sha256')
  for (const file of files) {
    const content = readFileSync(join(folder, file))
    hash.update(`${file}\0${content.length}\0`).update(content)
  }
  const digest = hash.digest('base64url')
  const page = join(folder, 'index.html')
  const html = readFileSync(page, 'utf8')
  if (!html.includes(PLACEHOLDER)) throw new Error(`index.html does not hold ${PLACEHOLDER}`)
  writeFileSync(page, html.replace(PLACEHOLDER, digest))
  writeFileSync(join(folder, 'digest.txt'), digest)
}

function printSizes(folder: string, files: string[]) {
  let total = 0
  for (const file of files.filter((name) => /\.(js|wasm|css|html)$/.test(name))) {
    const content = readFileSync(join(folder, file))
    const gzip = gzipSync(content, { level: 6 }).length
    const brotli = brotliCompressSync(content).length
    if (/\.(js|wasm)$/.test(file)) total += brotli
    console.log(`${file.padEnd(44)} ${kib(content.length)}  gzip ${kib(gzip)}  brotli ${kib(brotli)}`)
  }
  console.log(`script and WASM, brotli: ${kib(total)} of at most ${kib(BUDGET)}`)
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1).padStart(6)} KiB`
}
