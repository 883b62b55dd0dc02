import { useEffect, useState } from 'preact/hooks'
import { strings } from '../strings.ts'
import { useMailbox } from './context.ts'
import { useRoute } from './route.ts'
import { type Entry, screenOf } from './screen.ts'
import { Notice } from './shell/notice.tsx'
import { Shell } from './shell/shell.tsx'
import { CutShort } from './sign/cut-short.tsx'
import { LinkBrowser } from './sign/link-browser.tsx'
import { Lost } from './sign/lost.tsx'
import { SignIn } from './sign/sign-in.tsx'
import { SignUp } from './sign/sign-up.tsx'
import { Unlock } from './sign/unlock.tsx'
import { Welcome } from './sign/welcome.tsx'
import { TouchPrompt } from './touch-prompt.tsx'

/** The screen that the mailbox's state and the address call for, and over it a touch asked for. */
export function App() {
  const mailbox = useMailbox()
  const touch = mailbox.open?.touch
  useEffect(() => {
    document.title = strings.title(mailbox.unread)
  }, [mailbox.unread])
  return (
    <>
      <Current />
      {touch && <TouchPrompt key={touch.request} wanted={touch} />}
    </>
  )
}

function Current() {
  const { state } = useMailbox()
  const route = useRoute()
  const [held, hold] = useState<Entry | null>(null)
  if (!state) return <Opening />
  switch (screenOf(state, route.at, held)) {
    case 'sign-up':
      return <SignUp hold={hold} />
    case 'sign-in':
      return <SignIn hold={hold} />
    case 'link':
      return <LinkBrowser hold={hold} />
    case 'lost':
      return <Lost hold={hold} />
    case 'welcome':
      return <Welcome scanned={route.at === 'link-device'} />
    case 'unlock':
      return state.phase === 'locked' ? <Unlock credentialId={state.credentialId} /> : null
    case 'cut-short':
      return <CutShort />
    case 'shell':
      return state.phase === 'open' ? <Shell route={route} open={state} /> : null
    case 'broken':
      return (
        <Notice heading={strings.boot.broken} text={strings.boot.brokenText}>
          <button type="button" class="primary" onClick={() => location.reload()}>
            {strings.reload}
          </button>
        </Notice>
      )
  }
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
