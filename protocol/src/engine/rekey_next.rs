//! The session that a live re-keying agreed on, on the receiving side: pending until its first valid
//! letter, then in the place of the old one.

use super::envelopes::InSession;
use super::interface::{ContactId, Millis};
use super::live::Acks;
use super::records::{Record, RecordKey};
use super::revocation::takes_letter;
use super::turn::Turn;
use crate::account_keys::RekeyedSession;
use crate::content::Content;
use crate::handshake::Party;
use crate::secret::Secret;
use crate::session_key::SessionId;
use crate::sessions::SessionPart;
use crate::wire::InboxLetter;
use minicbor::{Decode, Encode};

/// A key that is agreed on and has not been used: `next-session/<session id>`. Kept as long as any
/// inbound session.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct NextSession {
    #[n(0)]
    pub(super) contact: ContactId,
    /// The device at the sending end.
    #[n(1)]
    pub(super) offering: Party,
    /// The session whose place it takes.
    #[n(2)]
    pub(super) replaces: SessionId,
    #[n(3)]
    pub(super) key: Secret,
    #[n(4)]
    pub(super) since: Millis,
}

impl Record for NextSession {
    const KIND: &'static str = "next-session";
}

impl NextSession {
    pub(super) fn key(session: SessionId) -> RecordKey<Self> {
        RecordKey::of(&[&session.to_text()])
    }
}

/// What became of a letter of a session that is not known.
pub(super) enum FirstLetter {
    /// It took the place of another; what the letter says is to be taken up.
    TakenUp(ContactId, Content),
    /// Its session is agreed on, or not even that, but the one that it replaces is not known yet.
    Early,
    /// It is not of the session that was agreed on.
    Unopened,
}

impl Turn<'_> {
    /// A letter of a session that is not known: perhaps the first of one that was agreed on. It is
    /// taken up then, and letters of the old one that are stored later are refused.
    pub(super) fn take_up_next_session(
        &mut self,
        part: &SessionPart<'_>,
        letter: &InboxLetter,
    ) -> FirstLetter {
        let key = NextSession::key(part.session_id);
        let Some(next) = self.records.get(&key) else { return FirstLetter::Early };
        let old_key = InSession::key(next.replaces);
        let Some(old) = self.records.get(&old_key) else { return FirstLetter::Early };
        let another = old.contact != next.contact || old.session.parties().sender != next.offering;
        let stored = letter.timestamp;
        if another || !takes_letter(&old, stored) || self.is_held_by_revoked(&old, stored) {
            return FirstLetter::Unopened;
        }
        let begun = old.session.rekeyed(part.session_id, next.key);
        let Ok((session, content)) = begun.decrypt(part, letter.timestamp) else {
            return FirstLetter::Unopened;
        };
        let taken = vec![letter.message_id];
        let new = InSession { session, taken, ..old.clone() };
        self.records.put(&InSession::key(part.session_id), &new);
        self.records.delete(&key);
        let closed = old.session.close(letter.timestamp);
        self.records.put(&old_key, &InSession { session: closed, ..old });
        FirstLetter::TakenUp(old.contact, content)
    }

    /// A sibling has answered an offer, and tells the key.
    pub(super) fn take_rekeyed_session(&mut self, rekeyed: RekeyedSession, acks: &mut Acks) {
        let RekeyedSession { session_id, key, replaces, offering, .. } = rekeyed;
        let known = self.contact_by_phone(&offering.phone);
        let theirs = known.filter(|(_, contact)| contact.identity == offering.identity_key);
        let Some((contact, _)) = theirs else { return };
        if !self.records.has(&InSession::key(session_id)) {
            let next = NextSession { contact, offering, replaces, key, since: self.now };
            self.records.put(&NextSession::key(session_id), &next);
            self.try_held_letters(session_id, acks);
        }
    }

    /// A session has become known: letters of the one that takes its place may be held.
    pub(super) fn try_letters_of_next(&mut self, session: SessionId, acks: &mut Acks) {
        let waiting = self.records.list::<NextSession>(&[]).into_iter();
        let next = waiting.filter(|(_, next)| next.replaces == session);
        let ids: Vec<SessionId> = next.filter_map(|(id, _)| id.parse().ok()).collect();
        for id in ids {
            self.try_held_letters(id, acks);
        }
    }
}
