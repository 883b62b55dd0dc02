import { useState } from 'preact/hooks'
import { logout } from '../../net/account.ts'
import { signIn } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf, replace } from '../route.ts'
import { Brand } from '../shell/brand.tsx'
import { Notice } from '../shell/notice.tsx'
import { refusalText, troubleText } from '../trouble.ts'

/** Sign-in with whichever passkey the person picks. */
export function SignIn() {
  const mailbox = useMailbox()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const [stranger, setStranger] = useState(false)

  const attempt = async (): Promise<string | null> => {
    const result = await signIn()
    if (!result.device) {
      setStranger(true)
      return null
    }
    const opened = await mailbox.openVault(result.vault.credentialId, result.vault.key)
    if (!opened.ok) return refusalText(opened.refusal)
    await mailbox.act({ type: 'signed_in' })
    replace({ at: 'home' })
    return null
  }
  const run = async () => {
    setBusy(true)
    setError(null)
    setError(await attempt().catch(troubleText))
    setBusy(false)
  }

  if (stranger) return <NotADevice onLeft={() => setStranger(false)} />
  return (
    <main class="sign">
      <Brand />
      <section class="sheet">
        <h1>{strings.signIn.heading}</h1>
        <p>{strings.signIn.text}</p>
        <div class="actions">
          <button type="button" class="primary" disabled={busy} onClick={run}>
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
      </section>
    </main>
  )
}

/** The passkey is right, and its keys are not in this browser. */
function NotADevice({ onLeft }: { onLeft: () => void }) {
  const text = strings.notADevice
  const leave = async () => {
    await logout().catch(() => {})
    onLeft()
    replace({ at: 'home' })
  }
  return (
    <Notice heading={text.heading} text={text.text}>
      <p>{text.promise}</p>
      <p>{text.advice}</p>
      <div class="actions">
        <button type="button" class="primary" onClick={leave}>
          {text.signOut}
        </button>
      </div>
    </Notice>
  )
}
