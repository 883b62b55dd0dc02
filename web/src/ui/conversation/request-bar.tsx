import type { ContactView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { replace } from '../route.ts'
import { nameOf } from '../shell/names.ts'

/** What to do about a stranger's letters. */
export function RequestBar({ contact }: { contact: ContactView }) {
  const mailbox = useMailbox()
  const text = strings.request
  const leave = async (type: 'block_contact' | 'delete_conversation') => {
    await mailbox.act(
      type === 'block_contact' ? { type, contact: contact.id, blocked: true } : { type, contact: contact.id },
    )
    replace({ at: 'home' })
  }
  return (
    <section class="bar" aria-label={strings.list.requests} data-testid="request">
      <p>
        {text.text(nameOf(contact))} {text.promise}
      </p>
      <div class="actions">
        <button
          type="button"
          class="primary"
          onClick={() => mailbox.act({ type: 'accept_contact', contact: contact.id })}
        >
          {text.accept}
        </button>
        <button type="button" onClick={() => leave('block_contact')}>
          {text.block}
        </button>
        <button type="button" onClick={() => leave('delete_conversation')}>
          {text.remove}
        </button>
      </div>
    </section>
  )
}
