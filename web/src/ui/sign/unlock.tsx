import { useEffect, useRef, useState } from 'preact/hooks'
import { unlock } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf } from '../route.ts'
import { Brand } from '../shell/brand.tsx'
import { refusalText, troubleText } from '../trouble.ts'

/** One touch opens the vault; a wrong one leaves it as it is. */
export function Unlock({ credentialId }: { credentialId: string }) {
  const mailbox = useMailbox()
  const button = useRef<HTMLButtonElement>(null)
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  useEffect(() => button.current?.focus(), [])

  const attempt = async (): Promise<string | null> => {
    const vault = await unlock(credentialId)
    const opened = await mailbox.openVault(vault)
    return opened.ok ? null : refusalText(opened.refusal)
  }
  const run = async () => {
    setBusy(true)
    setError(null)
    setError(await attempt().catch(troubleText))
    setBusy(false)
  }
  return (
    <main class="sign">
      <Brand />
      <section class="sheet">
        <h1>{strings.unlock.heading}</h1>
        <p>{strings.unlock.text}</p>
        <div class="actions">
          <button type="button" class="primary" ref={button} disabled={busy} onClick={run}>
            {strings.unlock.action}
          </button>
          <a class="button" href={hrefOf({ at: 'sign-in' })}>
            {strings.unlock.other}
          </a>
        </div>
        <p role="status">{busy ? strings.unlock.busy : ''}</p>
        <p role="alert" class="error">
          {error}
        </p>
      </section>
    </main>
  )
}
