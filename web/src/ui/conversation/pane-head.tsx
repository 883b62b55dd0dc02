import type { ComponentChildren } from 'preact'
import { strings } from '../../strings.ts'
import { hrefOf, type Route } from '../route.ts'
import { BackIcon } from '../shell/icons.tsx'

interface PaneHeadProps {
  title: string
  subtitle?: string
  /** Where this belongs to, if not to the list: the way there is shown at every width. */
  up?: Route
  children?: ComponentChildren
}

/** The head of a pane, with the way back: to the list where there is only one pane, or further up. */
export function PaneHead({ title, subtitle, up, children }: PaneHeadProps) {
  return (
    <div class="pane-head">
      <a
        class={`icon-button ${up ? '' : 'back'}`}
        href={hrefOf(up ?? { at: 'home' })}
        aria-label={strings.back}
        title={strings.back}
      >
        <BackIcon />
      </a>
      <div class="pane-title">
        <h1>{title}</h1>
        {subtitle && <p>{subtitle}</p>}
      </div>
      {children}
    </div>
  )
}
