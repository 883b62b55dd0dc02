//! Sending again what others could not open: to a contact by its heal, to a sibling that misses
//! letters. What one of them can ask for is limited, and so is how often.

use super::contacts::Seen;
use super::interface::{ContactId, LetterId, LetterQuery, LetterState, Millis};
use super::jobs::Job;
use super::letters::Letter;
use super::notes::Said;
use super::outbound::{EXPIRY, OutSession};
use super::outbox::Outgoing;
use super::records::{Record, RecordKey};
use super::sent::Sent;
use super::turn::Turn;
use crate::notes::{Heal, Missing, NOTE_IDS, Note, Resend};
use crate::order::put_in_order;
use crate::session_key::SessionId;
use crate::types::{Blob, DeviceId};
use minicbor::{Decode, Encode};

/// When a device last had its wish, and what it has wished for since: `healed/<contact>/<device>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Healed {
    #[n(0)]
    at: Millis,
    /// Granted once the pause is over.
    #[n(1)]
    waiting: Option<Wish>,
}

/// What was written since then, and what was written in these sessions.
#[derive(Clone, Default, Encode, Decode)]
#[cbor(map)]
struct Wish {
    #[n(0)]
    since: Option<Millis>,
    #[n(1)]
    sessions: Vec<SessionId>,
}

impl Wish {
    fn and(self, other: Self) -> Self {
        let since = [self.since, other.since].into_iter().flatten().min();
        let mut sessions = self.sessions;
        sessions.extend(other.sessions);
        sessions.sort_unstable();
        sessions.dedup();
        sessions.truncate(WISHED_SESSIONS);
        Self { since, sessions }
    }

    /// Whether it is for a letter that the server had then, in this session.
    fn is_for(&self, at: Millis, session: Option<SessionId>) -> bool {
        let lately = self.since.is_some_and(|since| at >= since);
        session.is_some_and(|session| lately || self.sessions.contains(&session))
    }
}

impl Record for Healed {
    const KIND: &'static str = "healed";
}

impl Healed {
    fn key(contact: ContactId, device: &DeviceId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &device.to_text()])
    }
}

/// Letters that a contact gets again: `resend/<contact>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Resending {
    /// Oldest first.
    #[n(0)]
    letters: Vec<LetterId>,
}

impl Record for Resending {
    const KIND: &'static str = "resend";
}

impl Resending {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// What a sibling misses: `answering/<device>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Answering {
    #[n(0)]
    since: Millis,
    /// The search has come to here.
    #[n(1)]
    after: Option<String>,
    /// So many letters were found.
    #[n(2)]
    found: u32,
}

impl Record for Answering {
    const KIND: &'static str = "answering";
}

impl Answering {
    fn key(device: &DeviceId) -> RecordKey<Self> {
        RecordKey::of(&[&device.to_text()])
    }
}

/// A device has its wish once a day, give or take what its clock and the pool do.
const PAUSE: Millis = 20 * 3_600_000;
/// The most sessions that a device can wish for at once.
const WISHED_SESSIONS: usize = 4 * NOTE_IDS;
const HEALED_KEPT: Millis = 33 * 86_400_000;
/// The most letters that are sent again for one wish; the newest.
const MOST: usize = 1_000;
/// How many letters are read at a time.
const LETTERS: usize = 50;
/// How many bytes of them.
const PAGE: u32 = 64 << 10;

