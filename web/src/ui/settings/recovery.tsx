import { useEffect, useState } from 'preact/hooks'
import { prfOf } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { findVault } from '../../vault/registry.ts'
import type { Open } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import { RecoveryCode } from './recovery-code.tsx'

/** How this device comes back when its browser has lost what it stored. */
export function Recovery({ open }: { open: Open }) {
  const text = strings.recovery
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [code, setCode] = useState<string | null>(null)
  const [kept, setKept] = useState(false)
  const hasPrf = useHasPrf(open.credentialId)
  const method = open.keys?.recovery ?? null
  const make = () =>
    run(async () => {
      setKept(false)
      setCode(await mailbox.newCode())
      return null
    })
  const keep = (code: string) =>
    run(async () => {
      const reply = await mailbox.setRecovery({ method: 'code', code })
      if (!reply.ok) return refusalText(reply.refusal)
      setCode(null)
      setKept(true)
      return null
    })
  const byPasskey = () =>
    run(async () => {
      const prf = await prfOf(open.credentialId)
      if (!prf) return text.noPrf
      const reply = await mailbox.setRecovery({ method: 'passkey', prf })
      return reply.ok ? null : refusalText(reply.refusal)
    })
  return (
    <div class="page" data-testid="recovery" data-method={method ?? 'none'}>
      <PaneHead title={text.heading} up={{ at: 'settings' }} />
      {code ? (
        <RecoveryCode code={code} phone={open.account?.phone ?? ''} onKept={() => keep(code)} busy={busy} />
      ) : (
        <section>
          <p>{text.lead}</p>
          <p>{kept && method !== 'passkey' ? text.done : text[method ?? 'none']}</p>
          <div class="actions">
            <button type="button" class={method ? '' : 'primary'} disabled={busy} onClick={make}>
              {method === 'passkey' ? text.insteadCode : method ? text.makeNewCode : text.makeCode}
            </button>
            {hasPrf && method !== 'passkey' && (
              <button type="button" disabled={busy} onClick={byPasskey}>
                {text.insteadPasskey}
              </button>
            )}
          </div>
        </section>
      )}
      <p role="alert" class="error">
        {error}
      </p>
    </div>
  )
}

function useHasPrf(credentialId: string): boolean {
  const [has, setHas] = useState(false)
  useEffect(() => {
    void findVault(credentialId).then((entry) => setHas(entry?.prf ?? false))
  }, [credentialId])
  return has
}
