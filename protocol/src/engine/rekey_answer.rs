//! The answering side's part of a live re-keying: an offer is heard, its row looked for and claimed,
//! the key made and wrapped for the siblings, and only then the answer put into the delayed pool.

use super::envelopes::InSession;
use super::interface::{ContactId, Millis};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::rekey_next::NextSession;
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::account_keys::{PURPOSE_REKEY, RekeyedSession};
use crate::channel::OwnDevice;
use crate::content::Content;
use crate::notes::Note;
use crate::rekey::{RekeyAnswer, RekeyOffer, answer};
use crate::session_key::{PAYLOAD_VERSION, SessionId};
use crate::types::{HOUR, UnixTime};
use crate::wire::{EphemeralKeys, KeyExchangeId};
use minicbor::{Decode, Encode};

/// An authenticated offer: `rekey-heard/<exchange>`, until its row was claimed or did not come.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OfferHeard {
    #[n(0)]
    pub(super) contact: ContactId,
    #[n(1)]
    offer: RekeyOffer,
    /// When its row is looked for.
    #[n(2)]
    look_at: Millis,
    #[n(3)]
    looks: u32,
}

impl Record for OfferHeard {
    const KIND: &'static str = "rekey-heard";
}

impl OfferHeard {
    #[cfg(test)]
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn exchange(&self) -> KeyExchangeId {
        self.offer.exchange
    }

    fn key(exchange: KeyExchangeId) -> RecordKey<Self> {
        RecordKey::of(&[&exchange.to_text()])
    }
}

/// An answer that waits for the siblings to have its key: `rekey-answer/<exchange>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Answering {
    #[n(0)]
    pub(super) contact: ContactId,
    #[n(1)]
    answer: RekeyAnswer,
    #[n(2)]
    session: SessionId,
    /// The counter under which the key is being wrapped.
    #[n(3)]
    counter: Option<u64>,
}

impl Record for Answering {
    const KIND: &'static str = "rekey-answer";
}

impl Answering {
    fn key(exchange: KeyExchangeId) -> RecordKey<Self> {
        RecordKey::of(&[&exchange.to_text()])
    }
}

const SECOND: Millis = 1_000;
/// A row is looked for after so long, give or take a half: the first time, and from then on.
const LOOK: (Millis, Millis) = (20 * SECOND, 50 * SECOND);
/// Then it has not come: rows last five minutes.
const LOOKS: u32 = 4;
/// If the siblings' prekeys are not known by then, the session goes on without.
const SIBLINGS_AWAITED: Millis = 600 * SECOND;
/// The most offers of one contact that are looked after at once.
const OFFERS: usize = 4;

