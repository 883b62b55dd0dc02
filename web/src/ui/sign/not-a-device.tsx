import { useState } from 'preact/hooks'
import { getRecovery, logout } from '../../net/account.ts'
import type { Ceremony } from '../../passkey/ceremony.ts'
import { openLostVault } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import type { RecoverySource } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import type { Recovery } from '../mailbox.ts'
import { replace } from '../route.ts'
import { Sheet } from '../sheet.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import type { EntryProps } from './sign-up.tsx'

interface NotADeviceProps extends EntryProps {
  /** What the passkey answered to the sign-in. */
  ceremony: Ceremony
  onLeft: () => void
}

/** The passkey is right, and its keys are not in this browser: link it, or bring its device back. */
export function NotADevice({ ceremony, hold, onLeft }: NotADeviceProps) {
  const text = strings.notADevice
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [typing, setTyping] = useState(false)

  const leave = (at: 'home' | 'link') => async () => {
    await logout().catch(() => {})
    if (at === 'link') await mailbox.closeVault()
    onLeft()
    replace({ at })
  }
  const recover = async (from: RecoverySource): Promise<string | null> => {
    const info = await getRecovery()
    if (info.capsule === null) return text.noCapsule
    hold('sign-in')
    try {
      const opened = await mailbox.openVault(await openLostVault(ceremony))
      const recovery = opened.ok ? await mailbox.recover(from, JSON.stringify(info)) : opened.refusal
      if (recovery !== 'recovered') {
        // Whatever became of it, the device can be brought back again.
        await mailbox.discardVault()
        return recoveryText(recovery)
      }
      replace({ at: 'home' })
      return null
    } finally {
      hold(null)
    }
  }
  const byPasskey = () => {
    const { prf } = ceremony
    if (!prf) return setTyping(true)
    void run(() => recover({ method: 'passkey', prf }))
  }

  if (typing) {
    return (
      <Sheet testid="not-a-device">
        <CodeForm
          needed={ceremony.prf === null}
          task={{ busy, error }}
          onCode={(code) => run(() => recover({ method: 'code', code }))}
          onBack={() => setTyping(false)}
        />
      </Sheet>
    )
  }
  return (
    <Sheet testid="not-a-device">
      <h1>{text.heading}</h1>
      <p>{text.text}</p>
      <p class="hint">{text.promise}</p>
      <section class="stack way">
        <h2>{text.linkHeading}</h2>
        <p>{text.linkText}</p>
        <button type="button" class="primary" disabled={busy} onClick={leave('link')}>
          {strings.linkBrowser.heading}
        </button>
      </section>
      <section class="stack way">
        <h2>{text.recoverHeading}</h2>
        <p>{text.recoverText}</p>
        <div class="actions">
          <button type="button" disabled={busy} onClick={byPasskey}>
            {text.recover}
          </button>
          {ceremony.prf && (
            <button type="button" class="quiet" disabled={busy} onClick={() => setTyping(true)}>
              {text.useCode}
            </button>
          )}
        </div>
        <p role="status">{busy ? text.busy : ''}</p>
        <p role="alert" class="error">
          {error}
        </p>
      </section>
      <div class="actions">
        <button type="button" class="quiet" disabled={busy} onClick={leave('home')}>
          {text.signOut}
        </button>
      </div>
    </Sheet>
  )
}

function recoveryText(recovery: Exclude<Recovery, 'recovered'>): string {
  const text = strings.notADevice
  if (recovery === 'refused') return text.refused
  if (recovery === 'wrong_code') return text.codeWrong
  return recovery === 'declined' ? text.declined : refusalText(recovery)
}

interface CodeFormProps {
  needed: boolean
  task: { busy: boolean; error: string | null }
  onCode: (code: string) => void
  onBack: () => void
}

function CodeForm({ needed, task, onCode, onBack }: CodeFormProps) {
  const text = strings.notADevice
  const [code, setCode] = useState('')
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        onCode(code)
      }}
    >
      <h1>{text.recover}</h1>
      {needed && <p>{text.codeNeeded}</p>}
      <Field
        label={text.code}
        hint={text.codeHint}
        error={task.error}
        name="recovery-code"
        autocomplete="off"
        maxLength={60}
        focused
        class="typed-code"
        value={code}
        onValue={setCode}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={task.busy}>
          {text.recover}
        </button>
        <button type="button" disabled={task.busy} onClick={onBack}>
          {strings.back}
        </button>
      </div>
      <p role="status">{task.busy ? text.busy : ''}</p>
    </form>
  )
}
