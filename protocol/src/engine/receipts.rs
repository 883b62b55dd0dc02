//! Receipts: where the person wants it, contacts are told that their letters arrived and were read.

use super::interface::{ContactId, LetterId, LetterQuery, LetterState, Millis, Standing};
use super::jobs::Job;
use super::letters::Letter;
use super::notes::Said;
use super::records::{Record, RecordKey};
use super::sent::Sent;
use super::turn::Turn;
use crate::notes::{NOTE_IDS, Note, Receipt};
use minicbor::{Decode, Encode};

/// What was said of a letter before this device could act on it: `remark/<contact>/<letter>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Remark {
    /// It was read on a sibling.
    #[n(0)]
    pub(super) read: bool,
    /// It arrived with its recipient, who has read it or not.
    #[n(1)]
    pub(super) confirmed: Option<bool>,
    #[n(2)]
    since: Millis,
}

impl Record for Remark {
    const KIND: &'static str = "remark";
}

impl Remark {
    fn key(contact: ContactId, letter: LetterId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &letter.to_text()])
    }

    /// How far a letter has got that the server had anyway.
    pub(super) fn state(&self) -> LetterState {
        self.confirmed.map_or(LetterState::Sent, |read| LetterState::Confirmed { read })
    }
}

/// The most remarks that one contact can make about letters which nobody has seen here.
const REMARKS: usize = 1_000;
/// As long as the letter can be on its way.
const REMARKS_KEPT: Millis = 33 * 86_400_000;

impl Turn<'_> {
    /// Tells a contact that letters arrived, or were read. Unknown senders are told nothing.
    pub(super) fn give_receipt(&mut self, id: ContactId, letters: &[LetterId], read: bool) {
        let Some(contact) = self.contact(id) else { return };
        let known = contact.standing == Standing::Accepted && !self.is_own(&contact.phone);
        if known && self.settings().receipts {
            for letters in letters.chunks(NOTE_IDS) {
                let letters = letters.to_vec();
                self.pool_note(id, &Note::Receipt(Receipt { letters, read }));
            }
        }
    }

    pub(super) fn take_receipt(&mut self, said: &Said, receipt: &Receipt) {
        for letter in &receipt.letters {
            let known = self.records.has(&Sent::key(said.by, *letter))
                || self.outgoing(said.by, *letter).is_some();
            // A sibling's letter may be confirmed before its copy comes.
            if known || self.has_siblings() {
                self.remark(said.by, *letter, |remark| {
                    let before = remark.confirmed.unwrap_or(false);
                    remark.confirmed = Some(before || receipt.read);
                });
            }
        }
    }

    pub(super) fn remark(
        &mut self,
        contact: ContactId,
        letter: LetterId,
        change: impl FnOnce(&mut Remark),
    ) {
        let key = Remark::key(contact, letter);
        let known: Option<Remark> = self.records.get(&key);
        let room = || self.records.list::<Remark>(&[&contact.to_text()]).len() < REMARKS;
        if known.is_some() || room() {
            let mut remark =
                known.unwrap_or_else(|| Remark { since: self.now, ..Remark::default() });
            change(&mut remark);
            self.records.put(&key, &remark);
        }
    }

    /// What was said of a letter that is here now.
    pub(super) fn take_remark(&mut self, contact: ContactId, letter: LetterId) -> Remark {
        let key = Remark::key(contact, letter);
        let remark = self.records.get(&key).unwrap_or_default();
        self.records.delete(&key);
        remark
    }

    /// Letters that were confirmed have to be seen to be changed.
    pub(super) fn want_confirmed(&mut self) {
        let mut asked: Option<(ContactId, Vec<LetterId>)> = None;
        let mut keys = Vec::new();
        for (place, remark) in self.records.list::<Remark>(&[]) {
            let Some((Ok(contact), Ok(letter))) =
                place.split_once('/').map(|(contact, letter)| (contact.parse(), letter.parse()))
            else {
                continue;
            };
            let Some(sent) = self.records.get(&Sent::key(contact, letter)) else { continue };
            if remark.confirmed.is_none() {
                continue;
            }
            let (of, letters) = asked.get_or_insert_with(|| (contact, Vec::new()));
            if *of == contact && letters.len() < NOTE_IDS {
                letters.push(letter);
                keys.push(sent.key);
            }
        }
        if let Some((contact, letters)) = asked {
            self.want(Job::Confirm { contact, letters }, LetterQuery::Keys { keys });
        }
    }

    /// A letter's state never goes backwards.
    pub(super) fn confirm_letters(
        &mut self,
        contact: ContactId,
        asked: Vec<LetterId>,
        letters: Vec<Letter>,
    ) {
        for id in asked {
            let remark = self.take_remark(contact, id);
            let letter = letters.iter().find(|letter| letter.id == id && letter.contact == contact);
            let there = self.records.has(&Sent::key(contact, id));
            if let (Some(letter), Some(read), true) = (letter, remark.confirmed, there) {
                let further = match letter.state {
                    LetterState::Confirmed { read: before } => read && !before,
                    LetterState::Sent | LetterState::Sending => true,
                    _ => false,
                };
                if further {
                    let state = LetterState::Confirmed { read };
                    self.show_letter(&Letter { state, ..letter.clone() });
                }
            }
        }
    }

    pub(super) fn sweep_remarks(&mut self) {
        for (place, remark) in self.records.list::<Remark>(&[]) {
            if self.now.saturating_sub(remark.since) > REMARKS_KEPT {
                self.records.delete(&RecordKey::<Remark>::of(&[&place]));
            }
        }
    }
}
