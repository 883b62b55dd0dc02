import type { InputHTMLAttributes } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

interface FieldProps {
  label: string
  hint?: string
  error?: string | null
  value: string
  onValue: (value: string) => void
  /** Takes the focus when it appears. */
  focused?: boolean
  name: string
  type?: 'text' | 'tel'
  class?: string
  autocomplete: 'tel' | 'one-time-code' | 'off'
  inputMode?: 'text' | 'tel' | 'numeric'
  maxLength?: number
  disabled?: boolean
}

/** A labelled input with its hint and its error, tied to it for screen readers. */
export function Field({ label, hint, error, value, onValue, focused, ...input }: FieldProps) {
  const id = useId()
  const ref = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (focused) ref.current?.focus()
  }, [focused])
  useEffect(() => {
    if (error) ref.current?.focus()
  }, [error])
  const described = [hint ? `${id}-hint` : '', error ? `${id}-error` : ''].filter(Boolean).join(' ')
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...(input as InputHTMLAttributes<HTMLInputElement>)}
        id={id}
        ref={ref}
        value={value}
        aria-invalid={error ? 'true' : undefined}
        aria-describedby={described || undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <p class="error" id={`${id}-error`} role="alert">
        {error}
      </p>
    </div>
  )
}
