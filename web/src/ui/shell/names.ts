import type { ContactView, LetterView } from '../../engine.ts'
import { formatPhone } from '../../phone.ts'
import { strings } from '../../strings.ts'

/** What a contact is called: the person's own name for it, else its number. */
export function nameOf(contact: ContactView): string {
  return contact.name || formatPhone(contact.phone)
}

/** A letter in one line. */
export function previewOf(letter: LetterView): string {
  const { content } = letter
  if (content.kind === 'identity_changed') return strings.list.identityChanged
  const text = content.kind === 'text' ? content.text : strings.list.newer
  const line = text.replace(/\s+/g, ' ').trim()
  return letter.outgoing ? strings.list.you(line) : line
}
