//! The request queue: what goes out, with which bytes, and when it is tried again.
//!
//! A request that changes something at the server is a record, exact bytes and token included, so
//! that it leaves again unchanged after a crash. Questions are held in memory only.

use super::interface::{ContactId, Half, LetterId, Millis, Request, RequestId};
use super::records::{Record, RecordKey, Records};
use super::session::Session;
use super::turn::Turn;
use crate::types::{Bytes, MessageId, Phone, SessionLabel};
use crate::wire::{Problem, TOKEN_SCHEME, problems};
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// What a request is for; its answer is taken up by the module that asked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(super) enum Purpose {
    /// The account's first keys.
    #[n(0)]
    CreateAccount,
    /// A newer list, a newer signed prekey, or both.
    #[n(1)]
    RenewKeys {
        /// The list's version.
        #[n(0)]
        list: Option<u64>,
        /// The prekey's id.
        #[n(1)]
        prekey: Option<u32>,
    },
    /// More one-time prekeys.
    #[n(2)]
    RefillPrekeys,
    /// Letters were read, or are to be deleted from the mailbox.
    #[n(3)]
    Mailbox,
    /// Somebody's keys, because a person looked for them.
    #[n(4)]
    Find {
        /// Whose.
        #[n(0)]
        phone: Phone,
    },
    /// A contact's keys, because a letter waits for them.
    #[n(5)]
    Lookup {
        /// Whose.
        #[n(0)]
        contact: ContactId,
    },
    /// A letter.
    #[n(6)]
    Letter {
        /// To whom.
        #[n(0)]
        contact: ContactId,
        /// Which.
        #[n(1)]
        letter: LetterId,
        /// In which session.
        #[n(2)]
        session: Bytes<16>,
        /// When that session is over, and with it these bytes.
        #[n(3)]
        until: Millis,
    },
    /// The server's certificate keys.
    #[n(7)]
    ServerInfo,
    /// A sender certificate.
    #[n(8)]
    Certificate,
    /// How many prekeys are left.
    #[n(9)]
    KeyStatus,
    /// Whether the server serves what was published.
    #[n(10)]
    CheckKeys,
    /// The device key's challenge.
    #[n(11)]
    ProofStart,
    /// The opened challenge.
    #[n(12)]
    ProofFinish,
    /// Whose session this is, after a publication whose answer was lost.
    #[n(13)]
    WhoAmI,
    /// Envelopes, by page.
    #[n(14)]
    EnvelopePage,
    /// Letters, by page.
    #[n(15)]
    InboxPage,
    /// Acknowledged letters.
    #[n(16)]
    LetterAcks {
        /// Which.
        #[n(0)]
        letters: Vec<MessageId>,
    },
    /// Acknowledged envelopes.
    #[n(17)]
    EnvelopeAcks {
        /// Which.
        #[n(0)]
        labels: Vec<SessionLabel>,
    },
}

impl Purpose {
    /// Whether the request has to survive a crash.
    fn is_kept(&self) -> bool {
        use Purpose::*;
        matches!(
            self,
            CreateAccount
                | RenewKeys { .. }
                | RefillPrekeys
                | Mailbox
                | Find { .. }
                | Lookup { .. }
                | Letter { .. }
        )
    }

    /// Whether it may go out before the session has proved the device key.
    fn needs_no_proof(&self) -> bool {
        use Purpose::*;
        matches!(self, CreateAccount | ServerInfo | ProofStart | ProofFinish | WhoAmI)
    }
}

/// A request with its exact bytes.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Pending {
    #[n(0)]
    pub(super) purpose: Purpose,
    #[n(1)]
    method: Method,
    #[n(2)]
    path: String,
    /// The token of a sealed request.
    #[n(3)]
    token: Option<Bytes<32>>,
    #[n(4)]
    body: Option<String>,
}

impl Record for Pending {
    const KIND: &'static str = "request";
}

/// The HTTP methods in use.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum Method {
    #[n(0)]
    Get,
    #[n(1)]
    Post,
    #[n(2)]
    Put,
    #[n(3)]
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// When tokens were refused, so that at most three an hour are given up.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
struct RefusedTokens {
    #[n(0)]
    at: Vec<Millis>,
}

impl Record for RefusedTokens {
    const KIND: &'static str = "refused-tokens";
}

/// How a request fares, in memory.
pub(super) struct Flight {
    purpose: Purpose,
    sealed: bool,
    /// Kept here where it is no record.
    pending: Option<Pending>,
    tries: u32,
    /// When it goes out next; `None` while it is under way.
    next: Option<Millis>,
}

impl Flight {
    fn new(pending: &Pending) -> Self {
        let (purpose, sealed) = (pending.purpose.clone(), pending.token.is_some());
        Self { purpose, sealed, pending: None, tries: 0, next: None }
    }
}

/// The flights of requests that were committed and never answered, due at once.
pub(super) fn unanswered(records: &Records) -> BTreeMap<RequestId, Flight> {
    let kept = records.list::<Pending>(&[]).into_iter();
    kept.filter_map(|(id, pending)| {
        Some((id.parse().ok()?, Flight { next: Some(Millis::MIN), ..Flight::new(&pending) }))
    })
    .collect()
}

/// An answer, as the module that asked gets it.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a str,
}

impl Answer<'_> {
    pub(super) fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, where the answer is a success and the body what was asked for.
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> Option<T> {
        if self.is_ok() { serde_json::from_str(self.body).ok() } else { None }
    }

    pub(super) fn problem(&self) -> Option<String> {
        serde_json::from_str::<Problem>(self.body).ok().map(|problem| problem.kind)
    }

    fn is(&self, problem: &str) -> bool {
        self.problem().as_deref() == Some(problem)
    }
}

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

