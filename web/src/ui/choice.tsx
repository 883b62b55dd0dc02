import { useId } from 'preact/hooks'

interface ChoiceProps<T extends string> {
  legend: string
  options: readonly (readonly [value: T, label: string, hint?: string])[]
  value: T
  onValue: (value: T) => void
}

/** One of a few, each with what follows from it. */
export function Choice<T extends string>({ legend, options, value, onValue }: ChoiceProps<T>) {
  const id = useId()
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      {options.map(([option, label, hint]) => (
        <div key={option}>
          <input
            type="radio"
            id={`${id}-${option}`}
            name={id}
            checked={option === value}
            aria-describedby={hint ? `${id}-${option}-hint` : undefined}
            onChange={() => onValue(option)}
          />
          <label for={`${id}-${option}`}>{label}</label>
          {hint && (
            <p class="hint" id={`${id}-${option}-hint`}>
              {hint}
            </p>
          )}
        </div>
      ))}
    </fieldset>
  )
}
