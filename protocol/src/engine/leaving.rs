//! How an account ends: a waiting period after which its number begins anew elsewhere, which a device
//! cancels; and its deletion.

use super::interface::{Event, Millis};
use super::outbox::Outgoing;
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::wire::{Reset, ResetState};
use minicbor::{Decode, Encode};

/// A waiting period that would take the account away: `reset`.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct WaitingPeriod {
    #[n(0)]
    ends_at: Millis,
}

impl Record for WaitingPeriod {
    const KIND: &'static str = "reset";
}

/// When the waiting period that runs now ends.
pub(super) fn reset_ends_at(records: &Records) -> Option<Millis> {
    let period: Option<WaitingPeriod> = records.get(&RecordKey::only());
    period.map(|period| period.ends_at)
}

impl Turn<'_> {
    /// The server tells whether a waiting period runs. One that is over takes the account away with
    /// the next step of whoever began it.
    pub(super) fn follow_reset(&mut self, reset: Option<&Reset>) {
        let runs = reset.filter(|reset| reset.state != ResetState::Blocked);
        let ends_at = runs.map(|reset| reset.ends_at.0.saturating_mul(1_000));
        if ends_at == reset_ends_at(self.records) {
            return;
        }
        match ends_at {
            Some(ends_at) => self.records.put(&RecordKey::only(), &WaitingPeriod { ends_at }),
            None => self.records.delete(&RecordKey::<WaitingPeriod>::only()),
        }
        self.tell(Event::Reset { ends_at });
    }

    pub(super) fn cancel_reset(&mut self) {
        if !self.is_asked(|purpose| *purpose == Purpose::CancelReset) {
            self.ask(Purpose::CancelReset, Method::Delete, "/v1/resets", None);
        }
    }

    /// `404` says that there is none (any more).
    pub(super) fn reset_cancelled(&mut self, answer: &Answer) {
        if answer.is_ok() || answer.status == 404 {
            self.follow_reset(None);
        }
        self.memory.upkeep.status_at = Some(self.now);
    }

    pub(super) fn delete_account(&mut self) {
        if !self.is_asked(|purpose| *purpose == Purpose::DeleteAccount) {
            self.ask(Purpose::DeleteAccount, Method::Delete, "/v1/account", None);
        }
    }

    /// Nothing that waits has anywhere to go any more.
    pub(super) fn account_deleted(&mut self, answer: &Answer) {
        if answer.is_ok() {
            self.records.delete_all::<Outgoing>(&[]);
            self.give_up(|_| true);
            self.memory.session = Session::Lost;
            self.tell(Event::AccountDeleted);
        }
    }
}
