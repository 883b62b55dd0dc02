//! What goes into the engine and what comes out of it.
//!
//! Inputs, requests and events cross into JavaScript as JSON; the names here are the names there.

use crate::types::{Bytes, Phone};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A moment: milliseconds since 1970-01-01T00:00:00Z, by the host's clock.
pub type Millis = i64;
/// A contact's local random id. It means nothing outside this vault.
pub type ContactId = Bytes<16>;
/// A letter's inner id: random, sealed inside it, the same on every device that holds it.
pub type LetterId = Bytes<16>;
/// A request's local random id.
pub type RequestId = Bytes<16>;

/// What the host tells the engine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
    /// The vault was opened. Requests that were committed and never answered come out again.
    Resume,
    /// The account's session holds a fresh passkey for this verified phone: make and publish keys.
    CreateAccount {
        /// The verified number.
        phone: Phone,
        /// What the person calls this device.
        device_name: String,
    },
    /// A passkey sign-in succeeded (or the session of before may still be good): prove the device
    /// key, then catch up.
    SignedIn,
    /// The live socket is open.
    LiveOpened,
    /// The live socket closed, whatever the cause.
    LiveClosed,
    /// A text frame came down the live socket.
    LiveFrame {
        /// The frame.
        text: String,
    },
    /// A request was answered.
    Response {
        /// Which one.
        request: RequestId,
        /// The HTTP status.
        status: u16,
        /// `Retry-After` in seconds, where the answer had one.
        #[serde(default)]
        retry_after: Option<u32>,
        /// The body as text; empty where there was none.
        body: String,
    },
    /// A request got no answer: a timeout, a refused connection, no network.
    NoAnswer {
        /// Which one.
        request: RequestId,
    },
    /// The moment of [`Output::wake_at`] has come (an early or repeated tick does no harm).
    Tick,
    /// Look a number up and open a conversation with it.
    FindContact {
        /// The number.
        phone: Phone,
    },
    /// Write to a contact.
    SendText {
        /// To whom.
        contact: ContactId,
        /// Up to [`TEXT_LIMIT`] bytes of UTF-8, not blank.
        text: String,
    },
    /// Try a failed letter again.
    RetryLetter {
        /// In whose conversation.
        contact: ContactId,
        /// Which.
        letter: LetterId,
    },
    /// Remove a letter from this device, and from the mailbox where it still lies there.
    DeleteLetter {
        /// In whose conversation.
        contact: ContactId,
        /// Which.
        letter: LetterId,
        /// The letter's record key, as [`LetterView::key`] gave it.
        key: String,
    },
    /// Everything from this contact has been seen. The server is not told.
    MarkRead {
        /// Whose conversation.
        contact: ContactId,
    },
    /// Give a contact a name of one's own; empty takes it away.
    NameContact {
        /// Whom.
        contact: ContactId,
        /// At most 100 characters.
        name: String,
    },
    /// Take an unknown sender's request.
    AcceptContact {
        /// Whom.
        contact: ContactId,
    },
    /// Block or unblock: letters of blocked contacts are acknowledged and dropped.
    BlockContact {
        /// Whom.
        contact: ContactId,
        /// `false` unblocks.
        blocked: bool,
    },
    /// Remove a conversation and its letters from this device.
    DeleteConversation {
        /// Whose.
        contact: ContactId,
    },
}

/// The longest text of one letter, in bytes of UTF-8.
pub const TEXT_LIMIT: usize = 60_000;

/// The most characters of a letter's text that [`ContactView::last`] holds.
pub const PREVIEW_CHARS: usize = 160;

/// What one step asks of the host, to be done in this order: commit `writes` in one transaction;
/// then send `requests` and `frames`; then show `events`.
///
/// If the commit fails, nothing may leave: the host drops the engine and opens it anew from the
/// vault.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Records to put or delete, in order.
    pub writes: Vec<Write>,
    /// Requests to send. Those that change something at the server are in `writes` as well, so
    /// that [`Input::Resume`] brings the same bytes out again after a crash.
    pub requests: Vec<Request>,
    /// Text frames for the live socket. Dropped where none is open.
    pub frames: Vec<String>,
    /// For the person.
    pub events: Vec<Event>,
    /// When to step with [`Input::Tick`] at the latest.
    pub wake_at: Option<Millis>,
}

