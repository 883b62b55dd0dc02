//! What is done about answers that are none yet: the same bytes again, later and later; another
//! token; the device's proof; the person's sign-in.

use super::interface::{Millis, RequestId};
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Pending, key};
use super::turn::Turn;
use crate::wire::problems;
use minicbor::{Decode, Encode};

/// Why a request goes out again later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Delay {
    /// No answer, or the server's own trouble.
    Trouble,
    /// The mailbox is full.
    Full,
    /// The server asks for patience.
    Patience,
}

/// The most tokens that are given up in an hour.
const REFUSED_AN_HOUR: usize = 3;
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const AN_HOUR: Millis = 60 * MINUTE;

/// When tokens were refused, so that at most three an hour are given up.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct RefusedTokens {
    #[n(0)]
    at: Vec<Millis>,
}

impl Record for RefusedTokens {
    const KIND: &'static str = "refused-tokens";
}

impl Turn<'_> {
    /// A request got an answer.
    pub(super) fn answered(&mut self, id: RequestId, retry_after: Option<u32>, answer: &Answer) {
        let Some(pending) = self.pending(id) else { return };
        let sealed = pending.token.is_some();
        match answer.status {
            401 if sealed => self.token_refused(id, pending),
            401 => self.sign_in_needed(id, &pending.purpose),
            403 if !pending.purpose.needs_no_proof()
                && answer.is(problems::DEVICE_SESSION_REQUIRED) =>
            {
                self.again_once_proved(id);
            }
            429 => self.again(id, &pending.purpose, Delay::Patience, retry_after),
            507 => self.again(id, &pending.purpose, Delay::Full, retry_after),
            500.. => self.again(id, &pending.purpose, Delay::Trouble, retry_after),
            _ => {
                self.forget(id);
                self.handle(pending.purpose, answer);
            }
        }
    }

    /// A request got no answer.
    pub(super) fn unanswered(&mut self, id: RequestId) {
        if let Some(pending) = self.pending(id) {
            self.again(id, &pending.purpose, Delay::Trouble, None);
        }
    }

    /// The same bytes again, later and later.
    fn again(&mut self, id: RequestId, purpose: &Purpose, why: Delay, after: Option<u32>) {
        if self.gives_up_on_trouble(purpose, why) {
            return self.forget(id);
        }
        let tries = self.count_try(id);
        let (first, most) = match why {
            Delay::Trouble => (SECOND, 5 * MINUTE),
            Delay::Patience => (5 * SECOND, 10 * MINUTE),
            Delay::Full => (MINUTE, AN_HOUR),
        };
        let pause = most.min(first << tries.min(20));
        let asked = Millis::from(after.unwrap_or(0)) * SECOND;
        let at = self.now + asked.min(24 * AN_HOUR) + self.around(pause);
        self.plan(id, at);
        self.letter_delayed(purpose, why);
    }

    /// Counts one more try, and gives how many there were before.
    fn count_try(&mut self, id: RequestId) -> u32 {
        self.memory.flights.get_mut(&id).map_or(0, |flight| {
            flight.tries = flight.tries.saturating_add(1);
            flight.tries - 1
        })
    }

    fn plan(&mut self, id: RequestId, at: Millis) {
        if let Some(flight) = self.memory.flights.get_mut(&id) {
            flight.next = Some(at);
        }
    }

    /// The session has to prove its device key (again) before this goes out.
    fn again_once_proved(&mut self, id: RequestId) {
        let pause = (5 * MINUTE).min(SECOND << self.count_try(id).min(20));
        let at = self.now + self.around(pause);
        self.plan(id, at);
        self.prove_again();
    }

    /// No passkey session. What is kept goes out after the next sign-in.
    fn sign_in_needed(&mut self, id: RequestId, purpose: &Purpose) {
        match purpose {
            Purpose::CreateAccount | Purpose::WhoAmI => {
                self.forget(id);
                self.account_refused(problems::SIGN_IN_REQUIRED.to_owned());
            }
            kept if kept.is_kept() => self.plan(id, self.now),
            _ => self.forget(id),
        }
        self.session_lost();
    }

    /// That token is dropped, and another tried after a random delay; three an hour at most.
    fn token_refused(&mut self, id: RequestId, pending: Pending) {
        let mut refused: RefusedTokens = self.records.get(&RecordKey::only()).unwrap_or_default();
        refused.at.retain(|at| *at > self.now - AN_HOUR && *at <= self.now);
        let wait = match refused.at.first() {
            Some(first) if refused.at.len() >= REFUSED_AN_HOUR => first + AN_HOUR - self.now,
            _ => 0,
        };
        refused.at.push(self.now);
        self.records.put(&RecordKey::only(), &refused);
        let token = Some(self.take_token());
        let purpose = pending.purpose.clone();
        self.records.put(&key(id), &Pending { token, ..pending });
        let at = self.now + wait + self.around(30 * SECOND);
        self.plan(id, at);
        if wait > 0 {
            self.letter_delayed(&purpose, Delay::Patience);
        }
    }

    /// The clock was put back: what is planned stays as far off as it was.
    pub(super) fn put_back_requests(&mut self, by: Millis) {
        for flight in self.memory.flights.values_mut() {
            flight.next = flight.next.map(|at| at.saturating_sub(by));
        }
    }

    /// A random duration between half and one and a half times `pause`.
    pub(super) fn around(&mut self, pause: Millis) -> Millis {
        let mut bytes = [0; 4];
        self.rng.fill_bytes(&mut bytes);
        pause / 2 + pause * Millis::from(u32::from_le_bytes(bytes)) / Millis::from(u32::MAX)
    }
}
