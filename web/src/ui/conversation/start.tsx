import { useEffect, useRef, useState } from 'preact/hooks'
import { formatPhone, parsePhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { replace } from '../route.ts'
import { PaneHead } from './pane-head.tsx'

/** Finding somebody by phone number. */
export function Start({ own }: { own: string }) {
  const text = strings.start
  const mailbox = useMailbox()
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState<'busy' | 'waits' | null>(null)
  const [error, setError] = useState<string | null>(null)
  const left = useRef(new AbortController())
  useEffect(() => () => left.current.abort(), [])

  const find = async (phone: string): Promise<string | null> => {
    const known = mailbox.open?.contacts.find((contact) => contact.phone === phone)
    if (known) {
      replace({ at: 'conversation', contact: known.id })
      return null
    }
    const { signal } = left.current
    const found = await mailbox.find(phone, () => setBusy('waits'), signal)
    // Whoever has gone elsewhere meanwhile finds the conversation in the list.
    if (signal.aborted) return null
    if (found.outcome === 'found') {
      replace({ at: 'conversation', contact: found.contact })
      return null
    }
    return found.outcome === 'no_such_mailbox' ? text.missing(formatPhone(phone)) : text[found.outcome]
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    const phone = parsePhone(typed)
    if (!phone) return setError(strings.trouble.phone)
    if (phone === own) return setError(text.self)
    setBusy('busy')
    setError(null)
    setError(await find(phone))
    setBusy(null)
  }
  return (
    <div class="page">
      <PaneHead title={text.heading} />
      <form onSubmit={submit} noValidate>
        <Field
          label={text.phone}
          hint={text.hint}
          error={error}
          type="tel"
          name="recipient"
          autocomplete="off"
          inputMode="tel"
          focused
          value={typed}
          onValue={setTyped}
        />
        <div class="actions">
          <button type="submit" class="primary" disabled={busy !== null}>
            {text.action}
          </button>
        </div>
        <p role="status">{busy ? text[busy] : ''}</p>
      </form>
    </div>
  )
}