impl Turn<'_> {
    /// Queues a request of the account half.
    pub(super) fn ask(
        &mut self,
        purpose: Purpose,
        method: Method,
        path: impl Into<String>,
        body: Option<String>,
    ) {
        self.enqueue(Pending { purpose, method, path: path.into(), token: None, body });
    }

    /// Queues a request of the sealed half, with a token of its own.
    ///
    /// This is the one place that takes a token. Today it is drawn here; once tokens are issued it
    /// comes from a stock.
    pub(super) fn ask_sealed(&mut self, purpose: Purpose, path: &str, body: String) {
        let token = Some(self.take_token());
        let (method, path, body) = (Method::Post, path.to_owned(), Some(body));
        self.enqueue(Pending { purpose, method, path, token, body });
    }

    fn take_token(&mut self) -> Bytes<32> {
        Bytes::random(&mut self.rng)
    }

    fn enqueue(&mut self, pending: Pending) {
        let id = RequestId::random(&mut self.rng);
        let kept = pending.purpose.is_kept();
        if kept {
            self.records.put(&key(id), &pending);
        }
        let flight = Flight { next: Some(self.now), ..Flight::new(&pending) };
        let pending = if kept { None } else { Some(pending) };
        self.memory.flights.insert(id, Flight { pending, ..flight });
    }

    /// Whether a request of this purpose is queued or under way.
    pub(super) fn is_asked(&self, wanted: impl Fn(&Purpose) -> bool) -> bool {
        self.memory.flights.values().any(|flight| wanted(&flight.purpose))
    }

    /// Sends what is due.
    pub(super) fn dispatch(&mut self) {
        let due: Vec<RequestId> = self
            .memory
            .flights
            .iter()
            .filter(|(_, flight)| flight.next.is_some_and(|at| at <= self.now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(pending) = self.pending(id) else {
                self.memory.flights.remove(&id);
                continue;
            };
            if self.may_leave(&pending.purpose, pending.token.is_some()) {
                if let Some(flight) = self.memory.flights.get_mut(&id) {
                    flight.next = None;
                }
                self.out.requests.push(outgoing(id, pending));
            }
        }
    }

    /// Gives up the bytes of letters that are due again after their session is over.
    pub(super) fn drop_outlived(&mut self) {
        let due = |flight: &Flight| flight.next.is_some_and(|at| at <= self.now);
        let outlived: Vec<(RequestId, Purpose)> = self
            .memory
            .flights
            .iter()
            .filter(|(_, flight)| due(flight) && is_outlived(&flight.purpose, self.now))
            .map(|(id, flight)| (*id, flight.purpose.clone()))
            .collect();
        for (id, purpose) in outlived {
            self.forget(id);
            self.letter_outlived(&purpose);
        }
    }

    fn may_leave(&self, purpose: &Purpose, sealed: bool) -> bool {
        sealed || self.memory.session == Session::Ready || purpose.needs_no_proof()
    }

    pub(super) fn next_request_at(&self) -> Option<Millis> {
        let flights = self.memory.flights.values();
        flights
            .filter(|flight| self.may_leave(&flight.purpose, flight.sealed))
            .filter_map(|flight| flight.next)
            .min()
    }

    fn pending(&self, id: RequestId) -> Option<Pending> {
        let flight = self.memory.flights.get(&id)?;
        flight.pending.clone().or_else(|| self.records.get(&key(id)))
    }

    fn forget(&mut self, id: RequestId) {
        self.memory.flights.remove(&id);
        self.records.delete(&key(id));
    }

    /// Gives up requests that nobody waits for any more.
    pub(super) fn give_up(&mut self, unwanted: impl Fn(&Purpose) -> bool) {
        let flights = self.memory.flights.iter();
        let ids: Vec<RequestId> =
            flights.filter(|(_, flight)| unwanted(&flight.purpose)).map(|(id, _)| *id).collect();
        for id in ids {
            self.forget(id);
        }
    }

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

    /// The clock was put back: what is planned stays as far off as it was.
    pub(super) fn put_back_requests(&mut self, by: Millis) {
        for flight in self.memory.flights.values_mut() {
            flight.next = flight.next.map(|at| at.saturating_sub(by));
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

    /// A random duration between half and one and a half times `pause`.
    pub(super) fn around(&mut self, pause: Millis) -> Millis {
        let mut bytes = [0; 4];
        self.rng.fill_bytes(&mut bytes);
        pause / 2 + pause * Millis::from(u32::from_le_bytes(bytes)) / Millis::from(u32::MAX)
    }
}

/// Whether the session that a letter was made for is over, so that the letter needs another.
fn is_outlived(purpose: &Purpose, now: Millis) -> bool {
    matches!(purpose, Purpose::Letter { until, .. } if now >= *until)
}

fn key(id: RequestId) -> RecordKey<Pending> {
    RecordKey::of(&[&id.to_text()])
}

fn outgoing(id: RequestId, pending: Pending) -> Request {
    let half = if pending.token.is_some() { Half::Sealed } else { Half::Account };
    Request {
        id,
        half,
        method: pending.method.name(),
        path: pending.path,
        authorization: pending
            .token
            .map(|token| format!("{TOKEN_SCHEME} token=\"{}\"", token.to_text())),
        body: pending.body,
    }
}
