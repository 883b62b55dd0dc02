import { useEffect, useState } from 'preact/hooks'
import { getServer } from '../../net/account.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { hrefOf } from '../route.ts'
import { nameOf } from '../shell/names.ts'
import { SignOut } from './sign-out.tsx'
import { StorageStatus, VaultStatus } from './vault-status.tsx'

/** Who one is here, how the letters are kept, and the way out. */
export function Settings({ open }: { open: Open }) {
  const text = strings.settings
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
      <nav class="areas" aria-label={text.heading}>
        {(['devices', 'keys', 'recovery', 'disclosure'] as const).map((at) => (
          <div key={at} class="area">
            <a class="area-link" href={hrefOf({ at })}>
              {strings[at].heading}
            </a>
            <p class="hint">{strings[at].brief}</p>
          </div>
        ))}
      </nav>
      <section>
        <h2>{text.receipts}</h2>
        <Receipts on={open.keys?.receipts ?? false} />
      </section>
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
      <SignOut open={open} />
      <section>
        <a class="button danger" href={hrefOf({ at: 'delete-account' })}>
          {strings.leaving.open}
        </a>
      </section>
    </div>
  )
}

/** Off at first: receipts tell people when one reads. */
function Receipts({ on }: { on: boolean }) {
  const mailbox = useMailbox()
  const text = strings.settings
  return (
    <>
      <button
        type="button"
        class="switch"
        role="switch"
        aria-checked={on}
        onClick={() => mailbox.act({ type: 'set_receipts', on: !on })}
      >
        {text.receiptsSwitch}
      </button>
      <p class="hint">{text.receiptsHint}</p>
    </>
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

function Blocked({ open }: { open: Open }) {
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
