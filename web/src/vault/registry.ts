/** Which vaults this browser has: one an account, found by the passkey that opens it. */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { Wrapping } from './wrapping.ts'

/** One vault. Nothing in it says whose it is. */
export interface VaultEntry {
  /** The passkey's credential id, base64url. */
  credentialId: string
  /** The handle that the passkey was made for: some authenticators do not repeat it. */
  userHandle: string
  /** The vault's database is `letterbox-vault-<id>`. */
  id: string
  wrapping: Wrapping
  /** Whether the authenticator can evaluate a PRF at all. */
  prf: boolean
  /** The person signed out: it opens only after the passkey was used. */
  signedOut: boolean
  /** When it was last opened: the newest one is the current one. */
  usedAt: number
  /** The server served other keys than this device published when that was last checked. */
  keysAltered?: boolean
  /** The server said that this device was revoked, or does not know it any more. */
  revoked?: boolean
}

interface Schema extends DBSchema {
  vaults: { key: string; value: VaultEntry }
}

async function withRegistry<T>(work: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
  const db = await openDB<Schema>('letterbox', 1, {
    upgrade(fresh) {
      fresh.createObjectStore('vaults', { keyPath: 'credentialId' })
    },
  })
  try {
    return await work(db)
  } finally {
    db.close()
  }
}

/** Adds a vault, durably. */
export function addVault(entry: VaultEntry): Promise<void> {
  return withRegistry(async (db) => {
    const transaction = db.transaction('vaults', 'readwrite', { durability: 'strict' })
    await Promise.all([transaction.store.add(entry), transaction.done])
  })
}

/** Changes some of what is stored about a vault, durably; the rest stays as it is by then. */
export function changeVault(credentialId: string, change: Partial<VaultEntry>): Promise<void> {
  return withRegistry(async (db) => {
    const transaction = db.transaction('vaults', 'readwrite', { durability: 'strict' })
    const entry = await transaction.store.get(credentialId)
    if (entry) await transaction.store.put({ ...entry, ...change, credentialId })
    await transaction.done
  })
}

/** Puts a vault under another passkey, durably. */
export function renameVault(from: string, entry: VaultEntry): Promise<void> {
  return withRegistry(async (db) => {
    const transaction = db.transaction('vaults', 'readwrite', { durability: 'strict' })
    await Promise.all([transaction.store.add(entry), transaction.store.delete(from), transaction.done])
  })
}

/** Takes a vault off the list. */
export function removeVault(credentialId: string): Promise<void> {
  return withRegistry((db) => db.delete('vaults', credentialId))
}

/** The vault that a passkey belongs to, if this browser holds it. */
export function findVault(credentialId: string): Promise<VaultEntry | undefined> {
  return withRegistry((db) => db.get('vaults', credentialId))
}

/** The vault used last, unless its owner signed out. */
export async function currentVault(): Promise<VaultEntry | undefined> {
  const all = await withRegistry((db) => db.getAll('vaults'))
  const newest = all.sort((a, b) => b.usedAt - a.usedAt)[0]
  return newest?.signedOut ? undefined : newest
}

/** Whether this browser holds any vault, signed out or not. */
export async function hasVault(): Promise<boolean> {
  return (await withRegistry((db) => db.count('vaults'))) > 0
}
