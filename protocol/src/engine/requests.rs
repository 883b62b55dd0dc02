//! The request queue: what goes out, with which bytes, and when it is tried again.
//!
//! A request that changes something at the server is a record, exact bytes and token included, so
//! that it leaves again unchanged after a crash. Questions are held in memory only.

use super::interface::{Half, Millis, Request, RequestId};
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::session::Session;
use super::tokens::Stocked;
use super::turn::Turn;
use crate::json::from_json;
use crate::wire::Problem;
use minicbor::{Decode, Encode};
use std::collections::BTreeMap;

/// A request with its exact bytes.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Pending {
    #[n(0)]
    pub(super) purpose: Purpose,
    #[n(1)]
    pub(super) method: Method,
    #[n(2)]
    pub(super) path: String,
    #[n(4)]
    pub(super) body: Option<String>,
    /// Another token was taken, and is not tried before; kept, so that opening the vault anew does
    /// not try it at once.
    #[n(5)]
    pub(super) not_before: Option<Millis>,
    /// The token of a sealed request, once there is one for it. (3 was what clients drew.)
    #[n(6)]
    pub(super) token: Option<Stocked>,
}

impl Pending {
    /// Whether it is of the sealed half.
    pub(super) fn is_sealed(&self) -> bool {
        self.path.starts_with("/v1/sealed/")
    }
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
    #[n(4)]
    Patch,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
        }
    }
}

/// How a request fares, in memory.
pub(super) struct Flight {
    pub(super) purpose: Purpose,
    pub(super) sealed: bool,
    /// Kept here where it is no record.
    pending: Option<Pending>,
    pub(super) tries: u32,
    /// When it goes out next; `None` while it is under way.
    pub(super) next: Option<Millis>,
    /// It waits because of the network or the server's trouble, and nothing else.
    pub(super) troubled: bool,
    /// It waits for a token.
    pub(super) unstamped: bool,
}

impl Flight {
    fn new(pending: &Pending) -> Self {
        let (purpose, sealed) = (pending.purpose.clone(), pending.is_sealed());
        let (troubled, unstamped) = (false, false);
        Self { purpose, sealed, pending: None, tries: 0, next: None, troubled, unstamped }
    }
}

/// The flights of requests that were committed and never answered, due at once but for those that
/// wait for the time of another token.
pub(super) fn unanswered(records: &Records) -> BTreeMap<RequestId, Flight> {
    let mut flights = BTreeMap::new();
    for (id, pending) in records.list::<Pending>(&[]) {
        let Ok(id) = id.parse() else { continue };
        let next = Some(pending.not_before.unwrap_or(Millis::MIN));
        flights.insert(id, Flight { next, ..Flight::new(&pending) });
    }
    flights
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
        if self.is_ok() { from_json(self.body).ok() } else { None }
    }

    pub(super) fn problem(&self) -> Option<String> {
        from_json::<Problem>(self.body).ok().map(|problem| problem.kind)
    }

    pub(super) fn is(&self, problem: &str) -> bool {
        self.problem().as_deref() == Some(problem)
    }
}

impl Turn<'_> {
    /// Queues a request of the account half.
    pub(super) fn ask(
        &mut self,
        purpose: Purpose,
        method: Method,
        path: impl Into<String>,
        body: Option<String>,
    ) {
        let (path, token, not_before) = (path.into(), None, None);
        self.enqueue(Pending { purpose, method, path, token, body, not_before });
    }

    /// Queues a request of the sealed half, with a token of its own; where there is none, it waits
    /// for one.
    pub(super) fn ask_sealed(&mut self, purpose: Purpose, path: &str, body: String) {
        let token = self.take_token();
        let (method, path, body) = (Method::Post, path.to_owned(), Some(body));
        self.enqueue(Pending { purpose, method, path, token, body, not_before: None });
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

    /// Keeps a request as it is now.
    pub(super) fn keep_pending(&mut self, id: RequestId, pending: Pending) {
        if pending.purpose.is_kept() {
            self.records.put(&key(id), &pending);
        } else if let Some(flight) = self.memory.flights.get_mut(&id) {
            flight.pending = Some(pending);
        }
    }

    /// What a request is for.
    pub(super) fn purpose_of(&self, id: RequestId) -> Option<&Purpose> {
        self.memory.flights.get(&id).map(|flight| &flight.purpose)
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
            if !self.stamp(id) {
                continue;
            }
            let Some(pending) = self.pending(id) else {
                self.memory.flights.remove(&id);
                continue;
            };
            if self.may_leave(&pending.purpose, pending.is_sealed()) {
                if let Some(flight) = self.memory.flights.get_mut(&id) {
                    (flight.next, flight.troubled) = (None, false);
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
            .filter(|flight| !self.waits_for_tokens(flight.unstamped))
            .filter_map(|flight| flight.next)
            .min()
    }

    pub(super) fn pending(&self, id: RequestId) -> Option<Pending> {
        let flight = self.memory.flights.get(&id)?;
        flight.pending.clone().or_else(|| self.records.get(&key(id)))
    }

    pub(super) fn forget(&mut self, id: RequestId) {
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
}

/// Whether the session that a letter was made for is over, so that the letter needs another.
fn is_outlived(purpose: &Purpose, now: Millis) -> bool {
    matches!(purpose, Purpose::Letter { until, .. } if now >= *until)
}

pub(super) fn key(id: RequestId) -> RecordKey<Pending> {
    RecordKey::of(&[&id.to_text()])
}

fn outgoing(id: RequestId, pending: Pending) -> Request {
    let half = if pending.is_sealed() { Half::Sealed } else { Half::Account };
    let touch = pending.purpose.needs_touch();
    Request {
        id,
        half,
        method: pending.method.name(),
        path: pending.path,
        authorization: pending.token.map(|stocked| stocked.to_header()),
        body: pending.body,
        touch,
    }
}
