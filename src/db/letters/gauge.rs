//! How full mailboxes are, without counting them at every send.
//!
//! A mailbox is counted when it is first written to; from then on what is added is added to that
//! count, and what is deleted is not taken off: an upper bound, counted anew before it refuses
//! anything, and after an eighth of the room was used up, because other nodes write as well. Where one
//! store writes a mailbox's letters, batch after batch, the limits are exact; each further node can
//! overshoot by an eighth of the room.

use super::{
    Limits,
    facts::{Count, Facts, Uncounted},
};
use crate::db::SealedSend;
use letterbox_protocol::types::Phone;
use std::collections::HashMap;

/// The largest letter.
const LETTER: i64 = 65_536;
/// Mailboxes kept in mind; past that, the count begins anew.
const REMEMBERED: usize = 100_000;

pub(super) struct Gauge {
    limits: Limits,
    held: HashMap<Phone, Held>,
}

struct Held {
    letters: i64,
    bytes: i64,
    /// Letters that may be added before the mailbox is counted again.
    uncounted_room: i64,
}

impl Gauge {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, held: HashMap::new() }
    }

    /// The mailboxes that must be counted before this batch is decided.
    pub(super) fn uncounted(&mut self, batch: &[&SealedSend], facts: &Facts) -> Vec<Uncounted> {
        // Only here, before it is said which mailboxes are in mind.
        if self.held.len() > REMEMBERED {
            self.held.clear();
        }
        let added = added(batch, facts).into_iter();
        let uncounted = added.filter(|(phone, added)| {
            self.held
                .get(phone)
                .is_none_or(|held| held.uncounted_room < added.letters || self.is_over(held, added))
        });
        let weigh_from = self.limits.bytes / LETTER / 2;
        uncounted.map(|(phone, _)| Uncounted { phone: phone.clone(), weigh_from }).collect()
    }

    /// The mailboxes that could refuse a letter of this batch.
    pub(super) fn crowded<'a>(&self, batch: &[&'a SealedSend], facts: &Facts) -> Vec<&'a Phone> {
        let is_crowded = |(phone, added): &(&Phone, Added)| {
            let user = facts.mailboxes.get(phone).map(|mailbox| mailbox.user);
            let envelopes = user.and_then(|user| facts.envelopes.get(&user)).copied();
            self.held.get(phone).is_none_or(|held| self.is_over(held, added))
                || envelopes.unwrap_or_default() + added.envelopes > self.limits.envelopes
        };
        added(batch, facts).into_iter().filter(is_crowded).map(|(phone, _)| phone).collect()
    }

    fn is_over(&self, held: &Held, added: &Added) -> bool {
        held.letters + added.letters > self.limits.letters
            || held.bytes + added.bytes > self.limits.bytes
    }

    /// Takes in fresh counts.
    pub(super) fn note(&mut self, counts: Vec<Count>) {
        for count in counts {
            let room = (self.limits.letters - count.letters) / 8;
            let held = Held {
                letters: count.letters,
                bytes: count.bytes.unwrap_or(count.letters * LETTER),
                uncounted_room: room.max(1),
            };
            self.held.insert(count.phone, held);
        }
    }

    /// Makes room for a letter, or says that there is none.
    pub(super) fn charge(&mut self, send: &SealedSend) -> bool {
        let Some(held) = self.held.get_mut(&send.destination) else { return false };
        let (letters, bytes) = (held.letters + 1, held.bytes + length(send));
        if letters > self.limits.letters || bytes > self.limits.bytes {
            return false;
        }
        (held.letters, held.bytes) = (letters, bytes);
        held.uncounted_room -= 1;
        true
    }

    pub(super) fn envelopes(&self) -> i64 {
        self.limits.envelopes
    }
}

/// What a batch could add to one mailbox.
#[derive(Default)]
struct Added {
    letters: i64,
    bytes: i64,
    envelopes: i64,
}

fn added<'a>(batch: &[&'a SealedSend], facts: &Facts) -> HashMap<&'a Phone, Added> {
    let mut added: HashMap<&Phone, Added> = HashMap::new();
    for send in batch.iter().filter(|send| facts.mailboxes.contains_key(&send.destination)) {
        let sum = added.entry(&send.destination).or_default();
        sum.letters += 1;
        sum.bytes += length(send);
        sum.envelopes += envelopes(send);
    }
    added
}

/// How many envelopes a send brings.
pub(super) fn envelopes(send: &SealedSend) -> i64 {
    let count = send.session.as_ref().map_or(0, |(_, sealed)| sealed.len());
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn length(send: &SealedSend) -> i64 {
    i64::try_from(send.content.len()).unwrap_or(i64::MAX)
}
