/** What to tell a person about an error. */
import { Problem, Unreachable } from '../net/account.ts'
import { PasskeyError } from '../passkey/ceremony.ts'
import { strings } from '../strings.ts'
import { WrongPrf } from '../vault/wrapping.ts'
import type { Refusal } from '../worker/messages.ts'

/** A sentence about an error, for its place on the screen. */
export function troubleText(error: unknown): string {
  if (error instanceof PasskeyError) return strings.trouble.passkey[error.trouble]
  if (error instanceof WrongPrf) return strings.unlock.wrongPrf
  if (error instanceof Problem) return problemText(error)
  return error instanceof Unreachable ? strings.trouble.unreachable : strings.trouble.unknown
}

function problemText({ status, kind, message, retryAfter }: Problem): string {
  if (status === 429) return strings.trouble.wait(retryAfter)
  return strings.trouble.refused[kind] ?? (message || strings.trouble.unknown)
}

/** A sentence about something that the engine's host did not do. */
export function refusalText(refusal: Refusal): string {
  if (refusal === 'storage_full') return strings.storageTrouble.full
  if (refusal === 'not_open') return strings.storageTrouble.notOpen
  return refusal === 'invalid' ? strings.trouble.unknown : strings.storageTrouble.notDone
}
