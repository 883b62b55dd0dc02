import { useEffect, useState } from 'preact/hooks'
import type { Ceremony } from '../../passkey/ceremony.ts'
import { signIn } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf, replace } from '../route.ts'
import { Sheet } from '../sheet.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import { NotADevice } from './not-a-device.tsx'
import type { EntryProps } from './sign-up.tsx'

/** Sign-in with whichever passkey the person picks. */
export function SignIn({ hold }: EntryProps) {
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [stranger, setStranger] = useState<Ceremony | null>(null)
  useEffect(() => () => hold(null), [hold])

  const attempt = async (): Promise<string | null> => {
    const result = await signIn()
    if (!result.device) {
      setStranger(result.ceremony)
      return null
    }
    const opened = await mailbox.openVault(result.vault)
    if (!opened.ok) return refusalText(opened.refusal)
    await mailbox.act({ type: 'signed_in' })
    replace({ at: 'home' })
    return null
  }
  /** To another way in: a vault that is only locked makes room for it. */
  const go = (at: 'link' | 'lost') => async () => {
    await mailbox.closeVault()
    replace({ at })
  }

  if (stranger) return <NotADevice ceremony={stranger} hold={hold} onLeft={() => setStranger(null)} />
  return (
    <Sheet>
      <h1>{strings.signIn.heading}</h1>
      <p>{strings.signIn.text}</p>
      <div class="actions">
        <button type="button" class="primary" disabled={busy} onClick={() => run(attempt)}>
          {strings.signIn.action}
        </button>
        <a class="button" href={hrefOf({ at: 'home' })}>
          {strings.cancel}
        </a>
      </div>
      <p role="status">{busy ? strings.signIn.busy : ''}</p>
      <p role="alert" class="error">
        {error}
      </p>
      <div class="actions other">
        <button type="button" class="quiet" onClick={go('link')}>
          {strings.welcome.link}
        </button>
        <button type="button" class="quiet" onClick={go('lost')}>
          {strings.lost.link}
        </button>
      </div>
    </Sheet>
  )
}
