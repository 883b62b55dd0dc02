//! What is done about answers that are none yet: the same bytes again, later and later; another
//! token; the device's proof; the person's sign-in.

use super::interface::{Millis, RequestId};
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Pending};
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
    /// There are no tokens.
    Tokens,
}

/// How soon a sealed request that waited for the network leaves once it is back: at least, and up
/// to so much more.
const SOON: (Millis, Millis) = (300, 1_700);
/// The most tokens that are given up in an hour.
const REFUSED_AN_HOUR: usize = 3;
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const AN_HOUR: Millis = 60 * MINUTE;
/// No wait is longer.
const LONGEST: Millis = 24 * AN_HOUR;

/// When tokens were given up, and when those that wait will be, so that it is three an hour at most.
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
        let sealed = pending.is_sealed();
        match answer.status {
            401 if sealed => self.token_refused(id, pending),
            401 => self.sign_in_needed(id, &pending.purpose),
            403 if !pending.purpose.needs_no_proof()
                && answer.is(problems::DEVICE_SESSION_REQUIRED) =>
            {
                self.again_once_proved(id);
            }
            // A letter is stored by `202` and by nothing else, least of all by a hotel's sign-in page.
            200..=399 if pending.purpose.is_letter() && answer.status != 202 => {
                self.again(id, &pending.purpose, Delay::Trouble, retry_after);
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
            Delay::Full | Delay::Tokens => (MINUTE, AN_HOUR),
        };
        let pause = most.min(first << tries.min(20));
        let asked = Millis::from(after.unwrap_or(0)) * SECOND;
        let at = self.now + asked.min(LONGEST) + self.around(pause);
        self.plan(id, at);
        if let Some(flight) = self.memory.flights.get_mut(&id) {
            flight.troubled = why == Delay::Trouble && asked == 0;
        }
        self.letter_delayed(purpose, why);
    }

    /// The network is back: what waited for nothing else does not wait its long pause out. Sealed
    /// requests leave each at a moment of its own, so that they do not show that they belong
    /// together.
    pub(super) fn hurry_after_trouble(&mut self) {
        let flights = self.memory.flights.iter();
        let troubled: Vec<(RequestId, bool)> = flights
            .filter(|(_, flight)| flight.troubled)
            .map(|(id, flight)| (*id, flight.sealed))
            .collect();
        for (id, sealed) in troubled {
            let (least, more) = if sealed { SOON } else { (0, 0) };
            let soon = self.now + least + self.up_to(more);
            if let Some(flight) = self.memory.flights.get_mut(&id) {
                flight.next = flight.next.map(|at| at.min(soon));
            }
        }
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
            // The passkey went with the session, unless the keys had been taken: the next one tells.
            Purpose::CompleteLink => self.forget(id),
            Purpose::BeginAnew => self.give_beginning_up(),
            // The session that registered the passkey, whose keys were refused: it has no account.
            Purpose::WhoAmI if self.memory.linking.refused.is_some() => {
                self.forget(id);
                return self.completion_settled(None);
            }
            Purpose::CreateAccount | Purpose::WhoAmI => {
                self.forget(id);
                self.account_refused(problems::SIGN_IN_REQUIRED.to_owned());
            }
            kept if kept.is_kept() => self.plan(id, self.now),
            _ => self.forget(id),
        }
        self.session_lost();
    }

    /// That token is dropped, and another tried after a random delay; three an hour at most, those
    /// included that wait for their time already.
    fn token_refused(&mut self, id: RequestId, pending: Pending) {
        let slot = self.next_token_at();
        let purpose = pending.purpose.clone();
        let at = slot + self.around(30 * SECOND);
        // Taken when it leaves: those of now may be as bad, and the next batch may come before.
        self.keep_pending(id, Pending { token: None, not_before: Some(at), ..pending });
        self.plan(id, at);
        if slot > self.now {
            self.letter_delayed(&purpose, Delay::Patience);
        }
    }

    /// Takes the next place among the three of an hour.
    fn next_token_at(&mut self) -> Millis {
        let mut refused: RefusedTokens = self.records.get(&RecordKey::only()).unwrap_or_default();
        let counted = self.now - AN_HOUR + 1..=self.now + LONGEST;
        refused.at.retain(|at| counted.contains(at));
        let third_last = refused.at.len().checked_sub(REFUSED_AN_HOUR);
        let free = third_last.and_then(|place| refused.at.get(place)).map(|at| at + AN_HOUR);
        let slot = free.unwrap_or(self.now).clamp(self.now, self.now + LONGEST);
        let place = refused.at.partition_point(|at| *at <= slot);
        refused.at.insert(place, slot);
        self.records.put(&RecordKey::only(), &refused);
        slot
    }

    /// The clock was put back: what is planned stays as far off as it was.
    pub(super) fn put_back_requests(&mut self, by: Millis) {
        for flight in self.memory.flights.values_mut() {
            flight.next = flight.next.map(|at| at.saturating_sub(by));
        }
    }

    /// What was kept to wait does so for a day at most, wherever the clock stood then.
    pub(super) fn cap_waits(&mut self) {
        for flight in self.memory.flights.values_mut() {
            flight.next = flight.next.map(|at| at.min(self.now + LONGEST));
        }
    }

    /// A random duration between nothing and `most`.
    pub(super) fn up_to(&mut self, most: Millis) -> Millis {
        let mut bytes = [0; 4];
        self.rng.fill_bytes(&mut bytes);
        most * Millis::from(u32::from_le_bytes(bytes)) / Millis::from(u32::MAX)
    }

    /// A random duration between half and one and a half times `pause`.
    pub(super) fn around(&mut self, pause: Millis) -> Millis {
        pause / 2 + self.up_to(pause)
    }
}
