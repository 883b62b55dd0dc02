import type { ComponentChildren } from 'preact'
import { Brand } from './brand.tsx'

interface NoticeProps {
  heading: string
  text: string
  children?: ComponentChildren
}

/** A screen with one thing to say. */
export function Notice({ heading, text, children }: NoticeProps) {
  return (
    <main class="sign">
      <Brand />
      <section class="sheet">
        <h1>{heading}</h1>
        <p>{text}</p>
        {children}
      </section>
    </main>
  )
}