/// A change to one record; or, where the key ends in `/` and there is no value, the deletion of
/// every record whose key begins with it (see [`Write::is_prefix`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The record's key: a path like `session/…` without any phone number or name in it.
    pub key: String,
    /// What to put there; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// Whether this deletes every record whose key begins with `key`. Only letters are ever
    /// deleted so (`letter/<contact>/`), because only the host knows all of their keys.
    pub fn is_prefix(&self) -> bool {
        self.value.is_none() && self.key.ends_with('/')
    }
}

/// The prefix of letter records: `letter/<contact>/<time>-<sealed time>-<letter id>`, the times
/// (held within the hour of storing, and as it was sealed) as 16 hex digits each, so
/// that key order within a contact is the thread's order. The engine only ever writes them; the
/// host reads them by page and must not hand them to [`super::Engine::open`].
pub const LETTER_PREFIX: &str = "letter/";

/// An HTTP request to send.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Comes back with the answer.
    pub id: RequestId,
    /// With the session's cookie, or without anything that identifies.
    pub half: Half,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path and query, beginning with `/v1/`.
    pub path: String,
    /// The `Authorization` header of a sealed request.
    pub authorization: Option<String>,
    /// The JSON body, byte for byte.
    pub body: Option<String>,
}

/// Which half of the server a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// With the session cookie.
    Account,
    /// Without cookie and referrer, on a connection of its own.
    Sealed,
}

/// What happened that a person, or the host, should know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The account's keys are published.
    AccountReady {
        /// The account.
        account: AccountView,
    },
    /// Keys could not be published for good.
    AccountRefused {
        /// The problem's `type`.
        problem: String,
    },
    /// The session has proved the device key: open the live socket.
    DeviceReady,
    /// The session is gone: a passkey sign-in is needed before anything more can come in. Letters
    /// can still be written and sent.
    SignInNeeded,
    /// The server does not know this device any more.
    DeviceUnknown,
    /// The server serves other keys for this device than it published, or somebody was shown a device
    /// list that this device did not sign: the server is at fault, or was tampered with, or somebody
    /// else holds the identity key.
    KeysAltered,
    /// The server serves the keys that this device published, as it should.
    KeysIntact,
    /// Everything pending has been fetched.
    CaughtUp,
    /// A contact is new or has changed.
    Contact {
        /// How it is now.
        contact: ContactView,
    },
    /// A contact is gone.
    ContactRemoved {
        /// Which.
        contact: ContactId,
    },
    /// A letter is new or has changed.
    Letter {
        /// How it is now.
        letter: LetterView,
    },
    /// A letter is gone.
    LetterRemoved {
        /// In whose conversation.
        contact: ContactId,
        /// Which.
        letter: LetterId,
    },
    /// What became of [`Input::FindContact`].
    Found {
        /// The number looked for.
        phone: Phone,
        /// What was found.
        outcome: FindOutcome,
    },
}

/// What became of a look-up.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FindOutcome {
    /// The number has a mailbox; this is its conversation.
    Found {
        /// Whose.
        contact: ContactId,
    },
    /// Nobody has that number here.
    NoSuchMailbox,
    /// The server was not reached, or could not answer.
    Unreachable,
    /// What the server served does not hold: a signature failed, a list is old or rolled back.
    Refused,
}

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
    /// The identity key that the server serves is not the one pinned: nothing is sent.
    pub identity_changed: bool,
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
}

/// Why a letter failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// Nobody has that number here (any more).
    #[n(0)]
    NoSuchMailbox,
    /// The recipient's identity key is not the pinned one.
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
}

/// The vault's records are not such as this version can go on from. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer version, or damaged: a record of this kind (the key's first word) could
    /// not be read.
    #[error("a record of the kind {kind:?} cannot be read")]
    Unreadable {
        /// The first word of the record's key.
        kind: String,
    },
}
