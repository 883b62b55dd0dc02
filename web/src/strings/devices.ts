/** Texts about the account's devices, its keys, and how it comes back or ends. */
import type { LinkEnd } from '../engine.ts'
import type { TouchPurpose } from '../worker/messages.ts'
import { count, times } from './times.ts'

/** What a link came to, on either side. */
export const linkEnds: Record<LinkEnd, string> = {
  cancelled: 'Cancelled. Nothing was sent, and nothing changed.',
  expired:
    'Nobody is offering a device under this code: the ten minutes are over, or it was mistyped. Nothing changed.',
  wrong_code: 'That is not a code that a new browser shows. Compare it character by character.',
  wrong_digits: 'Three times other digits were typed, so this link ended. Nothing was sent.',
  declined: 'The passkey was not used, so nothing was sent.',
  too_many_devices: 'This account has eight devices, which is as many as it can have. Remove one first.',
  list_moved: 'Your devices changed in the meantime. Nothing was sent; begin again.',
  refused: 'What the server answered does not hold together, so the link was given up. Nothing was sent.',
}

const unknownDevice = 'A device whose name cannot be read'

/** The letters that a device was or is given. */
const letters = (n: number) => count(n, 'letter', 'letters')

export const devices = {
  heading: 'Devices',
  brief: 'See, link, rename and remove them',
  lead: 'Each of these browsers has keys of its own and receives every letter. At most eight.',
  unknown: 'The list has not been fetched yet.',
  nameless: unknownDevice,
  this: 'This device',
  added: (added: string, used: string) => `Added ${added}, last signed in ${used}`,
  dormant: 'Silent for weeks: letters skip it until it is back, and it then catches up through your others.',
  notRecoverable: 'Has no way back if its browser loses its storage.',
  rename: 'Rename',
  renameOf: (name: string) => `Rename ${name}`,
  newName: 'New name',
  nameHint: 'Only your own devices can read it.',
  save: 'Save',
  remove: 'Remove',
  removeOf: (name: string) => `Remove ${name}`,
  what: (name: string) => `What became of ${name}?`,
  have: 'I still have it',
  haveHint:
    'It is signed out and gets no more letters. What is already stored in that browser stays there, so wipe it too.',
  lost: 'It is lost or stolen',
  lostHint:
    'The same, and your identity is replaced, because that device knew its secret: everybody you write to sees a new safety number.',
  removeNow: 'Remove this device',
  giveHistory: 'Send history',
  giveHistoryOf: (name: string) => `Send history to ${name}`,
  link: 'Link a device',
}

export const link = {
  heading: 'Link a device',
  lead: 'On the new device, open letterbox and choose “Link this browser to an account”. It shows a code.',
  code: 'The code on the new device',
  codeHint: '16 characters, in groups of four.',
  codeWrong: 'A code has 16 characters.',
  scan: 'Scan the code',
  scanning: 'Hold the code in front of the camera.',
  noCamera: 'The camera cannot be used here. Type the code instead.',
  begin: 'Go on',
  searching: 'Looking for the new device…',
  digitsHeading: 'Type these digits on the new device',
  digits: 'Six digits',
  warning:
    'Only on a device that you hold in your hands. Whoever types these digits becomes you, and reads your letters.',
  tries: (n: number) => `${count(n, 'try', 'tries')} left. Waiting for the digits…`,
  approving: 'The digits are right. Confirm with your passkey.',
  completing: 'Approved. The new device is making its passkey and its keys…',
  linked: 'Linked',
  linkedText: 'The new device is yours, and gets every letter from now on.',
  again: 'Begin again',
  ended: 'Not linked',
  done: 'Back to devices',
}

export const history = {
  what: 'Send it the letters of this device?',
  all: 'All of them',
  month: 'The last 30 days',
  none: 'None',
  send: 'Go on',
  sending: (n: number) => `${letters(n)} sent so far. Keep this page open.`,
  sent: (n: number) => `All sent: ${letters(n)}.`,
  receiving: (n: number) => `${letters(n)} from your other device so far…`,
  received: (n: number) => `Everything your other device sent is here: ${letters(n)}.`,
}

