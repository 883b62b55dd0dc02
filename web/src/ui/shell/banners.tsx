import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { unlock } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import type { State } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { troubleText } from '../trouble.ts'

/** A connection under way is not worth a word before this many milliseconds. */
const PATIENCE = 2_500

/** What stands between the person and their letters just now. */
export function Banners({ open }: { open: State & { phase: 'open' } }) {
  const mailbox = useMailbox()
  const slow = useSlow(open.connection === 'connecting')
  const text = strings.connection
  return (
    <div class="banners" aria-live="polite">
      {open.storage !== 'ok' && <Banner kind="error">{strings.storageTrouble[open.storage]}</Banner>}
      {open.keysAltered && <Banner kind="error">{text.keysAltered}</Banner>}
      {open.connection === 'offline' && <Banner kind="plain">{text.offline}</Banner>}
      {slow && <Banner kind="plain">{text.connecting}</Banner>}
      {open.connection === 'sign_in' && <SignInAgain credentialId={open.credentialId} />}
      {open.connection === 'device_unknown' && <Banner kind="error">{text.deviceUnknown}</Banner>}
      {mailbox.outdated && (
        <Banner kind="news">
          {text.outdated}
          <button type="button" onClick={() => location.reload()}>
            {strings.reload}
          </button>
        </Banner>
      )}
    </div>
  )
}

interface BannerProps {
  kind: 'plain' | 'news' | 'error'
  children: ComponentChildren
}

function Banner({ kind, children }: BannerProps) {
  return (
    <div class="banner" data-testid="banner" data-kind={kind}>
      {children}
    </div>
  )
}

function SignInAgain({ credentialId }: { credentialId: string }) {
  const mailbox = useMailbox()
  const [error, setError] = useState<string | null>(null)
  const run = async () => {
    setError(null)
    try {
      const { signedIn } = await unlock(credentialId)
      if (signedIn) await mailbox.act({ type: 'signed_in' })
      else setError(strings.trouble.unreachable)
    } catch (trouble) {
      setError(troubleText(trouble))
    }
  }
  return (
    <Banner kind="news">
      {error ?? strings.connection.signIn}
      <button type="button" onClick={run}>
        {strings.connection.signInAction}
      </button>
    </Banner>
  )
}

function useSlow(waiting: boolean): boolean {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    setSlow(false)
    if (!waiting) return
    const timer = setTimeout(() => setSlow(true), PATIENCE)
    return () => clearTimeout(timer)
  }, [waiting])
  return slow
}
