import type { ContactView, Id } from '../../engine.ts'
import { strings, times } from '../../strings.ts'
import type { Open } from '../../worker/messages.ts'
import { hrefOf } from '../route.ts'
import { Brand } from './brand.tsx'
import { ComposeIcon, SettingsIcon } from './icons.tsx'
import { nameOf, previewOf } from './names.ts'

interface ConversationListProps {
  open: Open
  current: Id | null
}

/** All conversations: requests from strangers first, then the rest, newest first. */
export function ConversationList({ open, current }: ConversationListProps) {
  const requests = open.contacts.filter(({ standing }) => standing === 'request')
  const accepted = open.contacts.filter(({ standing }) => standing === 'accepted')
  const text = strings.list
  return (
    <section class="list" aria-label={text.heading}>
      <div class="list-head">
        <h1 class="only-read">{text.heading}</h1>
        <Brand />
        <a
          class="icon-button"
          href={hrefOf({ at: 'settings' })}
          aria-label={text.settings}
          title={text.settings}
        >
          <SettingsIcon />
        </a>
        <a
          class="icon-button accent"
          href={hrefOf({ at: 'new' })}
          aria-label={text.compose}
          title={text.compose}
        >
          <ComposeIcon />
        </a>
      </div>
      <nav aria-label={text.heading} data-testid="conversations">
        {requests.length > 0 && (
          <>
            <h2 id="requests">{text.requests}</h2>
            <ul aria-labelledby="requests" data-testid="requests">
              {requests.map((contact) => (
                <Conversation key={contact.id} contact={contact} current={current} />
              ))}
            </ul>
          </>
        )}
        {accepted.length > 0 && (
          <>
            <h2 id="conversations">{text.heading}</h2>
            <ul aria-labelledby="conversations">
              {accepted.map((contact) => (
                <Conversation key={contact.id} contact={contact} current={current} />
              ))}
            </ul>
          </>
        )}
        {accepted.length + requests.length === 0 && (
          <div class="list-empty">
            <h2>{text.emptyHeading}</h2>
            <p>{text.emptyText}</p>
            <a class="button" href={hrefOf({ at: 'new' })}>
              {text.compose}
            </a>
          </div>
        )}
      </nav>
    </section>
  )
}

function Conversation({ contact, current }: { contact: ContactView; current: Id | null }) {
  const { last, unread } = contact
  return (
    <li class={unread > 0 ? 'unread' : ''}>
      <a
        href={hrefOf({ at: 'conversation', contact: contact.id })}
        aria-current={contact.id === current ? 'page' : undefined}
        data-testid="conversation"
      >
        <span class="who">{nameOf(contact)}</span>
        {last && <time dateTime={new Date(last.at).toISOString()}>{times.brief(last.at, Date.now())}</time>}
        <span class="preview">{last ? previewOf(last) : ''}</span>
        {unread > 0 && (
          <span class="badge" data-testid="unread">
            <span aria-hidden="true">{unread}</span>
            <span class="only-read">{strings.list.unread(unread)}</span>
          </span>
        )}
      </a>
    </li>
  )
}
