/** Where the person is: the address's fragment, so that Back works and nothing reaches the server. */
import { useLayoutEffect, useState } from 'preact/hooks'
import type { Id } from '../engine.ts'

/** Screens before the mailbox is open. */
export const ENTRIES = ['sign-up', 'sign-in', 'link', 'lost'] as const
/** Screens of an open mailbox that need nothing but their name. */
export const PANES = [
  'new',
  'settings',
  'devices',
  'keys',
  'recovery',
  'disclosure',
  'delete-account',
] as const

/** A screen's address. */
export type Route =
  | { at: 'home' }
  | { at: (typeof ENTRIES)[number] }
  | { at: (typeof PANES)[number] }
  /** On a signed-in device; a scanned code brings itself along. */
  | { at: 'link-device'; code: string }
  | { at: 'conversation' | 'safety'; contact: Id }

/** The fragment for a route. */
export function hrefOf(route: Route): string {
  switch (route.at) {
    case 'home':
      return '#/'
    case 'conversation':
      return `#/with/${route.contact}`
    case 'safety':
      return `#/with/${route.contact}/safety`
    case 'link-device':
      return route.code ? `#link=${encodeURIComponent(route.code)}` : '#/link-device'
    default:
      return `#/${route.at}`
  }
}

/** The route of a fragment; anything unknown is home. */
export function parseRoute(hash: string): Route {
  const [, contact, safety] = /^#\/with\/([\w-]{22})(\/safety)?$/.exec(hash) ?? []
  if (contact) return { at: safety ? 'safety' : 'conversation', contact }
  const code = /^#link=([\w%-]{16,40})$/.exec(hash)?.[1]
  if (code || hash === '#/link-device') return { at: 'link-device', code: decoded(code ?? '') }
  const name = [...ENTRIES, ...PANES].find((name) => hash === `#/${name}`)
  return { at: name ?? 'home' }
}

function decoded(code: string): string {
  try {
    return decodeURIComponent(code)
  } catch {
    return ''
  }
}

/** Goes somewhere. */
export function go(route: Route): void {
  location.hash = hrefOf(route)
}

/** Goes somewhere without leaving the present screen in the history. */
export function replace(route: Route): void {
  location.replace(hrefOf(route))
}

/** The present route. */
export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash)
  // Heard before anything else runs: a page is sent elsewhere before its first paint, too.
  useLayoutEffect(() => {
    const changed = () => setHash(location.hash)
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [])
  return parseRoute(hash)
}
