//! What does not open here: who is asked to begin anew and to send again, and when.
//!
//! A contact is asked by a heal, the own other devices by a word that letters are missing; both
//! through the delayed pool, and once a day for each session.

use super::channels::ChannelRecord;
use super::interface::{ContactId, Millis, Standing};
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::channel::ChannelError;
use crate::notes::{Heal, Missing, NOTE_IDS, Note};
use crate::ratchet::RatchetError;
use crate::session_key::SessionId;
use crate::types::UnixTime;
use minicbor::{Decode, Encode};

/// What did not open from a contact: `broken/<contact>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Broken {
    /// When something was last noticed.
    #[n(0)]
    noted_at: Millis,
    /// The earliest that has not been told, in milliseconds.
    #[n(1)]
    since: Option<Millis>,
    /// The sessions of that.
    #[n(2)]
    sessions: Vec<SessionId>,
    /// When they were last asked to send again.
    #[n(3)]
    told_at: Option<Millis>,
    /// For which sessions.
    #[n(4)]
    told: Vec<SessionId>,
}

impl Record for Broken {
    const KIND: &'static str = "broken";
}

impl Broken {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }

    /// When the next word may be said, where there is something to say.
    fn due_at(&self) -> Option<Millis> {
        self.since?;
        Some(self.told_at.map_or(Millis::MIN, |told| told.saturating_add(A_DAY)))
    }
}

const A_DAY: Millis = 86_400_000;
const AN_HOUR: Millis = 3_600_000;
/// Nothing of before can still be on its way.
const BROKEN_KEPT: Millis = 33 * A_DAY;

impl Turn<'_> {
    /// Something that this contact stored in that hour does not open. They are told; at the own
    /// number, the siblings.
    pub(super) fn note_broken(
        &mut self,
        id: ContactId,
        session: Option<SessionId>,
        stored: UnixTime,
    ) {
        let known: Option<Broken> = self.records.get(&Broken::key(id));
        let mut broken = Broken { noted_at: self.now, ..known.unwrap_or_default() };
        if session.is_some_and(|session| broken.told.contains(&session)) && !self.is_due(&broken) {
            return;
        }
        let since = stored.0.saturating_mul(1_000).saturating_sub(AN_HOUR);
        broken.since = Some(broken.since.map_or(since, |before| before.min(since)));
        if let Some(session) = session
            && !broken.sessions.contains(&session)
            && broken.sessions.len() < NOTE_IDS
        {
            broken.sessions.push(session);
        }
        self.records.put(&Broken::key(id), &broken);
        self.heal_if_due(id, broken);
    }

    /// A letter will not open any more. The siblings are asked for it first, who most likely have it,
    /// then whoever wrote it: the session's mark tells who. Where not even the seal opened, that can
    /// only be guessed.
    pub(super) fn note_missing(
        &mut self,
        session: Option<SessionId>,
        stored: UnixTime,
        asked_before: bool,
    ) {
        let own = if self.has_siblings() { self.own_contact() } else { None };
        let writer = session
            .and_then(|session| self.who_began(&session))
            .filter(|id| self.contact(*id).is_some_and(|contact| !self.is_own(&contact.phone)));
        if let Some(own) = own.filter(|_| !asked_before || writer.is_none()) {
            self.note_broken(own, session, stored);
        }
        if let Some(writer) = writer.filter(|_| asked_before || own.is_none()) {
            self.note_broken(writer, session, stored);
        }
        if session.is_none() {
            self.note_guessed(stored);
            if (asked_before || own.is_none()) && self.lacks_messaging_secrets() {
                self.note_everybody(stored);
            }
        }
    }

    /// A messaging key came between two that are known here, and its secret did not: a letter sealed to
    /// it may be anybody's.
    fn note_everybody(&mut self, stored: UnixTime) {
        for (id, contact) in self.contacts() {
            if contact.standing == Standing::Accepted && !self.is_own(&contact.phone) {
                self.note_broken(id, None, stored);
            }
        }
    }

    /// The account's own signatures say so: nobody else can.
    fn lacks_messaging_secrets(&self) -> bool {
        let secrets = self.messaging_secrets();
        let mut next = secrets.iter().zip(secrets.iter().skip(1));
        next.any(|(newer, older)| {
            let lately = self.time().since(newer.created_at) <= BROKEN_KEPT / 1_000;
            newer.key_version > older.key_version + 1 && lately
        })
    }

    /// Contacts of whom something else did not open lately.
    fn note_guessed(&mut self, stored: UnixTime) {
        for (id, broken) in self.all_broken() {
            let lately = self.now.saturating_sub(broken.noted_at) < A_DAY;
            if lately && !self.contact(id).is_none_or(|contact| self.is_own(&contact.phone)) {
                self.note_broken(id, None, stored);
            }
        }
    }

    fn all_broken(&self) -> Vec<(ContactId, Broken)> {
        let all = self.records.list::<Broken>(&[]).into_iter();
        all.filter_map(|(id, broken)| Some((id.parse().ok()?, broken))).collect()
    }

    fn is_due(&self, broken: &Broken) -> bool {
        // A clock that was put back holds nothing up.
        let ahead = broken.told_at.is_some_and(|told| told > self.now + AN_HOUR);
        ahead || broken.told_at.is_none_or(|told| told.saturating_add(A_DAY) <= self.now)
    }

    /// A word that was due before the day was over is said when it is.
    pub(super) fn heal_when_due(&mut self) {
        for (id, broken) in self.all_broken() {
            if broken.since.is_some() {
                self.heal_if_due(id, broken);
            }
        }
    }

    fn heal_if_due(&mut self, id: ContactId, broken: Broken) {
        let Some(contact) = self.contact(id) else {
            return self.records.delete(&Broken::key(id));
        };
        let Some(since) = broken.since.filter(|_| self.is_due(&broken)) else { return };
        let sessions = broken.sessions;
        let note = if self.is_own(&contact.phone) {
            Note::Missing(Missing { since, sessions: sessions.clone() })
        } else {
            Note::Heal(Heal { since: Some(since), sessions: sessions.clone() })
        };
        if contact.standing != Standing::Blocked {
            // What is told of something that did not open must not travel in what may be as broken in
            // this direction.
            self.begin_anew_with(id, &self.peer_devices(id));
            self.pool_note(id, &note);
        }
        let (told_at, told) = (Some(self.now), sessions);
        let told = Broken { told_at, told, since: None, sessions: Vec::new(), ..broken };
        self.records.put(&Broken::key(id), &told);
    }

    pub(super) fn next_heal_at(&self) -> Option<Millis> {
        self.all_broken().into_iter().filter_map(|(_, broken)| broken.due_at()).min()
    }

    pub(super) fn sweep_broken(&mut self) {
        for (id, broken) in self.all_broken() {
            let old = self.now.saturating_sub(broken.noted_at) > BROKEN_KEPT;
            if old && broken.since.is_none() {
                self.records.delete(&Broken::key(id));
            }
        }
    }

    /// A message in a channel that is known here does not open. What comes again never does, and means
    /// nothing.
    pub(super) fn channel_failed(
        &mut self,
        record: &ChannelRecord,
        error: ChannelError,
        stored: UnixTime,
    ) {
        match error {
            ChannelError::Ratchet(RatchetError::Repeated) => {}
            _ => {
                // The two ends are out of step: what is said from now on goes over a new channel.
                self.end_channels(record.contact, &record.channel.peer().device_id);
                self.note_broken(record.contact, None, stored);
            }
        }
    }
}
