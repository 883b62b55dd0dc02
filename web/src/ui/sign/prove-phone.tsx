import { useState } from 'preact/hooks'
import { startRegistration, type Verified, verifyRegistration } from '../../net/account.ts'
import { formatPhone, parsePhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { Field } from '../field.tsx'
import { hrefOf } from '../route.ts'
import { troubleText } from '../trouble.ts'

interface PhoneStageProps {
  heading: string
  onSent: (phone: string) => void
}

/** Asks for a phone number and has a code sent to it. */
export function PhoneStage({ heading, onSent }: PhoneStageProps) {
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
      <h1>{heading}</h1>
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
  heading: string
  phone: string
  onBack: () => void
  onVerified: (verified: Verified) => void
}

/** Proves the number with the code. */
export function CodeStage({ heading, phone, onBack, onVerified }: CodeStageProps) {
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
      onVerified(await verifyRegistration(phone, digits))
    })
  }
  const sendAgain = () =>
    attempt(async () => {
      await startRegistration(phone)
      setSentAgain(true)
    })
  return (
    <form onSubmit={submit} noValidate>
      <h1>{heading}</h1>
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