export const keys = {
  heading: 'Keys',
  brief: 'How old they are, and making new ones',
  lead: 'These change by themselves. There is nothing to do here unless you want to.',
  fingerprint: 'Identity',
  fingerprintLabel: 'Fingerprint of your identity key',
  messaging: 'Messaging key',
  list: 'Device list',
  prekey: 'Signed prekey',
  version: (n: number, since: number) => `number ${n}, since ${times.full(since)}`,
  oneTime: 'One-time prekeys',
  oneTimeLeft: (n: number | null) => (n === null ? 'not counted yet' : `${n} left at the server`),
  sessions: 'Open sessions',
  sessionCount: (n: number) => `${n}, each for at most a day or 100 letters`,
  checked: 'Last checked',
  checkedAt: (at: number | null) =>
    at === null
      ? 'Not yet. From time to time this device asks the server, also without saying who asks, which keys it hands out.'
      : `${times.full(at)}: the server handed out the keys that this device published.`,
  rotate: 'Rotate now',
  rotating: 'New keys are being made…',
  unknown: 'The keys have not been made yet.',
}

export const recovery = {
  heading: 'Recovery',
  brief: 'What brings this device back',
  lead: 'Browsers sometimes lose what they store. Then this device comes back, without its letters, by what you choose here. Your other devices can send the letters again.',
  passkey: 'This device comes back by its passkey alone. There is nothing to keep.',
  code: 'This device comes back by its passkey and your recovery code.',
  none: 'This device cannot come back. If this browser loses its storage, only another device of yours can let you in again.',
  makeCode: 'Make a recovery code',
  makeNewCode: 'Make a new recovery code',
  insteadCode: 'Use a recovery code instead',
  insteadPasskey: 'Use the passkey instead',
  noPrf: 'This passkey cannot do that.',
  codeHeading: 'Your recovery code',
  codeLabel: 'Recovery code',
  codeText:
    'Print it or write it down, and keep it apart from this device. It is shown this once, and takes the place of an earlier one.',
  print: 'Print',
  kept: 'I have kept it',
  done: 'From now on this code brings this device back.',
  printTitle: 'letterbox recovery code',
  printText: (origin: string, phone: string, date: string) =>
    `For ${phone} at ${origin}, made on ${date}. If the browser loses its storage: open ${origin}, sign in with the same passkey, choose “Bring this device back”, and type this code. Whoever has both the passkey and this code can read new letters.`,
  hint: 'If this browser loses its storage, this device cannot come back.',
  hintAction: 'Make a recovery code',
  hintLater: 'Not now',
}

export const leaving = {
  signOutHeading: 'Sign out',
  signOutWhat: 'What should stay in this browser?',
  keep: 'Keep my letters here, sealed',
  keepHint: 'Signing in again needs your passkey.',
  wipe: 'Wipe this browser',
  wipeHint: 'For a shared machine. Every letter and key in this browser goes for good.',
  wipeOnly:
    'This is your only device, and it has no way back. Wiping it loses the account until a waiting period is over.',
  signOut: 'Sign out',
  signOutAndWipe: 'Wipe and sign out',
  signOutUnheard:
    'The server could not be told, so this browser would stay signed in there for up to a day. Try again when you are online, above all on a machine that others use.',
  closeAnyway: 'Only close my mailbox here',
  wipeAnyway: 'Only wipe this browser',
  heading: 'Delete account',
  text: 'Your number, your devices, your keys and all letters that wait for you are deleted from the server at once and for good, and everything in this browser with them. People who write to you are told that this number has no mailbox.',
  others: 'Letters that you sent, and what your other devices hold, stay where they are.',
  word: 'delete',
  confirm: (word: string) => `Type “${word}” to confirm`,
  action: 'Delete my account',
  open: 'Delete account…',
  deleted: 'Your account is deleted. Nothing of it is left on the server or in this browser.',
}

/** What a touch is asked for: heading, and what it does. */
export const touches: Record<TouchPurpose, [heading: string, text: string]> = {
  link: ['Link the new device?', 'With your passkey you hand your account to the device you are linking.'],
  revoke: ['Remove the device?', 'With your passkey you take it off your account for good.'],
  recover: [
    'Begin this device anew?',
    'With your passkey it gets new keys. Other copies of it stop working.',
  ],
  cancel_reset: [
    'Keep your account?',
    'With your passkey you stop the waiting period, and block another try for as long.',
  ],
  delete_account: [
    'Delete your account?',
    'With your passkey you delete it for good, on the server and here.',
  ],
  other: ['Use your passkey?', 'This needs your passkey.'],
}

export const touch = {
  action: 'Use my passkey',
  busy: 'Waiting for your passkey…',
  sending: 'Waiting for the server…',
  decline: 'Not now',
  refused: (problem: string) => `The server refused: ${problem || 'no reason given'}`,
  unanswered: 'The server was not reached. It is not certain whether it was done.',
}
