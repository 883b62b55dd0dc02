import { useState } from 'preact/hooks'
import type { Id } from '../../engine.ts'
import { strings } from '../../strings.ts'
import type { HistoryProgress } from '../../worker/messages.ts'
import { Choice } from '../choice.tsx'
import { useMailbox } from '../context.ts'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'

const MONTH = 30 * 86_400_000

interface ShareHistoryProps {
  device: Id
  sent: HistoryProgress | null
  onDone: () => void
}

/** How far back another device gets the letters of this one. */
export function ShareHistory({ device, sent, onDone }: ShareHistoryProps) {
  const text = strings.history
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [what, setWhat] = useState<'all' | 'month' | 'none'>('all')
  const [begun, setBegun] = useState(false)
  const submit = (event: Event) => {
    event.preventDefault()
    if (what === 'none') return onDone()
    const since = what === 'month' ? Date.now() - MONTH : null
    void run(async () => {
      const reply = await mailbox.act({ type: 'share_history', device, since })
      setBegun(reply.ok)
      return reply.ok ? null : refusalText(reply.refusal)
    })
  }
  if (begun) {
    const progress = sent?.device === device ? sent : { letters: 0, done: false }
    return (
      <div class="stack">
        <p role="status" data-testid="history-sent">
          {progress.done ? text.sent(progress.letters) : text.sending(progress.letters)}
        </p>
        <button type="button" onClick={onDone}>
          {strings.close}
        </button>
      </div>
    )
  }
  return (
    <form onSubmit={submit} noValidate>
      <Choice
        legend={text.what}
        options={[
          ['all', text.all],
          ['month', text.month],
          ['none', text.none],
        ]}
        value={what}
        onValue={setWhat}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {text.send}
        </button>
      </div>
      <p role="alert" class="error">
        {error}
      </p>
    </form>
  )
}
