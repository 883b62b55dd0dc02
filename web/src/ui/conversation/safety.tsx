import { useState } from 'preact/hooks'
import type { ContactView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Groups } from '../groups.tsx'
import { Qr } from '../qr.tsx'
import { Scan } from '../scan.tsx'
import { nameOf } from '../shell/names.ts'
import { PaneHead } from './pane-head.tsx'
import { SafetyAlert } from './safety-alert.tsx'

/** What the codes that letterbox shows for safety numbers begin with. */
const PREFIX = 'letterbox-safety:'

/** A contact's safety number, to be compared with what they see. */
export function SafetyNumber({ contact }: { contact: ContactView }) {
  const text = strings.safety
  const mailbox = useMailbox()
  const [scanned, setScanned] = useState<string | null>(null)
  const name = nameOf(contact)
  const verified = contact.safety === 'verified'
  // What was on the screen when the person began to compare; one that came since is not marked.
  const [compared] = useState(contact.safety_code)
  const mark = (verified: boolean) =>
    mailbox.act({ type: 'verify_contact', contact: contact.id, code: verified ? compared : null })
  return (
    <div class="page" data-testid="safety" data-safety={contact.safety}>
      <PaneHead
        title={text.heading}
        subtitle={text.with(name)}
        up={{ at: 'conversation', contact: contact.id }}
      />
      <SafetyAlert contact={contact} />
      {contact.safety_number === '' ? (
        <p>{text.unknown}</p>
      ) : (
        <section>
          <p>{text.text(name)}</p>
          <Groups label={text.number} text={contact.safety_number} size={5} testid="safety-number" />
          <Qr text={contact.safety_code} label={text.qr} />
          <Scan label={text.scan} onText={setScanned} />
          <p role="status" data-testid="scanned">
            {scanned && comparison(scanned, contact.safety_code)}
          </p>
          <p data-testid="verified">{verified ? text.verifiedText : text.unverifiedText}</p>
          <div class="actions">
            {verified ? (
              <button type="button" onClick={() => mark(false)}>
                {text.unmark}
              </button>
            ) : (
              <button type="button" class="primary" onClick={() => mark(true)}>
                {text.mark}
              </button>
            )}
          </div>
        </section>
      )}
    </div>
  )
}

/** What a scanned code says about the one that is shown here. */
export function comparison(scanned: string, shown: string): string {
  if (!scanned.startsWith(PREFIX)) return strings.safety.notOne
  return scanned === shown ? strings.safety.same : strings.safety.different
}
