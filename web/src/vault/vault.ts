/**
 * One account's records in IndexedDB, each sealed under the vault key with its own record key
 * authenticated, so that no record can stand in another's place.
 */
import { type DBSchema, deleteDB, type IDBPDatabase, openDB } from 'idb'
import type { Write } from '../engine.ts'
import { type Sealed, seal, unseal } from './seal.ts'

interface Schema extends DBSchema {
  records: { key: string; value: Sealed }
  /** `fence`: a number that each new writer raises. */
  meta: { key: string; value: number }
  /** Actions from tabs that were committed, and when, so that none is done twice. */
  actions: { key: string; value: number }
}

/** Another tab has taken the vault over; this writer must stop. */
export class Fenced extends Error {
  override name = 'Fenced'
}

/** How long a done action is remembered. Tabs ask again within seconds. */
const REMEMBER_ACTIONS = 24 * 3_600_000

/** An open vault: the one writer of its records. */
export class Vault {
  readonly #db: IDBPDatabase<Schema>
  readonly #key: CryptoKey
  readonly #fence: number

  private constructor(db: IDBPDatabase<Schema>, key: CryptoKey, fence: number) {
    this.#db = db
    this.#key = key
    this.#fence = fence
  }

  /** Opens (or creates) the vault's database and shuts out whoever wrote to it before. */
  static async open(id: string, key: CryptoKey, now: number): Promise<Vault> {
    const db = await openDB<Schema>(databaseOf(id), 1, {
      upgrade(fresh) {
        fresh.createObjectStore('records')
        fresh.createObjectStore('meta')
        fresh.createObjectStore('actions')
      },
    })
    const transaction = db.transaction(['meta', 'actions'], 'readwrite', { durability: 'strict' })
    const meta = transaction.objectStore('meta')
    const fence = ((await meta.get('fence')) ?? 0) + 1
    await meta.put(fence, 'fence')
    for (
      let cursor = await transaction.objectStore('actions').openCursor();
      cursor;
      cursor = await cursor.continue()
    ) {
      if (cursor.value < now - REMEMBER_ACTIONS) await cursor.delete()
    }
    await transaction.done
    return new Vault(db, key, fence)
  }

  /** Every record but those under `prefix`. Rejects when one does not open. */
  async readAllBut(prefix: string): Promise<[string, Uint8Array<ArrayBuffer>][]> {
    const before = await this.#readRange(IDBKeyRange.upperBound(prefix, true))
    return before.concat(await this.#readRange(IDBKeyRange.lowerBound(below(prefix).upper, true)))
  }

  /** The last `limit` records under `prefix`, newest first, from below `before` if it is given. */
  async readPage(
    prefix: string,
    before: string | null,
    limit: number,
  ): Promise<[string, Uint8Array<ArrayBuffer>][]> {
    const range = before ? IDBKeyRange.bound(prefix, before, true, true) : below(prefix)
    const found: [string, Sealed][] = []
    const { store } = this.#db.transaction('records')
    let cursor = await store.openCursor(range, 'prev')
    while (cursor && found.length < limit) {
      found.push([cursor.key, cursor.value])
      cursor = await cursor.continue()
    }
    return this.#unsealAll(found)
  }

  /** These records, as far as they exist, in the order asked for. */
  async readKeys(keys: string[]): Promise<[string, Uint8Array<ArrayBuffer>][]> {
    const { store } = this.#db.transaction('records')
    const values = await Promise.all(keys.map((key) => store.get(key)))
    const found = keys.map((key, index) => [key, values[index]] as const)
    return this.#unsealAll(found.filter((entry): entry is [string, Sealed] => entry[1] !== undefined))
  }

  /**
   * Records under `prefix` in key order, from above `after` if it is given: as many as fit into
   * `bytes`, and one at least. `next` is the key to go on from where there are more.
   */
  async readForward(
    prefix: string,
    after: string | null,
    bytes: number,
  ): Promise<{ records: [string, Uint8Array<ArrayBuffer>][]; next: string | null }> {
    const range = after ? IDBKeyRange.bound(after, below(prefix).upper, true) : below(prefix)
    const found: [string, Sealed][] = []
    let size = 0
    const { store } = this.#db.transaction('records')
    let cursor = await store.openCursor(range)
    for (; cursor; cursor = await cursor.continue()) {
      size += cursor.value.bytes.byteLength
      if (found.length > 0 && size > bytes) break
      found.push([cursor.key, cursor.value])
    }
    const next = cursor ? (found.at(-1)?.[0] ?? null) : null
    return { records: await this.#unsealAll(found), next }
  }

  /** Whether this action was committed before. */
  async isDone(action: string): Promise<boolean> {
    return (await this.#db.get('actions', action)) !== undefined
  }

  /**
   * Commits the writes, and the action that caused them, in one durable transaction; all or none.
   * Rejects with `Fenced` when another writer has taken over, or with the database's own error
   * (`QuotaExceededError` when storage is full).
   */
  async commit(writes: Write[], action: string | null, now: number): Promise<void> {
    const sealed = await Promise.all(
      writes.map(async ([key, value]) => [key, value && (await seal(this.#key, key, value))] as const),
    )
    const transaction = this.#db.transaction(['records', 'meta', 'actions'], 'readwrite', {
      durability: 'strict',
    })
    // Once something below fails, `done` rejects as well; the first error is the one to report.
    transaction.done.catch(() => {})
    if ((await transaction.objectStore('meta').get('fence')) !== this.#fence) {
      transaction.abort()
      throw new Fenced()
    }
    const records = transaction.objectStore('records')
    const puts: Promise<unknown>[] = sealed.map(([key, value]) =>
      value ? records.put(value, key) : records.delete(key.endsWith('/') ? below(key) : key),
    )
    if (action) puts.push(transaction.objectStore('actions').put(now, action))
    await Promise.all(puts)
    await transaction.done
  }

  /** Closes the database. */
  close(): void {
    this.#db.close()
  }

  async #readRange(range: IDBKeyRange): Promise<[string, Uint8Array<ArrayBuffer>][]> {
    const { store } = this.#db.transaction('records')
    const [keys, values] = await Promise.all([store.getAllKeys(range), store.getAll(range)])
    return this.#unsealAll(keys.map((key, index) => [key, values[index] as Sealed]))
  }

  #unsealAll(records: [string, Sealed][]): Promise<[string, Uint8Array<ArrayBuffer>][]> {
    return Promise.all(records.map(async ([key, value]) => [key, await unseal(this.#key, key, value)]))
  }
}

/** Deletes a vault's database with all that is in it. */
export function deleteVault(id: string): Promise<void> {
  return deleteDB(databaseOf(id))
}

function databaseOf(id: string): string {
  return `letterbox-vault-${id}`
}

/** Every key that begins with `prefix`. */
function below(prefix: string): IDBKeyRange {
  return IDBKeyRange.bound(prefix, `${prefix}\uffff`)
}
