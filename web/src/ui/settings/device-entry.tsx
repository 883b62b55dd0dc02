import { useState } from 'preact/hooks'
import type { DeviceView } from '../../engine.ts'
import { strings, times } from '../../strings.ts'
import type { HistoryProgress } from '../../worker/messages.ts'
import { Choice } from '../choice.tsx'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import { ShareHistory } from './share-history.tsx'

interface DeviceEntryProps {
  device: DeviceView
  sent: HistoryProgress | null
}

/** One device, with what can be done about it. */
export function DeviceEntry({ device, sent }: DeviceEntryProps) {
  const text = strings.devices
  const [doing, setDoing] = useState<'rename' | 'remove' | 'history' | null>(null)
  const name = device.name ?? text.nameless
  const done = () => setDoing(null)
  return (
    <li class="device" data-testid="device" data-this={device.this}>
      <h2>
        {name} {device.this && <span class="tag">{text.this}</span>}
      </h2>
      <p class="hint">
        {text.added(times.date(device.created_on * 1_000), times.date(device.last_used_on * 1_000))}
      </p>
      {device.dormant && <p class="hint">{text.dormant}</p>}
      {!device.recoverable && <p class="hint">{text.notRecoverable}</p>}
      {doing === null && (
        <div class="actions">
          <button type="button" aria-label={text.renameOf(name)} onClick={() => setDoing('rename')}>
            {text.rename}
          </button>
          {!device.this && (
            <>
              <button type="button" aria-label={text.giveHistoryOf(name)} onClick={() => setDoing('history')}>
                {text.giveHistory}
              </button>
              <button
                type="button"
                class="danger"
                aria-label={text.removeOf(name)}
                onClick={() => setDoing('remove')}
              >
                {text.remove}
              </button>
            </>
          )}
        </div>
      )}
      {doing === 'rename' && <Rename device={device} onDone={done} />}
      {doing === 'remove' && <Remove device={device} name={name} onDone={done} />}
      {doing === 'history' && <ShareHistory device={device.id} sent={sent} onDone={done} />}
    </li>
  )
}

function Rename({ device, onDone }: { device: DeviceView; onDone: () => void }) {
  const text = strings.devices
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [name, setName] = useState(device.name ?? '')
  const submit = (event: Event) => {
    event.preventDefault()
    if (name.trim() === '') return
    void run(async () => {
      const reply = await mailbox.act({ type: 'rename_device', device: device.id, name: name.trim() })
      if (!reply.ok) return refusalText(reply.refusal)
      onDone()
      return null
    })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Field
        label={text.newName}
        hint={text.nameHint}
        error={error}
        name="device"
        autocomplete="off"
        maxLength={60}
        focused
        value={name}
        onValue={setName}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {text.save}
        </button>
        <button type="button" onClick={onDone}>
          {strings.cancel}
        </button>
      </div>
    </form>
  )
}

interface RemoveProps {
  device: DeviceView
  name: string
  onDone: () => void
}

/** What became of the device decides how much has to be replaced. */
function Remove({ device, name, onDone }: RemoveProps) {
  const text = strings.devices
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [what, setWhat] = useState<'have' | 'lost'>('have')
  const submit = (event: Event) => {
    event.preventDefault()
    void run(async () => {
      const reply = await mailbox.act({ type: 'revoke_device', device: device.id, lost: what === 'lost' })
      if (!reply.ok) return refusalText(reply.refusal)
      onDone()
      return null
    })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Choice
        legend={text.what(name)}
        options={[
          ['have', text.have, text.haveHint],
          ['lost', text.lost, text.lostHint],
        ]}
        value={what}
        onValue={setWhat}
      />
      <div class="actions">
        <button type="submit" class="danger" disabled={busy}>
          {text.removeNow}
        </button>
        <button type="button" onClick={onDone}>
          {strings.cancel}
        </button>
      </div>
      <p role="alert" class="error">
        {error}
      </p>
    </form>
  )
}
