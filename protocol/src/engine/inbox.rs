//! Letters coming in: held until their session is known, shown once, then acknowledged.
//!
//! What cannot be opened is neither shown nor acknowledged: it stays at the server until it opens,
//! or is given up (see `unopened`). The live socket does not send it again on the same connection and the pages go on past
//! it, so nothing loops and nothing behind it waits.

use super::contacts::{Contact, Seen};
use super::envelopes::InSession;
use super::interface::{ContactId, LetterState, Millis, Standing};
use super::letters::{Letter, NOTES, REKEY_OFFER};
use super::live::Acks;
use super::notes::Said;
use super::outbound::OwnSession;
use super::rekey_next::FirstLetter;
use super::revocation::takes_letter;
use super::turn::Turn;
use crate::content::Content;
use crate::limits::{CLOCK_SKEW, ENVELOPE_AGE};
use crate::sealing::{LetterBinding, open_letter};
use crate::sessions::{SessionError, SessionId, SessionPart};
use crate::sizes::ExpiryClass;
use crate::types::{DAY, HOUR, MessageId, SessionLabel, UnixTime};
use crate::wire::{InboxEnvelope, InboxLetter};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What waits in memory for something else to come first, the oldest at the front. It is not
/// acknowledged, so that losing it costs a second fetch.
#[derive(Default)]
pub(super) struct Held {
    envelopes: VecDeque<InboxEnvelope>,
    letters: VecDeque<(SessionId, InboxLetter)>,
    bytes: usize,
    /// Envelopes of known devices with something unknown in them.
    pub(super) unreadable: BTreeMap<ContactId, BTreeSet<SessionLabel>>,
}

impl Held {
    pub(super) fn hold_envelope(&mut self, envelope: InboxEnvelope) {
        let label = envelope.session_key_id;
        if self.envelopes.iter().any(|other| other.session_key_id == label) {
            return;
        }
        self.envelopes.push_back(envelope);
        if self.envelopes.len() > HELD_ENVELOPES {
            self.envelopes.pop_front();
        }
    }

    pub(super) fn forget_letter(&mut self, message: MessageId) {
        let bytes = |(_, letter): &(SessionId, InboxLetter)| letter.encrypted_content.0.len();
        self.letters.retain(|(_, letter)| letter.message_id != message);
        self.bytes = self.letters.iter().map(bytes).sum();
    }

    /// Whether there are envelopes that may yet open.
    pub(super) fn has_envelopes(&self) -> bool {
        !self.envelopes.is_empty() || self.unreadable.values().any(|labels| !labels.is_empty())
    }

    #[cfg(test)]
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn is_empty(&self) -> bool {
        self.envelopes.is_empty() && self.letters.is_empty()
    }

    pub(super) fn take_envelopes(&mut self) -> VecDeque<InboxEnvelope> {
        std::mem::take(&mut self.envelopes)
    }

    pub(super) fn hold_letter(&mut self, session: SessionId, letter: InboxLetter) {
        if self.letters.iter().any(|(_, other)| other.message_id == letter.message_id) {
            return;
        }
        self.bytes += letter.encrypted_content.0.len();
        self.letters.push_back((session, letter));
        while self.bytes > HELD_BYTES {
            let Some((_, oldest)) = self.letters.pop_front() else { return };
            self.bytes -= oldest.encrypted_content.0.len();
        }
    }

    pub(super) fn take_letters(&mut self, session: SessionId) -> Vec<InboxLetter> {
        let (taken, left): (VecDeque<_>, VecDeque<_>) =
            self.letters.drain(..).partition(|(other, _)| *other == session);
        self.letters = left;
        let taken: Vec<InboxLetter> = taken.into_iter().map(|(_, letter)| letter).collect();
        self.bytes -= taken.iter().map(|letter| letter.encrypted_content.0.len()).sum::<usize>();
        taken
    }
}

/// What became of a letter.
enum Fate {
    /// In the vault, or nothing that belongs there: it may go from the server.
    Done,
    /// The same, and with it a session took the place of another.
    Began(SessionId),
    /// Its session is not known yet.
    Early(SessionId),
    /// It does not open, nor will it. Its session, where that much can be read.
    Unopened(Option<SessionId>),
    /// Nothing can be said of it.
    LeftAlone,
}

/// The most bytes of letters that are held in memory; what had to give way comes again with the
/// next connection.
const HELD_BYTES: usize = 8 << 20;
/// The most envelopes that are held in memory.
const HELD_ENVELOPES: usize = 1_000;
/// Nothing lies in a mailbox for longer.
const STORED_LONGEST: i64 = ENVELOPE_AGE + DAY;
const AN_HOUR: Millis = 3_600_000;

