import { useEffect, useState } from 'preact/hooks'
import type { ContactView, Id } from '../../engine.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf } from '../route.ts'
import { DetailsIcon } from '../shell/icons.tsx'
import { nameOf } from '../shell/names.ts'
import { Composer } from './composer.tsx'
import { Details } from './details.tsx'
import { Letters } from './letters.tsx'
import { PaneHead } from './pane-head.tsx'
import { RequestBar } from './request-bar.tsx'
import { SafetyNumber } from './safety.tsx'
import { SafetyAlert } from './safety-alert.tsx'
import { useThread } from './use-thread.ts'

/** One conversation, or its safety number. */
export function Thread({ contact: id, safety }: { contact: Id; safety: boolean }) {
  const mailbox = useMailbox()
  const contact = mailbox.contact(id)
  if (!contact) {
    return (
      <div class="page">
        <PaneHead title={strings.thread.placeholderHeading} />
        <p>{strings.thread.gone}</p>
      </div>
    )
  }
  return safety ? <SafetyNumber contact={contact} /> : <OpenThread contact={contact} />
}

function OpenThread({ contact }: { contact: ContactView }) {
  const thread = useThread(contact.id)
  const [details, setDetails] = useState(false)
  useMarkRead(contact)
  const phone = formatPhone(contact.phone)
  return (
    <div class="thread" data-testid="thread">
      <PaneHead title={nameOf(contact)} {...(contact.name ? { subtitle: phone } : {})}>
        {contact.safety === 'verified' && (
          <a class="tag" href={hrefOf({ at: 'safety', contact: contact.id })} data-testid="verified-mark">
            {strings.safety.verified}
          </a>
        )}
        <button
          type="button"
          class="icon-button"
          aria-expanded={details}
          aria-label={strings.thread.details}
          title={strings.thread.details}
          onClick={() => setDetails(!details)}
        >
          <DetailsIcon />
        </button>
      </PaneHead>
      {details && <Details contact={contact} onClose={() => setDetails(false)} />}
      <SafetyAlert contact={contact} />
      <Letters thread={thread} />
      <Foot contact={contact} />
    </div>
  )
}

function Foot({ contact }: { contact: ContactView }) {
  const mailbox = useMailbox()
  if (contact.standing === 'request') return <RequestBar contact={contact} />
  if (contact.standing === 'accepted') return <Composer contact={contact} />
  return (
    <div class="bar">
      <p>{strings.composer.blocked}</p>
      <button
        type="button"
        onClick={() => mailbox.act({ type: 'block_contact', contact: contact.id, blocked: false })}
      >
        {strings.composer.unblock}
      </button>
    </div>
  )
}

/** What is on a visible screen counts as seen. */
function useMarkRead({ id, unread }: ContactView): void {
  const mailbox = useMailbox()
  useEffect(() => {
    const mark = () => {
      if (unread > 0 && document.visibilityState === 'visible')
        void mailbox.act({ type: 'mark_read', contact: id })
    }
    mark()
    document.addEventListener('visibilitychange', mark)
    return () => document.removeEventListener('visibilitychange', mark)
  }, [mailbox, id, unread])
}
