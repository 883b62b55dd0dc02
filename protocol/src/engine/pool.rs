//! The delayed pool: what is said besides text leaves for each mailbox at a moment that says
//! nothing about why.
//!
//! Receipts, heals, resends, answers to re-keyings and everything for one's own other devices wait
//! here. Each mailbox has a moment of its own, drawn when its first note was put here; then as many
//! notes as fit go into one letter of 4 KiB, which is sent like any other. The rest waits for
//! another moment. Nothing is packed in a step that receives.

use super::interface::{ContactId, Millis, Standing};
use super::letters::NOTES;
use super::outbox::Outgoing;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::notes::{self, BODY_IN_4_KIB, Note};
use crate::order::put_in_order;
use crate::types::Bytes;
use minicbor::{Decode, Encode};

/// A note that waits: `pool/<contact>/<number, 16 hex digits>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Pooled {
    /// As it goes into a letter.
    #[cbor(n(0), with = "minicbor::bytes")]
    note: Vec<u8>,
    #[n(1)]
    since: Millis,
}

impl Record for Pooled {
    const KIND: &'static str = "pool";
}

/// When the next of a mailbox's notes leave: `pool-due/<contact>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct PoolDue {
    #[n(0)]
    at: Millis,
}

impl Record for PoolDue {
    const KIND: &'static str = "pool-due";
}

impl PoolDue {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// The mean of the exponential distribution from which each moment is drawn, unless the host says
/// otherwise. Chosen by the adversary's harness: see `docs/privacy-harness.md`.
pub const POOL_MEAN: Millis = 120_000;

/// The mean that holds for this engine.
pub(super) struct PoolMean(pub(super) Millis);

impl Default for PoolMean {
    fn default() -> Self {
        Self(POOL_MEAN)
    }
}

/// A note that found no way out in this time says nothing any more.
const KEPT: Millis = 33 * 86_400_000;
/// The most bytes of notes that wait for one mailbox; what comes on top is dropped. It is far above
/// what the limits on heals and missing letters allow.
const MOST: usize = 4 << 20;

impl Turn<'_> {
    /// Says something to a contact, or through the own number's contact to one's other devices,
    /// without anybody seeing when or why.
    pub(super) fn pool_note(&mut self, contact: ContactId, note: &Note) {
        let encoded = note.to_cbor();
        match notes::split(Bytes::random(&mut self.rng), &encoded) {
            Some(parts) => parts.iter().for_each(|part| self.pool(contact, part.to_cbor())),
            None => self.pool(contact, encoded),
        }
    }

    fn pool(&mut self, contact: ContactId, note: Vec<u8>) {
        let place = contact.to_text();
        let last = self.records.last_key::<Pooled>(&[&place]);
        let number = last.and_then(|last| u64::from_str_radix(&last, 16).ok()).map_or(0, |n| n + 1);
        let too_much = number % 64 == 63 && self.pooled_bytes(&place) > MOST;
        if note.len() > BODY_IN_4_KIB || too_much {
            return;
        }
        let key = RecordKey::of(&[&place, &format!("{number:016x}")]);
        self.records.put(&key, &Pooled { note, since: self.now });
        if !self.records.has(&PoolDue::key(contact)) {
            self.draw_pool_moment(contact);
        }
    }

    fn pooled_bytes(&self, place: &str) -> usize {
        let pooled = self.records.list::<Pooled>(&[place]).into_iter();
        pooled.map(|(_, pooled)| pooled.note.len()).sum()
    }

    fn draw_pool_moment(&mut self, contact: ContactId) {
        let at = self.now + self.pool_pause();
        self.records.put(&PoolDue::key(contact), &PoolDue { at });
    }

    /// Packs a letter for the one mailbox whose moment has come. Where several have, because the
    /// device slept, the others get another moment: leaving together they would show that they
    /// belong together.
    pub(super) fn empty_pool_if_due(&mut self) {
        let mut overdue = self.overdue_pools();
        put_in_order(&mut overdue, |pool| *pool);
        let mut overdue = overdue.into_iter().map(|(_, contact)| contact);
        if let Some(first) = overdue.next() {
            self.post_notes(first);
        }
        overdue.for_each(|contact| self.draw_pool_moment(contact));
    }

    /// Moments that passed while something was being received, or while nothing ran, are drawn again.
    pub(super) fn put_pool_off(&mut self) {
        for (_, contact) in self.overdue_pools() {
            self.draw_pool_moment(contact);
        }
    }

    fn overdue_pools(&self) -> Vec<(Millis, ContactId)> {
        let moments = self.pool_moments().into_iter();
        moments.filter(|(at, _)| *at <= self.now).collect()
    }

