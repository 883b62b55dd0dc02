import decodeQR from 'qr/decode.js'
import { expect, test } from 'vitest'
import { drawQr, Qr } from '../src/ui/qr.tsx'

const SCALE = 4
const SAFETY = `letterbox-safety:2:${'Zm9vYmFyYmF6cXV4'.repeat(6)}`

/** What a camera would see of the code, one byte a pixel for each of red, green and blue. */
function picture({ size, path }: { size: number; path: string }) {
  const side = size * SCALE
  const data = new Uint8Array(side * side * 3).fill(255)
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = Number(y) * SCALE; row < (Number(y) + 1) * SCALE; row++) {
      const start = row * side + Number(x) * SCALE
      data.fill(0, start * 3, (start + Number(width) * SCALE) * 3)
    }
  }
  return { width: side, height: side, data }
}

test.each(['https://letterbox.example/', SAFETY, 'a', 'Grüße ✉', '0123456789'])(
  '%s is read again',
  (text) => {
    expect(decodeQR(picture(drawQr(text)))).toBe(text)
  },
)

test('four modules around the code stay light', () => {
  const { size, path } = drawQr(SAFETY)
  const bars = [...path.matchAll(/M(\d+) (\d+)h(\d+)/g)].map(([, ...numbers]) => numbers.map(Number))
  const lefts = bars.map(([x = 0]) => x)
  const rights = bars.map(([x = 0, , width = 0]) => x + width)
  const rows = bars.map(([, y = 0]) => y)
  expect([Math.min(...lefts), Math.min(...rows)]).toEqual([4, 4])
  expect([Math.max(...rights), Math.max(...rows)]).toEqual([size - 4, size - 5])
})

test('the code is a picture with a name, dark on white', () => {
  const { props, type } = Qr({ text: 'a', label: 'Link code' })
  expect([type, props.role, props['aria-label']]).toEqual(['svg', 'img', 'Link code'])
  const [ground, modules] = props.children
  expect([ground.type, ground.props.fill, modules.type, modules.props.fill]).toEqual([
    'rect',
    '#fff',
    'path',
    '#000',
  ])
})
