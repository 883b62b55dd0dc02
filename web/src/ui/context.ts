/** How screens reach the mailbox. */
import { createContext } from 'preact'
import { useContext, useLayoutEffect, useReducer } from 'preact/hooks'
import type { Mailbox } from './mailbox.ts'

export const MailboxContext = createContext<Mailbox | null>(null)

/** The mailbox; the component is drawn again whenever something in it changed. */
export function useMailbox(): Mailbox {
  const mailbox = useContext(MailboxContext)
  if (!mailbox) throw new Error('no mailbox around this component')
  const [, redraw] = useReducer<number, void>((n) => n + 1, 0)
  // Watched before anything else runs: what changes between drawing and an effect would go unseen.
  useLayoutEffect(() => mailbox.watch(redraw), [mailbox])
  return mailbox
}
