/** One thread's letters as far as they are loaded: oldest first, by record key. */
import type { Event, Id, LetterView } from '../engine.ts'

/** The letters after an event. `letters` is ordered by key, and so is the result. */
export function withEvent(letters: LetterView[], contact: Id, event: Event): LetterView[] {
  if (event.type === 'letter' && event.letter.contact === contact) return withLetters(letters, [event.letter])
  if (event.type === 'letter_removed' && event.contact === contact) {
    return letters.filter(({ id }) => id !== event.letter)
  }
  return letters
}

/** The letters with others added, or put in the place of older views of the same. */
export function withLetters(letters: LetterView[], added: LetterView[]): LetterView[] {
  const ids = new Set(added.map(({ id }) => id))
  const all = [...letters.filter(({ id }) => !ids.has(id)), ...added]
  return all.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}
