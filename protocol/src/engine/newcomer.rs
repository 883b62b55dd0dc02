//! A browser that offers itself to an account: it has no session, no account and no keys but those
//! that it offers.
//!
//! What the signed-in device answers is believed only after the digits that it shows were typed
//! here, so that an answer to a code which was shown to somebody else finds nobody.

use super::account::{Account, MessagingSecret, PrekeyIds, SignedPrekeySecret};
use super::interface::{Event, LinkEnd, LinkView, Millis};
use super::linking::{OFFER_LIFE, link_path};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::device_list;
use crate::device_name::seal_name;
use crate::keys::{ExchangeSecret, verify_prekey};
use crate::limits::ONE_TIME_PREKEYS;
use crate::link::{
    LINK_VERSION, LinkAnswer, LinkCode, LinkOffer, digits_proof, offer_hash, parse_digits,
};
use crate::types::{Blob, DeviceId, UnixTime};
use crate::wire::{
    Account as SessionAccount, CompleteLink, LINK_TRIES, Link, LinkId, LinkProof, OfferLink,
    SignedPrekey, problems,
};
use minicbor::{Decode, Encode};

/// An offer of this browser's: `link`. Gone when the link is over, whatever came of it.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Newcomer {
    #[n(0)]
    code: LinkCode,
    #[n(1)]
    device_name: String,
    #[n(2)]
    offer: LinkOffer,
    #[n(3)]
    device: ExchangeSecret,
    #[n(4)]
    prekey: ExchangeSecret,
    #[n(5)]
    ends_at: Millis,
    /// The server has it.
    #[n(6)]
    offered: bool,
    /// How often digits were sent.
    #[n(7)]
    sent: u8,
    /// What the signed-in device answered, once it has.
    #[n(8)]
    answer: Option<LinkAnswer>,
    /// The keys are on their way to the server, or there.
    #[n(9)]
    completing: bool,
}

impl Record for Newcomer {
    const KIND: &'static str = "link";
}

impl Newcomer {
    pub(super) fn id(&self) -> LinkId {
        self.code.link_id()
    }

    pub(super) fn ends_at(&self) -> Millis {
        self.ends_at
    }

    /// Whether the server is asked how it stands.
    pub(super) fn polls(&self) -> bool {
        self.offered && self.answer.is_none()
    }

    /// Whether it ends by itself: until its keys are on their way.
    pub(super) fn is_open(&self) -> bool {
        !self.completing
    }

    fn tries(&self) -> u8 {
        (LINK_TRIES as u8).saturating_sub(self.sent)
    }

    /// `None` before the server has the offer.
    pub(super) fn view(&self) -> Option<LinkView> {
        self.offered.then(|| match &self.answer {
            Some(answer) => LinkView::Approved { link: self.id(), phone: answer.phone.clone() },
            None if self.sent > 0 => LinkView::DigitsSent { tries: self.tries() },
            None => LinkView::Offered { code: self.code.display(), expires_at: self.ends_at },
        })
    }

    fn sealed_offer(&self) -> Vec<u8> {
        self.offer.seal(&self.code)
    }
}

