import { useEffect, useRef } from 'preact/hooks'
import { strings } from '../../strings.ts'
import type { State } from '../../worker/messages.ts'
import { Placeholder } from '../conversation/placeholder.tsx'
import { Start } from '../conversation/start.tsx'
import { Thread } from '../conversation/thread.tsx'
import type { Route } from '../route.ts'
import { Announcer } from './announcer.tsx'
import { Banners } from './banners.tsx'
import { ConversationList } from './conversation-list.tsx'
import { Settings } from './settings.tsx'

interface ShellProps {
  route: Route
  open: State & { phase: 'open' }
}

/** The open mailbox: the list, and beside it (or over it, on a phone) one pane. */
export function Shell({ route, open }: ShellProps) {
  const pane = useRef<HTMLElement>(null)
  const place = route.at === 'conversation' ? route.contact : route.at
  const first = useRef(true)
  useEffect(() => {
    // A field in the pane that took the focus keeps it.
    const taken = pane.current?.contains(document.activeElement)
    if (first.current) first.current = false
    else if (place !== 'home' && !taken) pane.current?.focus()
  }, [place])
  const atHome = !['conversation', 'new', 'settings'].includes(route.at)
  return (
    <main class={`shell ${atHome ? 'at-home' : 'at-pane'}`}>
      <Banners open={open} />
      <ConversationList open={open} current={route.at === 'conversation' ? route.contact : null} />
      <section class="pane" ref={pane} tabIndex={-1} aria-label={strings.pane[route.at] ?? strings.name}>
        {route.at === 'conversation' && <Thread key={route.contact} contact={route.contact} />}
        {route.at === 'new' && <Start own={open.account?.phone ?? ''} />}
        {route.at === 'settings' && <Settings open={open} />}
        {atHome && <Placeholder empty={open.contacts.length === 0} />}
      </section>
      <Announcer />
    </main>
  )
}
