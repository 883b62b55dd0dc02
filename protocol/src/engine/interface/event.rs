//! What happened that a person, or the host, should know.

#[cfg(doc)]
use super::Input;
use super::{
    AccountView, ContactId, ContactView, DeviceView, JobId, KeysView, LetterId, LetterView,
    LinkView, Millis,
};
use crate::types::{DeviceId, Phone};
use serde::{Deserialize, Serialize};

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
    /// The server does not know this device any more: it was revoked, or the account is gone or has
    /// begun anew. What the vault holds can still be read.
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
    /// A look-up waits for the next tokens, and goes on by itself with them.
    FindWaits {
        /// The number looked for.
        phone: Phone,
    },
    /// The account's devices, in the list's order.
    Devices {
        /// How they are now.
        devices: Vec<DeviceView>,
    },
    /// The state of this device's keys.
    Keys {
        /// How they are now.
        keys: KeysView,
    },
    /// How linking stands.
    Link {
        /// How it is now.
        link: LinkView,
    },
    /// A waiting period that would take the account away has begun, or is over (`None`).
    Reset {
        /// When it ends.
        ends_at: Option<Millis>,
    },
    /// The account's own identity key was replaced by another device: contacts see a new safety
    /// number.
    IdentityReplaced,
    /// Somebody was shown a device list of this account that its devices did not sign, so a contact
    /// says. Only as good as the contact's word.
    ListDisputed {
        /// Whose word.
        contact: ContactId,
    },
    /// The server shows different token keys to different people, so that it can tell whose tokens are
    /// whose: a contact saw another one for the same week (as good as the contact's word), or the
    /// server did not use, or not announce, the one it should.
    TokenKeysDisputed {
        /// Who saw another one.
        contact: Option<ContactId>,
    },
    /// This vault is an older copy of what the device was: it must begin anew
    /// ([`Input::RenewDevice`]) before anything can come in.
    VaultOutdated,
    /// This device is back after [`Input::Recover`] or [`Input::RenewDevice`].
    Recovered {
        /// The account.
        account: AccountView,
    },
    /// The recovery capsule does not open with this secret.
    RecoveryRefused,
    /// The account is deleted at the server; the host may wipe the vault.
    AccountDeleted,
    /// Read letters' records in key order and answer with [`Input::LettersRead`].
    LettersWanted {
        /// Comes back with them.
        job: JobId,
        /// Which.
        query: LetterQuery,
    },
    /// How far giving a device the history has got; `letters` counts those sent.
    HistorySent {
        /// To which.
        device: DeviceId,
        /// So many letters have been stored for it.
        letters: u32,
        /// That was all.
        done: bool,
    },
    /// How far the history from a sibling has got, on the receiving side.
    HistoryReceived {
        /// So many letters have come.
        letters: u32,
        /// That was all.
        done: bool,
    },
}

/// Which letters the host is asked to read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum LetterQuery {
    /// These, as far as they exist.
    Keys {
        /// Record keys.
        keys: Vec<String>,
    },
    /// All letters, in key order.
    All {
        /// Only those after this key.
        after: Option<String>,
        /// At most about so many bytes of records, one letter at least.
        bytes: u32,
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
