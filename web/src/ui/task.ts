import { useState } from 'preact/hooks'
import { troubleText } from './trouble.ts'

/** Something under way, and what went wrong with it. */
export interface Task {
  busy: boolean
  error: string | null
  /** Works, and shows the sentence that comes of it, or one about what was thrown. */
  run: (work: () => Promise<string | null | undefined>) => Promise<void>
  /** Shows a sentence without working. */
  fail: (error: string | null) => void
}

/** One thing at a time, with its error shown beside it. */
export function useTask(): Task {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const run: Task['run'] = async (work) => {
    setBusy(true)
    setError(null)
    setError((await work().catch(troubleText)) ?? null)
    setBusy(false)
  }
  return { busy, error, run, fail: setError }
}
