/** Unpadded base64url (RFC 4648 §5), as every binary value travels. */
export function toBase64Url(bytes: BufferSource): string {
  const view = ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)
  let binary = ''
  for (const byte of view) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** `size` fresh random bytes as text. */
export function randomId(size = 16): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(size)))
}