impl Turn<'_> {
    /// A contact's device could not open what was written to it.
    pub(super) fn take_heal(&mut self, said: &Said, heal: &Heal) {
        if !said.own {
            let (since, sessions) = (heal.since, heal.sessions.clone());
            self.take_wish(said, Wish { since, sessions });
        }
    }

    /// A sibling misses letters.
    pub(super) fn take_missing(&mut self, said: &Said, missing: &Missing) {
        let (since, sessions) = (Some(missing.since), Vec::new());
        self.take_wish(said, Wish { since, sessions });
    }

    fn take_wish(&mut self, said: &Said, wish: Wish) {
        let key = Healed::key(said.by, &said.device);
        let healed: Healed = self.records.get(&key).unwrap_or_default();
        let wish = healed.waiting.unwrap_or_default().and(wish);
        self.records.put(&key, &Healed { waiting: Some(wish), ..healed });
    }

    /// Grants what is wished for, to each device once in a while.
    pub(super) fn grant_wishes(&mut self) {
        for (place, healed) in self.records.list::<Healed>(&[]) {
            let due = !(0..PAUSE).contains(&self.now.saturating_sub(healed.at));
            let Some((contact, device)) = place.split_once('/') else { continue };
            if due
                && let Some(wish) = healed.waiting
                && let (Ok(contact), Ok(device)) = (contact.parse(), device.parse())
            {
                let granted = Healed { at: self.now, waiting: None };
                self.records.put(&Healed::key(contact, &device), &granted);
                self.grant(contact, &device, &wish);
            }
        }
    }

    pub(super) fn next_wish_at(&self) -> Option<Millis> {
        let all = self.records.list::<Healed>(&[]).into_iter().map(|(_, healed)| healed);
        all.filter(|healed| healed.waiting.is_some()).map(|h| h.at.saturating_add(PAUSE)).min()
    }

    pub(super) fn sweep_healed(&mut self) {
        for (place, healed) in self.records.list::<Healed>(&[]) {
            if self.now.saturating_sub(healed.at) > HEALED_KEPT && healed.waiting.is_none() {
                self.records.delete(&RecordKey::<Healed>::of(&[&place]));
            }
        }
    }

    fn grant(&mut self, by: ContactId, device: &DeviceId, wish: &Wish) {
        let Some(contact) = self.contact(by) else { return };
        self.begin_anew_with(by, &[*device]);
        if self.is_own(&contact.phone) {
            self.tell_everything();
            let since = wish.since.unwrap_or(self.now);
            let before: Option<Answering> = self.records.get(&Answering::key(device));
            let since = before.map_or(since, |before| before.since.min(since));
            let answering = Answering { since, after: None, found: 0 };
            self.records.put(&Answering::key(device), &answering);
            self.want_anew(&Job::Answer { device: *device });
        } else {
            self.resend_wished(by, wish);
        }
    }

    fn resend_wished(&mut self, contact: ContactId, wish: &Wish) {
        let mut wanted: Vec<(Millis, LetterId)> = Vec::new();
        let place = contact.to_text();
        for (text, sent) in self.records.list::<Sent>(&[&place]) {
            if let Ok(letter) = text.parse()
                && wish.is_for(sent.at, sent.session)
            {
                wanted.push((sent.at, letter));
            }
        }
        // What is under way was encrypted for the session that ends now.
        for (_, Outgoing { letter, under_way, .. }) in self.records.list::<Outgoing>(&[&place]) {
            if letter.is_shown() && wish.is_for(self.now, under_way) {
                wanted.push((letter.at, letter.id));
            }
        }
        put_in_order(&mut wanted, |letter| *letter);
        let newest = wanted.split_off(wanted.len().saturating_sub(MOST));
        let key = Resending::key(contact);
        let mut resending: Resending = self.records.get(&key).unwrap_or_default();
        resending.letters.retain(|letter| newest.iter().all(|(_, other)| other != letter));
        resending.letters.extend(newest.into_iter().map(|(_, letter)| letter));
        self.records.put(&key, &resending);
    }

    /// The next session is a new one, over new channels to these devices. The old channels are kept
    /// for what comes in them.
    pub(super) fn begin_anew_with(&mut self, contact: ContactId, devices: &[DeviceId]) {
        for device in devices {
            self.end_channels(contact, device);
        }
        self.records.delete(&OutSession::key(contact));
        self.bundle_used(contact);
        self.keep_quiet(contact);
    }

    pub(super) fn want_resent(&mut self) {
        for (text, mut resending) in self.records.list::<Resending>(&[]) {
            let Ok(contact) = text.parse() else { continue };
            let before = resending.letters.len();
            resending.letters.retain(|letter| {
                let sent = self.records.has(&Sent::key(contact, *letter));
                sent || self.outgoing(contact, *letter).is_some()
            });
            if resending.letters.is_empty() {
                self.records.delete(&Resending::key(contact));
                continue;
            }
            if resending.letters.len() < before {
                self.records.put(&Resending::key(contact), &resending);
            }
            let (mut letters, mut keys) = (Vec::new(), Vec::new());
            for letter in resending.letters {
                if let Some(sent) = self.records.get(&Sent::key(contact, letter))
                    && letters.len() < LETTERS
                {
                    letters.push(letter);
                    keys.push(sent.key);
                }
            }
            if !letters.is_empty() {
                self.want(Job::Resend { contact, letters }, LetterQuery::Keys { keys });
            }
        }
    }

    pub(super) fn resend_letters(
        &mut self,
        contact: ContactId,
        asked: &[LetterId],
        letters: Vec<Letter>,
    ) {
        let key = Resending::key(contact);
        let Some(mut resending) = self.records.get::<Resending>(&key) else { return };
        resending.letters.retain(|letter| !asked.contains(letter));
        self.records.put(&key, &resending);
        for letter in letters {
            // It may have been deleted meanwhile.
            let sent: Option<Sent> = self.records.get(&Sent::key(contact, letter.id));
            if let Some(Sent { session, .. }) = sent
                && letter.contact == contact
                && letter.outgoing
            {
                let (id, sent_at, kind) = (letter.id, letter.sealed_at, letter.kind);
                let body = Blob(letter.body);
                let resend = Resend { id, sent_at, kind, body, session };
                self.pool_note(contact, &Note::Resend(resend));
            }
        }
    }

    /// A letter that could not be opened comes again. It shows once, where it was written.
    pub(super) fn take_resend(&mut self, said: &Said, resend: Resend) {
        let seen_key = Seen::key(said.by, resend.id);
        if said.own || self.records.has(&seen_key) {
            return;
        }
        let latest = said.stored.hour().0.saturating_mul(1_000).saturating_add(3_600_000 - 1);
        let letter = Letter {
            id: resend.id,
            contact: said.by,
            outgoing: false,
            at: resend.sent_at.min(latest),
            kind: resend.kind,
            body: resend.body.0,
            state: LetterState::Received,
            sealed_at: resend.sent_at,
        };
        if !letter.is_shown() {
            return;
        }
        self.came_another_way(said.by, resend.session);
        let unread = !self.take_remark(said.by, resend.id).read;
        let expires_at = EXPIRY.expires_at(self.time());
        self.records.put(&seen_key, &Seen { message_id: None, expires_at, unread });
        self.change_contact(said.by, |contact| {
            contact.unread = contact.unread.saturating_add(u32::from(unread));
            contact.hidden = false;
        });
        self.show_letter(&letter);
        self.give_receipt(said.by, &[resend.id], false);
    }

    pub(super) fn want_answered(&mut self) {
        for (text, answering) in self.records.list::<Answering>(&[]) {
            let Ok(device) = text.parse() else { continue };
            let query = LetterQuery::All { after: answering.after, bytes: PAGE };
            self.want(Job::Answer { device }, query);
        }
    }

    pub(super) fn answer_missing(
        &mut self,
        device: &DeviceId,
        letters: Vec<Letter>,
        next: Option<String>,
    ) {
        let key = Answering::key(device);
        let Some(mut answering) = self.records.get::<Answering>(&key) else { return };
        for letter in letters {
            // What waited for the network was written before, and its copies left with it.
            let sent: Option<Sent> = self.records.get(&Sent::key(letter.contact, letter.id));
            let at = sent.map_or(letter.at, |sent| sent.at.max(letter.at));
            let wanted = at >= answering.since && (answering.found as usize) < MOST;
            if let Some(copy) = self.copy_as_it_is(&letter).filter(|_| wanted) {
                self.tell_siblings(&Note::Letter(copy));
                answering.found += 1;
            }
        }
        if next.is_some() && (answering.found as usize) < MOST {
            self.records.put(&key, &Answering { after: next, ..answering });
        } else {
            self.records.delete(&key);
        }
    }
}
