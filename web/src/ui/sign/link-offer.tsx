import { useEffect, useState } from 'preact/hooks'
import type { LinkView, Millis } from '../../engine.ts'
import { strings, times } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { Field } from '../field.tsx'
import { Groups } from '../groups.tsx'
import { Qr } from '../qr.tsx'
import { hrefOf } from '../route.ts'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'

/** How often the digits can be typed. */
const TRIES = 3

type Offer = Extract<LinkView, { state: 'offered' | 'digits_needed' | 'digits_sent' }>

/** Whether the other device has yet to agree. */
export function isOffer(link: LinkView): link is Offer {
  return link.state === 'offered' || link.state === 'digits_needed' || link.state === 'digits_sent'
}

interface LinkOfferProps {
  link: Offer
  onLeave: () => void
}

/** The code for the other device, and the digits that it answers with. */
export function LinkOffer({ link, onLeave }: LinkOfferProps) {
  const text = strings.linkBrowser
  const mailbox = useMailbox()
  const { busy, error, run, fail } = useTask()
  const [digits, setDigits] = useState('')
  const tries = link.state === 'offered' ? TRIES : link.tries
  const submit = (event: Event) => {
    event.preventDefault()
    const typed = digits.replace(/\s/g, '')
    if (!/^\d{6}$/.test(typed)) return fail(text.digitsWrong)
    void run(async () => {
      const reply = await mailbox.act({ type: 'enter_link_digits', digits: typed })
      if (reply.ok) setDigits('')
      return reply.ok ? null : refusalText(reply.refusal)
    })
  }
  return (
    <>
      {link.state === 'offered' && <Offered code={link.code} until={link.expires_at} />}
      {link.state !== 'offered' && <h1>{text.heading}</h1>}
      <div class="doing" role="status">
        {link.state === 'digits_sent' && (
          <>
            <p>{text.sent}</p>
            <p>{tries > 0 ? text.sentAgain(tries) : text.noTries}</p>
          </>
        )}
      </div>
      <form onSubmit={submit} noValidate>
        {tries > 0 && (
          <Field
            label={text.digits}
            hint={text.digitsHint(tries)}
            error={error}
            class="code"
            name="link-digits"
            autocomplete="off"
            inputMode="numeric"
            maxLength={10}
            value={digits}
            onValue={setDigits}
          />
        )}
        <div class="actions">
          {tries > 0 && (
            <button type="submit" class="primary" disabled={busy}>
              {text.send}
            </button>
          )}
          <button type="button" onClick={onLeave}>
            {strings.cancel}
          </button>
        </div>
      </form>
    </>
  )
}

function Offered({ code, until }: { code: string; until: Millis }) {
  const text = strings.linkBrowser
  const address = `${location.origin}/${hrefOf({ at: 'link-device', code: code.replace(/\s/g, '') })}`
  return (
    <>
      <h1>{text.codeHeading}</h1>
      <p>{text.codeText}</p>
      <Qr text={address} label={text.qr} />
      <Groups label={text.code} text={code} testid="link-code" />
      <Countdown until={until} />
    </>
  )
}

function Countdown({ until }: { until: Millis }) {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return <p class="hint">{strings.linkBrowser.left(times.left(until - now))}</p>
}
