interface GroupsProps {
  /** What the characters are, for those who hear them. */
  label: string
  text: string
  /** How many characters a group has. */
  size?: number
  testid?: string
  /** To be read from another device. */
  large?: boolean
}

/** Characters in groups, to be typed, compared or read out. */
export function Groups({ label, text, size = 4, testid, large }: GroupsProps) {
  const groups = text.replace(/[\s-]/g, '').match(new RegExp(`.{1,${size}}`, 'g')) ?? []
  return (
    // biome-ignore lint/a11y/useSemanticElements: not a set of form controls
    <div class={`groups ${large ? 'large' : ''}`} role="group" aria-label={label} data-testid={testid}>
      {groups.map((group, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a group has no name but its place
        <span key={index}>{group} </span>
      ))}
    </div>
  )
}
