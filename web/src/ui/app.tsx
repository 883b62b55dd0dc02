import { useEffect, useState } from 'preact/hooks'
import { strings } from '../strings.ts'
import { useMailbox } from './context.ts'
import { useRoute } from './route.ts'
import { Notice } from './shell/notice.tsx'
import { Shell } from './shell/shell.tsx'
import { CutShort } from './sign/cut-short.tsx'
import { SignIn } from './sign/sign-in.tsx'
import { SignUp } from './sign/sign-up.tsx'
import { Unlock } from './sign/unlock.tsx'
import { Welcome } from './sign/welcome.tsx'

/** Which screen the mailbox's state and the address call for. */
export function App() {
  const mailbox = useMailbox()
  const route = useRoute()
  const [signingUp, setSigningUp] = useState(false)
  const { state } = mailbox

  useEffect(() => {
    document.title = strings.title(mailbox.unread)
  }, [mailbox.unread])

  if (!state) return <Opening />
  if (signingUp || (state.phase === 'empty' && route.at === 'sign-up'))
    return <SignUp onActive={setSigningUp} />
  if (state.phase === 'broken') {
    return (
      <Notice heading={strings.boot.broken} text={strings.boot.brokenText}>
        <button type="button" class="primary" onClick={() => location.reload()}>
          {strings.reload}
        </button>
      </Notice>
    )
  }
  if (route.at === 'sign-in' && state.phase !== 'open') return <SignIn />
  if (state.phase === 'empty') return <Welcome />
  if (state.phase === 'locked') return <Unlock credentialId={state.credentialId} />
  return state.account?.published ? <Shell route={route} open={state} /> : <CutShort />
}

/** Before any worker has answered. */
function Opening() {
  const [slow, setSlow] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 6_000)
    return () => clearTimeout(timer)
  }, [])
  return (
    <main class="opening" aria-busy="true">
      <p role="status">{slow ? strings.boot.slow : strings.boot.opening}</p>
    </main>
  )
}
