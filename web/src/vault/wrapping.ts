/**
 * How a vault's key is kept: random, and wrapped under a key derived from a non-extractable key of
 * this browser, joined by the passkey's PRF output once that output has proved to be the same
 * twice. The first PRF result leaves a canary; only a later result that opens the canary becomes
 * part of the wrapping, because a vault wrapped under a value that never comes back is lost.
 */
import { type Sealed, seal, unseal } from './seal.ts'

/** What is stored about one vault's key. */
export interface Wrapping {
  /** HMAC-SHA-256, non-extractable: it can be used in this browser, and not copied from it. */
  deviceKey: CryptoKey
  /** What must be there to open the vault. */
  needs: 'device' | 'device+prf'
  /** The vault key, 32 bytes. */
  wrapped: Sealed
  /** Opens only under the PRF result that made it. */
  canary: Sealed | null
}

/** The passkey's PRF gave another result than before, or none: the vault stays as it is. */
export class WrongPrf extends Error {
  override name = 'WrongPrf'
}

const CANARY = new TextEncoder().encode('letterbox canary')

/** A new vault key and its wrapping, under the device key alone. */
export async function createWrapping(): Promise<{ wrapping: Wrapping; vaultKey: CryptoKey }> {
  const hmac: HmacKeyGenParams = { name: 'HMAC', hash: 'SHA-256', length: 256 }
  const deviceKey = await crypto.subtle.generateKey(hmac, false, ['sign'])
  const raw = crypto.getRandomValues(new Uint8Array(32))
  const wrapped = await seal(await wrappingKey(deviceKey, null, 'wrap'), 'vault key', raw)
  const vaultKey = await importVaultKey(raw)
  return { wrapping: { deviceKey, needs: 'device', wrapped, canary: null }, vaultKey }
}

/** The vault key. `prf` is the passkey's PRF result, where one is needed. */
export async function openWrapping(wrapping: Wrapping, prf: BufferSource | null): Promise<CryptoKey> {
  if (wrapping.needs === 'device+prf') {
    if (!prf || !(await passesCanary(wrapping, prf))) throw new WrongPrf()
  }
  return importVaultKey(await unwrap(wrapping, prf))
}

/**
 * Takes note of a PRF result: the first one leaves a canary, one that passes it joins the wrapping,
 * and one that does not replaces the canary. A wrapping that holds a PRF already stays as it is.
 */
export async function learnPrf(wrapping: Wrapping, prf: BufferSource): Promise<Wrapping> {
  if (wrapping.needs === 'device+prf') return wrapping
  if (!wrapping.canary || !(await passesCanary(wrapping, prf))) {
    const key = await wrappingKey(wrapping.deviceKey, prf, 'canary')
    return { ...wrapping, canary: await seal(key, 'canary', CANARY) }
  }
  const key = await wrappingKey(wrapping.deviceKey, prf, 'wrap')
  const wrapped = await seal(key, 'vault key', await unwrap(wrapping, null))
  return { ...wrapping, needs: 'device+prf', wrapped }
}

async function passesCanary(wrapping: Wrapping, prf: BufferSource): Promise<boolean> {
  if (!wrapping.canary) return false
  const key = await wrappingKey(wrapping.deviceKey, prf, 'canary')
  return unseal(key, 'canary', wrapping.canary).then(
    () => true,
    () => false,
  )
}

async function unwrap(wrapping: Wrapping, prf: BufferSource | null): Promise<Uint8Array<ArrayBuffer>> {
  const joined = wrapping.needs === 'device+prf' ? prf : null
  return unseal(await wrappingKey(wrapping.deviceKey, joined, 'wrap'), 'vault key', wrapping.wrapped)
}

/**
 * HKDF-SHA-256 (RFC 5869) whose extract step has the device key as salt and the PRF result as input:
 * a non-extractable key can only enter a calculation as the key of an HMAC.
 */
async function wrappingKey(
  deviceKey: CryptoKey,
  prf: BufferSource | null,
  purpose: 'wrap' | 'canary',
): Promise<CryptoKey> {
  const extracted = await crypto.subtle.sign('HMAC', deviceKey, prf ?? new Uint8Array(0))
  const secret = await crypto.subtle.importKey('raw', extracted, 'HKDF', false, ['deriveKey'])
  const info = new TextEncoder().encode(`letterbox/2 vault ${purpose} ${prf ? 'device+prf' : 'device'}`)
  const hkdf: HkdfParams = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(32), info }
  return crypto.subtle.deriveKey(hkdf, secret, { name: 'AES-GCM', length: 256 }, false, [
    'encrypt',
    'decrypt',
  ])
}

async function importVaultKey(raw: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt'])
  raw.fill(0)
  return key
}
