/** Hands the engine letters out of the vault, which keeps them and does not hold them in memory. */
import { toBase64Url } from '../base64url.ts'
import type { Id, Input, LetterQuery } from '../engine.ts'
import type { Vault } from '../vault/vault.ts'
import { LETTERS } from './engine-module.ts'

/** What `letters_wanted` is answered with: the records that there are, in key order. */
export async function lettersRead(vault: Vault, job: Id, query: LetterQuery): Promise<Input> {
  const { records, next } =
    query.by === 'keys'
      ? { records: await vault.readKeys([...query.keys].sort()), next: null }
      : await vault.readForward(LETTERS, query.after, query.bytes)
  const letters = records.map(([key, record]) => ({ key, value: toBase64Url(record) }))
  return { type: 'letters_read', job, letters, next }
}
