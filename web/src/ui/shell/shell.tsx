import { useEffect, useRef } from 'preact/hooks'
import { strings } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { Placeholder } from '../conversation/placeholder.tsx'
import { Start } from '../conversation/start.tsx'
import { Thread } from '../conversation/thread.tsx'
import { PANES, type Route } from '../route.ts'
import { DeleteAccount } from '../settings/delete-account.tsx'
import { Devices } from '../settings/devices.tsx'
import { Disclosure } from '../settings/disclosure.tsx'
import { Keys } from '../settings/keys.tsx'
import { LinkDevice } from '../settings/link-device.tsx'
import { Recovery } from '../settings/recovery.tsx'
import { Settings } from '../settings/settings.tsx'
import { Announcer } from './announcer.tsx'
import { Banners } from './banners.tsx'
import { ConversationList } from './conversation-list.tsx'

interface ShellProps {
  route: Route
  open: Open
}

/** The open mailbox: the list, and beside it (or over it, on a phone) one pane. */
export function Shell({ route, open }: ShellProps) {
  const pane = useRef<HTMLElement>(null)
  const contact = 'contact' in route ? route.contact : null
  const place = `${route.at} ${contact}`
  const first = useRef(true)
  useEffect(() => {
    // A field in the pane that took the focus keeps it.
    const taken = pane.current?.contains(document.activeElement)
    if (first.current) first.current = false
    else if (!place.startsWith('home') && !taken) pane.current?.focus()
  }, [place])
  const atHome = !contact && route.at !== 'link-device' && !PANES.some((pane) => pane === route.at)
  return (
    <main class={`shell ${atHome ? 'at-home' : 'at-pane'}`}>
      <Banners open={open} />
      <ConversationList open={open} current={contact} />
      <section
        class="pane"
        ref={pane}
        tabIndex={-1}
        aria-label={strings.pane[route.at] ?? (atHome ? strings.name : strings.settings.heading)}
      >
        {contact && <Thread key={contact} contact={contact} safety={route.at === 'safety'} />}
        {route.at === 'new' && <Start own={open.account?.phone ?? ''} />}
        {route.at === 'settings' && <Settings open={open} />}
        {route.at === 'devices' && <Devices open={open} />}
        {route.at === 'link-device' && <LinkDevice key={route.code} open={open} code={route.code} />}
        {route.at === 'keys' && <Keys keys={open.keys} />}
        {route.at === 'recovery' && <Recovery open={open} />}
        {route.at === 'disclosure' && <Disclosure phone={open.account?.phone ?? ''} />}
        {route.at === 'delete-account' && <DeleteAccount />}
        {atHome && <Placeholder empty={open.contacts.length === 0} />}
      </section>
      <Announcer />
    </main>
  )
}
