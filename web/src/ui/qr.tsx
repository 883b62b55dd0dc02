import { correction, generate } from 'lean-qr/nano'

/** The light border that a scanner needs, in modules (ISO/IEC 18004 section 6.3.8). */
const QUIET = 4

/**
 * `text` as a QR code. It is dark on white in both colour schemes: many scanners cannot read the
 * opposite. `label` says what the code is for, to those who do not see it; the text itself has to
 * stand beside it, for those who cannot scan.
 */
export function Qr({ text, label }: { text: string; label: string }) {
  const { size, path } = drawQr(text)
  return (
    <svg
      class="qr"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      shape-rendering="crispEdges"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  )
}

/** The dark modules as one path of horizontal bars, each a module high, in a square of `size`. */
export function drawQr(text: string): { size: number; path: string } {
  // A screen is neither torn nor soiled; M puts up with 15 % all the same, as with glare.
  const modules = generate(text, { minCorrectionLevel: correction.M })
  let path = ''
  for (let y = 0; y < modules.size; y++) {
    for (let x = 0; x < modules.size; x++) {
      const start = x
      while (modules.get(x, y)) x++
      if (x > start) path += `M${start + QUIET} ${y + QUIET}h${x - start}v1h${start - x}z`
    }
  }
  return { size: modules.size + 2 * QUIET, path }
}
