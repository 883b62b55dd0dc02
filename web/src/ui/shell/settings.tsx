import { useEffect, useState } from 'preact/hooks'
import { getServer, logout } from '../../net/account.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import type { State } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { replace } from '../route.ts'
import { nameOf } from './names.ts'
import { StorageStatus, VaultStatus } from './vault-status.tsx'

/** Who one is here, how the letters are kept, and the way out. */
export function Settings({ open }: { open: State & { phase: 'open' } }) {
  const text = strings.settings
  const mailbox = useMailbox()
  const signOut = async () => {
    await logout().catch(() => {})
    await mailbox.closeVault()
    replace({ at: 'home' })
  }
  return (
    <div class="page" data-testid="settings">
      <PaneHead title={text.heading} />
      <dl class="facts">
        <dt>{text.phone}</dt>
        <dd>{formatPhone(open.account?.phone ?? '')}</dd>
        <dt>{text.device}</dt>
        <dd>{open.account?.device_name}</dd>
        <dt>{text.server}</dt>
        <dd>
          <Server />
        </dd>
      </dl>
      <section>
        <h2>{text.vault}</h2>
        <VaultStatus credentialId={open.credentialId} />
      </section>
      <section>
        <h2>{text.storage}</h2>
        <StorageStatus />
      </section>
      <section>
        <h2>{text.blocked}</h2>
        <Blocked open={open} />
      </section>
      <section>
        <p>{text.signOutHint}</p>
        <button type="button" onClick={signOut}>
          {text.signOut}
        </button>
      </section>
    </div>
  )
}

function Server() {
  const [version, setVersion] = useState('')
  useEffect(() => {
    void getServer().then(
      (info) => setVersion(info.version),
      () => {},
    )
  }, [])
  return (
    <>
      {location.host}
      {version && `, ${strings.settings.version(version)}`}
    </>
  )
}

function Blocked({ open }: { open: State & { phase: 'open' } }) {
  const mailbox = useMailbox()
  const blocked = open.contacts.filter(({ standing }) => standing === 'blocked')
  if (blocked.length === 0) return <p>{strings.settings.noneBlocked}</p>
  return (
    <ul class="blocked">
      {blocked.map((contact) => (
        <li key={contact.id}>
          {nameOf(contact)}{' '}
          <button
            type="button"
            aria-label={strings.settings.unblock(nameOf(contact))}
            onClick={() => mailbox.act({ type: 'block_contact', contact: contact.id, blocked: false })}
          >
            {strings.contact.unblock}
          </button>
        </li>
      ))}
    </ul>
  )
}
