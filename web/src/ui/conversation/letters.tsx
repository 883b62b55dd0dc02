import { Fragment } from 'preact'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { strings, times } from '../../strings.ts'
import { Letter } from './letter.tsx'
import type { ThreadView } from './use-thread.ts'

/** As close to the top as this, in pixels, and earlier letters are read. */
const NEAR = 240

/** A thread's letters, oldest first; scrolling up brings earlier ones. */
export function Letters({ thread }: { thread: ThreadView }) {
  const { letters, more, loadOlder } = thread
  const scroll = useRef<HTMLElement>(null)
  useSteadyScroll(scroll, letters?.[0]?.key, letters?.at(-1)?.id)

  useEffect(() => {
    const element = scroll.current
    if (!element || !more) return
    const check = () => {
      if (element.scrollTop < NEAR) void loadOlder()
    }
    check()
    element.addEventListener('scroll', check, { passive: true })
    return () => element.removeEventListener('scroll', check)
  }, [more, loadOlder])

  const now = Date.now()
  let day = ''
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region has to be reachable by keyboard
    <section class="letters" ref={scroll} tabIndex={0} aria-label={strings.thread.letters}>
      {more && <p class="older">{strings.thread.loadingOlder}</p>}
      {letters?.length === 0 && <p class="thread-empty">{strings.thread.empty}</p>}
      <ol data-testid="letters">
        {letters?.map((letter) => {
          const its = times.day(letter.at, now)
          const first = its !== day
          day = its
          return (
            <Fragment key={letter.id}>
              {first && (
                <li class="day">
                  <span>{its}</span>
                </li>
              )}
              <Letter letter={letter} />
            </Fragment>
          )
        })}
      </ol>
    </section>
  )
}

/** Stays at the end while it is there, and stays with what is read while earlier letters come. */
function useSteadyScroll(
  ref: { current: HTMLElement | null },
  oldest: string | undefined,
  newest: string | undefined,
): void {
  const before = useRef({ oldest, newest, height: 0, atEnd: true })
  useEffect(() => {
    const element = ref.current
    const note = () => {
      if (!element) return
      before.current.atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 80
    }
    element?.addEventListener('scroll', note, { passive: true })
    return () => element?.removeEventListener('scroll', note)
  }, [ref])
  useLayoutEffect(() => {
    const element = ref.current
    const last = before.current
    if (!element) return
    if (last.atEnd) element.scrollTop = element.scrollHeight
    else if (oldest !== last.oldest && newest === last.newest) {
      element.scrollTop += element.scrollHeight - last.height
    }
    before.current = { oldest, newest, height: element.scrollHeight, atEnd: last.atEnd }
  })
}
