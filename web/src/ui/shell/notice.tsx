import type { ComponentChildren } from 'preact'
import { Sheet } from '../sheet.tsx'

interface NoticeProps {
  heading: string
  text: string
  children?: ComponentChildren
}

/** A screen with one thing to say. */
export function Notice({ heading, text, children }: NoticeProps) {
  return (
    <Sheet>
      <h1>{heading}</h1>
      <p>{text}</p>
      {children}
    </Sheet>
  )
}
