import { useEffect, useState } from 'preact/hooks'
import {
  isProvisional,
  openLinkVault,
  registerForLink,
  type SignUpStep,
} from '../../passkey/vault-opening.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { replace } from '../route.ts'
import { Sheet } from '../sheet.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import { deviceName } from './device-name.ts'
import { isOffer, LinkOffer } from './link-offer.tsx'
import type { EntryProps } from './sign-up.tsx'

/** Makes this browser a device of an account that another device is signed in to. */
export function LinkBrowser({ hold }: EntryProps) {
  const text = strings.linkBrowser
  const mailbox = useMailbox()
  const link = mailbox.open?.link ?? null
  const underWay = link !== null && link.state !== 'ended'
  useEffect(() => {
    if (underWay) hold('link')
  }, [hold, underWay])
  useEffect(() => () => hold(null), [hold])

  const leave = async () => {
    if (link && link.state !== 'ended') await mailbox.act({ type: 'cancel_link' })
    await mailbox.abandonSignUp()
    hold(null)
    replace({ at: 'home' })
  }
  const enter = () => {
    hold(null)
    replace({ at: 'home' })
  }
  return (
    <Sheet testid="link-browser">
      {!link && <Begin onBegun={() => hold('link')} onLeave={leave} />}
      {link && isOffer(link) && <LinkOffer link={link} onLeave={leave} />}
      {link?.state === 'approved' && <Approved link={link.link} phone={link.phone} />}
      {link?.state === 'linked' && <Linked onEnter={enter} />}
      {link?.state === 'ended' && (
        <>
          <h1>{text.ended}</h1>
          <p role="alert">{strings.linkEnds[link.reason]}</p>
          <Begin onBegun={() => hold('link')} onLeave={leave} again />
        </>
      )}
    </Sheet>
  )
}

interface BeginProps {
  onBegun: () => void
  onLeave: () => void
  again?: boolean
}

/** The device's name; then a vault without a passkey, and the offer. */
function Begin({ onBegun, onLeave, again }: BeginProps) {
  const text = strings.linkBrowser
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [name, setName] = useState(deviceName(navigator.userAgent))
  const offer = async () => {
    onBegun()
    if (!mailbox.open) {
      const opened = await mailbox.openVault(await openLinkVault())
      if (!opened.ok) return refusalText(opened.refusal)
    }
    const reply = await mailbox.act({ type: 'offer_link', device_name: name.trim() || deviceName('') })
    return reply.ok ? null : refusalText(reply.refusal)
  }
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        void run(offer)
      }}
    >
      {!again && (
        <>
          <h1>{text.heading}</h1>
          <p>{text.text}</p>
        </>
      )}
      <Field
        label={text.deviceName}
        name="device"
        autocomplete="off"
        maxLength={60}
        value={name}
        onValue={setName}
        disabled={busy}
      />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {again ? text.again : text.show}
        </button>
        <button type="button" onClick={onLeave}>
          {strings.cancel}
        </button>
      </div>
      <p role="alert" class="error">
        {error}
      </p>
    </form>
  )
}

type Doing = SignUpStep | 'publish' | null

/** The other device agreed: the passkey of this one, and its keys. */
function Approved({ link, phone }: { link: string; phone: string }) {
  const text = strings.linkBrowser
  const mailbox = useMailbox()
  const { busy, error, run } = useTask()
  const [doing, setDoing] = useState<Doing>(null)
  const complete = async () => {
    const { open } = mailbox
    if (!open) return strings.storageTrouble.notOpen
    if (isProvisional(open.credentialId)) {
      await mailbox.adoptVault(await registerForLink(open.credentialId, link, setDoing))
    }
    setDoing('publish')
    const reply = await mailbox.act({ type: 'complete_link' })
    if (reply.ok) void navigator.storage?.persist?.()
    return reply.ok ? null : refusalText(reply.refusal)
  }
  const sent = doing === 'publish' && !error
  return (
    <>
      <h1>{text.approvedHeading}</h1>
      <p>{text.approvedText(formatPhone(phone))}</p>
      <div class="actions">
        <button type="button" class="primary" disabled={busy || sent} onClick={() => run(complete)}>
          {text.makePasskey}
        </button>
      </div>
      <p role="status" class="doing">
        {(busy || sent) &&
          doing &&
          { passkey: strings.signUp.touch, protect: strings.signUp.protecting, publish: text.completing }[
            doing
          ]}
      </p>
      <p role="alert" class="error">
        {error}
      </p>
    </>
  )
}

/** Done; history may follow by itself. */
function Linked({ onEnter }: { onEnter: () => void }) {
  const text = strings.linkBrowser
  const received = useMailbox().open?.historyReceived
  return (
    <>
      <h1>{text.linked}</h1>
      <p>{text.linkedText}</p>
      <p role="status" data-testid="history-received">
        {received
          ? strings.history[received.done ? 'received' : 'receiving'](received.letters)
          : text.waiting}
      </p>
      <div class="actions">
        <button type="button" class="primary" onClick={onEnter}>
          {text.open}
        </button>
      </div>
    </>
  )
}
