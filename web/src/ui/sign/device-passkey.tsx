import { useState } from 'preact/hooks'
import { type SignUpStep, signUp } from '../../passkey/vault-opening.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { refusalText, troubleText } from '../trouble.ts'
import { deviceName } from './device-name.ts'

interface DevicePasskeyProps {
  phone: string
  onStart: () => void
  onFail: () => void
  onDone: () => void
}

type Doing = SignUpStep | 'publish' | null

/** The last stage of a sign-up: passkey, vault, keys. */
export function DevicePasskey({ phone, onStart, onFail, onDone }: DevicePasskeyProps) {
  const text = strings.signUp
  const mailbox = useMailbox()
  const [name, setName] = useState(deviceName(navigator.userAgent))
  const [doing, setDoing] = useState<Doing>(null)
  const [error, setError] = useState<string | null>(null)

  const make = async (): Promise<string | null> => {
    onStart()
    const vault = await signUp(setDoing)
    setDoing('publish')
    const opened = await mailbox.openVault(vault)
    if (!opened.ok) return refusalText(opened.refusal)
    const problem = await mailbox.createAccount(phone, name.trim() || deviceName(''))
    if (problem === null) return null
    await mailbox.abandonSignUp()
    return strings.trouble.refused[problem] ?? strings.trouble.unknown
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    setError(null)
    const trouble = await make().catch(troubleText)
    setDoing(null)
    setError(trouble)
    if (trouble) return onFail()
    void navigator.storage?.persist?.()
    onDone()
  }
  return (
    <form onSubmit={submit} noValidate>
      <h1>{text.deviceHeading}</h1>
      <p>{text.deviceText}</p>
      <Field
        label={text.deviceName}
        name="device"
        autocomplete="off"
        maxLength={60}
        value={name}
        onValue={setName}
        disabled={doing !== null}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={doing !== null}>
          {text.makePasskey}
        </button>
      </div>
      <p role="status" class="doing">
        {doing && { passkey: text.touch, protect: text.protecting, publish: text.publishing }[doing]}
      </p>
      <p role="alert" class="error">
        {error}
      </p>
    </form>
  )
}
