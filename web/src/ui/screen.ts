/** Which screen the mailbox's state and the address call for. */
import { isProvisional } from '../passkey/vault-opening.ts'
import type { State } from '../worker/messages.ts'
import { ENTRIES, type Route } from './route.ts'

/** Screens before the mailbox is open; they can hold their place while the state changes below them. */
export type Entry = (typeof ENTRIES)[number]

/** A screen. */
export type Screen = Entry | 'broken' | 'welcome' | 'unlock' | 'shell' | 'cut-short'

/** The screen to show; `held` is one that is in the middle of something. */
export function screenOf(state: State, at: Route['at'], held: Entry | null): Screen {
  if (held) return held
  const entry = ENTRIES.find((entry) => entry === at)
  switch (state.phase) {
    case 'broken':
      return 'broken'
    case 'empty':
      return entry ?? 'welcome'
    case 'locked':
      return at === 'sign-in' ? at : 'unlock'
    case 'open':
      if (state.account?.published) return 'shell'
      return state.link || isProvisional(state.credentialId) ? 'link' : 'cut-short'
  }
}
