/** Where the person is: the address's fragment, so that Back works and nothing reaches the server. */
import { useEffect, useState } from 'preact/hooks'
import type { Id } from '../engine.ts'

/** A screen's address. */
export type Route =
  | { at: 'home' }
  | { at: 'sign-up' }
  | { at: 'sign-in' }
  | { at: 'new' }
  | { at: 'settings' }
  | { at: 'conversation'; contact: Id }

/** The fragment for a route. */
export function hrefOf(route: Route): string {
  if (route.at === 'home') return '#/'
  return route.at === 'conversation' ? `#/with/${route.contact}` : `#/${route.at}`
}

/** The route of a fragment; anything unknown is home. */
export function parseRoute(hash: string): Route {
  const contact = /^#\/with\/([\w-]{22})$/.exec(hash)?.[1]
  if (contact) return { at: 'conversation', contact }
  const name = hash.replace(/^#\//, '')
  if (name === 'sign-up' || name === 'sign-in' || name === 'new' || name === 'settings') return { at: name }
  return { at: 'home' }
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
  useEffect(() => {
    const changed = () => setHash(location.hash)
    addEventListener('hashchange', changed)
    return () => removeEventListener('hashchange', changed)
  }, [])
  return parseRoute(hash)
}
