// What libphonenumber knows of each country, without what the page never asks it.
import { readFileSync } from 'node:fs'
import type { MetadataJson } from 'libphonenumber-js/core'
import type { Plugin } from 'vite'

const FORMATS = 4
const TYPES = 11

/**
 * Leaves out of `libphonenumber-js/metadata.min.json` what only other uses of the library need, a
 * quarter of it compressed: how numbers are written within their country and while being typed, and
 * which kinds of numbers there are.
 */
export function phoneMetadata(): Plugin {
  return {
    name: 'letterbox-phone-metadata',
    enforce: 'pre',
    load(id) {
      const file = /^(.*\/libphonenumber-js\/metadata\.min\.json)\.js$/.exec(id)?.[1]
      if (!file) return null
      return `export default ${JSON.stringify(trimmed(JSON.parse(readFileSync(file, 'utf8'))))}`
    },
  }
}

/** The same, trimmed. A country is an array; its places are those of the library's `metadata.js`. */
function trimmed(all: MetadataJson): MetadataJson {
  const places = [all.countries, all.nonGeographic ?? {}].flatMap(Object.values) as unknown[][]
  for (const place of places) {
    const formats = place[FORMATS]
    if (Array.isArray(formats)) place[FORMATS] = formats.map(trimmedFormat)
    if (place[TYPES]) place[TYPES] = 0
  }
  return all
}

/** Of the leading digits only the last pattern, which holds the others, counts for a whole number. */
function trimmedFormat(format: unknown): unknown {
  if (!Array.isArray(format)) return format
  const [pattern, national, leading, , , international] = format
  const digits = Array.isArray(leading) ? leading.slice(-1) : leading
  if (international) return [pattern, national, digits ?? 0, 0, 0, international]
  return digits ? [pattern, national, digits] : [pattern, national]
}
