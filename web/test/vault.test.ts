import 'fake-indexeddb/auto'
import { openDB } from 'idb'
import { beforeEach, expect, test } from 'vitest'
import { Fenced, Vault } from '../src/vault/vault.ts'
import { createWrapping } from '../src/vault/wrapping.ts'

const bytes = (...values: number[]) => new Uint8Array(values)
let id = 0
let key: CryptoKey

beforeEach(async () => {
  id += 1
  key = (await createWrapping()).vaultKey
})

const open = () => Vault.open(String(id), key, 0)

test('what is committed is read back, and deletions are gone', async () => {
  const vault = await open()
  await vault.commit(
    [
      ['a/1', bytes(1)],
      ['a/2', bytes(2)],
      ['b', bytes(3)],
    ],
    null,
    0,
  )
  await vault.commit([['a/1', undefined]], null, 0)
  const records = await (await open()).readAllBut('letter/')
  expect(records).toEqual([
    ['a/2', bytes(2)],
    ['b', bytes(3)],
  ])
})

test('a deletion under a key that ends in a slash takes everything below it', async () => {
  const vault = await open()
  await vault.commit(
    [
      ['letter/a/1', bytes(1)],
      ['letter/a/2', bytes(2)],
      ['letter/ab/1', bytes(3)],
    ],
    null,
    0,
  )
  await vault.commit([['letter/a/', undefined]], null, 0)
  expect(await vault.readPage('letter/a/', null, 9)).toEqual([])
  expect(await vault.readPage('letter/ab/', null, 9)).toEqual([['letter/ab/1', bytes(3)]])
})

test('letters are not among the records that the engine is opened with', async () => {
  const vault = await open()
  await vault.commit(
    [
      ['account', bytes(1)],
      ['letter/a/1', bytes(2)],
      ['session/x', bytes(3)],
    ],
    null,
    0,
  )
  expect((await vault.readAllBut('letter/')).map(([name]) => name)).toEqual(['account', 'session/x'])
})

test('a thread is read newest first, page by page, without another thread’s letters', async () => {
  const vault = await open()
  const writes = [1, 2, 3, 4, 5].map((n) => [`letter/a/${n}`, bytes(n)] as [string, Uint8Array<ArrayBuffer>])
  await vault.commit([...writes, ['letter/b/9', bytes(9)]], null, 0)
  const first = await vault.readPage('letter/a/', null, 2)
  expect(first.map(([name]) => name)).toEqual(['letter/a/5', 'letter/a/4'])
  const second = await vault.readPage('letter/a/', 'letter/a/4', 9)
  expect(second.map(([name]) => name)).toEqual(['letter/a/3', 'letter/a/2', 'letter/a/1'])
})

test('letters are read on in key order by size, one at least, over all threads', async () => {
  const vault = await open()
  const writes = [1, 2, 3].map((n) => [`letter/a/${n}`, bytes(n, n)] as [string, Uint8Array<ArrayBuffer>])
  await vault.commit([['account', bytes(9)], ...writes, ['letter/b/1', bytes(4)], ['z', bytes(9)]], null, 0)
  // Two bytes and a tag of sixteen each.
  const first = await vault.readForward('letter/', null, 40)
  expect(first.records.map(([name]) => name)).toEqual(['letter/a/1', 'letter/a/2'])
  expect(first.next).toBe('letter/a/2')
  const second = await vault.readForward('letter/', first.next, 1)
  expect(second).toEqual({ records: [['letter/a/3', bytes(3, 3)]], next: 'letter/a/3' })
  const third = await vault.readForward('letter/', second.next, 9_999)
  expect(third).toEqual({ records: [['letter/b/1', bytes(4)]], next: null })
  expect(await vault.readForward('letter/', 'letter/b/1', 9_999)).toEqual({ records: [], next: null })
})

test('records asked for by key come as far as they exist', async () => {
  const vault = await open()
  await vault.commit([['letter/a/1', bytes(1)]], null, 0)
  expect(await vault.readKeys(['letter/a/0', 'letter/a/1'])).toEqual([['letter/a/1', bytes(1)]])
})

test('a writer that was taken over from commits nothing more', async () => {
  const old = await open()
  const young = await open()
  await young.commit([['a', bytes(1)]], null, 0)
  await expect(old.commit([['a', bytes(2)]], 'action', 0)).rejects.toThrow(Fenced)
  expect(await young.readAllBut('letter/')).toEqual([['a', bytes(1)]])
  expect(await young.isDone('action')).toBe(false)
})

test('an action is remembered with its writes, and forgotten after a day', async () => {
  const vault = await open()
  await vault.commit([['a', bytes(1)]], 'sent once', 0)
  expect(await (await Vault.open(String(id), key, 1_000)).isDone('sent once')).toBe(true)
  expect(await (await Vault.open(String(id), key, 2 * 86_400_000)).isDone('sent once')).toBe(false)
})

test('a record moved under another key does not open', async () => {
  const vault = await open()
  await vault.commit([['a', bytes(1)]], null, 0)
  const db = await openDB(`letterbox-vault-${id}`)
  await db.put('records', await db.get('records', 'a'), 'b')
  db.close()
  await expect(vault.readAllBut('letter/')).rejects.toThrow()
})

test('nothing of a record is stored in the clear', async () => {
  const vault = await open()
  const text = new TextEncoder().encode('a text that nobody else may read')
  await vault.commit([['a', text]], null, 0)
  const db = await openDB(`letterbox-vault-${id}`)
  const stored = await db.get('records', 'a')
  db.close()
  expect(Buffer.from(stored.bytes).includes('nobody else')).toBe(false)
  expect(stored.bytes.byteLength).toBe(text.length + 16)
})

test('the same record sealed twice looks different', async () => {
  const vault = await open()
  await vault.commit([['a', bytes(1)]], null, 0)
  const db = await openDB(`letterbox-vault-${id}`)
  const first = await db.get('records', 'a')
  await vault.commit([['a', bytes(1)]], null, 0)
  const second = await db.get('records', 'a')
  db.close()
  expect(Buffer.from(first.nonce).equals(Buffer.from(second.nonce))).toBe(false)
})
