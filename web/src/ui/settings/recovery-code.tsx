import { formatPhone } from '../../phone.ts'
import { strings, times } from '../../strings.ts'
import { Groups } from '../groups.tsx'

interface RecoveryCodeProps {
  code: string
  phone: string
  busy: boolean
  onKept: () => void
}

/** A recovery code, shown this once; on paper nothing but it and what to do with it. */
export function RecoveryCode({ code, phone, busy, onKept }: RecoveryCodeProps) {
  const text = strings.recovery
  return (
    <section>
      <h2>{text.codeHeading}</h2>
      <p>{text.codeText}</p>
      <div class="paper">
        <h2 class="only-print">{text.printTitle}</h2>
        <Groups label={text.codeLabel} text={code} testid="recovery-code" />
        <p class="only-print">
          {text.printText(location.origin, formatPhone(phone), times.date(Date.now()))}
        </p>
      </div>
      <div class="actions">
        <button type="button" onClick={() => print()}>
          {text.print}
        </button>
        <button type="button" class="primary" disabled={busy} onClick={onKept}>
          {text.kept}
        </button>
      </div>
    </section>
  )
}
