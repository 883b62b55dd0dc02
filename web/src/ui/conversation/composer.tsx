import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { type ContactView, type Id, TEXT_LIMIT } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf } from '../route.ts'
import { SendIcon } from '../shell/icons.tsx'
import { nameOf } from '../shell/names.ts'
import { refusalText } from '../trouble.ts'

/** A letter grows its box up to this many pixels. */
const TALLEST = 200

/** What was being written to whom, for as long as the page is open. */
const drafts = new Map<Id, string>()

/** Where letters are written. Enter sends; Shift and Enter begins a new line. */
export function Composer({ contact }: { contact: ContactView }) {
  const mailbox = useMailbox()
  const id = useId()
  const box = useRef<HTMLTextAreaElement>(null)
  const [text, setText] = useState(drafts.get(contact.id) ?? '')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [asking, setAsking] = useState(false)

  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) box.current?.focus()
  }, [])
  useEffect(() => {
    drafts.set(contact.id, text)
    const element = box.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(element.scrollHeight + 2, TALLEST)}px`
  }, [contact.id, text])

  const send = async (sure = false) => {
    if (busy || text.trim() === '') return
    if (contact.safety === 'changed_after_verification' && !sure) return setAsking(true)
    setAsking(false)
    if (new TextEncoder().encode(text).length > TEXT_LIMIT) return setError(strings.composer.tooLong)
    setBusy(true)
    setError(null)
    if (sure) await mailbox.act({ type: 'accept_identity', contact: contact.id })
    const reply = await mailbox.act({ type: 'send_text', contact: contact.id, text })
    setBusy(false)
    if (reply.ok) setText((now) => (now === text ? '' : now))
    else setError(refusalText(reply.refusal))
    box.current?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    event.preventDefault()
    void send()
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
    >
      <label class="only-read" for={id}>
        {strings.composer.label(nameOf(contact))}
      </label>
      <textarea
        id={id}
        ref={box}
        rows={1}
        placeholder={strings.composer.placeholder}
        enterkeyhint="send"
        aria-describedby={`${id}-hint`}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        data-testid="composer"
      />
      <button
        type="submit"
        class="icon-button accent"
        aria-label={strings.composer.send}
        title={strings.composer.send}
      >
        <SendIcon />
      </button>
      {asking && (
        <Question
          contact={contact}
          onSend={() => send(true)}
          onLeave={() => {
            setAsking(false)
            box.current?.focus()
          }}
        />
      )}
      <p class="hint" id={`${id}-hint`}>
        {strings.composer.hint}
      </p>
      <p class="error" role="alert">
        {error}
      </p>
    </form>
  )
}

interface QuestionProps {
  contact: ContactView
  onSend: () => void
  onLeave: () => void
}

/** Before anything goes to somebody whose verified safety number has changed. */
function Question({ contact, onSend, onLeave }: QuestionProps) {
  const text = strings.safety
  const id = useId()
  const stay = useRef<HTMLButtonElement>(null)
  useEffect(() => stay.current?.focus(), [])
  return (
    <div
      class="warning question"
      role="alertdialog"
      aria-labelledby={`${id}-heading`}
      aria-describedby={`${id}-text`}
      data-testid="send-question"
    >
      <h2 id={`${id}-heading`}>{text.askHeading}</h2>
      <p id={`${id}-text`}>{text.ask(nameOf(contact))}</p>
      <div class="actions">
        <button type="button" ref={stay} onClick={onLeave}>
          {text.dontSend}
        </button>
        <a class="button" href={hrefOf({ at: 'safety', contact: contact.id })}>
          {text.compare}
        </a>
        <button type="button" class="danger" onClick={onSend}>
          {text.sendAnyway}
        </button>
      </div>
    </div>
  )
}
