import { useEffect, useState } from 'preact/hooks'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { nameOf } from './names.ts'

/** Says new letters and failures aloud, for those who do not see them appear. */
export function Announcer() {
  const mailbox = useMailbox()
  const [text, setText] = useState('')
  useEffect(
    () =>
      mailbox.hear((events) => {
        for (const event of events) {
          if (event.type !== 'letter') continue
          const contact = mailbox.contact(event.letter.contact)
          if (event.letter.state.state === 'received' && contact && contact.unread > 0) {
            setText(strings.announce.letter(nameOf(contact)))
          } else if (event.letter.state.state === 'failed') setText(strings.announce.failed)
        }
      }),
    [mailbox],
  )
  return (
    <p class="only-read" role="status" aria-live="polite" data-testid="announcer">
      {text}
    </p>
  )
}