impl Turn<'_> {
    /// An offer came in a letter of this session. It is looked after where both sides see the same
    /// device lists, and where it is not from yesterday.
    pub(super) fn hear_offer(
        &mut self,
        id: ContactId,
        session: SessionId,
        stored: UnixTime,
        content: &Content,
    ) {
        let Ok(offer) = RekeyOffer::from_cbor(&content.body) else { return };
        let fresh = self.time().hour().since(stored) <= HOUR;
        let of_session = offer.session == session && offer.device_id == content.sender_device;
        let heard = self.records.list::<OfferHeard>(&[]);
        let theirs = heard.iter().filter(|(_, heard)| heard.contact == id).count();
        let many = theirs >= OFFERS || self.records.has(&OfferHeard::key(offer.exchange));
        if fresh && of_session && !many && self.can_answer(id, &offer) {
            let look_at = self.now + self.around(LOOK.0);
            let heard = OfferHeard { contact: id, offer, look_at, looks: 0 };
            self.records.put(&OfferHeard::key(heard.offer.exchange), &heard);
        }
    }

    fn can_answer(&self, id: ContactId, offer: &RekeyOffer) -> bool {
        let session = self.records.get(&InSession::key(offer.session));
        let list = self.contact(id).and_then(|contact| contact.list);
        let (Some(session), Some(list), Some(own)) =
            (session, list, OwnList::current(self.records))
        else {
            return false;
        };
        let sender = &session.session.parties().sender;
        let named = list.devices.iter().any(|device| {
            device.device_id == sender.device_id && device.device_key == sender.device_key
        });
        self.is_rekeyed_with(id)
            && session.session.rekey_secret().is_some()
            && list.version == offer.sender_list_version
            && own.version == offer.recipient_list_version
            && named
    }

    /// Looks for the rows of offers that were heard. Asked of the own mailbox, by somebody known: at
    /// moments that are not those of the offers.
    pub(super) fn look_for_ephemeral_keys_if_due(&mut self) {
        if self.memory.session != Session::Ready {
            return;
        }
        let mut due = false;
        for (_, heard) in self.records.list::<OfferHeard>(&[]) {
            if heard.look_at > self.now {
                continue;
            }
            let key = OfferHeard::key(heard.offer.exchange);
            if heard.looks >= LOOKS {
                self.records.delete(&key);
                continue;
            }
            due = true;
            let look_at = self.now + self.around(LOOK.1);
            self.records.put(&key, &OfferHeard { look_at, looks: heard.looks + 1, ..heard });
        }
        if due && !self.is_asked(|purpose| *purpose == Purpose::EphemeralKeys) {
            self.ask(Purpose::EphemeralKeys, Method::Get, "/v1/ephemeral-keys", None);
        }
    }

    /// Rows without an offer are passed over; one with another key than its offer's is not claimed.
    pub(super) fn ephemeral_keys_answered(&mut self, reply: &Answer) {
        let Some(EphemeralKeys { keys }) = reply.read() else { return };
        for row in keys {
            let exchange = row.key_exchange_id;
            let key = OfferHeard::key(exchange);
            let Some(heard) = self.records.get(&key) else { continue };
            if row.used || !self.can_answer(heard.contact, &heard.offer) {
                // A sibling has it, or a list has changed.
                self.records.delete(&key);
            } else if heard.offer.ephemeral_key == row.ephemeral_public_key {
                let path = format!("/v1/ephemeral-keys/{}/claim", exchange.to_text());
                self.ask(Purpose::ClaimRekeying { exchange }, Method::Post, path, None);
            }
        }
    }

    /// The row is this device's, or a sibling's, or gone.
    pub(super) fn claim_answered(&mut self, exchange: KeyExchangeId, reply: &Answer) {
        let key = OfferHeard::key(exchange);
        let heard = self.records.get(&key);
        self.records.delete(&key);
        if let Some(heard) = heard.filter(|_| reply.is_ok()) {
            self.answer_offer(heard);
        }
    }

    /// A claim whose fate is not known is given up: the session goes on without.
    pub(super) fn claim_in_doubt(&mut self, exchange: KeyExchangeId) {
        self.records.delete(&OfferHeard::key(exchange));
    }

    /// Makes the next session's key. The ephemeral secret does not outlive this call.
    fn answer_offer(&mut self, heard: OfferHeard) -> Option<()> {
        let OfferHeard { contact, offer, .. } = heard;
        let account = self.account().filter(|_| self.can_answer(contact, &offer))?;
        let known: InSession = self.records.get(&InSession::key(offer.session))?;
        let own_list = OwnList::current(self.records)?.version;
        let party = account.party();
        let own = OwnDevice { party: &party, secret: &account.device };
        let offering = known.session.parties().sender.clone();
        let rekey = known.session.rekey_secret()?;
        let (key, answer) = answer(self.rng, rekey, &offer, &offering, &own, own_list).ok()?;
        let next = NextSession { contact, offering, replaces: offer.session, key, since: self.now };
        self.records.put(&NextSession::key(offer.next_session), &next);
        let (session, counter) = (offer.next_session, None);
        let answering = Answering { contact, answer, session, counter };
        self.records.put(&Answering::key(offer.exchange), &answering);
        Some(())
    }

    /// Wraps new keys for the siblings, one after the other. Where there are none, the answer goes
    /// into the pool at once.
    pub(super) fn finish_answers(&mut self) {
        for (_, answering) in self.unfinished_answers() {
            if !self.has_siblings() {
                self.pool_answer(answering);
            } else if !self.can_wrap() {
                return;
            } else if self.are_siblings_known() {
                self.wrap_next_session(answering);
            } else {
                self.await_siblings(&answering);
            }
        }
    }

    /// A step that receives finishes none: what it made possible is done in one right after it.
    pub(super) fn next_answer_at(&self) -> Option<Millis> {
        let possible = !self.has_siblings() || self.can_wrap() && self.are_siblings_known();
        (possible && !self.unfinished_answers().is_empty()).then_some(self.now)
    }

    fn unfinished_answers(&self) -> Vec<(String, Answering)> {
        let mut answers = self.records.list::<Answering>(&[]);
        answers.retain(|(_, answering)| answering.counter.is_none());
        answers
    }

    fn can_wrap(&self) -> bool {
        self.memory.session == Session::Ready && !self.is_wrapping()
    }

    /// A list became known before the server was asked what its devices' prekeys are: without these
    /// a new sibling would be passed over, and could not read what is written in the next session.
    fn await_siblings(&mut self, answering: &Answering) {
        let next: Option<NextSession> = self.records.get(&NextSession::key(answering.session));
        if next.is_some_and(|next| self.now.saturating_sub(next.since) < SIBLINGS_AWAITED) {
            self.want_devices();
        } else {
            self.drop_answer(answering);
        }
    }

    fn wrap_next_session(&mut self, answering: Answering) {
        let list = OwnList::current(self.records);
        let (Some(payload), Some(list)) = (self.for_siblings(&answering), list) else {
            return self.drop_answer(&answering);
        };
        match self.wrap_for_siblings(&list.devices, &payload.to_cbor()) {
            Some(wraps) => {
                let exchange = answering.answer.exchange;
                let counter = Some(wraps.key_rotation_counter);
                self.records.put(&Answering::key(exchange), &Answering { counter, ..answering });
                let body = serde_json::to_string(&wraps).ok();
                let purpose = Purpose::WrapRekeyed { exchange };
                self.ask(purpose, Method::Put, "/v1/session-keys", body);
            }
            // All of them are dormant.
            None => self.pool_answer(answering),
        }
    }

    fn for_siblings(&self, answering: &Answering) -> Option<RekeyedSession> {
        let next: NextSession = self.records.get(&NextSession::key(answering.session))?;
        Some(RekeyedSession {
            version: PAYLOAD_VERSION,
            session_id: answering.session,
            key: next.key,
            sender: self.account()?.party(),
            purpose: PURPOSE_REKEY,
            replaces: next.replaces,
            exchange: answering.answer.exchange,
            offering: next.offering,
        })
    }

    /// Only now, when the siblings can read what will be written in it, is the new session agreed to.
    /// Where the server counts otherwise, the re-keying ends here.
    pub(super) fn rekeyed_wrapped(&mut self, exchange: KeyExchangeId, reply: &Answer) {
        let Some(answering) = self.records.get(&Answering::key(exchange)) else {
            // Its conversation was deleted meanwhile. How far the server has counted is asked.
            self.memory.upkeep.status_at = Some(self.now);
            return;
        };
        match answering.counter.filter(|_| reply.is_ok()) {
            Some(counter) => {
                self.wrapped(counter);
                self.pool_answer(answering);
            }
            None => {
                self.drop_answer(&answering);
                self.memory.upkeep.status_at = Some(self.now);
            }
        }
    }

    fn drop_answer(&mut self, answering: &Answering) {
        self.records.delete(&Answering::key(answering.answer.exchange));
        self.records.delete(&NextSession::key(answering.session));
    }

    fn pool_answer(&mut self, answering: Answering) {
        self.records.delete(&Answering::key(answering.answer.exchange));
        self.pool_note(answering.contact, &Note::RekeyAnswer(answering.answer));
    }

    pub(super) fn next_look_at(&self) -> Option<Millis> {
        let ready = self.memory.session == Session::Ready;
        let heard = self.records.list::<OfferHeard>(&[]).into_iter().filter(|_| ready);
        heard.map(|(_, heard)| heard.look_at).min()
    }

    pub(super) fn put_back_looks(&mut self, by: Millis) {
        for (_, heard) in self.records.list::<OfferHeard>(&[]) {
            let look_at = heard.look_at.saturating_sub(by);
            let key = OfferHeard::key(heard.offer.exchange);
            self.records.put(&key, &OfferHeard { look_at, ..heard });
        }
    }
}
