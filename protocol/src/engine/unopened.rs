//! Letters that lie in the mailbox and do not open. They may yet: the session they belong to can
//! still come. After more than an hour, at a moment of its own, each is given up: the server is told
//! that this device cannot open it, and somebody who may know what it said is asked.

use super::envelopes::InSession;
use super::interface::{ContactId, Millis};
use super::live::Acks;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::session_key::SessionId;
use crate::types::{MessageId, UnixTime};
use crate::wire::InboxLetter;
use minicbor::{Decode, Encode};

/// A letter that has not opened yet: `unopened/<message id>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Unopened {
    /// When it is given up; `None` where it was.
    #[n(0)]
    fails_at: Option<Millis>,
    /// Its session, where the seal opens.
    #[n(1)]
    session: Option<SessionId>,
    #[n(2)]
    stored: UnixTime,
    /// When somebody is asked for it next; `None` where it has come, or was asked for often enough.
    #[n(3)]
    asks_at: Option<Millis>,
    /// How often that was done.
    #[n(4)]
    #[cbor(default)]
    asked: u32,
}

impl Record for Unopened {
    const KIND: &'static str = "unopened";
}

impl Unopened {
    fn key(message: MessageId) -> RecordKey<Self> {
        RecordKey::of(&[&message.to_text()])
    }
}

const A_DAY: Millis = 86_400_000;
/// How long an envelope may come after its letter.
const PATIENCE: Millis = 3_600_000;
/// And the mean of what is added, so that the moment says nothing.
const MEAN: Millis = 30 * 60_000;
/// After each time that somebody was asked for a letter, twice as long passes before the next, as what
/// they send again may be lost as well: 1, 2, 4 and 8 days.
const PAUSE: Millis = A_DAY;
const ASKS: u32 = 5;
/// The most letters that are remembered so; others stay until they expire.
const MOST: usize = 1_000;
/// Nothing lies in a mailbox for longer.
const KEPT: i64 = 33 * 86_400;

impl Turn<'_> {
    pub(super) fn remember_unopened(&mut self, letter: &InboxLetter, session: Option<SessionId>) {
        let key = Unopened::key(letter.message_id);
        let known: Option<Unopened> = self.records.get(&key);
        let room = || self.records.list::<Unopened>(&[]).len() < MOST;
        // One that was given up comes again where the server never heard of it. Nobody is asked for it
        // more often because of that.
        if known.as_ref().map_or_else(room, |known| known.fails_at.is_none()) {
            let fails_at = Some(self.now + PATIENCE + self.exponential(MEAN));
            let (asks_at, asked) = known.map_or((None, 0), |known| (known.asks_at, known.asked));
            let unopened = Unopened { fails_at, session, stored: letter.timestamp, asks_at, asked };
            self.records.put(&key, &unopened);
        }
    }

    /// A contact says which session came before the one that they begin. If its key never came,
    /// letters of it lie here that nobody could place.
    pub(super) fn session_was_theirs(&mut self, contact: ContactId, session: SessionId) {
        if self.records.has(&InSession::key(session)) {
            return;
        }
        let all = self.records.list::<Unopened>(&[]).into_iter();
        let theirs = all.filter(|(_, unopened)| unopened.session == Some(session));
        if let Some(stored) = theirs.map(|(_, unopened)| unopened.stored).min() {
            self.note_broken(contact, Some(session), stored);
        }
    }

    pub(super) fn opened(&mut self, message: MessageId) {
        self.records.delete(&Unopened::key(message));
    }

    /// Gives up what is due. Only with everything fetched: until then the session may be among it. An
    /// envelope that is held may bring it as well.
    pub(super) fn give_unopened_up(&mut self) {
        if !self.memory.caught_up {
            return;
        }
        let until = self.now - self.patience_with_held();
        let mut failed = Vec::new();
        for (text, unopened) in self.records.list::<Unopened>(&[]) {
            if unopened.fails_at.is_some_and(|at| at <= until)
                && let Ok(message) = text.parse()
            {
                self.memory.held.forget_letter(message);
                let asks_at = if unopened.asked == 0 { Some(self.now) } else { unopened.asks_at };
                let given_up = Unopened { fails_at: None, asks_at, ..unopened };
                self.records.put(&Unopened::key(message), &given_up);
                failed.push(message);
            }
        }
        self.acknowledge(Acks { failed, ..Acks::default() });
        self.ask_for_unopened();
    }

    fn ask_for_unopened(&mut self) {
        for (text, unopened) in self.records.list::<Unopened>(&[]) {
            if unopened.asks_at.is_some_and(|at| at <= self.now) {
                self.note_missing(unopened.session, unopened.stored, unopened.asked > 0);
                let asked = unopened.asked.saturating_add(1);
                let pause = PAUSE << unopened.asked.min(ASKS);
                let asks_at = (asked < ASKS).then_some(self.now + pause + self.exponential(MEAN));
                self.records
                    .put(&RecordKey::of(&[&text]), &Unopened { asks_at, asked, ..unopened });
            }
        }
    }

    /// A letter has come another way, of this session or at least of this contact: one less is asked
    /// for.
    pub(super) fn came_another_way(&mut self, contact: ContactId, session: Option<SessionId>) {
        let mut asked = self.records.list::<Unopened>(&[]);
        asked.retain(|(_, unopened)| unopened.asks_at.is_some());
        let of_contact = || self.begun_by(contact, asked.iter().filter_map(|(_, one)| one.session));
        let Some(session) = session.or_else(of_contact) else { return };
        let one = asked.into_iter().find(|(_, unopened)| unopened.session == Some(session));
        if let Some((text, unopened)) = one {
            let settled = Unopened { asks_at: None, ..unopened };
            self.records.put(&RecordKey::of(&[&text]), &settled);
        }
    }

    /// The server's certificate keys, asked for about once a day, may let a held envelope open, or a
    /// person's decision.
    fn patience_with_held(&self) -> Millis {
        let undecided = || self.contacts().iter().any(|(_, contact)| contact.waits_for_decision());
        match self.memory.held.has_envelopes() {
            false => 0,
            true if undecided() => KEPT * 1_000,
            true => 2 * A_DAY,
        }
    }

    pub(super) fn next_failure_at(&self) -> Option<Millis> {
        let (caught_up, more) = (self.memory.caught_up, self.patience_with_held());
        let all = self.records.list::<Unopened>(&[]).into_iter();
        let times = all.flat_map(|(_, one)| [one.fails_at.map(|at| at + more), one.asks_at]);
        times.flatten().min().filter(|_| caught_up)
    }

    /// Moments that an earlier clock put far off are drawn anew; letters that have expired are
    /// forgotten.
    pub(super) fn sweep_unopened(&mut self) {
        let latest = self.now + PATIENCE + 40 * MEAN;
        for (text, unopened) in self.records.list::<Unopened>(&[]) {
            let key = RecordKey::of(&[&text]);
            if self.time().since(unopened.stored) > KEPT {
                self.records.delete(&key);
            } else if unopened.fails_at.is_some_and(|at| at > latest) {
                let fails_at = Some(self.now + PATIENCE + self.exponential(MEAN));
                self.records.put(&key, &Unopened { fails_at, ..unopened });
            }
        }
    }
}
