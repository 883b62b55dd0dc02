/**
 * The two WebAuthn ceremonies (WebAuthn Level 3), with the PRF extension where the authenticator has
 * it. What goes to the server never holds a PRF result: that secret belongs to this device.
 */
import { toBase64Url } from '../base64url.ts'

/** Why a ceremony came to nothing. */
export type PasskeyTrouble = 'cancelled' | 'exists' | 'unsupported' | 'failed'

/** A ceremony that came to nothing. */
export class PasskeyError extends Error {
  override name = 'PasskeyError'
  readonly trouble: PasskeyTrouble
  constructor(trouble: PasskeyTrouble) {
    super(trouble)
    this.trouble = trouble
  }
}

/** A finished ceremony. */
export interface Ceremony {
  /** What the server gets. */
  credential: Record<string, unknown>
  credentialId: string
  /** The handle that the passkey was made for, where the authenticator tells it. */
  userHandle: string | null
  /** The PRF result, 32 bytes, where there was one. */
  prf: ArrayBuffer | null
}

/** A finished registration. */
export interface Registration extends Ceremony {
  userHandle: string
  /** Whether the authenticator can evaluate a PRF, now or at the next touch. */
  prfEnabled: boolean
}

/** The input that every vault's PRF is evaluated on. The browser adds a prefix of its own. */
const PRF_INPUT = new TextEncoder().encode('letterbox vault')

/** Whether this browser can do passkeys at all. */
export function passkeysSupported(): boolean {
  return typeof PublicKeyCredential === 'function' && 'parseCreationOptionsFromJSON' in PublicKeyCredential
}

/** Makes a passkey from the server's creation options. */
export async function createPasskey(json: PublicKeyCredentialCreationOptionsJSON): Promise<Registration> {
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(json)
  const credential = await withPrfOrWithout((extension) =>
    navigator.credentials.create({
      publicKey: { ...options, extensions: { ...options.extensions, ...extension } },
    }),
  )
  const prf = credential.getClientExtensionResults().prf
  return {
    ...read(credential, null),
    userHandle: toBase64Url(options.user.id),
    prfEnabled: prf?.enabled === true || prf?.results !== undefined,
  }
}

/**
 * Signs the server's challenge with a passkey: the one given, or whichever the person picks. An
 * authenticator that is told which credential to use may leave the user handle out; it is put back.
 */
export async function askPasskey(
  json: PublicKeyCredentialRequestOptionsJSON,
  known: { credentialId: string; userHandle: string } | null,
): Promise<Ceremony> {
  const allowCredentials = known ? [{ type: 'public-key' as const, id: known.credentialId }] : []
  const options = PublicKeyCredential.parseRequestOptionsFromJSON({ ...json, allowCredentials })
  const credential = await withPrfOrWithout((extension) =>
    navigator.credentials.get({
      publicKey: { ...options, extensions: { ...options.extensions, ...extension } },
    }),
  )
  return read(credential, known?.userHandle ?? null)
}

/**
 * Signs the server's challenge for one request; the result is what that request's header holds.
 * `signal` ends the ceremony: until it is over, a browser begins no other one.
 */
export async function touchPasskey(
  json: PublicKeyCredentialRequestOptionsJSON,
  signal: AbortSignal,
): Promise<string> {
  if (!passkeysSupported()) throw new PasskeyError('unsupported')
  const { extensions: _, ...options } = PublicKeyCredential.parseRequestOptionsFromJSON(json)
  const credential = await navigator.credentials.get({ publicKey: options, signal }).catch((error) => {
    throw troubleOf(error)
  })
  const assertion = { ...present(credential).toJSON(), clientExtensionResults: {} }
  return toBase64Url(new TextEncoder().encode(JSON.stringify(assertion)))
}

/** Evaluates a passkey's PRF without the server: the signature goes nowhere. */
export async function evaluatePrf(known: {
  credentialId: string
  userHandle: string
}): Promise<ArrayBuffer | null> {
  const challenge = toBase64Url(crypto.getRandomValues(new Uint8Array(32)))
  const ceremony = await askPasskey({ challenge, userVerification: 'required', timeout: 120_000 }, known)
  return ceremony.prf
}

/** Some platforms fail on the extension rather than pass it over; a person's "no" is final. */
async function withPrfOrWithout(
  ceremony: (extension: AuthenticationExtensionsClientInputs) => Promise<Credential | null>,
): Promise<PublicKeyCredential> {
  if (!passkeysSupported()) throw new PasskeyError('unsupported')
  try {
    return present(await ceremony({ prf: { eval: { first: PRF_INPUT } } }))
  } catch (error) {
    if (isFinal(error)) throw troubleOf(error)
  }
  try {
    return present(await ceremony({}))
  } catch (error) {
    throw troubleOf(error)
  }
}

function present(credential: Credential | null): PublicKeyCredential {
  if (credential instanceof PublicKeyCredential) return credential
  throw new PasskeyError('failed')
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

function isFinal(error: unknown): boolean {
  return ['NotAllowedError', 'AbortError', 'InvalidStateError', 'SecurityError'].includes(nameOf(error))
}

function troubleOf(error: unknown): PasskeyError {
  if (error instanceof PasskeyError) return error
  const name = nameOf(error)
  if (name === 'NotAllowedError' || name === 'AbortError') return new PasskeyError('cancelled')
  if (name === 'InvalidStateError') return new PasskeyError('exists')
  if (name === 'NotSupportedError' || name === 'ConstraintError') return new PasskeyError('unsupported')
  return new PasskeyError('failed')
}

function read(credential: PublicKeyCredential, userHandle: string | null): Ceremony {
  const first = credential.getClientExtensionResults().prf?.results?.first
  const { response } = credential
  const told = response instanceof AuthenticatorAssertionResponse ? response.userHandle : null
  return {
    credential: withoutSecrets(credential.toJSON(), userHandle),
    credentialId: credential.id,
    userHandle: told ? toBase64Url(told) : userHandle,
    prf: first ? copy(first) : null,
  }
}

function copy(source: BufferSource): ArrayBuffer {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength).slice().buffer
    : source.slice(0)
}

/** `toJSON()` repeats the PRF's results; they stay here. */
export function withoutSecrets(json: unknown, userHandle: string | null): Record<string, unknown> {
  const credential = structuredClone(json) as {
    clientExtensionResults?: { prf?: { results?: unknown } }
    response?: { userHandle?: string; signature?: string }
  }
  delete credential.clientExtensionResults?.prf?.results
  const { response } = credential
  if (response?.signature && !response.userHandle && userHandle) response.userHandle = userHandle
  return credential as Record<string, unknown>
}