impl Turn<'_> {
    pub(super) fn newcomer(&self) -> Option<Newcomer> {
        self.records.get(&RecordKey::only())
    }

    fn put_newcomer(&mut self, newcomer: &Newcomer) {
        self.records.put(&RecordKey::only(), newcomer);
    }

    /// Only in a vault without an account.
    pub(super) fn offer_link(&mut self, device_name: String) {
        if self.account().is_some_and(|account| account.published) {
            return;
        }
        self.forget_attempt();
        let (device, prekey) =
            (ExchangeSecret::generate(self.rng), ExchangeSecret::generate(self.rng));
        let offer = LinkOffer {
            version: LINK_VERSION,
            device_id: DeviceId::random(&mut self.rng),
            registration_id: self.random_registration_id(),
            device_key: device.public(),
            prekey: prekey.public(),
            prekey_created_at: self.time().hour(),
        };
        let newcomer = Newcomer {
            code: LinkCode::generate(self.rng),
            device_name,
            offer,
            device,
            prekey,
            ends_at: self.now + OFFER_LIFE,
            offered: false,
            sent: 0,
            answer: None,
            completing: false,
        };
        self.put_newcomer(&newcomer);
    }

    /// The offer goes out, also after a restart, and ends in time.
    pub(super) fn follow_newcomer(&mut self) {
        let Some(newcomer) = self.newcomer().filter(Newcomer::is_open) else { return };
        if self.now >= newcomer.ends_at {
            // With an answer that nobody completed, the secrets in it go as well.
            let wrong = newcomer.tries() == 0 && newcomer.answer.is_none();
            let end = if wrong { LinkEnd::WrongDigits } else { LinkEnd::Expired };
            return self.newcomer_ends(end);
        }
        if !newcomer.offered && !self.is_asked(|purpose| *purpose == Purpose::OfferLink) {
            let offer = OfferLink { id: newcomer.id(), offer: Blob(newcomer.sealed_offer()) };
            let body = serde_json::to_string(&offer).ok();
            self.ask(Purpose::OfferLink, Method::Post, "/v1/device-links", body);
        }
    }

    pub(super) fn link_offered(&mut self, answer: &Answer) {
        let Some(newcomer) = self.newcomer() else { return };
        let Some(link) = answer.read::<Link>() else {
            return self.newcomer_ends(LinkEnd::Refused);
        };
        let ends_at = newcomer.ends_at.min(link.expires_at.0.saturating_mul(1_000));
        let newcomer = Newcomer { offered: true, ends_at, ..newcomer };
        self.put_newcomer(&newcomer);
        newcomer.view().into_iter().for_each(|view| self.tell_link(view));
    }

    /// Their MAC goes out, not the digits.
    pub(super) fn enter_link_digits(&mut self, typed: &str) {
        let open = |newcomer: &Newcomer| newcomer.polls() && newcomer.tries() > 0;
        let Some(newcomer) = self.newcomer().filter(open) else { return };
        let Some(digits) = parse_digits(typed) else {
            return self.tell_link(LinkView::DigitsNeeded { tries: newcomer.tries() });
        };
        let hash = offer_hash(&newcomer.sealed_offer());
        let proof = digits_proof(&newcomer.code, &hash, &digits);
        let path = link_path(newcomer.id(), "/digits");
        let body = serde_json::to_string(&LinkProof { proof }).ok();
        self.ask(Purpose::ProveDigits, Method::Post, path, body);
        let newcomer = Newcomer { sent: newcomer.sent + 1, ..newcomer };
        self.put_newcomer(&newcomer);
        self.tell_link(LinkView::DigitsSent { tries: newcomer.tries() });
    }

    pub(super) fn digits_answered(&mut self, answer: &Answer) {
        if !answer.is_ok() && self.newcomer().is_some_and(|newcomer| newcomer.answer.is_none()) {
            let gone = answer.status == 410 || answer.status == 404;
            self.newcomer_ends(if gone { LinkEnd::Expired } else { LinkEnd::Refused });
        }
    }

    pub(super) fn newcomer_polled(&mut self, link: Option<Link>, answer: &Answer) {
        let Some(newcomer) = self.newcomer().filter(Newcomer::polls) else { return };
        let Some(link) = link else {
            let wrong = newcomer.tries() == 0;
            return self.newcomer_ends(match answer.status {
                404 | 410 if wrong => LinkEnd::WrongDigits,
                404 | 410 => LinkEnd::Expired,
                _ => LinkEnd::Refused,
            });
        };
        let Some(sealed) = link.answer else { return };
        match self.open_answer(&newcomer, &sealed.0) {
            Some(answer) => {
                let newcomer = Newcomer { answer: Some(answer), ..newcomer };
                self.put_newcomer(&newcomer);
                newcomer.view().into_iter().for_each(|view| self.tell_link(view));
            }
            None => self.newcomer_ends(LinkEnd::Refused),
        }
    }

    /// Opens the answer, in which everything has to hold. One that came before any digits were
    /// typed here is nobody's answer to this person.
    fn open_answer(&self, newcomer: &Newcomer, sealed: &[u8]) -> Option<LinkAnswer> {
        if newcomer.sent == 0 {
            return None;
        }
        let hash = offer_hash(&newcomer.sealed_offer());
        let answer = LinkAnswer::open(&newcomer.device, &newcomer.code, &hash, sealed).ok()?;
        let identity = answer.identity.public();
        let list =
            device_list::check(&answer.list, &identity, &answer.phone, self.time(), 0).ok()?;
        let prekey = SignedPrekey::from(&answer.signed_prekey);
        let offered = prekey.key_id == 1
            && prekey.public_key == newcomer.offer.prekey
            && prekey.created_at == newcomer.offer.prekey_created_at;
        verify_prekey(&identity, &newcomer.offer.device_id, &prekey).ok()?;
        let newest = answer.messaging.first()?;
        let named = list.device(&newcomer.offer.device_id) == Some(&newcomer.offer.listed());
        let holds = offered && named && newest.secret.public() == answer.list.messaging_key;
        holds.then_some(answer)
    }

    /// The session has registered a passkey for the approved link: the keys follow.
    pub(super) fn complete_link(&mut self) {
        let Some(mut newcomer) = self.newcomer().filter(|newcomer| !newcomer.completing) else {
            return;
        };
        let Some(answer) = newcomer.answer.take() else { return };
        let account = self.take_account(&newcomer, &answer);
        let (identity, name) = (&account.identity, &account.device_name);
        let sealed = seal_name(self.rng, identity, &account.phone, &account.device_id, name);
        let completion = CompleteLink {
            one_time_prekeys: self.new_one_time_prekeys(ONE_TIME_PREKEYS as u32),
            encrypted_name: Blob(sealed),
        };
        let body = serde_json::to_string(&completion).ok();
        let path = link_path(newcomer.id(), "/complete");
        self.ask(Purpose::CompleteLink, Method::Post, path, body);
        let answer = Some(answer);
        self.put_newcomer(&Newcomer { completing: true, answer, ..newcomer });
    }

    /// Writes down what the answer brought, as not yet published.
    fn take_account(&mut self, newcomer: &Newcomer, answer: &LinkAnswer) -> Account {
        let account = Account {
            phone: answer.phone.clone(),
            device_name: newcomer.device_name.clone(),
            identity: answer.identity.clone(),
            device_id: newcomer.offer.device_id,
            registration_id: newcomer.offer.registration_id,
            device: newcomer.device.clone(),
            published: false,
        };
        self.records.put(&RecordKey::only(), &account);
        for secret in &answer.messaging {
            let record =
                MessagingSecret::of_shared(secret.clone(), &account.identity, &account.phone);
            self.records.put(&MessagingSecret::key(secret.key_version), &record);
        }
        let own = OwnList { list: answer.list.clone(), published: false };
        self.records.put(&OwnList::key(answer.list.version), &own);
        let prekey = &answer.signed_prekey;
        let (created_at, signature) = (prekey.created_at, prekey.signature);
        let record = SignedPrekeySecret { secret: newcomer.prekey.clone(), created_at, signature };
        self.records.put(&SignedPrekeySecret::key(prekey.key_id), &record);
        let ids = PrekeyIds { signed: prekey.key_id, ..PrekeyIds::default() };
        self.records.put(&RecordKey::only(), &ids);
        account
    }

    /// A refusal may follow a success whose answer was lost.
    pub(super) fn link_completed(&mut self, answer: &Answer) {
        if let Some(account) = answer.read::<SessionAccount>() {
            return self.completion_settled(Some(&account));
        }
        self.memory.linking.refused = Some(match answer.problem().as_deref() {
            Some(problems::TOO_MANY_DEVICES) => LinkEnd::TooManyDevices,
            Some(problems::STALE_KEYS) => LinkEnd::ListMoved,
            Some(problems::LINK_ENDED | problems::NOT_FOUND) => LinkEnd::Expired,
            _ => LinkEnd::Refused,
        });
        self.ask(Purpose::WhoAmI, Method::Get, "/v1/account", None);
    }

    /// Whose session it is tells whether the keys were taken.
    pub(super) fn completion_settled(&mut self, session: Option<&SessionAccount>) {
        if self.is_asked(|purpose| *purpose == Purpose::CompleteLink) {
            return;
        }
        let (Some(newcomer), Some(mut account)) = (self.newcomer(), self.account()) else { return };
        let device = account.device_id;
        let Some(session) = session.filter(|session| session.device_id == device) else {
            let end = self.memory.linking.refused.take().unwrap_or(LinkEnd::Refused);
            return self.newcomer_ends(end);
        };
        account.published = true;
        self.records.put(&RecordKey::only(), &account);
        if let Some(answer) = &newcomer.answer {
            self.list_published(answer.list.version);
        }
        self.prekey_published(1);
        self.records.delete(&RecordKey::<Newcomer>::only());
        self.tell(Event::AccountReady { account: account.view() });
        self.tell_link(LinkView::Linked { device });
        if session.device_session { self.device_ready() } else { self.prove() }
    }

    /// Nothing of the attempt is left.
    pub(super) fn newcomer_ends(&mut self, reason: LinkEnd) {
        self.forget_attempt();
        self.tell_link(LinkView::Ended { reason });
    }

    /// Forgets an offer and keys that never became an account's.
    pub(super) fn forget_attempt(&mut self) {
        use Purpose::{CompleteLink, OfferLink, ProveDigits};
        self.give_up(|purpose| matches!(purpose, OfferLink | ProveDigits | CompleteLink));
        self.stop_polling();
        self.memory.linking.refused = None;
        self.records.delete(&RecordKey::<Newcomer>::only());
        self.drop_unpublished();
        self.records.delete(&RecordKey::<Account>::only());
    }
}

/// How far the offered prekey's time may be from the clock of the device that approves it.
pub(super) const PREKEY_SKEW: i64 = 2 * crate::types::HOUR;

/// Whether an offered prekey was made about now.
pub(super) fn is_fresh(offer: &LinkOffer, now: UnixTime) -> bool {
    now.since(offer.prekey_created_at).abs() <= PREKEY_SKEW
}
