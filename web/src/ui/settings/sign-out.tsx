import { useState } from 'preact/hooks'
import { logout } from '../../net/account.ts'
import { strings } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { Choice } from '../choice.tsx'
import { useMailbox } from '../context.ts'
import { replace } from '../route.ts'

/**
 * The way out: with the letters left here, sealed, or with everything wiped. Where the server does not
 * hear of it, its cookie would go on working in this browser, and whoever leaves it to others is told.
 */
export function SignOut({ open }: { open: Open }) {
  const text = strings.leaving
  const mailbox = useMailbox()
  const [what, setWhat] = useState<'keep' | 'wipe'>('keep')
  const [unheard, setUnheard] = useState(false)
  const wipe = what === 'wipe'
  const only = open.devices.length < 2 && !open.keys?.recovery
  const signOut = async () => {
    try {
      await logout()
    } catch {
      return setUnheard(true)
    }
    await leave()
  }
  const leave = async () => {
    if (wipe) await mailbox.wipeVault()
    else await mailbox.closeVault()
    replace({ at: 'home' })
  }
  return (
    <section>
      <h2>{text.signOutHeading}</h2>
      <Choice
        legend={text.signOutWhat}
        options={[
          ['keep', text.keep, text.keepHint],
          ['wipe', text.wipe, text.wipeHint],
        ]}
        value={what}
        onValue={setWhat}
      />
      {wipe && only && (
        <p class="error" role="alert">
          {text.wipeOnly}
        </p>
      )}
      {unheard && (
        <p class="error" role="alert">
          {text.signOutUnheard}
        </p>
      )}
      <button type="button" class={wipe ? 'danger' : ''} onClick={signOut}>
        {wipe ? text.signOutAndWipe : text.signOut}
      </button>
      {unheard && (
        <button type="button" onClick={leave}>
          {wipe ? text.wipeAnyway : text.closeAnyway}
        </button>
      )}
    </section>
  )
}
