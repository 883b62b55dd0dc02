// The last step of a build: gives the page its digest, compresses it, and prints its size.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** Script and WASM together, compressed, take at most this many bytes, or the build fails. */
const BUDGET = 336 * 1024
const PLACEHOLDER = '%LETTERBOX_PAGE%'

/**
 * Writes a digest over every built file into `digest.txt` and into the page itself, so that a page
 * can tell from `GET /v1/server` that it is older than its server; compresses what is served, prints
 * the sizes, and fails where they are more than they may be.
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
      compress(folder, files)
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

/** Writes `FILE.br` beside each file that is worth it: the server sends those as they are. */
function compress(folder: string, files: string[]) {
  let total = 0
  for (const file of files.filter((name) => /\.(js|wasm|css)$/.test(name))) {
    const content = readFileSync(join(folder, file))
    const brotli = brotliCompressSync(content)
    writeFileSync(join(folder, `${file}.br`), brotli)
    if (/\.(js|wasm)$/.test(file)) total += brotli.length
    console.log(`${file.padEnd(44)} ${kib(content.length)}, compressed ${kib(brotli.length)}`)
  }
  const sum = `script and WASM, compressed: ${kib(total)}, of at most ${kib(BUDGET)}`
  if (total > BUDGET) throw new Error(sum)
  console.log(sum)
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1).padStart(6)} KiB`
}
