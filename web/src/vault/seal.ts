/** One sealed record: AES-256-GCM under a fresh random nonce, bound to what it is for. */
export interface Sealed {
  nonce: Uint8Array<ArrayBuffer>
  bytes: ArrayBuffer
}

const encoder = new TextEncoder()

/** Seals `plain` under `key`; `purpose` (a record's key, a label) is authenticated with it. */
export async function seal(key: CryptoKey, purpose: string, plain: BufferSource): Promise<Sealed> {
  const nonce = crypto.getRandomValues(new Uint8Array(12))
  return { nonce, bytes: await crypto.subtle.encrypt(gcm(nonce, purpose), key, plain) }
}

/** Opens what `seal` made; rejects when a bit of it, the key or the purpose is another. */
export async function unseal(
  key: CryptoKey,
  purpose: string,
  sealed: Sealed,
): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.decrypt(gcm(sealed.nonce, purpose), key, sealed.bytes))
}

function gcm(nonce: Uint8Array<ArrayBuffer>, purpose: string): AesGcmParams {
  return { name: 'AES-GCM', iv: nonce, additionalData: encoder.encode(purpose), tagLength: 128 }
}
