//! The outbox: letters written here, until the server has them or a person has to decide.

use super::contacts::{Contact, Seen};
use super::interface::{
    ContactId, FailReason, LetterId, LetterState, Millis, Standing, TEXT_LIMIT, WaitReason,
};
use super::letters::{Letter, TEXT};
use super::lookup::CachedBundle;
use super::outbound::{EXPIRY, Encrypted, Opening, OutSession};
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::recovery::is_outdated;
use super::retries::Delay;
use super::turn::Turn;
use crate::types::{Bytes, DeviceId};
use minicbor::{Decode, Encode};

/// A letter on its way out: `outbox/<contact>/<time>-<letter id>`. Gone once the server has it.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Outgoing {
    #[n(0)]
    pub(super) letter: Letter,
    /// The session whose bytes are under way.
    #[n(1)]
    pub(super) under_way: Option<Bytes<16>>,
    /// It is not tried before. Only for what nobody sees: what a person wrote is tried or has
    /// failed.
    #[n(2)]
    pub(super) not_before: Option<Millis>,
}

impl Record for Outgoing {
    const KIND: &'static str = "outbox";
}

impl Outgoing {
    pub(super) fn new(letter: Letter) -> Self {
        Self { letter, under_way: None, not_before: None }
    }

    pub(super) fn key(letter: &Letter) -> RecordKey<Self> {
        let at = format!("{:016x}-{}", letter.at.max(0), letter.id.to_text());
        RecordKey::of(&[&letter.contact.to_text(), &at])
    }

    /// Under way, and waiting for room or for the server's patience.
    fn is_delayed(&self) -> bool {
        let reason = matches!(self.letter.state, LetterState::Waiting { reason: Some(_) });
        self.under_way.is_some() && reason
    }

    fn failed(&self) -> bool {
        matches!(self.letter.state, LetterState::Failed { .. })
    }

    /// Whether it can leave now, as far as it is asked.
    fn is_queued(&self, now: Millis) -> bool {
        self.under_way.is_none() && !self.failed() && self.not_before.is_none_or(|at| at <= now)
    }
}

/// How sending to a contact stands: `sending/<contact>`.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Sending {
    /// Nothing new leaves before.
    #[n(0)]
    pub(super) hold_until: Option<Millis>,
    /// How often the list changed under a letter since one last went through.
    #[n(1)]
    pub(super) moves: u32,
    /// The list version that the server called stale, and the devices it was used for.
    #[n(2)]
    pub(super) stale: Option<StaleList>,
}

impl Record for Sending {
    const KIND: &'static str = "sending";
}

impl Sending {
    pub(super) fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// What a letter was made for when the server refused it as stale.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct StaleList {
    #[n(0)]
    pub(super) version: u64,
    #[n(1)]
    pub(super) devices: Vec<DeviceId>,
}

/// How many letters to one contact are under way at once, in a session that the server knows.
const WINDOW: usize = 8;
/// How long letters that nobody sees are tried.
const SILENT_KEPT: Millis = 33 * 24 * AN_HOUR;
const A_MINUTE: Millis = 60_000;
const AN_HOUR: Millis = 60 * A_MINUTE;
/// How long letters wait before silent devices are looked for again, give or take a half.
pub(super) const DORMANT_PAUSE: Millis = 6 * AN_HOUR;

