//! What `Debug` tells of inputs and outputs: enough to follow what happens, and no text, name,
//! number, id, body or frame.

use super::interface::{
    AccountView, ContactView, ContentView, DeviceView, Event, FindOutcome, Input, KeysView,
    LetterQuery, LetterRecord, LetterView, LinkView, Output, Request, Snapshot, Write,
};
use std::fmt::{Debug, Formatter, Result};

/// Prints a variant's name and nothing that is in it.
macro_rules! prints_its_name {
    ($($type:ident { $($variant:ident)* })*) => {$(
        impl Debug for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.write_str(match self {
                    $(Self::$variant { .. } => concat!(stringify!($type), "::", stringify!($variant)),)*
                })
            }
        }
    )*};
}

prints_its_name! {
    Input {
        Resume CreateAccount SignedIn LiveOpened LiveClosed LiveFrame Response NoAnswer Tick
        FindContact SendText RetryLetter DeleteLetter MarkRead NameContact AcceptContact
        BlockContact DeleteConversation TouchDeclined VerifyContact AcceptIdentity SetReceipts
        RotateKeys RenameDevice RevokeDevice OfferLink EnterLinkDigits CompleteLink ApproveLink
        CancelLink ShareHistory LettersRead SetRecovery Recover RenewDevice CancelReset DeleteAccount
    }
    Event {
        AccountReady AccountRefused DeviceReady SignInNeeded DeviceUnknown KeysAltered KeysIntact CaughtUp
        Contact ContactRemoved Letter LetterRemoved Found FindWaits Devices Keys Link Reset IdentityReplaced
        ListDisputed TokenKeysDisputed VaultOutdated Recovered RecoveryRefused AccountDeleted
        LettersWanted HistorySent HistoryReceived
    }
    FindOutcome { Found NoSuchMailbox Unreachable Refused }
    ContentView { Text Newer IdentityChanged }
    LinkView {
        Offered DigitsNeeded DigitsSent Approved Searching ShowDigits Approving Completing Linked Ended
    }
    LetterQuery { Keys All }
}

impl Debug for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Output")
            .field("writes", &self.writes.len())
            .field("requests", &self.requests)
            .field("frames", &self.frames.len())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// Only the key's first word: the others are ids.
impl Debug for Write {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let what = if self.value.is_some() { "put" } else { "delete" };
        let kind = self.key.split('/').next().unwrap_or_default();
        f.debug_struct("Write").field("kind", &kind).field("value", &what).finish()
    }
}

impl Debug for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Request")
            .field("half", &self.half)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Debug for AccountView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("AccountView").field("published", &self.published).finish_non_exhaustive()
    }
}

impl Debug for ContactView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ContactView")
            .field("standing", &self.standing)
            .field("unread", &self.unread)
            .field("safety", &self.safety)
            .finish_non_exhaustive()
    }
}

impl Debug for LetterView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LetterView")
            .field("outgoing", &self.outgoing)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Debug for Snapshot {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Snapshot")
            .field("account", &self.account)
            .field("contacts", &self.contacts.len())
            .finish()
    }
}

impl Debug for LetterRecord {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str("LetterRecord(…)")
    }
}

impl Debug for DeviceView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("DeviceView").field("this", &self.this).finish_non_exhaustive()
    }
}

impl Debug for KeysView {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("KeysView").field("rotating", &self.rotating).finish_non_exhaustive()
    }
}
