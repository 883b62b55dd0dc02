//! The offering device's part of a live re-keying: the offer in a letter of the session, the
//! ephemeral key in a row of the other mailbox, and, once the answer holds, the next session.

use super::interface::{ContactId, Millis};
use super::letters::{Letter, REKEY_OFFER};
use super::notes::Said;
use super::outbound::OutSession;
use super::outbox::Outgoing;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::channel::OwnDevice;
use crate::handshake::Party;
use crate::keys::ExchangeSecret;
use crate::limits::SESSION_LETTERS;
use crate::rekey::{REKEY_VERSION, RekeyAnswer, RekeyOffer, conclude};
use crate::secret::Secret;
use crate::session_key::SessionId;
use crate::types::{Bytes, HOUR};
use crate::wire::SealedEphemeralKey;
use minicbor::{Decode, Encode};

/// An offer: `rekey/<contact>`. Gone with the answer, after 24 hours, or with its session.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OfferMade {
    #[n(0)]
    offer: RekeyOffer,
    #[n(1)]
    made_at: Millis,
    /// When the ephemeral key is posted; once the letter is stored, until it left.
    #[n(2)]
    post_at: Option<Millis>,
    #[n(3)]
    stage: Stage,
}

/// How far an offer has got.
#[derive(Clone, Encode, Decode)]
enum Stage {
    /// The answer is awaited.
    #[n(0)]
    Offered(#[n(0)] ExchangeSecret),
    /// The ephemeral secret is deleted. The next session begins once no letter of the old one is
    /// under way: stored later than a letter of the next one, it would not open.
    #[n(1)]
    Agreed(#[n(0)] Secret),
}

impl Record for OfferMade {
    const KIND: &'static str = "rekey";
}

impl OfferMade {
    pub(super) fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
/// The answer is awaited for so long.
const PATIENCE: Millis = 24 * 60 * MINUTE;
/// An offer that could not leave for so long is dropped: it is for people who talk now.
const FRESH: Millis = 5 * MINUTE;
/// The ephemeral key follows its offer after a second and up to so much more.
const ROW_DELAY: Millis = 15 * SECOND;
/// Sessions that end sooner, or have fewer letters left, get another key anyway.
const LETTERS_LEFT: u32 = 10;

impl Turn<'_> {
    /// Offers another key for the session in which this contact is written to, where there is one
    /// that the server knows.
    pub(super) fn offer_rekeying(&mut self, id: ContactId) {
        let (Some(account), Some(contact)) = (self.account(), self.contact(id)) else { return };
        if !self.is_rekeyed_with(id) || self.records.has(&OfferMade::key(id)) {
            return;
        }
        let Some(session) = self.established_session(id, &contact) else { return };
        let ending = session.ratchet.ends_at().since(self.time()) < HOUR;
        let few_left = session.ratchet.letters() + LETTERS_LEFT > SESSION_LETTERS;
        if ending || few_left || session.ratchet.rekey_secret().is_none() {
            return;
        }
        let Some(next_session) = self.draw_session_id(&contact) else { return };
        let ephemeral = ExchangeSecret::generate(self.rng);
        let (sender_list_version, recipient_list_version) = session.ratchet.list_versions();
        let offer = RekeyOffer {
            version: REKEY_VERSION,
            exchange: Bytes::random(&mut self.rng),
            ephemeral_key: ephemeral.public(),
            session: session.id(),
            next_session,
            device_id: account.device_id,
            sender_list_version,
            recipient_list_version,
        };
        let body = offer.to_cbor();
        let (made_at, post_at, stage) = (self.now, None, Stage::Offered(ephemeral));
        self.records.put(&OfferMade::key(id), &OfferMade { offer, made_at, post_at, stage });
        self.send_silently(id, REKEY_OFFER, body);
    }

    /// An offer is only good in the session that it is for, and soon.
    pub(super) fn is_offer_outlived(&self, session: SessionId, letter: &Letter) -> bool {
        let made: Option<OfferMade> = self.records.get(&OfferMade::key(letter.contact));
        let good = made.is_some_and(|made| {
            made.offer.session == session
                && made.offer.to_cbor() == letter.body
                && self.now.saturating_sub(made.made_at) < FRESH
        });
        letter.kind == REKEY_OFFER && !good
    }

    /// Takes an offer back that has not left.
    pub(super) fn take_offer_back(&mut self, outgoing: &Outgoing) {
        self.records.delete(&Outgoing::key(&outgoing.letter));
        self.records.delete(&OfferMade::key(outgoing.letter.contact));
    }

    /// The server has the letter with the offer: the ephemeral key follows, at a moment of its own.
    pub(super) fn offer_stored(&mut self, letter: &Letter) {
        let key = OfferMade::key(letter.contact);
        let made = self.records.get(&key).filter(|made| made.offer.to_cbor() == letter.body);
        if let Some(made) = made {
            let post_at = Some(self.now + SECOND + self.up_to(ROW_DELAY));
            self.records.put(&key, &OfferMade { post_at, ..made });
        }
    }

    pub(super) fn post_ephemeral_keys_if_due(&mut self) {
        for (id, made) in self.offers_made() {
            let Some(at) = made.post_at.filter(|at| *at <= self.now) else { continue };
            let key = OfferMade::key(id);
            // Whoever heard the offer has stopped looking for its row.
            let late = self.now.saturating_sub(at) > FRESH;
            match self.contact(id).filter(|_| !late) {
                Some(contact) => {
                    let row = SealedEphemeralKey {
                        destination: contact.phone,
                        key_exchange_id: made.offer.exchange,
                        ephemeral_public_key: made.offer.ephemeral_key,
                    };
                    self.records.put(&key, &OfferMade { post_at: None, ..made });
                    if let Ok(body) = serde_json::to_string(&row) {
                        let purpose = Purpose::EphemeralKey;
                        self.ask_sealed(purpose, "/v1/sealed/ephemeral-keys", body);
                    }
                }
                None => self.records.delete(&key),
            }
        }
    }

    /// An answer to an offer. Where everything holds, the key is agreed and the ephemeral secret
    /// deleted; a wrong confirmation or a changed list ends the re-keying, and the session goes on.
    pub(super) fn take_rekey_answer(&mut self, said: &Said, answer: &RekeyAnswer) {
        let key = OfferMade::key(said.by);
        let Some(made) = self.records.get(&key) else { return };
        if made.offer.exchange != answer.exchange || said.device != answer.device_id {
            return;
        }
        let Stage::Offered(ephemeral) = &made.stage else { return };
        match self.agree(said.by, &made, ephemeral, answer) {
            Some(agreed) => {
                let stage = Stage::Agreed(agreed);
                self.records.put(&key, &OfferMade { stage, post_at: None, ..made });
                self.begin_agreed_session(said.by);
            }
            None => self.records.delete(&key),
        }
    }

    fn agree(
        &self,
        id: ContactId,
        made: &OfferMade,
        ephemeral: &ExchangeSecret,
        answer: &RekeyAnswer,
    ) -> Option<Secret> {
        let (account, contact) = (self.account()?, self.contact(id)?);
        let session = self.established_session(id, &contact)?;
        let list = contact.list.as_ref()?;
        let offer = &made.offer;
        let same_list = answer.list_version == offer.recipient_list_version
            && list.version == answer.list_version;
        let late = self.now.saturating_sub(made.made_at) > PATIENCE;
        if !same_list || late || session.id() != offer.session || !self.is_rekeyed_with(id) {
            return None;
        }
        let listed = list.devices.iter().find(|d| d.device_id == answer.device_id)?;
        let answering = Party {
            phone: contact.phone.clone(),
            identity_key: contact.identity,
            device_id: listed.device_id,
            device_key: listed.device_key,
        };
        let party = account.party();
        let own = OwnDevice { party: &party, secret: &account.device };
        let rekey = session.ratchet.rekey_secret()?;
        conclude(rekey, offer, &own, ephemeral, &answering, answer).ok()
    }

    /// Begins the agreed session, if nothing of the old one is under way.
    pub(super) fn begin_agreed_session(&mut self, id: ContactId) {
        let key = OfferMade::key(id);
        let Some(made) = self.records.get(&key) else { return };
        let Stage::Agreed(agreed) = made.stage else { return };
        let outbox = self.records.list::<Outgoing>(&[&id.to_text()]);
        if outbox.iter().any(|(_, outgoing)| outgoing.under_way.is_some()) {
            return;
        }
        self.records.delete(&key);
        let out: Option<OutSession> = self.records.get(&OutSession::key(id));
        if let Some(out) = out.filter(|out| out.id() == made.offer.session) {
            let next = out.rekeyed(made.offer.next_session, agreed);
            self.records.put(&OutSession::key(id), &next);
        }
    }

    fn offers_made(&self) -> Vec<(ContactId, OfferMade)> {
        let all = self.records.list::<OfferMade>(&[]).into_iter();
        all.filter_map(|(contact, made)| Some((contact.parse().ok()?, made))).collect()
    }

    /// Begins every agreed session that can begin, also where nothing is written just now: until
    /// then the old key lies in the vault.
    pub(super) fn begin_agreed_sessions(&mut self) {
        for (id, _) in self.offers_made() {
            self.begin_agreed_session(id);
        }
    }

    pub(super) fn next_ephemeral_key_at(&self) -> Option<Millis> {
        self.offers_made().into_iter().filter_map(|(_, made)| made.post_at).min()
    }

    pub(super) fn put_back_offers(&mut self, by: Millis) {
        for (id, made) in self.offers_made() {
            let made_at = made.made_at.saturating_sub(by);
            let post_at = made.post_at.map(|at| at.saturating_sub(by));
            self.records.put(&OfferMade::key(id), &OfferMade { made_at, post_at, ..made });
        }
    }

    /// Offers that were not answered in 24 hours, and those whose session is gone.
    pub(super) fn sweep_offers(&mut self) {
        for (id, made) in self.offers_made() {
            let out: Option<OutSession> = self.records.get(&OutSession::key(id));
            let gone = out.is_none_or(|out| out.id() != made.offer.session);
            if gone || self.now.saturating_sub(made.made_at) > PATIENCE {
                self.records.delete(&OfferMade::key(id));
            }
        }
    }
}
