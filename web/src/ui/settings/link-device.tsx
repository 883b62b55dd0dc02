import { useState } from 'preact/hooks'
import type { LinkView } from '../../engine.ts'
import { strings } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { useMailbox } from '../context.ts'
import { PaneHead } from '../conversation/pane-head.tsx'
import { Field } from '../field.tsx'
import { Groups } from '../groups.tsx'
import { hrefOf, parseRoute, replace } from '../route.ts'
import { Scan } from '../scan.tsx'
import { useTask } from '../task.ts'
import { refusalText } from '../trouble.ts'
import { ShareHistory } from './share-history.tsx'

interface LinkDeviceProps {
  open: Open
  /** From a scanned address; else empty. */
  code: string
}

/** The signed-in side of a link: the new browser's code, the digits to type there, a touch. */
export function LinkDevice({ open, code }: LinkDeviceProps) {
  const text = strings.link
  const [begun, setBegun] = useState(false)
  const { link } = open
  const over = link?.state === 'linked' || link?.state === 'ended'
  // What an earlier link came to is no news.
  const shown = begun || !over ? link : null
  return (
    <div class="page" data-testid="link-device" data-state={shown?.state ?? 'code'}>
      <PaneHead title={text.heading} up={{ at: 'devices' }} />
      {shown ? (
        <Progress link={shown} open={open} onAgain={() => setBegun(false)} />
      ) : (
        <Code given={code} onBegun={() => setBegun(true)} />
      )}
    </div>
  )
}

function Code({ given, onBegun }: { given: string; onBegun: () => void }) {
  const text = strings.link
  const mailbox = useMailbox()
  const { busy, error, run, fail } = useTask()
  const [code, setCode] = useState(given)
  const submit = (event: Event) => {
    event.preventDefault()
    if (code.replace(/[\s-]/g, '').length !== 16) return fail(text.codeWrong)
    void run(async () => {
      const reply = await mailbox.act({ type: 'approve_link', code })
      if (reply.ok) onBegun()
      return reply.ok ? null : refusalText(reply.refusal)
    })
  }
  const scanned = (content: string) => {
    const route = parseRoute(content.slice(content.indexOf('#')))
    setCode(route.at === 'link-device' ? route.code : content)
  }
  return (
    <form onSubmit={submit} noValidate>
      <p>{text.lead}</p>
      <Field
        label={text.code}
        hint={text.codeHint}
        error={error}
        name="link-code"
        class="typed-code"
        autocomplete="off"
        maxLength={30}
        focused
        value={code}
        onValue={setCode}
      />
      <Scan label={text.scan} onText={scanned} />
      <div class="actions">
        <button type="submit" class="primary" disabled={busy}>
          {text.begin}
        </button>
        <a class="button" href={hrefOf({ at: 'devices' })}>
          {strings.cancel}
        </a>
      </div>
    </form>
  )
}

interface ProgressProps {
  link: LinkView
  open: Open
  onAgain: () => void
}

function Progress({ link, open, onAgain }: ProgressProps) {
  const text = strings.link
  const mailbox = useMailbox()
  if (link.state === 'linked') {
    return (
      <section>
        <h2>{text.linked}</h2>
        <p role="status">{text.linkedText}</p>
        <ShareHistory
          device={link.device}
          sent={open.historySent}
          onDone={() => replace({ at: 'devices' })}
        />
      </section>
    )
  }
  if (link.state === 'ended') {
    return (
      <section>
        <h2>{text.ended}</h2>
        <p role="alert">{strings.linkEnds[link.reason]}</p>
        <div class="actions">
          <button type="button" class="primary" onClick={onAgain}>
            {text.again}
          </button>
          <a class="button" href={hrefOf({ at: 'devices' })}>
            {text.done}
          </a>
        </div>
      </section>
    )
  }
  return (
    <section>
      {link.state === 'show_digits' && (
        <>
          <h2>{text.digitsHeading}</h2>
          <Groups label={text.digits} text={link.digits} size={3} testid="link-digits" large />
          <p class="warning">{text.warning}</p>
        </>
      )}
      <p role="status">{progressText(link)}</p>
      {link.state !== 'completing' && (
        <button type="button" onClick={() => mailbox.act({ type: 'cancel_link' })}>
          {strings.cancel}
        </button>
      )}
    </section>
  )
}

function progressText(link: LinkView): string {
  const text = strings.link
  switch (link.state) {
    case 'show_digits':
      return text.tries(link.tries)
    case 'approving':
      return text.approving
    case 'completing':
      return text.completing
    default:
      return text.searching
  }
}
