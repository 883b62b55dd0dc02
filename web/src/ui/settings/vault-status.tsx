import { useEffect, useState } from 'preact/hooks'
import { protectVault } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { findVault, type VaultEntry } from '../../vault/registry.ts'
import { troubleText } from '../trouble.ts'

/** What locks the vault: the passkey, or only a key of this browser. */
export function VaultStatus({ credentialId }: { credentialId: string }) {
  const text = strings.settings
  const [entry, setEntry] = useState<VaultEntry | undefined>()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  useEffect(() => {
    void findVault(credentialId).then(setEntry)
  }, [credentialId])
  if (!entry) return null
  const locked = entry.wrapping.needs === 'device+prf'
  const protect = async () => {
    setBusy(true)
    setError(await protectVault(credentialId).then((done) => (done ? null : text.protectFailed), troubleText))
    setEntry(await findVault(credentialId))
    setBusy(false)
  }
  return (
    <div data-testid="vault-protection" data-needs={entry.wrapping.needs}>
      <p>{locked ? text.vaultPrf : text.vaultDevice}</p>
      {!locked && !entry.prf && <p>{text.vaultNoPrf}</p>}
      {!locked && entry.prf && (
        <button type="button" disabled={busy} onClick={protect}>
          {text.protect}
        </button>
      )}
      <p role="status">{busy ? text.protecting : ''}</p>
      <p role="alert" class="error">
        {error}
      </p>
    </div>
  )
}

/** Whether the browser has promised not to evict what is stored. */
export function StorageStatus() {
  const text = strings.settings
  const [persisted, setPersisted] = useState<boolean | null>(null)
  useEffect(() => {
    void navigator.storage?.persisted?.().then(setPersisted)
  }, [])
  if (persisted === null) return null
  if (persisted) return <p>{text.persisted}</p>
  return (
    <>
      <p>{text.notPersisted}</p>
      <button type="button" onClick={async () => setPersisted(await navigator.storage.persist())}>
        {text.askPersist}
      </button>
    </>
  )
}