impl Turn<'_> {
    pub(super) fn send_text(&mut self, id: ContactId, text: String) {
        let Some(contact) = self.contact(id) else { return };
        if text.trim().is_empty() || text.len() > TEXT_LIMIT {
            return;
        }
        if contact.standing == Standing::Request {
            self.accept_contact(id);
        }
        let at = self.thread_time(&contact);
        let letter = Letter {
            id: LetterId::random(&mut self.rng),
            contact: id,
            outgoing: true,
            at,
            kind: TEXT,
            body: text.into_bytes(),
            state: LetterState::Waiting { reason: None },
            sealed_at: at,
        };
        self.end_quiet(id);
        self.has_said(id);
        self.put_outgoing(&Outgoing::new(letter));
    }

    /// Queues a letter that nobody sees: notes, or the offer of a re-keying.
    pub(super) fn send_silently(
        &mut self,
        contact: ContactId,
        kind: u16,
        body: Vec<u8>,
    ) -> LetterId {
        let letter = Letter {
            id: LetterId::random(&mut self.rng),
            contact,
            outgoing: true,
            at: self.now,
            kind,
            body,
            state: LetterState::Waiting { reason: None },
            sealed_at: self.now,
        };
        let id = letter.id;
        self.put_outgoing(&Outgoing::new(letter));
        id
    }

    /// The time of a new letter: now, but after the thread's last letter where that one is less
    /// than a minute ahead, so that letters of one moment keep their order and an answer stands
    /// below what it answers.
    pub(super) fn thread_time(&self, contact: &Contact) -> Millis {
        match &contact.last {
            Some(last) if (0..A_MINUTE).contains(&last.at.saturating_sub(self.now)) => last.at + 1,
            _ => self.now,
        }
    }

    fn put_outgoing(&mut self, outgoing: &Outgoing) {
        self.records.put(&Outgoing::key(&outgoing.letter), outgoing);
        if outgoing.letter.is_shown() {
            self.show_letter(&outgoing.letter);
        }
    }

    /// A letter cannot go out as things are. A person decides whether to try again; what nobody sees
    /// is tried again by itself, as long as there is somebody to take it.
    pub(super) fn letter_failed(&mut self, outgoing: Outgoing, reason: FailReason) {
        if outgoing.letter.is_shown() {
            return self.set_state(outgoing, LetterState::Failed { reason });
        }
        let key = Outgoing::key(&outgoing.letter);
        if reason == FailReason::NoSuchMailbox {
            return self.records.delete(&key);
        }
        let not_before = Some(self.now + self.around(6 * AN_HOUR));
        self.records.put(&key, &Outgoing { under_way: None, not_before, ..outgoing });
    }

    pub(super) fn outgoing(&self, contact: ContactId, letter: LetterId) -> Option<Outgoing> {
        let all = self.records.list::<Outgoing>(&[&contact.to_text()]).into_iter();
        all.map(|(_, outgoing)| outgoing).find(|outgoing| outgoing.letter.id == letter)
    }

    pub(super) fn set_state(&mut self, mut outgoing: Outgoing, state: LetterState) {
        if outgoing.letter.state != state {
            outgoing.letter.state = state;
            self.put_outgoing(&outgoing);
        } else {
            self.records.put(&Outgoing::key(&outgoing.letter), &outgoing);
        }
    }

    /// Tries a failed letter again, with keys and a session of its own.
    pub(super) fn retry_letter(&mut self, id: ContactId, letter: LetterId) {
        let Some(outgoing) = self.outgoing(id, letter).filter(Outgoing::failed) else { return };
        self.records.delete(&CachedBundle::key(id));
        self.records.delete(&OutSession::key(id));
        self.records.delete(&Sending::key(id));
        self.end_quiet(id);
        let queued = Outgoing { under_way: None, ..outgoing };
        self.set_state(queued, LetterState::Waiting { reason: None });
    }

    /// The letter was deleted here. What is already under way cannot be called back.
    pub(super) fn forget_outgoing(&mut self, id: ContactId, letter: LetterId) {
        if let Some(outgoing) = self.outgoing(id, letter) {
            self.records.delete(&Outgoing::key(&outgoing.letter));
        }
    }

    /// Everything that a person wrote to a contact and that has not arrived is given up. What nobody
    /// sees goes on.
    pub(super) fn call_letters_back(&mut self, id: ContactId) {
        let outbox = self.records.list::<Outgoing>(&[&id.to_text()]).into_iter();
        let written: Vec<Letter> = outbox.map(|(_, o)| o.letter).filter(Letter::is_shown).collect();
        self.give_up(|purpose| match purpose {
            Purpose::Letter { contact, letter, .. } => {
                *contact == id && written.iter().any(|written| written.id == *letter)
            }
            Purpose::Lookup { contact, .. } => *contact == id,
            _ => false,
        });
        for letter in written {
            self.records.delete(&Outgoing::key(&letter));
        }
    }

    /// What nobody sees and nobody took in all this time.
    pub(super) fn sweep_outbox(&mut self) {
        for (_, outgoing) in self.records.list::<Outgoing>(&[]) {
            let old = self.now.saturating_sub(outgoing.letter.at) > SILENT_KEPT;
            if old && outgoing.under_way.is_none() && !outgoing.letter.is_shown() {
                self.records.delete(&Outgoing::key(&outgoing.letter));
            }
        }
    }

    pub(super) fn send_waiting_letters(&mut self) {
        if is_outdated(self.records) {
            return;
        }
        self.end_rest();
        for id in self.contacts_written_to() {
            if let Some(contact) = self.contact(id)
                && !self.is_quiet(id)
            {
                self.send_to(id, &contact);
            }
        }
    }

    pub(super) fn has_letters_to_send(&self) -> bool {
        !self.contacts_written_to().is_empty()
    }

    fn contacts_written_to(&self) -> Vec<ContactId> {
        let outbox = self.records.list::<Outgoing>(&[]).into_iter();
        let mut ids: Vec<ContactId> = outbox
            .filter(|(_, outgoing)| outgoing.is_queued(self.now))
            .map(|(_, outgoing)| outgoing.letter.contact)
            .collect();
        ids.dedup();
        ids
    }

    pub(super) fn sending(&self, id: ContactId) -> Sending {
        self.records.get(&Sending::key(id)).unwrap_or_default()
    }

    /// Whether nothing new leaves for this contact yet. No hold lasts longer than a day, whatever
    /// the clock did in between.
    pub(super) fn is_held(&self, id: ContactId) -> bool {
        let until = self.sending(id).hold_until;
        until.is_some_and(|until| (self.now + 1..self.now + 24 * AN_HOUR).contains(&until))
    }

    /// Sends what waits for one contact, as far as that goes now.
    fn send_to(&mut self, id: ContactId, contact: &Contact) {
        if contact.waits_for_decision() {
            return self.ask_for_pinned_identity(id, contact);
        }
        if self.is_held(id) {
            return;
        }
        loop {
            let outbox = self.records.list::<Outgoing>(&[&id.to_text()]);
            let under_way = outbox.iter().filter(|(_, o)| o.under_way.is_some()).count();
            if outbox.iter().any(|(_, o)| o.is_delayed()) {
                return;
            }
            let next = outbox.into_iter().map(|(_, o)| o);
            let Some(next) = next.into_iter().find(|o| o.is_queued(self.now)) else {
                return;
            };
            match self.session_for(id, contact) {
                Opening::Established(_) if under_way >= WINDOW => return,
                // The session's envelopes go with its first letter; nothing overtakes that one.
                Opening::Unconfirmed => return,
                Opening::Established(session) | Opening::New(session)
                    if self.is_offer_outlived(session.id(), &next.letter) =>
                {
                    self.take_offer_back(&next);
                }
                Opening::Established(session) | Opening::New(session) => {
                    self.send_in(session, contact, next);
                }
                Opening::LookingUp if self.look_up_waits_for_tokens(id) => {
                    return self.say_why(id, Some(WaitReason::NoTokens));
                }
                Opening::NotReady | Opening::LookingUp => return,
                Opening::AllDormant => return self.hold(id, DORMANT_PAUSE, WaitReason::AllDormant),
                Opening::Refused => return self.fail_letters(id, FailReason::KeysRefused),
            }
        }
    }

    fn send_in(&mut self, session: OutSession, contact: &Contact, outgoing: Outgoing) {
        let (id, letter) = (outgoing.letter.contact, outgoing.letter.id);
        let Some(Encrypted { session, body, until }) =
            self.encrypt_letter(session, contact, &outgoing.letter)
        else {
            return self.letter_failed(outgoing, FailReason::Refused);
        };
        if outgoing.letter.is_shown() {
            let expires_at = EXPIRY.expires_at(self.time());
            let seen = Seen { message_id: None, expires_at, unread: false };
            self.records.put(&Seen::key(id, letter), &seen);
        }
        let purpose = Purpose::Letter { contact: id, letter, session, until };
        self.ask_sealed(purpose, "/v1/sealed/messages", body);
        let under_way = Some(session);
        self.set_state(Outgoing { under_way, ..outgoing }, LetterState::Sending);
    }

    /// Holds everything that waits for a contact.
    pub(super) fn hold(&mut self, id: ContactId, pause: Millis, reason: WaitReason) {
        let until = self.now + self.around(pause);
        let sending = Sending { hold_until: Some(until), ..self.sending(id) };
        self.records.put(&Sending::key(id), &sending);
        self.say_why(id, Some(reason));
    }

    /// Says of everything that waits for a contact what it waits for.
    pub(super) fn say_why(&mut self, id: ContactId, reason: Option<WaitReason>) {
        let state = LetterState::Waiting { reason };
        let queued = self.queued(id).into_iter();
        for outgoing in queued.filter(|outgoing| outgoing.letter.state != state) {
            self.set_state(outgoing, state.clone());
        }
    }

    pub(super) fn queued(&self, id: ContactId) -> Vec<Outgoing> {
        let outbox = self.records.list::<Outgoing>(&[&id.to_text()]).into_iter();
        outbox.map(|(_, o)| o).filter(|o| o.is_queued(self.now)).collect()
    }

    pub(super) fn next_letter_at(&self) -> Option<Millis> {
        if is_outdated(self.records) {
            return None;
        }
        let waiting = self.contacts_written_to().into_iter();
        let holds = waiting.filter_map(|id| self.sending(id).hold_until);
        let outbox = self.records.list::<Outgoing>(&[]).into_iter();
        let held_back = outbox.filter_map(|(_, outgoing)| outgoing.not_before);
        let holds = holds.chain(held_back);
        holds.filter(|at| *at > self.now).chain(self.next_resumption_at()).min()
    }

    /// Nothing that waits for this contact can go out.
    pub(super) fn fail_letters(&mut self, id: ContactId, reason: FailReason) {
        self.records.delete(&OutSession::key(id));
        self.records.delete(&CachedBundle::key(id));
        for outgoing in self.queued(id) {
            self.letter_failed(outgoing, reason);
        }
    }

    /// Whether trying again is left to the person.
    pub(super) fn gives_up_on_trouble(&mut self, purpose: &Purpose, why: Delay) -> bool {
        match purpose {
            // It is for people who talk now.
            Purpose::EphemeralKey | Purpose::EphemeralKeys => true,
            Purpose::ClaimRekeying { exchange } => {
                self.claim_in_doubt(*exchange);
                true
            }
            Purpose::Find { phone } if !matches!(why, Delay::Full | Delay::Tokens) => {
                self.find_unreachable(phone);
                true
            }
            _ => false,
        }
    }
}
