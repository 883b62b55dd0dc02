import { useState } from 'preact/hooks'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { Field } from '../field.tsx'
import { hrefOf } from '../route.ts'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'

/** The end of the account: a word to type, and a touch. */
export function DeleteAccount() {
  const text = strings.leaving
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [typed, setTyped] = useState('')
  const sure = typed.trim().toLowerCase() === text.word
  const submit = (event: Event) => {
    event.preventDefault()
    if (!sure) return
    void run(async () => {
      const reply = await mailbox.act({ type: 'delete_account' })
      return reply.ok ? null : refusalText(reply.refusal)
    })
  }
  return (
    <div class="page" data-testid="delete-account">
      <PaneHead title={text.heading} up={{ at: 'settings' }} />
      <form onSubmit={submit} noValidate>
        <p>{text.text}</p>
        <p>{text.others}</p>
        <Field
          label={text.confirm(text.word)}
          error={error}
          name="confirmation"
          autocomplete="off"
          value={typed}
          onValue={setTyped}
        />
        <div class="actions">
          <button type="submit" class="danger" disabled={!sure || busy}>
            {text.action}
          </button>
          <a class="button" href={hrefOf({ at: 'settings' })}>
            {strings.cancel}
          </a>
        </div>
      </form>
    </div>
  )
}
