import { strings } from '../../strings.ts'

/** The mark: a letter slot with a letter half in. */
export function Brand() {
  return (
    <p class="brand">
      <svg viewBox="0 0 64 64" width="28" height="28" aria-hidden="true" focusable="false">
        <rect class="brand-box" x="4" y="10" width="56" height="46" rx="10" />
        <rect class="brand-slot" x="14" y="29" width="36" height="6" rx="3" />
        <path class="brand-letter" d="M19 35h26v8l-13 8-13-8z" />
      </svg>
      <span>{strings.name}</span>
    </p>
  )
}
