//! How full mailboxes are, without counting them at every send.
//!
//! A mailbox is counted when it is first written to; from then on what is added is added to that
//! count, and what is deleted is not taken off: an upper bound, counted anew before it refuses
//! anything, and after an eighth of the room was used up, because other nodes write as well. On one
//! node the limits are exact; each further node can overshoot by an eighth of the room.

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
    pub(super) fn uncounted(&self, batch: &[&SealedSend], facts: &Facts) -> Vec<Uncounted> {
        let mut added: HashMap<&Phone, (i64, i64)> = HashMap::new();
        for send in batch.iter().filter(|send| facts.mailboxes.contains_key(&send.destination)) {
            let sum = added.entry(&send.destination).or_default();
            sum.0 += 1;
            sum.1 += length(send);
        }
        let uncounted = added.into_iter().filter(|(phone, (letters, bytes))| {
            self.held.get(phone).is_none_or(|held| {
                held.uncounted_room < *letters
                    || held.letters + letters > self.limits.letters
                    || held.bytes + bytes > self.limits.bytes
            })
        });
        let weigh_from = self.limits.bytes / LETTER / 2;
        uncounted.map(|(phone, _)| Uncounted { phone: phone.clone(), weigh_from }).collect()
    }

    /// Takes in fresh counts.
    pub(super) fn note(&mut self, counts: Vec<Count>) {
        if self.held.len() > REMEMBERED {
            self.held.clear();
        }
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

fn length(send: &SealedSend) -> i64 {
    i64::try_from(send.content.len()).unwrap_or(i64::MAX)
}
