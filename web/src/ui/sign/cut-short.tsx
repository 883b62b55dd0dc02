import { strings } from '../../strings.ts'
import { useMailbox } from '../context.ts'
import { replace } from '../route.ts'
import { Notice } from '../shell/notice.tsx'

/** A vault whose keys have not been published: the sign-up was interrupted, or is going on elsewhere. */
export function CutShort() {
  const mailbox = useMailbox()
  const again = async () => {
    await mailbox.abandonSignUp()
    replace({ at: 'sign-up' })
  }
  return (
    <Notice heading={strings.signUp.cutShort} text={strings.signUp.cutShortText}>
      <div class="actions">
        <button type="button" onClick={again}>
          {strings.signUp.beginAgain}
        </button>
      </div>
    </Notice>
  )
}
