/** Sign-up, sign-in and unlocking: where a passkey and a vault come together. */
import { randomId } from '../base64url.ts'
import {
  finishLogin,
  finishPasskey,
  getAccount,
  Problem,
  startLogin,
  startPasskey,
  Unreachable,
} from '../net/account.ts'
import { addVault, changeVault, findVault, renameVault, type VaultEntry } from '../vault/registry.ts'
import { createWrapping, learnPrf, openWrapping, type Wrapping } from '../vault/wrapping.ts'
import {
  askPasskey,
  type Ceremony,
  createPasskey,
  evaluatePrf,
  PasskeyError,
  type Registration,
} from './ceremony.ts'

/** A vault and its key. */
export interface OpenedVault {
  credentialId: string
  key: CryptoKey
  /** The PRF output, where it has proved to be the same twice. */
  prf: ArrayBuffer | null
  /** Whether the server has a fresh session for it. */
  signedIn: boolean
}

/** What a sign-in led to: a vault, or the passkey's word where this browser holds none for it. */
export type SignIn = { device: true; vault: OpenedVault } | { device: false; ceremony: Ceremony }

/** What stands in the place of a credential id before there is one. */
const PROVISIONAL = 'link-'

/** Where a sign-up stands, for the person to see. */
export type SignUpStep = 'passkey' | 'protect'

/** Makes the passkey and an empty vault. `report` is told before each thing that needs a touch. */
export async function signUp(report: (step: SignUpStep) => void): Promise<OpenedVault> {
  const made = await register(null, report)
  const { entry, key } = await newEntry(made.credentialId, made.userHandle, made.prfEnabled)
  const prf = await protectNew(entry, made.prf, report)
  await addVault(entry)
  return { credentialId: entry.credentialId, key, prf, signedIn: true }
}

/** An empty vault for a browser that offers itself to an account: it has no passkey yet. */
export async function openLinkVault(): Promise<OpenedVault> {
  const { entry, key } = await newEntry(PROVISIONAL + randomId(), '', false)
  await addVault(entry)
  return { credentialId: entry.credentialId, key, prf: null, signedIn: false }
}

/** Whether a vault has no passkey yet. */
export function isProvisional(credentialId: string): boolean {
  return credentialId.startsWith(PROVISIONAL)
}

/** Makes the passkey for an approved link, and puts the vault that was without one under it. */
export async function registerForLink(
  provisional: string,
  link: string,
  report: (step: SignUpStep) => void,
): Promise<Pick<OpenedVault, 'credentialId' | 'prf'>> {
  const found = await findVault(provisional)
  if (!found) throw new PasskeyError('failed')
  const { credentialId, userHandle, prfEnabled, prf: first } = await register(link, report)
  const entry: VaultEntry = { ...found, credentialId, userHandle, prf: prfEnabled }
  const prf = await protectNew(entry, first, report)
  await renameVault(provisional, entry)
  return { credentialId, prf }
}

/** An empty vault for a passkey whose own was lost; `ceremony` has just signed in with it. */
export async function openLostVault(ceremony: Ceremony): Promise<OpenedVault> {
  const { credentialId, userHandle, prf: first } = ceremony
  const { entry, key } = await newEntry(credentialId, userHandle ?? '', first !== null)
  const prf = await protectNew(entry, first, () => {})
  await addVault(entry)
  return { credentialId, key, prf, signedIn: true }
}

async function register(link: string | null, report: (step: SignUpStep) => void): Promise<Registration> {
  report('passkey')
  const made = await createPasskey(await startPasskey(link))
  await finishPasskey(made.credential)
  return made
}

async function newEntry(
  credentialId: string,
  userHandle: string,
  prf: boolean,
): Promise<{ entry: VaultEntry; key: CryptoKey }> {
  const { wrapping, vaultKey: key } = await createWrapping()
  const usedAt = Date.now()
  return { entry: { credentialId, userHandle, id: randomId(), wrapping, prf, signedOut: false, usedAt }, key }
}

