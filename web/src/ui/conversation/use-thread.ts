import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { Id, LetterView } from '../../engine.ts'
import { useMailbox } from '../context.ts'
import { withEvent, withLetters } from '../thread-letters.ts'

/** How many letters are read at a time. */
const PAGE = 40

/** A thread as far as it is loaded. */
export interface ThreadView {
  /** Oldest first; `null` until the first page is there. */
  letters: LetterView[] | null
  /** Whether there are older ones in the vault. */
  more: boolean
  loadOlder: () => Promise<void>
}

/** Reads a thread page by page and keeps it current. */
export function useThread(contact: Id): ThreadView {
  const mailbox = useMailbox()
  const [letters, setLetters] = useState<LetterView[] | null>(null)
  const [more, setMore] = useState(false)
  const loading = useRef(false)
  const hidden = useRef(false)
  hidden.current = more

  useEffect(() => {
    let gone = false
    // What happens while the first page is read is put on top of it.
    const stop = mailbox.hear((events) =>
      setLetters((shown) =>
        events.reduce((all, event) => {
          const oldest = all[0]
          const isBelow = event.type === 'letter' && hidden.current && oldest && event.letter.key < oldest.key
          return isBelow ? all : withEvent(all, contact, event)
        }, shown ?? []),
      ),
    )
    void mailbox.letters(contact, null, PAGE).then((page) => {
      if (gone) return
      setLetters((shown) => withLetters(page, shown ?? []))
      setMore(page.length === PAGE)
    })
    return () => {
      gone = true
      stop()
    }
  }, [mailbox, contact])

  const loadOlder = useCallback(async () => {
    const oldest = letters?.[0]
    if (loading.current || !oldest) return
    loading.current = true
    const page = await mailbox.letters(contact, oldest.key, PAGE)
    setLetters((shown) => withLetters(shown ?? [], page))
    setMore(page.length === PAGE)
    loading.current = false
  }, [mailbox, contact, letters])

  return { letters, more, loadOlder }
}
