//! Where the letters are that the account has sent lately, so that they can be confirmed and, where
//! they got lost, sent again.

use super::interface::{ContactId, LetterId, Millis};
use super::letters::Letter;
use super::records::{Record, RecordKey};
use super::resends::Resending;
use super::turn::Turn;
use crate::session_key::SessionId;
use minicbor::{Decode, Encode};

/// A letter that the server has taken: `sent/<contact>/<letter>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Sent {
    /// Its record's key.
    #[n(0)]
    pub(super) key: String,
    /// When the server had it; of a sibling's letter, when that was written.
    #[n(1)]
    pub(super) at: Millis,
    /// In which session this device sent it; `None` where a sibling did, or it was for another
    /// identity key.
    #[n(2)]
    pub(super) session: Option<SessionId>,
}

impl Record for Sent {
    const KIND: &'static str = "sent";
}

impl Sent {
    pub(super) fn key(contact: ContactId, letter: LetterId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &letter.to_text()])
    }
}

/// Nothing lies in a mailbox for longer.
const SENT_KEPT: Millis = 33 * 86_400_000;

impl Turn<'_> {
    pub(super) fn remember_sent(&mut self, letter: &Letter, session: Option<SessionId>) {
        let at = if session.is_some() { self.now } else { letter.at };
        if self.now.saturating_sub(at) < SENT_KEPT {
            let sent = Sent { key: letter.key(), at, session };
            self.records.put(&Sent::key(letter.contact, letter.id), &sent);
        }
    }

    /// The contact's identity key is another. Whoever holds it may be somebody else: what was sent
    /// under the one before can still be confirmed, and is never sent again.
    pub(super) fn resend_nothing_of_before(&mut self, contact: ContactId) {
        let place = contact.to_text();
        for (letter, sent) in self.records.list::<Sent>(&[&place]) {
            if sent.session.is_some() {
                let key = RecordKey::<Sent>::of(&[&place, &letter]);
                self.records.put(&key, &Sent { session: None, ..sent });
            }
        }
        self.records.delete(&RecordKey::<Resending>::of(&[&place]));
        self.drop_pooled_resends(contact);
    }

    pub(super) fn sweep_sent(&mut self) {
        for (place, sent) in self.records.list::<Sent>(&[]) {
            if self.now.saturating_sub(sent.at) > SENT_KEPT {
                self.records.delete(&RecordKey::<Sent>::of(&[&place]));
            }
        }
    }
}
