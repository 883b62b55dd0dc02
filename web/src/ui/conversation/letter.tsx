import type { LetterState, LetterView } from '../../engine.ts'
import { strings, times } from '../../strings.ts'
import { useMailbox } from '../context.ts'

/** One letter, with how far it has got. */
export function Letter({ letter }: { letter: LetterView }) {
  const mailbox = useMailbox()
  const { id, key, contact, state } = letter
  const remove = () => mailbox.act({ type: 'delete_letter', contact, letter: id, key })
  const retry = () => mailbox.act({ type: 'retry_letter', contact, letter: id })
  if (letter.content.kind === 'identity_changed') {
    return (
      <li class="turn" data-testid="identity-changed">
        <time dateTime={new Date(letter.at).toISOString()} title={times.full(letter.at)}>
          {times.clock(letter.at)}
        </time>{' '}
        {strings.thread.identityChanged}
      </li>
    )
  }
  return (
    <li
      class={`letter ${letter.outgoing ? 'out' : 'in'} ${state.state}`}
      data-testid="letter"
      data-state={state.state}
      data-direction={letter.outgoing ? 'out' : 'in'}
    >
      {letter.outgoing && <span class="only-read">{strings.thread.you}</span>}
      {letter.content.kind === 'text' ? (
        <p class="text" dir="auto" data-testid="text">
          {letter.content.text}
        </p>
      ) : (
        <p class="text newer">{strings.thread.newer}</p>
      )}
      <p class="meta">
        <button
          type="button"
          class="quiet delete"
          aria-label={strings.thread.deleteLetterOf(times.full(letter.at))}
          onClick={remove}
        >
          {strings.thread.deleteLetter}
        </button>
        <time dateTime={new Date(letter.at).toISOString()} title={times.full(letter.at)}>
          {times.clock(letter.at)}
        </time>
        {letter.outgoing && <span data-testid="state">{stateText(state)}</span>}
        {state.state === 'failed' && (
          <button type="button" class="quiet" onClick={retry}>
            {strings.thread.retry}
          </button>
        )}
      </p>
    </li>
  )
}

function stateText(state: LetterState): string {
  if (state.state === 'waiting' && state.reason) return strings.states.wait[state.reason]
  if (state.state === 'failed') return strings.states.fail[state.reason]
  if (state.state === 'confirmed') return state.read ? strings.states.read : strings.states.delivered
  return state.state === 'received' ? '' : strings.states[state.state]
}
