import { strings } from '../../strings.ts'

/** What stands in the pane while no conversation is open. */
export function Placeholder({ empty }: { empty: boolean }) {
  return (
    <div class="placeholder">
      <svg viewBox="0 0 120 84" width="120" height="84" aria-hidden="true" focusable="false">
        <rect x="2" y="2" width="116" height="80" rx="8" />
        <path d="M4 8l56 42L116 8" />
      </svg>
      <h1>{strings.thread.placeholderHeading}</h1>
      <p>{empty ? strings.thread.placeholderEmpty : strings.thread.placeholderText}</p>
    </div>
  )
}
