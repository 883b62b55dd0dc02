//! Letters as an account's devices tell them to each other: own copies of what was sent, answers to
//! missing, and history.

use super::contacts::{Contact, Seen};
use super::interface::{ContactId, FailReason, LetterState, Millis, Standing};
use super::letters::Letter;
use super::outbound::EXPIRY;
use super::receipts::Remark;
use super::turn::Turn;
use crate::notes::{LetterNote, Note, Progress};
use crate::types::{Blob, UnixTime};

/// Letters of an earlier time are not remembered by their ids: a copy that comes again is the same
/// record.
const REMEMBERED: Millis = 30 * 86_400_000;

impl Turn<'_> {
    /// The server has a letter: the account's other devices get a copy, at a time of its own.
    pub(super) fn copy_to_siblings(&mut self, letter: &Letter) {
        if self.has_siblings()
            && let Some(contact) = self.contact(letter.contact)
            // What one writes to the own number reaches the siblings as it is.
            && !self.is_own(&contact.phone)
        {
            let copy = copy_of(letter, &contact, true);
            self.tell_siblings(&Note::Letter(copy));
        }
    }

    /// A letter as the vault has it, for a sibling that misses it. What only concerns this device, or
    /// has not reached the server, is no sibling's.
    pub(super) fn copy_as_it_is(&self, letter: &Letter) -> Option<LetterNote> {
        let contact = self.contact(letter.contact)?;
        let seen: Option<Seen> = self.records.get(&Seen::key(letter.contact, letter.id));
        let read = !seen.is_some_and(|seen| seen.unread);
        let on_its_way = matches!(letter.state, LetterState::Waiting { .. } | LetterState::Sending);
        let told = letter.is_shown() && !letter.is_note() && !on_its_way;
        told.then(|| copy_of(letter, &contact, read))
    }

    /// A sibling tells a letter of some conversation. It shows once.
    pub(super) fn take_copy(&mut self, copy: LetterNote) {
        let (id, contact) = self.contact_of_copy(&copy);
        let blocked = contact.standing == Standing::Blocked && !copy.outgoing;
        let seen_key = Seen::key(id, copy.id);
        if blocked || self.records.has(&seen_key) || self.outgoing(id, copy.id).is_some() {
            return;
        }
        let remark = self.take_remark(id, copy.id);
        let letter = Letter {
            id: copy.id,
            contact: id,
            outgoing: copy.outgoing,
            at: copy.at,
            kind: copy.kind,
            body: copy.body.0,
            state: state_of(copy.progress, copy.outgoing, &remark),
            sealed_at: copy.sealed_at,
        };
        if !letter.is_shown() {
            return;
        }
        let unread = !copy.outgoing && !copy.read && !remark.read;
        if self.now.saturating_sub(copy.at) < REMEMBERED || unread {
            let expires_at = EXPIRY.expires_at(UnixTime(copy.at.div_euclid(1_000)));
            self.records.put(&seen_key, &Seen { message_id: None, expires_at, unread });
        }
        let unread = contact.unread.saturating_add(u32::from(unread));
        let standing = standing_after(&contact, copy.outgoing);
        self.put_contact(id, &Contact { standing, unread, hidden: false, ..contact });
        self.show_letter(&letter);
        if letter.outgoing {
            self.remember_sent(&letter, None);
        } else {
            self.came_another_way(id, None);
        }
    }

    /// Somebody whom only the sibling knows becomes a contact here.
    fn contact_of_copy(&mut self, copy: &LetterNote) -> (ContactId, Contact) {
        self.contact_by_phone(&copy.contact).unwrap_or_else(|| {
            let contact = Contact::new(copy.contact.clone(), copy.identity, Standing::Request);
            let contact = Contact { hidden: true, ..contact };
            let id = ContactId::random(&mut self.rng);
            self.put_contact(id, &contact);
            (id, contact)
        })
    }
}

/// Whoever writes to somebody accepts them, on whichever device: word of that may come later than the
/// letter.
fn standing_after(contact: &Contact, outgoing: bool) -> Standing {
    match contact.standing {
        Standing::Request if outgoing => Standing::Accepted,
        standing => standing,
    }
}

/// A letter as its siblings get it.
fn copy_of(letter: &Letter, contact: &Contact, read: bool) -> LetterNote {
    LetterNote {
        contact: contact.phone.clone(),
        identity: contact.identity,
        id: letter.id,
        outgoing: letter.outgoing,
        at: letter.at,
        sealed_at: letter.sealed_at,
        kind: letter.kind,
        body: Blob(letter.body.clone()),
        read,
        progress: match letter.state {
            LetterState::Received => Progress::Received,
            LetterState::Failed { .. } => Progress::Failed,
            LetterState::Confirmed { read: true } => Progress::Read,
            LetterState::Confirmed { read: false } => Progress::Arrived,
            LetterState::Waiting { .. } | LetterState::Sending | LetterState::Sent => {
                Progress::Sent
            }
        },
    }
}

fn state_of(progress: Progress, outgoing: bool, remark: &Remark) -> LetterState {
    match progress {
        _ if !outgoing => LetterState::Received,
        Progress::Read => LetterState::Confirmed { read: true },
        Progress::Arrived => LetterState::Confirmed { read: remark.confirmed == Some(true) },
        Progress::Failed => LetterState::Failed { reason: FailReason::Refused },
        Progress::Sent | Progress::Received => remark.state(),
    }
}
