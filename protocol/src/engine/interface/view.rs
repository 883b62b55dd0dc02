//! What a person sees of the account, its devices, contacts and letters.

use super::{ContactId, LetterId, Millis, RecoveryMethod};
#[cfg(doc)]
use super::{Input, PREVIEW_CHARS};
use crate::types::{Bytes, DeviceId, Phone};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The account in this vault.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Whose.
    pub phone: Phone,
    /// What this device is called.
    pub device_name: String,
    /// Whether the keys have been published.
    pub published: bool,
}

/// How sure one can be that a contact's identity key is theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Safety {
    /// The key is the one first seen, or a later one that was gone on with.
    Unverified,
    /// The safety number was compared.
    Verified,
    /// The key has changed since; letters go on. The person is told.
    Changed,
    /// The key has changed although it had been verified: nothing is sent or taken before the person
    /// says so ([`Input::AcceptIdentity`]).
    ChangedAfterVerification,
}

/// One of the account's devices.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Which.
    pub id: DeviceId,
    /// Its name; `None` where it does not open.
    pub name: Option<String>,
    /// Whether it is this one.
    pub this: bool,
    /// The day on which it was added, in seconds.
    pub created_on: i64,
    /// The day on which it last signed in, in seconds.
    pub last_used_on: i64,
    /// Silent for so long that letters skip it.
    pub dormant: bool,
    /// Whether it can be brought back by its passkey or a recovery code.
    pub recoverable: bool,
}

/// The state of this device's keys, for the page "Keys". Moments in milliseconds.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysView {
    /// SHA-256 of the identity key, the first 16 bytes.
    pub identity_fingerprint: Bytes<16>,
    /// The messaging key's version.
    pub messaging_version: u32,
    /// When it was made.
    pub messaging_since: Millis,
    /// The device list's version.
    pub list_version: u64,
    /// When it was signed.
    pub list_since: Millis,
    /// The signed prekey's id.
    pub signed_prekey: u32,
    /// When it was made.
    pub signed_prekey_since: Millis,
    /// One-time prekeys left at the server, by its last answer.
    pub one_time_prekeys: Option<u32>,
    /// Sessions for sending that are open now.
    pub sessions: u32,
    /// When the server was last seen to serve what was published, to this device and to an anonymous
    /// look-up.
    pub checked_at: Option<Millis>,
    /// What the recovery capsule is sealed under, where there is one.
    pub recovery: Option<RecoveryMethod>,
    /// Whether the device's own doing is under way.
    pub rotating: bool,
    /// Whether contacts are told when letters arrived and were read.
    pub receipts: bool,
}

/// How linking stands, on either side.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkView {
    /// New browser: show this code, as QR and as text, and wait.
    Offered {
        /// 16 characters in groups of four.
        code: String,
        /// When the offer ends.
        expires_at: Millis,
    },
    /// New browser: so many tries for the digits are left.
    DigitsNeeded {
        /// From 3 down.
        tries: u8,
    },
    /// New browser: the digits were sent; the other device decides.
    DigitsSent {
        /// Tries left if they were wrong.
        tries: u8,
    },
    /// New browser: approved. Register a passkey for this link, then [`Input::CompleteLink`].
    Approved {
        /// The link's id, for `POST /v1/passkeys/register/start`.
        link: Bytes<16>,
        /// The account's number.
        phone: Phone,
    },
    /// Signed-in device: looking for the offer.
    Searching,
    /// Signed-in device: show these digits, to be typed in the new browser.
    ShowDigits {
        /// Six digits.
        digits: String,
        /// Tries left.
        tries: u8,
    },
    /// Signed-in device: the digits were right; a touch is asked for.
    Approving,
    /// Signed-in device: approved; waiting for the new device to complete.
    Completing,
    /// Both: linked.
    Linked {
        /// The new device.
        device: DeviceId,
    },
    /// Both: over without a link.
    Ended {
        /// Why.
        reason: LinkEnd,
    },
}

/// Why a link came to nothing. Nothing was sent, nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkEnd {
    /// Cancelled here.
    Cancelled,
    /// The ten minutes are over, or nobody offers under this code.
    Expired,
    /// Not 16 characters of the code's alphabet, or an offer that was not made with this code.
    WrongCode,
    /// Three times other digits.
    WrongDigits,
    /// The touch was declined.
    Declined,
    /// The account has eight devices.
    TooManyDevices,
    /// The account's devices changed meanwhile: begin again.
    ListMoved,
    /// The server's answer does not hold, or it refused.
    Refused,
}

