import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { startTouch } from '../net/account.ts'
import { touchPasskey } from '../passkey/ceremony.ts'
import { strings } from '../strings.ts'
import type { TouchWanted } from '../worker/messages.ts'
import { useMailbox } from './context.ts'
import { useTask } from './task.ts'

/**
 * Asks for the passkey for one request. The tab in which the person just did something begins at
 * once; any other waits for the button, and closes when the touch was given elsewhere. A prompt that
 * closes ends its ceremony.
 */
export function TouchPrompt({ wanted }: { wanted: TouchWanted }) {
  const mailbox = useMailbox()
  const id = useId()
  const dialog = useRef<HTMLDialogElement>(null)
  const { busy, error, run } = useTask()
  const [closing] = useState(() => new AbortController())
  const { request, stage } = wanted
  const [heading, text] = strings.touches[wanted.purpose]
  const ask = () =>
    run(async () => {
      const assertion = await touchPasskey(await startTouch(wanted.digest), closing.signal)
      await mailbox.touched(request, assertion)
      return null
    })
  // biome-ignore lint/correctness/useExhaustiveDependencies: once a request, not once a drawing
  useEffect(() => {
    if (!dialog.current?.open) dialog.current?.showModal()
    if (stage === 'wanted' && navigator.userActivation?.isActive) void ask()
    return () => closing.abort()
  }, [request])
  const leave = () => void mailbox.untouched(request)
  return (
    <dialog
      ref={dialog}
      class="sheet"
      aria-labelledby={id}
      data-testid="touch"
      data-purpose={wanted.purpose}
      onCancel={(event) => {
        event.preventDefault()
        if (stage !== 'sending') leave()
      }}
    >
      <h2 id={id}>{heading}</h2>
      <p>{text}</p>
      <p role="status">{stage === 'sending' ? strings.touch.sending : busy ? strings.touch.busy : ''}</p>
      <p role="alert" class="error">
        {error ?? trouble(wanted)}
      </p>
      <div class="actions">
        {stage === 'wanted' && (
          <button type="button" class="primary" disabled={busy} onClick={ask}>
            {strings.touch.action}
          </button>
        )}
        <button type="button" disabled={stage === 'sending'} onClick={leave}>
          {stage === 'wanted' ? strings.touch.decline : strings.close}
        </button>
      </div>
    </dialog>
  )
}

function trouble({ stage, problem }: TouchWanted): string | null {
  if (stage === 'refused') return strings.touch.refused(problem)
  return stage === 'unanswered' ? strings.touch.unanswered : null
}
