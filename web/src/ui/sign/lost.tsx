import { useEffect, useState } from 'preact/hooks'
import { type Reset, startReset, type Verified } from '../../net/account.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { hrefOf, replace } from '../route.ts'
import { Sheet } from '../sheet.tsx'
import { useTask } from '../task.ts'
import { DevicePasskey } from './device-passkey.tsx'
import { CodeStage, PhoneStage } from './prove-phone.tsx'
import type { EntryProps } from './sign-up.tsx'

type Stage =
  | { at: 'explained' }
  | { at: 'phone' }
  | { at: 'code'; phone: string }
  | { at: 'ask'; phone: string }
  | { at: 'reset'; phone: string; reset: Reset }
  | { at: 'free'; phone: string }
  | { at: 'passkey'; phone: string }

/** No passkey left: the phone is proved, a waiting period passes, and the account begins anew. */
export function Lost({ hold }: EntryProps) {
  const text = strings.lost
  const [stage, setStage] = useState<Stage>({ at: 'explained' })
  useEffect(() => () => hold(null), [hold])
  const verified = ({ phone, next, reset }: Verified) => {
    if (reset) setStage({ at: 'reset', phone, reset })
    else setStage({ at: next === 'sign_in' ? 'ask' : 'free', phone })
  }
  return (
    <Sheet testid="lost">
      {stage.at === 'explained' && (
        <>
          <h1>{text.heading}</h1>
          <p>{text.first}</p>
          <p>{text.lead}</p>
          <div class="actions">
            <button type="button" class="primary" onClick={() => setStage({ at: 'phone' })}>
              {text.begin}
            </button>
            <a class="button" href={hrefOf({ at: 'link' })}>
              {strings.linkBrowser.heading}
            </a>
            <a class="button quiet" href={hrefOf({ at: 'home' })}>
              {strings.cancel}
            </a>
          </div>
        </>
      )}
      {stage.at === 'phone' && (
        <PhoneStage heading={text.heading} onSent={(phone) => setStage({ at: 'code', phone })} />
      )}
      {stage.at === 'code' && (
        <CodeStage
          heading={text.heading}
          phone={stage.phone}
          onBack={() => setStage({ at: 'phone' })}
          onVerified={verified}
        />
      )}
      {stage.at === 'ask' && (
        <Ask phone={stage.phone} onBegun={(reset) => setStage({ at: 'reset', phone: stage.phone, reset })} />
      )}
      {stage.at === 'reset' && (
        <Standing
          phone={stage.phone}
          reset={stage.reset}
          onAnew={() => setStage({ at: 'passkey', phone: stage.phone })}
        />
      )}
      {stage.at === 'free' && <Free onGo={() => setStage({ at: 'passkey', phone: stage.phone })} />}
      {stage.at === 'passkey' && (
        <DevicePasskey
          phone={stage.phone}
          onStart={() => hold('lost')}
          onFail={() => hold(null)}
          onDone={() => {
            replace({ at: 'home' })
            hold(null)
          }}
        />
      )}
    </Sheet>
  )
}

function Ask({ phone, onBegun }: { phone: string; onBegun: (reset: Reset) => void }) {
  const text = strings.lost
  const { busy, error, run } = useTask()
  const begin = () =>
    run(async () => {
      onBegun(await startReset())
      return null
    })
  return (
    <>
      <h1>{text.ask}</h1>
      <p>{text.askText(formatPhone(phone))}</p>
      <div class="actions">
        <button type="button" class="primary" disabled={busy} onClick={begin}>
          {text.askAction}
        </button>
        <a class="button" href={hrefOf({ at: 'home' })}>
          {strings.cancel}
        </a>
      </div>
      <p role="alert" class="error">
        {error}
      </p>
    </>
  )
}

interface StandingProps {
  phone: string
  reset: Reset
  onAnew: () => void
}

/** How a waiting period stands. */
function Standing({ phone, reset, onAnew }: StandingProps) {
  const text = strings.lost
  const end = reset.ends_at * 1_000
  if (reset.state === 'ready') {
    return (
      <div class="stack" data-testid="reset" data-state={reset.state}>
        <h1>{text.ready}</h1>
        <p>{text.readyText(formatPhone(phone))}</p>
        <div class="actions">
          <button type="button" class="primary" onClick={onAnew}>
            {text.readyAction}
          </button>
          <a class="button" href={hrefOf({ at: 'home' })}>
            {strings.cancel}
          </a>
        </div>
      </div>
    )
  }
  const waiting = reset.state === 'waiting'
  return (
    <div class="stack" data-testid="reset" data-state={reset.state}>
      <h1>{waiting ? text.waiting : text.blocked}</h1>
      <p>{waiting ? text.waitingText(end) : text.blockedText(end)}</p>
      <div class="actions">
        <a class="button primary" href={hrefOf({ at: 'home' })}>
          {text.wait}
        </a>
      </div>
    </div>
  )
}

function Free({ onGo }: { onGo: () => void }) {
  const text = strings.lost
  return (
    <>
      <h1>{text.free}</h1>
      <p>{text.freeText}</p>
      <div class="actions">
        <button type="button" class="primary" onClick={onGo}>
          {strings.welcome.signUp}
        </button>
        <a class="button" href={hrefOf({ at: 'home' })}>
          {strings.cancel}
        </a>
      </div>
    </>
  )
}
