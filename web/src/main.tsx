import { render } from 'preact'
import './ui/styles/base.css'
import './ui/styles/controls.css'
import './ui/styles/sign.css'
import './ui/styles/shell.css'
import './ui/styles/thread.css'
import { passkeysSupported } from './passkey/ceremony.ts'
import { LANGUAGE, strings } from './strings.ts'
import { App } from './ui/app.tsx'
import { MailboxContext } from './ui/context.ts'
import { startEngineWorker } from './ui/engine-worker.ts'
import { Mailbox } from './ui/mailbox.ts'
import { Notice } from './ui/shell/notice.tsx'

document.documentElement.lang = LANGUAGE
const root = document.getElementById('app')

if (root) {
  if (!passkeysSupported() || !navigator.locks || typeof WebAssembly !== 'object') {
    render(<Notice heading={strings.name} text={strings.boot.unsupported} />, root)
  } else {
    startEngineWorker()
    const mailbox = new Mailbox()
    render(
      <MailboxContext.Provider value={mailbox}>
        <App />
      </MailboxContext.Provider>,
      root,
    )
  }
}