/// A contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactView {
    /// Local id.
    pub id: ContactId,
    /// Number.
    pub phone: Phone,
    /// Own name for it; empty where none was given.
    pub name: String,
    /// How one stands with them.
    pub standing: Standing,
    /// Letters received and not seen.
    pub unread: u32,
    /// The last letter, for the list, its text cut to [`PREVIEW_CHARS`] characters. `None` where
    /// there is none, and after the last one was deleted: the newest record under
    /// `letter/<contact>/` is it then.
    pub last: Option<LetterView>,
    /// How sure one can be of who it is.
    pub safety: Safety,
    /// 60 digits, the same on both sides, from both identity keys; empty before the account is
    /// published.
    pub safety_number: String,
    /// What the QR code of the safety number holds.
    pub safety_code: String,
}

/// How one stands with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Written to, or accepted.
    #[n(0)]
    Accepted,
    /// Wrote first and has not been accepted.
    #[n(1)]
    Request,
    /// Blocked.
    #[n(2)]
    Blocked,
}

/// A letter in a thread.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterView {
    /// Its record's key; key order is thread order.
    pub key: String,
    /// Its inner id.
    pub id: LetterId,
    /// In whose conversation.
    pub contact: ContactId,
    /// Written here, or received.
    pub outgoing: bool,
    /// The sealed time, held within the hour of storing.
    pub at: Millis,
    /// What it says.
    pub content: ContentView,
    /// How far it has got; `received` for letters from others.
    pub state: LetterState,
}

/// What a letter says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ContentView {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A kind that this version does not know. The letter is kept.
    Newer,
    /// A note that this device made: the contact's identity key changed at this point.
    IdentityChanged,
}

/// How far a letter has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LetterState {
    /// In the vault; waiting for the network, for keys, or for room.
    #[n(0)]
    Waiting {
        /// Why, where it is more than the network.
        #[n(0)]
        reason: Option<WaitReason>,
    },
    /// On its way.
    #[n(1)]
    Sending,
    /// The server has it durably.
    #[n(2)]
    Sent,
    /// Will not go out unless tried again.
    #[n(3)]
    Failed {
        /// Why.
        #[n(0)]
        reason: FailReason,
    },
    /// From somebody else.
    #[n(4)]
    Received,
    /// The recipient says that it arrived, or that it was read.
    #[n(5)]
    Confirmed {
        /// Read, not only arrived.
        #[n(0)]
        read: bool,
    },
}

/// Why a letter waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// All of the recipient's devices have been silent for too long to be written to safely.
    #[n(0)]
    AllDormant,
    /// The recipient's mailbox is full.
    #[n(1)]
    MailboxFull,
    /// The server asks for patience.
    #[n(2)]
    TooManyRequests,
    /// The device list changed twice while sending.
    #[n(3)]
    ListMoving,
    /// The verified contact's identity key has changed: the person has to decide.
    #[n(4)]
    IdentityChanged,
    /// The tokens of the day are used up: it goes out by itself with the next ones.
    #[n(5)]
    NoTokens,
}

/// Why a letter failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Nobody has that number here (any more).
    #[n(0)]
    NoSuchMailbox,
    /// The recipient's identity key is not the pinned one; written by earlier versions only.
    #[n(1)]
    IdentityChanged,
    /// What the server served does not hold.
    #[n(2)]
    KeysRefused,
    /// The server refused the letter.
    #[n(3)]
    Refused,
}

/// Everything the page's first view needs, without the letters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The account in this vault; `None` in an empty one.
    pub account: Option<AccountView>,
    /// All contacts, the one with the newest letter first.
    pub contacts: Vec<ContactView>,
    /// The account's devices as last seen; empty before that.
    pub devices: Vec<DeviceView>,
    /// The state of this device's keys.
    pub keys: Option<KeysView>,
    /// A link under way.
    pub link: Option<LinkView>,
    /// When a waiting period that would take the account away ends.
    pub reset_ends_at: Option<Millis>,
    /// This vault is an older copy of what the device was.
    pub outdated: bool,
}
