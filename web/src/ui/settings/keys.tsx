import type { KeysView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { Groups } from '../groups.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'

/** The state of this device's keys. */
export function Keys({ keys }: { keys: KeysView | null }) {
  const text = strings.keys
  const mailbox = useMailbox()
  const { error, run } = useTask()
  const rotate = () =>
    run(async () => {
      const reply = await mailbox.act({ type: 'rotate_keys' })
      return reply.ok ? null : refusalText(reply.refusal)
    })
  return (
    <div class="page" data-testid="keys">
      <PaneHead title={text.heading} up={{ at: 'settings' }} />
      <p>{text.lead}</p>
      {keys ? <Facts keys={keys} /> : <p>{text.unknown}</p>}
      {keys && (
        <section>
          <button type="button" disabled={keys.rotating} onClick={rotate}>
            {text.rotate}
          </button>
          <p role="status">{keys.rotating ? text.rotating : ''}</p>
          <p role="alert" class="error">
            {error}
          </p>
        </section>
      )}
    </div>
  )
}

function Facts({ keys }: { keys: KeysView }) {
  const text = strings.keys
  const facts: [name: string, value: string, testid: string][] = [
    [text.messaging, text.version(keys.messaging_version, keys.messaging_since), 'messaging-key'],
    [text.list, text.version(keys.list_version, keys.list_since), 'device-list'],
    [text.prekey, text.version(keys.signed_prekey, keys.signed_prekey_since), 'signed-prekey'],
    [text.oneTime, text.oneTimeLeft(keys.one_time_prekeys), 'one-time-prekeys'],
    [text.sessions, text.sessionCount(keys.sessions), 'sessions'],
    [text.checked, text.checkedAt(keys.checked_at), 'checked'],
  ]
  return (
    <dl class="facts">
      <dt>{text.fingerprint}</dt>
      <dd>
        <Groups label={text.fingerprintLabel} text={hex(keys.identity_fingerprint)} testid="fingerprint" />
      </dd>
      {facts.map(([name, value, testid]) => (
        <>
          <dt>{name}</dt>
          <dd data-testid={testid}>{value}</dd>
        </>
      ))}
    </dl>
  )
}

/** Base64url as hexadecimal digits, which people compare more easily. */
export function hex(base64url: string): string {
  const binary = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Array.from(binary, (char) => char.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}
