//! Letters coming in: held until their session is known, shown once, then acknowledged.
//!
//! What cannot be opened is neither shown nor acknowledged: it stays at the server until it
//! expires. The live socket does not send it again on the same connection and the pages go on past
//! it, so nothing loops and nothing behind it waits.

use super::contacts::{Contact, Seen};
use super::envelopes::InSession;
use super::interface::{ContactId, LetterState, Millis, Standing};
use super::letters::Letter;
use super::live::Acks;
use super::outbound::OwnSession;
use super::turn::Turn;
use crate::content::Content;
use crate::sealing::{LetterBinding, open_letter};
use crate::sessions::{SessionError, SessionId, SessionPart};
use crate::sizes::ExpiryClass;
use crate::types::{MessageId, UnixTime};
use crate::wire::{InboxEnvelope, InboxLetter};
use std::collections::BTreeMap;

/// What waits in memory for something else to come first. It is not acknowledged, so that losing
/// it costs a second fetch.
#[derive(Default)]
pub(super) struct Held {
    pub(super) envelopes: Vec<InboxEnvelope>,
    letters: BTreeMap<SessionId, BTreeMap<MessageId, InboxLetter>>,
    bytes: usize,
}

/// What became of a letter.
enum Fate {
    /// In the vault, or nothing that belongs there: it may go from the server.
    Done,
    /// Its session is not known yet.
    Early(SessionId),
    /// It does not open.
    Unopened,
}

/// The most bytes of letters that are held in memory; what is beyond comes again with the next
/// connection.
const HELD_BYTES: usize = 8 << 20;
const AN_HOUR: Millis = 3_600_000;

impl Turn<'_> {
    pub(super) fn receive_letter(&mut self, letter: InboxLetter, acks: &mut Acks) {
        match self.take_letter(&letter) {
            Fate::Done => acks.letters.push(letter.message_id),
            Fate::Early(session) => self.hold_letter(session, letter),
            Fate::Unopened => {}
        }
    }

    fn hold_letter(&mut self, session: SessionId, letter: InboxLetter) {
        let held = &mut self.memory.held;
        let bytes = letter.encrypted_content.0.len();
        if held.bytes + bytes <= HELD_BYTES {
            let letters = held.letters.entry(session).or_default();
            if letters.insert(letter.message_id, letter).is_none() {
                held.bytes += bytes;
            }
        }
    }

    /// A session has become known.
    pub(super) fn try_held_letters(&mut self, session: SessionId, acks: &mut Acks) {
        for (_, letter) in self.memory.held.letters.remove(&session).unwrap_or_default() {
            let held = &mut self.memory.held;
            held.bytes = held.bytes.saturating_sub(letter.encrypted_content.0.len());
            self.receive_letter(letter, acks);
        }
    }

    fn take_letter(&mut self, letter: &InboxLetter) -> Fate {
        let Some(opened) = self.open_seal(letter) else { return Fate::Unopened };
        let Ok(part) = SessionPart::parse(&opened) else { return Fate::Unopened };
        if self.records.has(&OwnSession::key(part.session_id)) {
            return Fate::Done; // Written by this very device.
        }
        let key = InSession::key(part.session_id);
        let known: Option<InSession> = self.records.get(&key);
        let Some(known) = known else { return Fate::Early(part.session_id) };
        match known.session.decrypt(&part, letter.timestamp) {
            Ok((session, content)) => {
                let contact = known.contact;
                self.records.put(&key, &InSession { session, ..known });
                self.take_content(contact, letter, content);
                Fate::Done
            }
            Err(SessionError::Repeated) => Fate::Done,
            Err(_) => Fate::Unopened,
        }
    }

    /// Opens the seal with whichever messaging secret it was made for, newest first.
    fn open_seal(&self, letter: &InboxLetter) -> Option<Vec<u8>> {
        let account = self.account()?;
        let expiry = ExpiryClass::of_letter(letter.timestamp, letter.expires_at)?;
        self.messaging_secrets().iter().find_map(|messaging| {
            let binding = LetterBinding {
                phone: &account.phone,
                key_version: messaging.key_version,
                message_id: &letter.message_id,
                expiry,
            };
            open_letter(&messaging.secret, &binding, &letter.encrypted_content.0).ok()
        })
    }

    /// Shows what was written, unless it was shown before or its sender is blocked.
    fn take_content(&mut self, id: ContactId, letter: &InboxLetter, content: Content) {
        let Some(contact) = self.contact(id) else { return };
        let seen_key = Seen::key(id, content.inner_id);
        if contact.standing == Standing::Blocked || self.records.has(&seen_key) {
            return;
        }
        let unread = !letter.read;
        let (message_id, expires_at) = (Some(letter.message_id), letter.expires_at);
        let seen = Seen { message_id, expires_at, unread };
        self.records.put(&seen_key, &seen);
        let unread = contact.unread.saturating_add(u32::from(unread));
        self.put_contact(id, &Contact { unread, hidden: false, ..contact });
        self.show_letter(&Letter {
            id: content.inner_id,
            contact: id,
            outgoing: false,
            at: within_the_hour(content.sent_at, letter.timestamp),
            kind: content.kind,
            body: content.body,
            state: LetterState::Received,
        });
    }
}

/// No clock lies further than the hour in which the letter was stored.
fn within_the_hour(sent_at: Millis, stored: UnixTime) -> Millis {
    let hour = stored.hour().0.saturating_mul(1_000);
    sent_at.clamp(hour, hour.saturating_add(AN_HOUR - 1))
}
