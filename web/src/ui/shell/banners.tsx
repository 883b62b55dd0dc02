import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { unlock } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { findVault } from '../../vault/registry.ts'
import type { Action, Open } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { hrefOf, replace } from '../route.ts'
import { refusalText, troubleText } from '../trouble.ts'
import { nameOf } from './names.ts'

/** A connection under way is not worth a word before this many milliseconds. */
const PATIENCE = 2_500

/** What stands between the person and their letters just now, the worst first. */
export function Banners({ open }: { open: Open }) {
  const mailbox = useMailbox()
  const slow = useSlow(open.connection === 'connecting')
  const text = strings.connection
  return (
    <div class="banners" aria-live="polite">
      {open.reset_ends_at !== null && (
        <ActionBanner action={{ type: 'cancel_reset' }} label={strings.alarms.resetCancel}>
          {strings.alarms.reset(open.reset_ends_at)}
        </ActionBanner>
      )}
      {open.outdated && (
        <ActionBanner action={{ type: 'renew_device' }} label={strings.alarms.renew}>
          {strings.alarms.outdated}
        </ActionBanner>
      )}
      {open.storage !== 'ok' && <Banner kind="error">{strings.storageTrouble[open.storage]}</Banner>}
      {open.keysAltered && <Banner kind="error">{text.keysAltered}</Banner>}
      <NewsBanner />
      {open.connection === 'offline' && <Banner kind="plain">{text.offline}</Banner>}
      {slow && !open.outdated && <Banner kind="plain">{text.connecting}</Banner>}
      {open.connection === 'sign_in' && <SignInAgain credentialId={open.credentialId} />}
      {open.connection === 'device_unknown' && <Unknown />}
      <RecoveryHint open={open} />
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

interface ActionBannerProps {
  action: Action
  label: string
  children: string
}

/** Something grave, and the one thing that helps. */
function ActionBanner({ action, label, children }: ActionBannerProps) {
  const mailbox = useMailbox()
  const [error, setError] = useState<string | null>(null)
  const run = async () => {
    const reply = await mailbox.act(action)
    setError(reply.ok ? null : refusalText(reply.refusal))
  }
  return (
    <Banner kind="error">
      {error ?? children}
      <button type="button" onClick={run}>
        {label}
      </button>
    </Banner>
  )
}

/** What is told once, until it was read. */
function NewsBanner() {
  const mailbox = useMailbox()
  const { news } = mailbox
  if (!news || news.type === 'account_deleted') return null
  const alarming = news.type === 'list_disputed' || news.type === 'token_keys_disputed'
  const contact = alarming && news.contact ? mailbox.contact(news.contact) : undefined
  const texts = {
    identity_replaced: strings.alarms.identityReplaced,
    recovered: strings.alarms.recovered,
    list_disputed: strings.alarms.disputed(contact ? nameOf(contact) : ''),
    token_keys_disputed: strings.alarms.tokenKeys(contact ? nameOf(contact) : null),
  }
  return (
    <Banner kind={alarming ? 'error' : 'news'}>
      {texts[news.type]}
      {news.type === 'list_disputed' && (
        <a class="button" href={hrefOf({ at: 'devices' })}>
          {strings.alarms.showDevices}
        </a>
      )}
      <button type="button" onClick={() => mailbox.readNews()}>
        {strings.alarms.understood}
      </button>
    </Banner>
  )
}

/** A device with no way back is told of once a visit, where its passkey cannot be that way. */
function RecoveryHint({ open }: { open: Open }) {
  const [later, setLater] = useState(false)
  const [prf, setPrf] = useState(true)
  const { credentialId, keys, account } = open
  useEffect(() => {
    void findVault(credentialId).then((entry) => setPrf(entry?.prf ?? true))
  }, [credentialId])
  if (later || prf || !account?.published || !keys || keys.recovery) return null
  const text = strings.recovery
  return (
    <div class="banner" data-testid="recovery-hint" data-kind="plain">
      {text.hint}
      <a class="button" href={hrefOf({ at: 'recovery' })}>
        {text.hintAction}
      </a>
      <button type="button" onClick={() => setLater(true)}>
        {text.hintLater}
      </button>
    </div>
  )
}

/** A device that was removed: what is here can be read, and wiped. */
function Unknown() {
  const mailbox = useMailbox()
  const [sure, setSure] = useState(false)
  const wipe = async () => {
    if (!sure) return setSure(true)
    await mailbox.wipeVault()
    replace({ at: 'home' })
  }
  return (
    <Banner kind="error">
      {strings.connection.deviceUnknown}
      <button type="button" onClick={wipe}>
        {sure ? strings.leaving.signOutAndWipe : strings.alarms.revoked}
      </button>
    </Banner>
  )
}

function SignInAgain({ credentialId }: { credentialId: string }) {
  const mailbox = useMailbox()
  const [error, setError] = useState<string | null>(null)
  const run = async () => {
    setError(null)
    try {
      const vault = await unlock(credentialId)
      // It is open already; but this may have told that the device was revoked.
      await mailbox.openVault(vault)
      if (vault.signedIn) await mailbox.act({ type: 'signed_in' })
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
