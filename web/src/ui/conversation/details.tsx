import { useState } from 'preact/hooks'
import type { ContactView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { hrefOf, replace } from '../route.ts'

interface DetailsProps {
  contact: ContactView
  onClose: () => void
}

/** One's own name for a contact; blocking; deleting. */
export function Details({ contact, onClose }: DetailsProps) {
  const text = strings.contact
  const mailbox = useMailbox()
  const [name, setName] = useState(contact.name)
  const [sure, setSure] = useState(false)
  const blocked = contact.standing === 'blocked'
  const save = async (event: Event) => {
    event.preventDefault()
    await mailbox.act({ type: 'name_contact', contact: contact.id, name: name.trim() })
    onClose()
  }
  const block = async () => {
    await mailbox.act({ type: 'block_contact', contact: contact.id, blocked: !blocked })
    onClose()
  }
  const remove = async () => {
    if (!sure) return setSure(true)
    await mailbox.act({ type: 'delete_conversation', contact: contact.id })
    replace({ at: 'home' })
  }
  return (
    <section class="details" aria-label={text.heading} data-testid="details">
      <form onSubmit={save}>
        <Field
          label={text.name}
          hint={text.nameHint}
          name="name"
          autocomplete="off"
          maxLength={100}
          focused
          value={name}
          onValue={setName}
        />
        <div class="actions">
          <button type="submit" class="primary">
            {text.save}
          </button>
          <button type="button" onClick={onClose}>
            {strings.close}
          </button>
        </div>
      </form>
      <div class="details-more">
        <a class="button" href={hrefOf({ at: 'safety', contact: contact.id })}>
          {strings.safety.heading}
        </a>
        <button type="button" onClick={block}>
          {blocked ? text.unblock : text.block}
        </button>
        {!blocked && <p class="hint">{text.blockHint}</p>}
        <button type="button" class="danger" onClick={remove}>
          {sure ? text.removeSure : text.remove}
        </button>
        <p class="hint">{text.removeHint}</p>
      </div>
    </section>
  )
}