impl Turn<'_> {
    pub(super) fn receive_letter(&mut self, letter: InboxLetter, acks: &mut Acks) {
        match self.take_letter(&letter) {
            Fate::Done => self.letter_done(&letter, acks),
            Fate::Began(session) => {
                self.letter_done(&letter, acks);
                self.try_letters_of_next(session, acks);
            }
            Fate::Early(session) => {
                self.remember_unopened(&letter, Some(session));
                self.memory.held.hold_letter(session, letter);
            }
            Fate::Unopened(session) => self.remember_unopened(&letter, session),
            Fate::LeftAlone => {}
        }
    }

    fn letter_done(&mut self, letter: &InboxLetter, acks: &mut Acks) {
        self.opened(letter.message_id);
        acks.letters.push(letter.message_id);
    }

    /// Whether something can have been stored in that hour and still be in the mailbox. The checks of
    /// certificates, lists and sessions rest on it, and it is the server's word alone.
    pub(super) fn may_be_stored_at(&self, stored: UnixTime) -> bool {
        let age = self.time().since(stored);
        (-(HOUR + CLOCK_SKEW)..=STORED_LONGEST).contains(&age)
    }

    /// Whatever is not acknowledged comes again, on a new connection or with a new pass.
    pub(super) fn let_held_go(&mut self) {
        self.memory.held = Held::default();
        self.memory.caught_up = false;
    }

    /// A session has become known.
    pub(super) fn try_held_letters(&mut self, session: SessionId, acks: &mut Acks) {
        for letter in self.memory.held.take_letters(session) {
            self.receive_letter(letter, acks);
        }
    }

    fn take_letter(&mut self, letter: &InboxLetter) -> Fate {
        if !self.may_be_stored_at(letter.timestamp) {
            return Fate::LeftAlone;
        }
        let Some(opened) = self.open_seal(letter) else { return Fate::Unopened(None) };
        let Ok(part) = SessionPart::parse(&opened) else { return Fate::Unopened(None) };
        if self.records.has(&OwnSession::key(part.session_id)) {
            return Fate::Done; // Written by this very device.
        }
        let key = InSession::key(part.session_id);
        let known: Option<InSession> = self.records.get(&key);
        let Some(known) = known else { return self.take_first_letter(&part, letter) };
        if known.taken.contains(&letter.message_id) {
            return Fate::Done; // Served again, in whatever hour the server says.
        }
        if !takes_letter(&known, letter.timestamp) {
            return Fate::Done; // Of a device that was revoked before.
        }
        if self.is_held_by_revoked(&known, letter.timestamp) {
            // Somebody else's, or an honest one whose list came late: whoever wrote it sends it again.
            self.note_broken(known.contact, Some(part.session_id), letter.timestamp);
            return Fate::Unopened(Some(part.session_id));
        }
        match known.session.decrypt(&part, letter.timestamp) {
            Ok((session, content)) => {
                let (contact, mut taken) = (known.contact, known.taken);
                taken.push(letter.message_id);
                self.records.put(&key, &InSession { session, taken, ..known });
                self.take_content(contact, part.session_id, letter, content);
                Fate::Done
            }
            // When it was stored is the server's word alone: nobody is asked for anything because of it.
            Err(SessionError::Time) => Fate::Unopened(Some(part.session_id)),
            // Also another letter under a number that was used: its sender went back to an earlier
            // state. It cannot be opened, and saying that it was would lose it silently.
            Err(_) => {
                self.note_broken(known.contact, Some(part.session_id), letter.timestamp);
                Fate::Unopened(Some(part.session_id))
            }
        }
    }

    fn take_first_letter(&mut self, part: &SessionPart<'_>, letter: &InboxLetter) -> Fate {
        match self.take_up_next_session(part, letter) {
            FirstLetter::TakenUp(contact, content) => {
                self.take_content(contact, part.session_id, letter, content);
                Fate::Began(part.session_id)
            }
            FirstLetter::Early => Fate::Early(part.session_id),
            FirstLetter::Unopened => Fate::Unopened(Some(part.session_id)),
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

    /// Takes up what was written, unless it was before or its sender is blocked.
    fn take_content(
        &mut self,
        id: ContactId,
        session: SessionId,
        letter: &InboxLetter,
        content: Content,
    ) {
        let Some(contact) = self.contact(id) else { return };
        let own = self.is_own(&contact.phone);
        let seen_key = Seen::key(id, content.inner_id);
        if contact.standing == Standing::Blocked && !own || self.records.has(&seen_key) {
            return;
        }
        let is_shown = !matches!(content.kind, NOTES | REKEY_OFFER);
        let unread =
            is_shown && !own && !letter.read && !self.take_remark(id, content.inner_id).read;
        let message_id = is_shown.then_some(letter.message_id);
        let seen = Seen { message_id, expires_at: letter.expires_at, unread };
        self.records.put(&seen_key, &seen);
        match content.kind {
            NOTES => {
                let (device, stored) = (content.sender_device, letter.timestamp);
                self.take_notes(&Said { by: id, device, own, stored }, &content.body);
            }
            REKEY_OFFER => self.hear_offer(id, session, letter.timestamp, &content),
            _ => self.take_letter_of(id, &contact, &seen, letter, content),
        }
    }

    /// Shows a letter. One in the own mailbox was written on another of the own devices.
    fn take_letter_of(
        &mut self,
        id: ContactId,
        contact: &Contact,
        seen: &Seen,
        letter: &InboxLetter,
        content: Content,
    ) {
        let outgoing = self.is_own(&contact.phone);
        let inner_id = content.inner_id;
        if !outgoing {
            self.has_heard(id, letter.timestamp);
        }
        let unread = contact.unread.saturating_add(u32::from(seen.unread));
        self.put_contact(id, &Contact { unread, hidden: false, ..contact.clone() });
        self.show_letter(&Letter {
            id: content.inner_id,
            contact: id,
            outgoing,
            at: within_the_hour(content.sent_at, letter.timestamp),
            kind: content.kind,
            body: content.body,
            state: if outgoing { LetterState::Sent } else { LetterState::Received },
            sealed_at: content.sent_at,
        });
        self.give_receipt(id, &[inner_id], false);
    }
}

/// No clock lies further than the hour in which the letter was stored.
fn within_the_hour(sent_at: Millis, stored: UnixTime) -> Millis {
    let hour = stored.hour().0.saturating_mul(1_000);
    sent_at.clamp(hour, hour.saturating_add(AN_HOUR - 1))
}
