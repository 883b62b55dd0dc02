/** Texts for getting in without an account in this browser: linking it, bringing it back, beginning anew. */
import { count, times } from './times.ts'

export const linkBrowser = {
  heading: 'Link this browser',
  text: 'Make this browser a device of your account. You need one that is signed in already; it can send your letters over afterwards.',
  deviceName: 'What to call this device',
  show: 'Show the code',
  codeHeading: 'Scan or type this code',
  codeText:
    'On your signed-in device open Settings, Devices, “Link a device”, and type this code. Or point a phone’s camera at it.',
  code: 'Link code',
  qr: 'QR code that opens letterbox with this link code',
  left: (time: string) => `Good for ${time} more`,
  digits: 'Then type the six digits it shows',
  digitsHint: (tries: number) =>
    `${count(tries, 'try', 'tries')}. Type them yourself; never read them to anybody.`,
  digitsWrong: 'Six digits are needed.',
  send: 'Confirm the digits',
  sent: 'Sent. Now confirm on your other device.',
  sentAgain: (tries: number) =>
    `If it says that they were wrong, type them again: ${count(tries, 'try', 'tries')} left.`,
  noTries: 'If they were wrong, this link is over.',
  approvedHeading: 'A passkey for this device',
  approvedText: (phone: string) =>
    `Your other device has approved this one for ${phone}. A passkey of its own signs it in from now on.`,
  makePasskey: 'Make the passkey',
  completing: 'Publishing this device’s keys…',
  linked: 'This browser is linked',
  linkedText: 'It receives every letter from now on. Your other device can send it the earlier ones.',
  waiting: 'Waiting to hear whether history comes. You need not wait for it.',
  open: 'Open my mailbox',
  ended: 'Not linked',
  again: 'Begin again',
  scannedHere:
    'That code links a new browser to an account, and has to be opened on a device that is signed in. Sign in here first, then scan it again.',
}

export const notADevice = {
  heading: 'This browser is not a device yet',
  text: 'Your passkey is right, but your keys and letters are not in this browser: they were made on another device or in another profile, or the browser has cleared them.',
  promise: 'Nothing was published, and no letter was fetched. Your other devices go on as before.',
  linkHeading: 'You have another device that works',
  linkText: 'Make this browser a device of its own. Letters can follow.',
  recoverHeading: 'This was your device, and its storage was cleared',
  recoverText:
    'Bring it back by its passkey, without its letters. If the same passkey still works in another browser, that one stops working.',
  recover: 'Bring this device back',
  code: 'Your recovery code',
  codeHint: '28 characters, in groups of four, as it was printed.',
  codeWrong: 'That is not a recovery code. Compare it character by character.',
  codeNeeded: 'This passkey gives no secret of its own, so the printed recovery code is needed.',
  useCode: 'I have a recovery code',
  busy: 'Bringing this device back…',
  noCapsule:
    'Nothing was kept at the server for this device, so it cannot come back. Link this browser from another device, or begin anew with your phone number.',
  refused: 'That did not open what the server keeps for this device. Nothing was changed.',
  declined: 'The passkey was not used. Nothing was changed.',
  signOut: 'Sign out',
}

export const lost = {
  link: 'I lost my passkey',
  heading: 'Lost your passkey',
  lead: 'A mailbox without any of its passkeys begins anew, empty and with a new identity, after a waiting period. Your devices are told at once, and each of them can stop it: a phone number alone never takes a mailbox over.',
  first:
    'First try your other devices: a signed-in one can link this browser in a minute, with all your letters.',
  begin: 'Prove my number',
  ask: 'Begin the waiting period?',
  askText: (phone: string) =>
    `This tells every device of ${phone}. When it is over and nobody has stopped it, come back here and begin anew. Letters and contacts of the old mailbox are gone then.`,
  askAction: 'Begin the waiting period',
  waiting: 'The waiting period runs',
  waitingText: (end: number) =>
    `It ends on ${times.full(end)}. Until then every device of the account can stop it. Come back here afterwards and prove your number again.`,
  blocked: 'The waiting period was stopped',
  blockedText: (end: number) =>
    `A device of this account stopped it, so its passkey is in use. Nobody can begin another before ${times.full(end)}. If it is yours, sign in there.`,
  ready: 'You can begin anew',
  readyText: (phone: string) =>
    `The waiting period is over. ${phone} gets an empty mailbox and a new identity: people you wrote to see a new safety number. The old mailbox and its devices end.`,
  readyAction: 'Begin anew',
  free: 'This number has no mailbox',
  freeText: 'There is nothing to recover. You can create one now.',
  wait: 'Done',
}

/** What the open mailbox says on top. */
export const alarms = {
  reset: (end: number) =>
    `Somebody who proved your phone number wants to begin your mailbox anew on ${times.full(end)}. If that is not you, stop it: you would lose your account.`,
  resetCancel: 'Stop it',
  outdated:
    'This browser holds an older copy of this device, as after restoring a backup. It has to begin anew before letters can come in.',
  renew: 'Renew this device',
  revoked: 'Remove what is stored here',
  disputed: (name: string) =>
    `${name} was shown a list of your devices that yours did not make. Somebody may be trying to read your letters: compare the devices, and talk to whoever runs this server.`,
  tokenKeys: (name: string | null) =>
    `${name === null ? 'The server broke its word about the keys' : `${name} was shown other keys than you`} under which it stamps sealed letters. It may be trying to learn whose letters are whose: talk to whoever runs it.`,
  identityReplaced:
    'Another of your devices replaced your identity, as one does after losing a device. People you write to see a new safety number.',
  recovered: 'This device is back. Earlier letters are not in this browser; another device can send them.',
  understood: 'Understood',
  showDevices: 'Show my devices',
}
