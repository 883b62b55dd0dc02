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
import { addVault, changeVault, findVault, type VaultEntry } from '../vault/registry.ts'
import { createWrapping, learnPrf, openWrapping, type Wrapping } from '../vault/wrapping.ts'
import { askPasskey, type Ceremony, createPasskey, evaluatePrf, PasskeyError } from './ceremony.ts'

/** A vault and its key. */
export interface OpenedVault {
  credentialId: string
  key: CryptoKey
  /** Whether the server has a fresh session for it. */
  signedIn: boolean
}

/** What a sign-in led to: a vault, or the word that this browser holds none for that passkey. */
export type SignIn = { device: true; vault: OpenedVault } | { device: false }

/** Where a sign-up stands, for the person to see. */
export type SignUpStep = 'passkey' | 'protect'

/** Makes the passkey and an empty vault. `report` is told before each thing that needs a touch. */
export async function signUp(report: (step: SignUpStep) => void): Promise<OpenedVault> {
  report('passkey')
  const made = await createPasskey(await startPasskey())
  await finishPasskey(made.credential)
  const { wrapping, vaultKey } = await createWrapping()
  const entry: VaultEntry = {
    credentialId: made.credentialId,
    userHandle: made.userHandle,
    id: randomId(),
    wrapping,
    prf: made.prfEnabled,
    signedOut: false,
    usedAt: Date.now(),
  }
  if (made.prfEnabled) {
    report('protect')
    entry.wrapping = await protect(entry, made.prf)
  }
  await addVault(entry)
  return { credentialId: entry.credentialId, key: vaultKey, signedIn: true }
}

/** Signs in with whichever passkey the person picks, and opens its vault where this browser has it. */
export async function signIn(): Promise<SignIn> {
  const ceremony = await askPasskey(await startLogin(), null)
  await finishLogin(ceremony.credential)
  const entry = await findVault(ceremony.credentialId)
  if (!entry) return { device: false }
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
      () => false,
    )
    return { ...opened, signedIn }
  }
  const prf = await evaluatePrf(entry)
  return { ...(await open(entry, { credentialId, prf })), signedIn: false }
}

/** Joins the passkey's PRF to a vault's protection afterwards. Says whether it is joined now. */
export async function protectVault(credentialId: string): Promise<boolean> {
  const entry = await findVault(credentialId)
  if (!entry) return false
  const wrapping = await protect(entry, null)
  await changeVault(credentialId, { wrapping, prf: true })
  return wrapping.needs === 'device+prf'
}

/** Two equal PRF results are needed. A refusal here costs protection, and not the sign-up. */
async function protect(entry: VaultEntry, first: ArrayBuffer | null): Promise<Wrapping> {
  let wrapping = first ? await learnPrf(entry.wrapping, first) : entry.wrapping
  try {
    for (let touch = 0; touch < 2 && wrapping.needs === 'device'; touch++) {
      const prf = await evaluatePrf(entry)
      if (!prf) break
      wrapping = await learnPrf(wrapping, prf)
    }
  } catch (error) {
    if (!(error instanceof PasskeyError)) throw error
  }
  return wrapping
}

async function open(
  entry: VaultEntry,
  { prf }: Pick<Ceremony, 'credentialId' | 'prf'>,
): Promise<Omit<OpenedVault, 'signedIn'>> {
  const key = await openWrapping(entry.wrapping, prf)
  const wrapping = prf ? await learnPrf(entry.wrapping, prf) : entry.wrapping
  if (wrapping !== entry.wrapping) await changeVault(entry.credentialId, { wrapping, prf: true })
  return { credentialId: entry.credentialId, key }
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
