//! Storing letters: many sends in one transaction, each with an outcome of its own.
//!
//! A transaction reads what the batch needs to know ([`facts`]), decides every send's outcome in
//! memory ([`decide`]) and writes what follows ([`insert`]), in a number of statements that hardly
//! grows with the batch.

mod decide;
mod facts;
mod gauge;
mod insert;

use super::{CredentialRow, Db, Error, SealedSend, SendOutcome};
use gauge::Gauge;
use letterbox_protocol::types::UnixTime;
use rand::CryptoRng;
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How often a batch is begun anew after a deadlock or a collision of ids.
const TRIES: u32 = 4;

/// What one mailbox can hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Letters that not all devices have.
    pub letters: i64,
    /// Their bytes.
    pub bytes: i64,
    /// Envelopes of all devices together.
    pub envelopes: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { letters: 10_000, bytes: 256 << 20, envelopes: 4_000 }
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Stored {
    /// One outcome a send, in the same order.
    pub outcomes: Vec<SendOutcome>,
    /// The devices that have something new, each once.
    pub wake: Vec<CredentialRow>,
}

/// Stores letters, and keeps mailboxes within their limits.
pub struct LetterStore {
    db: Db,
    gauge: Mutex<Gauge>,
}

/// One transaction's worth: which sends it settled, and how.
struct Round {
    settled: Vec<(usize, SendOutcome)>,
    /// Sends whose token a racing transaction spent between our look and our write.
    again: Vec<usize>,
    wake: Vec<CredentialRow>,
}

impl LetterStore {
    /// A store on this database with these limits.
    pub fn new(db: Db, limits: Limits) -> Self {
        Self { db, gauge: Mutex::new(Gauge::new(limits)) }
    }

    /// Stores a batch, durably when this returns. A send's outcome does not depend on its company;
    /// the same request under the same token gets the same outcome and is not stored twice.
    ///
    /// # Errors
    /// The database is out of reach: nothing is known of any send, and each may be tried again.
    pub async fn store(
        &self,
        sends: &[SealedSend],
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Stored, Error> {
        let mut outcomes = vec![SendOutcome::TokenReused; sends.len()];
        let mut wake = Vec::new();
        let mut open: Vec<usize> = (0..sends.len()).collect();
        while !open.is_empty() {
            let round = self.round_or_again(sends, &open, now, rng).await?;
            for (at, outcome) in round.settled {
                if let Some(slot) = outcomes.get_mut(at) {
                    *slot = outcome;
                }
            }
            wake.extend(round.wake);
            open = round.again;
        }
        wake.sort_unstable();
        wake.dedup();
        Ok(Stored { outcomes, wake })
    }

    async fn round_or_again(
        &self,
        sends: &[SealedSend],
        open: &[usize],
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Round, Error> {
        let mut tries = 1;
        loop {
            match self.round(sends, open, now, rng).await {
                Err(error) if error.is_worth_retrying() && tries < TRIES => tries += 1,
                done => return done,
            }
        }
    }

    async fn round(
        &self,
        sends: &[SealedSend],
        open: &[usize],
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Round, Error> {
        let batch: Vec<&SealedSend> = open.iter().filter_map(|at| sends.get(*at)).collect();
        let mut tx = self.db.begin().await?;
        let mut facts = tx.facts(&batch, now).await?;
        let uncounted = self.gauge().uncounted(&batch, &facts);
        let counts = tx.count_letters(&uncounted).await?;
        let crowded = {
            let mut gauge = self.gauge();
            gauge.note(counts);
            gauge.crowded(&batch, &facts)
        };
        facts.known = tx.known_letters(&crowded, &batch).await?;
        let decisions = decide::decide(&batch, &facts, &mut self.gauge());
        let written = tx.insert_sends(&batch, &decisions, &facts, now, rng).await?;
        tx.commit().await?;
        let mut round = Round { settled: Vec::new(), again: Vec::new(), wake: written.wake };
        for ((at, send), decision) in open.iter().zip(&batch).zip(&decisions) {
            if written.lost.contains(&send.token.nullifier) {
                round.again.push(*at);
            } else {
                round.settled.push((*at, decision.outcome));
            }
        }
        Ok(round)
    }

    fn gauge(&self) -> MutexGuard<'_, Gauge> {
        // It holds upper bounds, which a panic elsewhere cannot have made wrong.
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LetterStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterStore")
    }
}