/** Signs in with whichever passkey the person picks, and opens its vault where this browser has it. */
export async function signIn(): Promise<SignIn> {
  const ceremony = await askPasskey(await startLogin(), null)
  await finishLogin(ceremony.credential)
  const entry = await findVault(ceremony.credentialId)
  if (!entry) return { device: false, ceremony }
  return { device: true, vault: { ...(await open(entry, ceremony)), signedIn: true } }
}

/**
 * Opens this browser's vault with one touch, which signs in as well where the session has ended.
 * Without a network it opens all the same.
 */
export async function unlock(credentialId: string): Promise<OpenedVault> {
  const entry = await findVault(credentialId)
  if (!entry) throw new PasskeyError('failed')
  const challenge = await signInChallenge()
  if (challenge) {
    const ceremony = await askPasskey(challenge, entry)
    const opened = await open(entry, ceremony)
    const signedIn = await finishLogin(ceremony.credential).then(
      () => true,
      async (trouble) => {
        // The server takes this passkey no more: its device was revoked. What is here can be read.
        const refused = trouble instanceof Problem && trouble.kind === '/problems/passkey-refused'
        if (refused) await changeVault(credentialId, { revoked: true })
        return false
      },
    )
    return { ...opened, signedIn }
  }
  const prf = await evaluatePrf(entry)
  return { ...(await open(entry, { prf })), signedIn: false }
}

/** The PRF output of a vault's passkey, with one touch; `null` where there is none. */
export async function prfOf(credentialId: string): Promise<ArrayBuffer | null> {
  const entry = await findVault(credentialId)
  return entry ? evaluatePrf(entry) : null
}

/** Joins the passkey's PRF to a vault's protection afterwards. Says whether it is joined now. */
export async function protectVault(credentialId: string): Promise<boolean> {
  const entry = await findVault(credentialId)
  if (!entry) return false
  const { wrapping } = await protect(entry, null)
  await changeVault(credentialId, { wrapping, prf: true })
  return wrapping.needs === 'device+prf'
}

/** Joins the PRF of a passkey that was just used to its new vault, where it has one. */
async function protectNew(
  entry: VaultEntry,
  first: ArrayBuffer | null,
  report: (step: SignUpStep) => void,
): Promise<ArrayBuffer | null> {
  if (!entry.prf) return null
  report('protect')
  const { wrapping, prf } = await protect(entry, first)
  entry.wrapping = wrapping
  return wrapping.needs === 'device+prf' ? prf : null
}

/** Two equal PRF results are needed. A refusal here costs protection, and not the sign-up. */
async function protect(
  entry: VaultEntry,
  first: ArrayBuffer | null,
): Promise<{ wrapping: Wrapping; prf: ArrayBuffer | null }> {
  let prf = first
  let wrapping = first ? await learnPrf(entry.wrapping, first) : entry.wrapping
  try {
    for (let touch = 0; touch < 2 && wrapping.needs === 'device'; touch++) {
      prf = await evaluatePrf(entry)
      if (!prf) break
      wrapping = await learnPrf(wrapping, prf)
    }
  } catch (error) {
    if (!(error instanceof PasskeyError)) throw error
  }
  return { wrapping, prf }
}

async function open(
  entry: VaultEntry,
  { prf }: Pick<Ceremony, 'prf'>,
): Promise<Omit<OpenedVault, 'signedIn'>> {
  const key = await openWrapping(entry.wrapping, prf)
  const wrapping = prf ? await learnPrf(entry.wrapping, prf) : entry.wrapping
  if (wrapping !== entry.wrapping) await changeVault(entry.credentialId, { wrapping, prf: true })
  return { credentialId: entry.credentialId, key, prf: wrapping.needs === 'device+prf' ? prf : null }
}

/** The server's challenge where a sign-in is due; `null` where it is not, or nobody answers. */
async function signInChallenge(): Promise<PublicKeyCredentialRequestOptionsJSON | null> {
  try {
    await getAccount()
    return null
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) return null
  }
  try {
    return await startLogin()
  } catch (error) {
    if (error instanceof Problem || error instanceof Unreachable) return null
    throw error
  }
}