    fn pool_moments(&self) -> Vec<(Millis, ContactId)> {
        let all = self.records.list::<PoolDue>(&[]).into_iter();
        all.filter_map(|(contact, due)| Some((due.at, contact.parse().ok()?))).collect()
    }

    pub(super) fn next_pool_at(&self) -> Option<Millis> {
        self.pool_moments().into_iter().map(|(at, _)| at).min()
    }

    /// One letter of a mailbox's notes at a time: while one has not left, more gather.
    fn post_notes(&mut self, contact: ContactId) {
        let outbox = self.records.list::<Outgoing>(&[&contact.to_text()]);
        if outbox.iter().any(|(_, outgoing)| outgoing.letter.kind == NOTES) {
            return self.draw_pool_moment(contact);
        }
        let gone = self.contact(contact).is_none_or(|c| c.standing == Standing::Blocked);
        if gone {
            return self.drop_pool(contact);
        }
        let body = self.take_letterful(&contact.to_text());
        if !body.is_empty() {
            self.send_silently(contact, NOTES, notes::write(&body));
        }
        if self.records.last_key::<Pooled>(&[&contact.to_text()]).is_some() {
            self.draw_pool_moment(contact);
        } else {
            self.records.delete(&PoolDue::key(contact));
        }
    }

    /// Takes the notes of one letter out of the pool, the oldest first.
    fn take_letterful(&mut self, place: &str) -> Vec<Vec<u8>> {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        // What stands before the notes takes three bytes at most.
        let mut room = BODY_IN_4_KIB - 3;
        for (number, Pooled { note, since }) in self.records.list::<Pooled>(&[place]) {
            let old = self.now.saturating_sub(since) > KEPT;
            if !old && (note.len() > room || taken.len() >= notes::NOTES) {
                break;
            }
            self.records.delete(&RecordKey::<Pooled>::of(&[place, &number]));
            if !old {
                room -= note.len();
                taken.push(note);
            }
        }
        taken
    }

    /// Letters that wait to be sent again are not, whether packed or not, nor anything packed with
    /// them.
    pub(super) fn drop_pooled_resends(&mut self, contact: ContactId) {
        let place = contact.to_text();
        for (number, pooled) in self.records.list::<Pooled>(&[&place]) {
            if Note::from_cbor(&pooled.note).is_none_or(|note| holds_letters(&note)) {
                self.records.delete(&RecordKey::<Pooled>::of(&[&place, &number]));
            }
        }
        for (_, Outgoing { letter, .. }) in self.records.list::<Outgoing>(&[&place]) {
            let notes = notes::read(&letter.body).unwrap_or_default();
            if letter.kind == NOTES && notes.iter().any(holds_letters) {
                self.records.delete(&Outgoing::key(&letter));
            }
        }
    }

    /// Nothing more is said to this contact.
    pub(super) fn drop_pool(&mut self, contact: ContactId) {
        self.records.delete_all::<Pooled>(&[&contact.to_text()]);
        self.records.delete(&PoolDue::key(contact));
    }

    /// The clock was put back: moments stay as far off as they were.
    pub(super) fn put_back_pool(&mut self, by: Millis) {
        for (at, contact) in self.pool_moments() {
            let at = at.saturating_sub(by);
            self.records.put(&PoolDue::key(contact), &PoolDue { at });
        }
    }

    /// The vault was opened: moments that have passed, and those that an earlier clock put far off,
    /// are drawn again.
    pub(super) fn redraw_pool(&mut self) {
        let likely = self.now + 1..=self.now + 40 * self.memory.pool_mean.0;
        for (at, contact) in self.pool_moments() {
            if !likely.contains(&at) {
                self.draw_pool_moment(contact);
            }
        }
    }

    /// A pause as the pool makes it, for what is to leave at a moment of its own.
    pub(super) fn pool_pause(&mut self) -> Millis {
        self.exponential(self.memory.pool_mean.0)
    }

    /// A duration from the exponential distribution with this mean.
    pub(super) fn exponential(&mut self, mean: Millis) -> Millis {
        let mut bytes = [0; 4];
        self.rng.fill_bytes(&mut bytes);
        // Above 0 and up to 1.
        let uniform = (f64::from(u32::from_le_bytes(bytes)) + 1.0) / (f64::from(u32::MAX) + 1.0);
        (-uniform.ln() * mean as f64) as Millis
    }
}

/// Whether a note may hold a letter's text, or a piece of one.
fn holds_letters(note: &Note) -> bool {
    matches!(note, Note::Resend(_) | Note::Part(_))
}
