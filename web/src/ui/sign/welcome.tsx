import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { hrefOf } from '../route.ts'
import { Brand } from '../shell/brand.tsx'

/** What a newcomer sees; `scanned` where a link code was opened here, which only a signed-in device can use. */
export function Welcome({ scanned }: { scanned: boolean }) {
  const { welcome } = strings
  const { news } = useMailbox()
  return (
    <main class="welcome">
      <div class="welcome-text">
        <Brand />
        <h1>{welcome.heading}</h1>
        {news?.type === 'account_deleted' && <p role="status">{strings.leaving.deleted}</p>}
        {scanned && <p role="status">{strings.linkBrowser.scannedHere}</p>}
        <p class="lead">{welcome.lead}</p>
        <div class="actions">
          <a class="button primary" href={hrefOf({ at: 'sign-up' })}>
            {welcome.signUp}
          </a>
          <a class="button" href={hrefOf({ at: 'sign-in' })}>
            {welcome.signIn}
          </a>
          <a class="button" href={hrefOf({ at: 'link' })}>
            {welcome.link}
          </a>
        </div>
        <ul class="points">
          {welcome.points.map(([heading, text]) => (
            <li key={heading}>
              <h2>{heading}</h2>
              <p>{text}</p>
            </li>
          ))}
        </ul>
      </div>
      <Envelope />
    </main>
  )
}

/** An envelope with an address and no sender. */
function Envelope() {
  return (
    <svg class="envelope" viewBox="0 0 420 300" aria-hidden="true" focusable="false">
      <rect class="envelope-paper" x="10" y="10" width="400" height="280" rx="14" />
      <path class="envelope-line" d="M44 56h92M44 76h64" stroke-dasharray="3 9" />
      <rect class="envelope-stamp" x="318" y="40" width="58" height="70" rx="4" />
      <path class="envelope-mark" d="M334 75h26v9l-13 8-13-8z" />
      <path class="envelope-line" d="M176 172h176M176 202h140M176 232h92" />
    </svg>
  )
}
