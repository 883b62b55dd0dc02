//! What requests are for.

use super::capsules::Held;
use super::interface::{ContactId, LetterId, Millis};
use crate::types::{Bytes, DeviceId, MessageId, Phone, SessionLabel};
use crate::wire::KeyExchangeId;
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
    /// A new browser's offer to become a device.
    #[n(40)]
    OfferLink,
    /// How an offer stands, asked on either side.
    #[n(41)]
    PollLink,
    /// The digits that were typed.
    #[n(42)]
    ProveDigits,
    /// The approval of an offer.
    #[n(43)]
    ApproveLink,
    /// The new device's keys.
    #[n(44)]
    CompleteLink,
    /// The ephemeral key of a re-keying.
    #[n(60)]
    EphemeralKey,
    /// The own mailbox's ephemeral keys.
    #[n(61)]
    EphemeralKeys,
    /// An ephemeral key, for this device only.
    #[n(62)]
    ClaimRekeying {
        /// Of which re-keying.
        #[n(0)]
        exchange: KeyExchangeId,
    },
    /// A recovery capsule.
    #[n(45)]
    PutCapsule {
        /// What is in it.
        #[n(0)]
        held: Held,
    },
    /// What a device needs to begin anew.
    #[n(46)]
    RecoveryInfo,
    /// A device's new beginning.
    #[n(47)]
    BeginAnew,
    /// The account's devices, as the server tells their owner.
    #[n(30)]
    Devices {
        /// The version of the own list that was known when it was asked.
        #[n(0)]
        known: u64,
    },
    /// The next messaging key, or a device less: see `rotation`.
    #[n(31)]
    ChangeKeys {
        /// A device is revoked, for which a touch is asked.
        #[n(0)]
        touch: bool,
    },
    /// Another name for a device.
    #[n(32)]
    RenameDevice {
        /// Which.
        #[n(0)]
        device: DeviceId,
        /// The name.
        #[n(1)]
        name: String,
    },
    /// The own keys, as strangers are served them.
    #[n(33)]
    OwnLookup {
        /// The version of the own list that was known when it was asked.
        #[n(0)]
        known: u64,
        /// The signed prekey that was.
        #[n(1)]
        prekey: u32,
    },
    /// A re-keyed session's key, wrapped for the siblings.
    #[n(63)]
    WrapRekeyed {
        /// Of which re-keying.
        #[n(0)]
        exchange: KeyExchangeId,
    },
    /// The end of a waiting period.
    #[n(48)]
    CancelReset,
    /// The end of the account.
    #[n(49)]
    DeleteAccount,
    /// The keys under which tokens are issued.
    #[n(50)]
    IssuerDirectory,
    /// The day's tokens.
    #[n(51)]
    Tokens,
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
                | ChangeKeys { .. }
                | RenameDevice { .. }
                | Mailbox
                | Find { .. }
                | Lookup { .. }
                | Letter { .. }
                | CompleteLink
                | EphemeralKey
                | WrapRekeyed { .. }
                | BeginAnew
                | Tokens
        )
    }

    /// Whether it changes the account's keys, under the next list or key version.
    pub(super) fn changes_keys(&self) -> bool {
        matches!(self, Self::ChangeKeys { .. })
    }

    /// Whether a list goes with it.
    pub(super) fn signs_list(&self) -> bool {
        matches!(self, Self::ChangeKeys { .. } | Self::RenewKeys { list: Some(_), .. })
    }

    /// Whether keys of this device's making go with it.
    pub(super) fn publishes_keys(&self) -> bool {
        matches!(self, Self::ChangeKeys { .. } | Self::RenewKeys { .. })
    }

    /// Whether envelopes for siblings may go with it, under this device's next counter.
    pub(super) fn wraps_for_siblings(&self) -> bool {
        matches!(self, Self::ChangeKeys { .. } | Self::WrapRekeyed { .. })
    }

    /// Whether the person has to touch the passkey for it.
    pub(super) fn needs_touch(&self) -> bool {
        use Purpose::*;
        matches!(
            self,
            ApproveLink | BeginAnew | CancelReset | DeleteAccount | ChangeKeys { touch: true }
        )
    }

    /// Whether it brings a letter to a mailbox.
    pub(super) fn is_letter(&self) -> bool {
        matches!(self, Self::Letter { .. })
    }

    /// Whether it may go out before the session has proved the device key.
    pub(super) fn needs_no_proof(&self) -> bool {
        use Purpose::*;
        matches!(
            self,
            CreateAccount
                | ServerInfo
                | IssuerDirectory
                | ProofStart
                | ProofFinish
                | WhoAmI
                | OfferLink
                | PollLink
                | ProveDigits
                | CompleteLink
                | RecoveryInfo
                | BeginAnew
                | CancelReset
                | DeleteAccount
        )
    }
}
