import { expect, test } from 'vitest'
import { seal, unseal } from '../src/vault/seal.ts'
import { createWrapping, learnPrf, openWrapping, WrongPrf } from '../src/vault/wrapping.ts'

const prf = (n: number) => new Uint8Array(32).fill(n)

/** Whether two vault keys are the same key. */
async function sameKey(a: CryptoKey, b: CryptoKey): Promise<boolean> {
  const sealed = await seal(a, 'probe', prf(9))
  return unseal(b, 'probe', sealed).then(
    () => true,
    () => false,
  )
}

test('a new vault opens with the device key alone', async () => {
  const { wrapping, vaultKey } = await createWrapping()
  expect(wrapping.needs).toBe('device')
  expect(await sameKey(vaultKey, await openWrapping(wrapping, null))).toBe(true)
})

test('neither the vault key nor the device key can be exported', async () => {
  const { wrapping, vaultKey } = await createWrapping()
  expect(vaultKey.extractable).toBe(false)
  expect(wrapping.deviceKey.extractable).toBe(false)
})

test('the first PRF result leaves a canary, the second one locks the vault', async () => {
  const { wrapping, vaultKey } = await createWrapping()
  const once = await learnPrf(wrapping, prf(1))
  expect(once.needs).toBe('device')
  expect(await sameKey(vaultKey, await openWrapping(once, null))).toBe(true)
  const twice = await learnPrf(once, prf(1))
  expect(twice.needs).toBe('device+prf')
  expect(await sameKey(vaultKey, await openWrapping(twice, prf(1)))).toBe(true)
})

test('a PRF that changes never locks the vault', async () => {
  let { wrapping } = await createWrapping()
  for (const n of [1, 2, 3]) wrapping = await learnPrf(wrapping, prf(n))
  expect(wrapping.needs).toBe('device')
  await openWrapping(wrapping, null)
})

test('a wrong or absent PRF leaves the vault closed', async () => {
  let { wrapping } = await createWrapping()
  wrapping = await learnPrf(await learnPrf(wrapping, prf(1)), prf(1))
  await expect(openWrapping(wrapping, prf(2))).rejects.toThrow(WrongPrf)
  await expect(openWrapping(wrapping, null)).rejects.toThrow(WrongPrf)
})

test('once locked, another PRF result changes nothing', async () => {
  let { wrapping } = await createWrapping()
  wrapping = await learnPrf(await learnPrf(wrapping, prf(1)), prf(1))
  expect(await learnPrf(wrapping, prf(2))).toBe(wrapping)
})
