import type { ComponentChildren } from 'preact'
import { strings } from '../../strings.ts'
import { hrefOf } from '../route.ts'
import { BackIcon } from '../shell/icons.tsx'

interface PaneHeadProps {
  title: string
  subtitle?: string
  children?: ComponentChildren
}

/** The head of a pane, with the way back to the list where there is only one pane. */
export function PaneHead({ title, subtitle, children }: PaneHeadProps) {
  return (
    <div class="pane-head">
      <a
        class="icon-button back"
        href={hrefOf({ at: 'home' })}
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
