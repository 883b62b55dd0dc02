import type { ContactView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf } from '../route.ts'
import { nameOf } from '../shell/names.ts'

/** Says that a contact's safety number changed, until the person takes note of it. */
export function SafetyAlert({ contact }: { contact: ContactView }) {
  const mailbox = useMailbox()
  const text = strings.safety
  const { safety } = contact
  if (safety !== 'changed' && safety !== 'changed_after_verification') return null
  const mild = safety === 'changed'
  const name = nameOf(contact)
  return (
    <section class="warning" role="alert" data-testid="safety-alert" data-safety={safety}>
      <p>{mild ? text.changed(name) : text.changedAfterVerification(name)}</p>
      <div class="actions">
        <button type="button" onClick={() => mailbox.act({ type: 'accept_identity', contact: contact.id })}>
          {mild ? text.understood : text.goOn}
        </button>
        <a class="button" href={hrefOf({ at: 'safety', contact: contact.id })}>
          {text.compare}
        </a>
      </div>
    </section>
  )
}
