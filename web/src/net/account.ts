/** The calls of the account half that the page itself makes; everything else is the engine's. */

/** An error that the server explained (RFC 9457). */
export class Problem extends Error {
  override name = 'Problem'
  /** The stable `type`, such as `/problems/bad-code`. */
  readonly kind: string
  readonly status: number
  readonly field: string | null
  /** `Retry-After` in seconds. */
  readonly retryAfter: number | null

  constructor(kind: string, title: string, status: number, field: string | null, retryAfter: number | null) {
    super(title)
    this.kind = kind
    this.status = status
    this.field = field
    this.retryAfter = retryAfter
  }
}

/** The server was not reached. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

/** What follows a proved phone number. */
export interface Verified {
  phone: string
  next: 'register_passkey' | 'sign_in'
  /** The number's waiting period, where one was begun. */
  reset: Reset | null
}

/** How a waiting period stands; times in seconds. */
export interface Reset {
  state: 'waiting' | 'blocked' | 'ready'
  begun_at: number
  ends_at: number
}

/** Whose session this is. */
export interface SessionAccount {
  phone: string
  device_id: string
  device_session: boolean
}

/** Everything that the server's database holds on the account. */
export interface Disclosure {
  phone: string
  /** Seconds since 1970. */
  at: number
  tables: DisclosedTable[]
  /** Tables whose rows belong to nobody. */
  nobodys: { table: string; purpose: string; infer: string }[]
}

/** A table, and the account's rows of it. */
export interface DisclosedTable {
  table: string
  purpose: string
  retention: string
  infer: string
  columns: { name: string; purpose: string; withheld: string | null }[]
  rows: Record<string, string | null>[]
}

/** What the page reads of `GET /v1/server`. */
export interface ServerInfo {
  version: string
  page: string
}

/** Asks for a code. */
export function startRegistration(phone: string): Promise<unknown> {
  return call('POST', '/v1/registration', { phone })
}

/** Proves the phone with the code that was sent. */
export function verifyRegistration(phone: string, code: string): Promise<Verified> {
  return call('POST', '/v1/registration/verify', { phone, code })
}

/** The options for a new passkey; `link` is the approved link that it is for. */
export async function startPasskey(link: string | null): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { publicKey } = await call<{ publicKey: PublicKeyCredentialCreationOptionsJSON }>(
    'POST',
    '/v1/passkeys/register/start',
    link === null ? undefined : { link },
  )
  return publicKey
}

/** Hands the new passkey in. */
export function finishPasskey(credential: unknown): Promise<unknown> {
  return call('POST', '/v1/passkeys/register/finish', credential)
}

/** The challenge for a sign-in. */
export async function startLogin(): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { publicKey } = await call<{ publicKey: PublicKeyCredentialRequestOptionsJSON }>(
    'POST',
    '/v1/passkeys/login/start',
  )
  return publicKey
}

/** Hands the signed challenge in. */
export function finishLogin(credential: unknown): Promise<SessionAccount> {
  return call('POST', '/v1/passkeys/login/finish', credential)
}

/** The challenge for a touch that is good for one request only. */
export async function startTouch(digest: string): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { publicKey } = await call<{ publicKey: PublicKeyCredentialRequestOptionsJSON }>(
    'POST',
    '/v1/touch',
    { digest },
  )
  return publicKey
}

/** Begins a waiting period for the phone that this session has proved, or tells how it stands. */
export function startReset(): Promise<Reset> {
  return call('POST', '/v1/resets')
}

/** What the server keeps for a device whose storage is gone. */
export function getRecovery(): Promise<{ capsule: string | null }> {
  return call('GET', '/v1/recovery-capsule')
}

/** Whose session this is; a `Problem` with status 401 where there is none. */
export function getAccount(): Promise<SessionAccount> {
  return call('GET', '/v1/account')
}

/** Everything that the server's database holds on the account. */
export function getDisclosure(): Promise<Disclosure> {
  return call('GET', '/v1/account/disclosure')
}

/** Ends the session. */
export function logout(): Promise<unknown> {
  return call('POST', '/v1/logout')
}

/** The server's own word on itself. */
export function getServer(): Promise<ServerInfo> {
  return call('GET', '/v1/server')
}

const TIMEOUT = 20_000

async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT),
  }).catch(() => {
    throw new Unreachable()
  })
  const text = await answer.text().catch(() => {
    throw new Unreachable()
  })
  const json = parse(text)
  if (answer.ok) return json as T
  throw problemOf(answer, json)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function problemOf(answer: Response, json: unknown): Problem {
  const body = (json ?? {}) as { type?: string; title?: string; field?: string }
  const retryAfter = Number.parseInt(answer.headers.get('Retry-After') ?? '', 10)
  return new Problem(
    body.type ?? '',
    body.title ?? '',
    answer.status,
    body.field ?? null,
    Number.isNaN(retryAfter) ? null : retryAfter,
  )
}
