//! What requests are for.

use super::interface::{ContactId, LetterId, Millis};
use crate::types::{Bytes, MessageId, Phone, SessionLabel};
use minicbor::{Decode, Encode};

/// What a request is for; its answer is taken up by the module that asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Purpose {
    /// The account's first keys.
    #[n(0)]
    CreateAccount,
    /// A newer list, a newer signed prekey, or both.
    #[n(1)]
    RenewKeys {
        /// The list's version.
        #[n(0)]
        list: Option<u64>,
        /// The prekey's id.
        #[n(1)]
        prekey: Option<u32>,
    },
    /// More one-time prekeys.
    #[n(2)]
    RefillPrekeys,
    /// Letters were read, or are to be deleted from the mailbox.
    #[n(3)]
    Mailbox,
    /// Somebody's keys, because a person looked for them.
    #[n(4)]
    Find {
        /// Whose.
        #[n(0)]
        phone: Phone,
    },
    /// A contact's keys, because a letter waits for them.
    #[n(5)]
    Lookup {
        /// Whose.
        #[n(0)]
        contact: ContactId,
        /// The version of their list that was known when it was asked; 0 where none was.
        #[n(1)]
        known: u64,
    },
    /// A letter.
    #[n(6)]
    Letter {
        /// To whom.
        #[n(0)]
        contact: ContactId,
        /// Which.
        #[n(1)]
        letter: LetterId,
        /// In which session.
        #[n(2)]
        session: Bytes<16>,
        /// When that session is over, and with it these bytes.
        #[n(3)]
        until: Millis,
    },
    /// The server's certificate keys.
    #[n(7)]
    ServerInfo,
    /// A sender certificate.
    #[n(8)]
    Certificate,
    /// How many prekeys are left.
    #[n(9)]
    KeyStatus,
    /// Whether the server serves what was published.
    #[n(10)]
    CheckKeys,
    /// The device key's challenge.
    #[n(11)]
    ProofStart,
    /// The opened challenge.
    #[n(12)]
    ProofFinish,
    /// Whose session this is, after a publication whose answer was lost.
    #[n(13)]
    WhoAmI,
    /// Envelopes, by page.
    #[n(14)]
    EnvelopePage,
    /// Letters, by page.
    #[n(15)]
    InboxPage,
    /// Acknowledged letters.
    #[n(16)]
    LetterAcks {
        /// Which.
        #[n(0)]
        letters: Vec<MessageId>,
    },
    /// Acknowledged envelopes.
    #[n(17)]
    EnvelopeAcks {
        /// Which.
        #[n(0)]
        labels: Vec<SessionLabel>,
    },
}

impl Purpose {
    /// Whether the request has to survive a crash.
    pub(super) fn is_kept(&self) -> bool {
        use Purpose::*;
        matches!(
            self,
            CreateAccount
                | RenewKeys { .. }
                | RefillPrekeys
                | Mailbox
                | Find { .. }
                | Lookup { .. }
                | Letter { .. }
        )
    }

    /// Whether it brings a letter to a mailbox.
    pub(super) fn is_letter(&self) -> bool {
        matches!(self, Self::Letter { .. })
    }

    /// Whether it may go out before the session has proved the device key.
    pub(super) fn needs_no_proof(&self) -> bool {
        use Purpose::*;
        matches!(self, CreateAccount | ServerInfo | ProofStart | ProofFinish | WhoAmI)
    }
}
