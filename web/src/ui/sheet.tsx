import type { ComponentChildren } from 'preact'
import { Brand } from './shell/brand.tsx'

/** A screen before the mailbox is open: the brand, and one sheet. */
export function Sheet({ children, testid }: { children: ComponentChildren; testid?: string }) {
  return (
    <main class="sign">
      <Brand />
      <section class="sheet" data-testid={testid}>
        {children}
      </section>
    </main>
  )
}
