import { useEffect, useState } from 'preact/hooks'
import { startRegistration, verifyRegistration } from '../../net/account.ts'
import { formatPhone, parsePhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { Field } from '../field.tsx'
import { hrefOf, replace } from '../route.ts'
import { Brand } from '../shell/brand.tsx'
import { troubleText } from '../trouble.ts'
import { DevicePasskey } from './device-passkey.tsx'

type Stage =
  | { at: 'phone' }
  | { at: 'code'; phone: string }
  | { at: 'passkey'; phone: string }
  | { at: 'taken' }

interface SignUpProps {
  /** Keeps this screen in place while the vault below it comes to be. */
  onActive: (active: boolean) => void
}

/** Phone, code, passkey. */
export function SignUp({ onActive }: SignUpProps) {
  const [stage, setStage] = useState<Stage>({ at: 'phone' })
  useEffect(() => () => onActive(false), [onActive])
  const step = { phone: 1, code: 2, taken: 2, passkey: 3 }[stage.at]
  return (
    <main class="sign">
      <Brand />
      <section class="sheet">
        <p class="progress">{strings.signUp.progress(step, 3)}</p>
        <progress max={3} value={step} aria-hidden="true" />
        {stage.at === 'phone' && <PhoneStage onSent={(phone) => setStage({ at: 'code', phone })} />}
        {stage.at === 'code' && (
          <CodeStage
            phone={stage.phone}
            onBack={() => setStage({ at: 'phone' })}
            onVerified={(phone, free) => setStage(free ? { at: 'passkey', phone } : { at: 'taken' })}
          />
        )}
        {stage.at === 'taken' && <Taken />}
        {stage.at === 'passkey' && (
          <DevicePasskey
            phone={stage.phone}
            onStart={() => onActive(true)}
            onFail={() => onActive(false)}
            onDone={() => {
              replace({ at: 'home' })
              onActive(false)
            }}
          />
        )}
      </section>
    </main>
  )
}

function PhoneStage({ onSent }: { onSent: (phone: string) => void }) {
  const text = strings.signUp
  const [typed, setTyped] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const phone = parsePhone(typed)
  const submit = async (event: Event) => {
    event.preventDefault()
    if (!phone) return setError(strings.trouble.phone)
    setBusy(true)
    setError(null)
    try {
      await startRegistration(phone)
      onSent(phone)
    } catch (trouble) {
      setError(troubleText(trouble))
      setBusy(false)
    }
  }
  return (
    <form onSubmit={submit} noValidate>
      <h1>{text.heading}</h1>
      <Field
        label={text.phone}
        hint={phone ? text.phoneUsed(formatPhone(phone)) : text.phoneHint}
        error={error}
        type="tel"
        name="phone"
        autocomplete="tel"
        inputMode="tel"
        focused
        value={typed}
        onValue={setTyped}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {text.sendCode}
        </button>
        <a class="button" href={hrefOf({ at: 'home' })}>
          {strings.cancel}
        </a>
      </div>
    </form>
  )
}

interface CodeStageProps {
  phone: string
  onBack: () => void
  onVerified: (phone: string, free: boolean) => void
}

function CodeStage({ phone, onBack, onVerified }: CodeStageProps) {
  const text = strings.signUp
  const [code, setCode] = useState('')
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  const [sentAgain, setSentAgain] = useState(false)
  const attempt = async (work: () => Promise<void>) => {
    setBusy(true)
    setError(null)
    await work().catch((trouble) => setError(troubleText(trouble)))
    setBusy(false)
  }
  const submit = (event: Event) => {
    event.preventDefault()
    const digits = code.replace(/\s/g, '')
    if (!/^\d{6}$/.test(digits)) return setError(strings.trouble.code)
    void attempt(async () => {
      const verified = await verifyRegistration(phone, digits)
      onVerified(verified.phone, verified.next === 'register_passkey')
    })
  }
  const sendAgain = () =>
    attempt(async () => {
      await startRegistration(phone)
      setSentAgain(true)
    })
  return (
    <form onSubmit={submit} noValidate>
      <h1>{text.heading}</h1>
      <Field
        label={text.code}
        hint={text.codeHint(formatPhone(phone))}
        error={error}
        class="code"
        name="code"
        autocomplete="one-time-code"
        inputMode="numeric"
        maxLength={12}
        focused
        value={code}
        onValue={setCode}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {text.checkCode}
        </button>
        <button type="button" disabled={busy} onClick={sendAgain}>
          {text.sendAgain}
        </button>
        <button type="button" class="quiet" onClick={onBack}>
          {text.otherPhone}
        </button>
      </div>
      <p role="status">{sentAgain ? text.sentAgain : ''}</p>
    </form>
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
      </div>
    </>
  )
}
