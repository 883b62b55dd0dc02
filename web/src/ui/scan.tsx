import { useEffect, useRef, useState } from 'preact/hooks'
import { strings } from '../strings.ts'

interface Detector {
  detect(image: HTMLVideoElement): Promise<{ rawValue: string }[]>
}

type DetectorClass = new (options: { formats: string[] }) => Detector

/** How often the camera's picture is looked at, in milliseconds. */
const PAUSE = 250

interface ScanProps {
  label: string
  onText: (text: string) => void
}

/** A button that reads a QR code with the camera, where the browser can do that by itself. */
export function Scan({ label, onText }: ScanProps) {
  const [open, setOpen] = useState(false)
  if (!('BarcodeDetector' in globalThis) || !navigator.mediaDevices) return null
  const found = (text: string) => {
    setOpen(false)
    onText(text)
  }
  return (
    <div class="stack">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        {label}
      </button>
      {open && <Camera onText={found} />}
    </div>
  )
}

function Camera({ onText }: { onText: (text: string) => void }) {
  const video = useRef<HTMLVideoElement>(null)
  const [blind, setBlind] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: one camera for as long as it shows
  useEffect(() => {
    let gone = false
    let stream: MediaStream | undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    const { BarcodeDetector } = globalThis as unknown as { BarcodeDetector: DetectorClass }
    const look = async () => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } })
      if (gone || !video.current) return stop()
      video.current.srcObject = stream
      await video.current.play()
      const detector = new BarcodeDetector({ formats: ['qr_code'] })
      const again = async (): Promise<void> => {
        if (gone || !video.current) return
        const text = (await detector.detect(video.current).catch(() => []))[0]?.rawValue
        if (text) onText(text)
        else timer = setTimeout(again, PAUSE)
      }
      await again()
    }
    const stop = () => {
      for (const track of stream?.getTracks() ?? []) track.stop()
    }
    look().catch(() => setBlind(true))
    return () => {
      gone = true
      clearTimeout(timer)
      stop()
    }
  }, [])
  if (blind) return <p role="alert">{strings.link.noCamera}</p>
  return (
    <>
      <p class="hint" role="status">
        {strings.link.scanning}
      </p>
      <video ref={video} class="camera" muted playsInline />
    </>
  )
}
