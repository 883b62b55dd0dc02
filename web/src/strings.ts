/** Every text that a person reads; longer ones by subject in `strings/`. English only, so far. */
import type { FailReason, WaitReason } from './engine.ts'
import * as devices from './strings/devices.ts'
import { disclosure } from './strings/disclosure.ts'
import * as entry from './strings/entry.ts'
import { count, LANGUAGE, number, pause, times } from './strings/times.ts'

export { LANGUAGE, times }

export const strings = {
  ...devices,
  ...entry,
  disclosure,

  name: 'letterbox',
  title: (unread: number) => (unread > 0 ? `(${number.format(unread)}) letterbox` : 'letterbox'),
  back: 'Back',
  cancel: 'Cancel',
  close: 'Close',
  tryAgain: 'Try again',
  reload: 'Reload',

  /** What the pane beside the list holds. */
  pane: { conversation: 'Conversation', safety: 'Safety number', new: 'New conversation' } as Record<
    string,
    string
  >,

  boot: {
    opening: 'Opening your mailbox…',
    slow: 'This takes longer than it should. If letterbox is open in another tab, bring that tab to the front or close it.',
    unsupported:
      'This browser cannot run letterbox. It needs passkeys, Web Locks and WebAssembly: a current Chromium, Firefox or Safari has them.',
    broken: 'This mailbox could not be read',
    brokenText:
      'What is stored in this browser is damaged, or was written by a newer version. Nothing was changed. Reloading may bring a version that can read it.',
  },

  welcome: {
    heading: 'Letters that only you two can read',
    lead: 'Write to people by phone number. The server passes sealed letters on. It cannot open them, and it is never told who wrote.',
    points: [
      ['Sealed in your browser', 'Letters are encrypted before they leave and opened only on your devices.'],
      ['No sender on the outside', 'The server stores where a letter goes, never where it came from.'],
      ['No password', 'A passkey on this device is all you need: your fingerprint, face or PIN.'],
    ],
    signUp: 'Create a mailbox',
    signIn: 'I have one already',
    link: 'Link this browser to an account',
  },

  signUp: {
    heading: 'Create a mailbox',
    progress: (step: number, of: number) => `Step ${step} of ${of}`,
    phone: 'Your phone number',
    phoneHint:
      'With its country code, such as +44 20 7946 0018. People find your mailbox by it. We send a code to it once.',
    phoneUsed: (phone: string) => `A code will go to ${phone}.`,
    sendCode: 'Send the code',
    code: 'The code we sent you',
    codeHint: (phone: string) => `Six digits, sent to ${phone}. They hold for ten minutes.`,
    checkCode: 'Check the code',
    otherPhone: 'Use another number',
    sendAgain: 'Send it again',
    sentAgain: 'Another code is on its way.',
    deviceHeading: 'A passkey for this device',
    deviceText:
      'A passkey signs you in on this device: your fingerprint, face or PIN takes the place of a password. We never see its secret.',
    deviceName: 'What to call this device',
    makePasskey: 'Make the passkey',
    touch: 'Follow your browser: it asks for your fingerprint, face or PIN.',
    protecting: 'Once or twice more: the passkey now locks the letters kept in this browser.',
    publishing: 'Making your keys…',
    cutShort: 'This sign-up was not finished',
    cutShortText:
      'The keys for this mailbox have not reached the server. Leave the page open while it tries, or begin again; nothing is lost, and your number is still free.',
    beginAgain: 'Begin again',
    hasAccount: 'This number has a mailbox already',
    hasAccountText: 'Nothing about it was changed. If it is yours, sign in with its passkey.',
  },

  signIn: {
    heading: 'Sign in',
    text: 'Use the passkey you made for letterbox on this device.',
    action: 'Use my passkey',
    busy: 'Waiting for your passkey…',
  },

  unlock: {
    heading: 'Your mailbox is locked',
    text: 'The letters kept in this browser open with your passkey.',
    action: 'Unlock',
    busy: 'Waiting for your passkey…',
    wrongPrf:
      'That passkey did not give the secret that locks this mailbox. It stays closed, and nothing in it was changed. Use the authenticator you signed up with.',
    other: 'Use another mailbox',
  },

  list: {
    heading: 'Conversations',
    compose: 'New conversation',
    settings: 'Settings',
    requests: 'Requests',
    unread: (n: number) => count(n, 'unread letter', 'unread letters'),
    you: (text: string) => `You: ${text}`,
    emptyHeading: 'No letters yet',
    emptyText: 'Write to somebody by phone number, or give yours to a friend.',
    newer: 'Needs a newer version',
    identityChanged: 'Safety number changed',
  },

  start: {
    heading: 'New conversation',
    phone: 'Phone number',
    hint: 'With the country code. The server is asked for the mailbox’s keys, without being told who asks.',
    action: 'Find',
    busy: 'Looking…',
    waits:
      'Waiting for stamps: none are left just now, and the search goes on by itself with the next ones. You may leave this page.',
    missing: (phone: string) =>
      `Nobody has a mailbox under ${phone} here. Check the number, or ask them to sign up.`,
    unreachable: 'The server was not reached. Try again when you are online.',
    refused:
      'The keys the server gave for this number do not hold together, so nothing was sent. Try again later; if it stays so, tell whoever runs this server.',
    self: 'That is your own number.',
  },

  thread: {
    placeholderHeading: 'Nothing open',
    placeholderText: 'Pick a conversation, or start one by phone number.',
    placeholderEmpty: 'Your conversations will be here. Start one by phone number.',
    details: 'Details',
    empty: 'Nothing here yet. What you write is sealed before it leaves this browser.',
    older: 'Earlier letters',
    loadingOlder: 'Loading earlier letters…',
    letters: 'Letters',
    gone: 'This conversation is not on this device.',
    newer: 'This letter needs a newer version of the page. It is kept.',
    identityChanged: 'Their safety number changed here.',
    you: 'You',
    deleteLetter: 'Delete',
    deleteLetterOf: (at: string) => `Delete the letter of ${at}`,
    retry: 'Try again',
  },

  states: {
    sending: 'Sending',
    sent: 'Sent',
    delivered: 'Delivered',
    read: 'Read',
    waiting: 'Waiting',
    failed: 'Not sent',
    wait: {
      all_dormant: 'Waiting: none of their devices has been online for weeks',
      mailbox_full: 'Waiting: their mailbox is full',
      too_many_requests: 'Waiting: the server asks for a pause',
      list_moving: 'Waiting: their devices are changing',
      identity_changed: 'Waiting: their safety number changed, and you had verified it',
      no_tokens: 'Waiting for stamps: none are left just now, and it goes out by itself with the next ones',
    } satisfies Record<WaitReason, string>,
    fail: {
      no_such_mailbox: 'Not sent: this number has no mailbox any more',
      identity_changed: 'Not sent: their identity changed',
      keys_refused: 'Not sent: their keys could not be trusted',
      refused: 'Not sent: the server refused it',
    } satisfies Record<FailReason, string>,
  },

  safety: {
    changed: (name: string) =>
      `${name} has a new safety number: they may have begun anew, or somebody else may be answering. Compare it when you can.`,
    changedAfterVerification: (name: string) =>
      `${name} has another safety number than the one you verified. Nothing is sent or taken until you decide. Ask them by another way whether they began anew.`,
    understood: 'Understood',
    goOn: 'Go on with the new number',
    heading: 'Safety number',
    with: (name: string) => `With ${name}`,
    text: (name: string) =>
      `Compare these digits with ${name}, side by side or on a call. If both see the same, nobody stands between you.`,
    number: 'Safety number',
    qr: 'QR code of the safety number, to be scanned by the other side',
    scan: 'Scan their code',
    same: 'The codes are the same.',
    different:
      'That is another safety number. Somebody may stand between you, or one of you has an old page open.',
    notOne: 'That is no safety number of letterbox.',
    mark: 'Mark as verified',
    unmark: 'Remove the mark',
    verified: 'Verified',
    verifiedText: 'You compared this number and marked it as verified.',
    unverifiedText: 'You have not compared it yet.',
    compare: 'Compare safety numbers',
    unknown: 'There is no safety number yet: the keys of one of you are not known here.',
    askHeading: 'Send it all the same?',
    ask: (name: string) =>
      `${name} has another safety number than the one you verified. If somebody else is answering in their place, they could read this.`,
    sendAnyway: 'Send it to the new number',
    dontSend: 'Do not send',
  },

  composer: {
    label: (name: string) => `Write to ${name}`,
    placeholder: 'Write a letter',
    send: 'Send',
    hint: 'Enter sends, Shift and Enter begins a new line',
    tooLong: 'This is too long for one letter.',
    blocked: 'You blocked this person. Their letters are thrown away unread.',
    unblock: 'Unblock',
  },

  request: {
    text: (name: string) => `${name} wrote to you, and you have not written to them. Accept to answer.`,
    promise: 'They are not told that you have read this.',
    accept: 'Accept',
    block: 'Block',
    remove: 'Delete',
  },

  contact: {
    heading: 'About this conversation',
    name: 'Your name for them',
    nameHint: 'Only your own devices know it.',
    save: 'Save',
    saved: 'Saved.',
    block: 'Block',
    blockHint: 'Their letters will be thrown away unread. They are not told.',
    unblock: 'Unblock',
    remove: 'Delete conversation',
    removeHint: 'Its letters go from your devices for good.',
    removeSure: 'Delete it for good',
  },

  settings: {
    heading: 'Settings',
    phone: 'Phone number',
    device: 'This device',
    server: 'Server',
    version: (version: string) => `version ${version}`,
    vault: 'Letters kept in this browser',
    vaultPrf: 'Locked with your passkey. Opening letterbox takes one touch.',
    vaultDevice:
      'Sealed with a key of this browser that cannot be copied out of it. Your passkey does not lock them: whoever can use this browser profile can open them.',
    vaultNoPrf: 'Your authenticator cannot lock stored data, so no more than that is possible with it.',
    protect: 'Lock with the passkey',
    protecting: 'Waiting for your passkey…',
    protectFailed:
      'Your passkey did not give the same secret twice, so it was not used. Nothing was changed.',
    storage: 'Storage',
    persisted: 'The browser has promised to keep your letters.',
    notPersisted:
      'The browser has not promised to keep your letters: when space runs out it may clear them. Bookmarking or installing the page often helps.',
    askPersist: 'Ask again',
    blocked: 'Blocked people',
    noneBlocked: 'Nobody.',
    unblock: (name: string) => `Unblock ${name}`,
    receipts: 'Receipts',
    receiptsSwitch: 'Tell people that their letters arrived and were read',
    receiptsHint: 'Never told to people you have not accepted, and at a random time, not at once.',
  },

  connection: {
    offline: 'You are offline. Letters you write wait here and go out later.',
    connecting: 'Connecting to the server…',
    signIn: 'Your sign-in has run out. Letters can go out, and none can come in.',
    signInAction: 'Sign in',
    deviceUnknown:
      'This device was removed from its account, or the account is gone. Your letters are still here to read. No new ones can come in, and none can go out.',
    keysAltered:
      'The server hands out other keys for this device than it published, so somebody could read new letters to you in your place. Ask whoever runs the server, and have people write to you another way until this message goes. If another device was removed as lost while this one was off for weeks, that may be the reason, and this one has to be linked again.',
    outdated: 'This page is older than its server.',
  },

  storageTrouble: {
    full: 'This device has no room left. Nothing more can be kept, sent or fetched until you free some space.',
    failed: 'This browser could not store the last change. letterbox tries again in half a minute.',
    notDone: 'That could not be stored, so it was not done.',
    notOpen: 'The mailbox is not open.',
  },

  announce: {
    letter: (name: string) => `New letter from ${name}`,
    sent: 'Sent',
    failed: 'A letter could not be sent',
  },

  trouble: {
    unreachable: 'The server was not reached. Check your connection and try again.',
    unknown: 'That did not work. Try again in a moment.',
    phone: 'That does not look like a phone number with a country code, such as +44 20 7946 0018.',
    code: 'Type the six digits.',
    wait: (seconds: number | null) =>
      `Too many tries. Wait ${seconds ? pause(seconds) : 'a while'}, then try again.`,
    signInAgain: 'That took too long. Begin again.',
    passkey: {
      cancelled: 'The passkey was not used: the browser’s question was closed, or it took too long.',
      exists: 'This device has a passkey for letterbox already. Sign in with it.',
      unsupported:
        'This browser or device cannot make the kind of passkey letterbox needs: one that it keeps itself, with a fingerprint, face or PIN.',
      failed: 'The passkey did not work. Try again.',
    },
    refused: {
      '/problems/phone-taken': 'This number has a mailbox by now. Sign in with its passkey.',
    } as Record<string, string>,
  },
} as const
