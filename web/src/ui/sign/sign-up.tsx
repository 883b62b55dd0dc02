import { useEffect, useState } from 'preact/hooks'
import { strings } from '../../strings.ts'
import { hrefOf, replace } from '../route.ts'
import type { Entry } from '../screen.ts'
import { Sheet } from '../sheet.tsx'
import { DevicePasskey } from './device-passkey.tsx'
import { CodeStage, PhoneStage } from './prove-phone.tsx'

type Stage =
  | { at: 'phone' }
  | { at: 'code'; phone: string }
  | { at: 'passkey'; phone: string }
  | { at: 'taken' }

/** What a screen before the mailbox gets: the word that keeps it in place, and lets go. */
export interface EntryProps {
  hold: (entry: Entry | null) => void
}

/** Phone, code, passkey. */
export function SignUp({ hold }: EntryProps) {
  const [stage, setStage] = useState<Stage>({ at: 'phone' })
  useEffect(() => () => hold(null), [hold])
  const step = { phone: 1, code: 2, taken: 2, passkey: 3 }[stage.at]
  return (
    <Sheet>
      <p class="progress">{strings.signUp.progress(step, 3)}</p>
      <progress max={3} value={step} aria-hidden="true" />
      {stage.at === 'phone' && (
        <PhoneStage heading={strings.signUp.heading} onSent={(phone) => setStage({ at: 'code', phone })} />
      )}
      {stage.at === 'code' && (
        <CodeStage
          heading={strings.signUp.heading}
          phone={stage.phone}
          onBack={() => setStage({ at: 'phone' })}
          onVerified={({ phone, next, reset }) => {
            // A waiting period that is over takes an account's place, which is explained there.
            if (next === 'sign_in' || reset) setStage({ at: 'taken' })
            else setStage({ at: 'passkey', phone })
          }}
        />
      )}
      {stage.at === 'taken' && <Taken />}
      {stage.at === 'passkey' && (
        <DevicePasskey
          phone={stage.phone}
          onStart={() => hold('sign-up')}
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

function Taken() {
  return (
    <>
      <h1>{strings.signUp.hasAccount}</h1>
      <p>{strings.signUp.hasAccountText}</p>
      <div class="actions">
        <a class="button primary" href={hrefOf({ at: 'sign-in' })}>
          {strings.signIn.heading}
        </a>
        <a class="button" href={hrefOf({ at: 'link' })}>
          {strings.linkBrowser.heading}
        </a>
        <a class="button quiet" href={hrefOf({ at: 'lost' })}>
          {strings.lost.link}
        </a>
      </div>
    </>
  )
}
