//! What a device does by itself: certificate, prekeys, the weekly list, and letting old secrets go.

use super::account::{MessagingSecret, OneTimeSecret, OwnList, PrekeyIds, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::interface::{Event, Millis};
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method, Purpose};
use super::session::Session;
use super::turn::Turn;
use crate::certificate::SenderCertificate;
use crate::key_check::key_check_digest;
use crate::limits::{LIST_RENEWAL, ONE_TIME_PREKEYS, SIGNED_PREKEY_REFUSED, SIGNED_PREKEY_RENEWAL};
use crate::types::{DAY, HOUR, Key, UnixTime};
use crate::wire::{
    AddOneTimePrekeys, Certificate, KeyRenewal, KeyStatus, KeysChecked, PublishKeys, ServerInfo,
    problems,
};
use minicbor::{Decode, Encode};

/// The server's certificate keys, and the epoch of its database.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct ServerRecord {
    #[n(0)]
    pub(super) certificate_keys: Vec<Key>,
    #[n(1)]
    pub(super) epoch: String,
}

impl Record for ServerRecord {
    const KIND: &'static str = "server";
}

/// The sender certificate, as it goes into envelopes.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OwnCertificate {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) bytes: Vec<u8>,
    #[n(1)]
    pub(super) valid_until: UnixTime,
}

impl Record for OwnCertificate {
    const KIND: &'static str = "certificate";
}

/// When the device does what by itself.
#[derive(Default)]
pub(super) struct Upkeep {
    pub(super) prove_at: Option<Millis>,
    certificate_at: Option<Millis>,
    status_at: Option<Millis>,
    refill_at: Option<(Millis, u32)>,
    renew_at: Option<Millis>,
    sweep_at: Option<Millis>,
    /// The certificate keys were asked for in this session.
    pub(super) server_known: bool,
}

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const AN_HOUR: Millis = 60 * MINUTE;
/// The key status is asked for this often.
const STATUS_PAUSE: Millis = 6 * AN_HOUR;
/// A certificate with less than this left is renewed.
const CERTIFICATE_MARGIN: i64 = 10 * HOUR;
/// The senders' cache of a bundle, and the longest life of an unanswered channel.
const LATE_USE: i64 = 7 * DAY + 7 * DAY;
/// Envelopes stay at the server this long.
const ENVELOPE_LIFE: i64 = 32 * DAY;
/// Senders refuse signed prekeys beyond 14 days; one used on the last day, in a channel that stays
/// unanswered, can still arrive this long after it was made.
const SIGNED_PREKEY_KEPT: i64 = SIGNED_PREKEY_REFUSED + LATE_USE + ENVELOPE_LIFE;
/// The server gives one-time prekeys out for 90 days.
const ONE_TIME_KEPT: i64 = 90 * DAY + LATE_USE + ENVELOPE_LIFE;
/// A letter may be made for a list until the list is refused, and lie for 30 days.
const OWN_LIST_KEPT: i64 = 14 * DAY + ENVELOPE_LIFE;

impl Turn<'_> {
    /// A session has just proved the device key.
    pub(super) fn begin_upkeep(&mut self) {
        self.memory.upkeep = Upkeep { sweep_at: self.memory.upkeep.sweep_at, ..Upkeep::default() };
        self.ask_server_info();
        self.memory.upkeep.status_at = Some(self.now);
        self.memory.upkeep.certificate_at = Some(self.now);
    }

    pub(super) fn ask_server_info(&mut self) {
        if !self.is_asked(|purpose| *purpose == Purpose::ServerInfo) {
            self.ask(Purpose::ServerInfo, Method::Get, "/v1/server", None);
        }
    }

    pub(super) fn keep_up(&mut self) {
        self.sweep_if_due();
        self.prove_if_due();
        if self.memory.session == Session::Ready {
            self.fetch_certificate_if_due();
            self.ask_status_if_due();
            self.refill_if_due();
            self.renew_keys_if_due();
        }
    }

    pub(super) fn next_upkeep_at(&self) -> Option<Millis> {
        let upkeep = &self.memory.upkeep;
        let ready = self.memory.session == Session::Ready;
        let refill = upkeep.refill_at.map(|(at, _)| at);
        let in_session = [upkeep.certificate_at, upkeep.status_at, refill, upkeep.renew_at];
        let always = [upkeep.sweep_at, upkeep.prove_at];
        let due = in_session.into_iter().filter(|_| ready).chain(always).flatten();
        due.min()
    }

    pub(super) fn put_back_upkeep(&mut self, by: Millis) {
        let upkeep = &mut self.memory.upkeep;
        let times = [
            &mut upkeep.prove_at,
            &mut upkeep.certificate_at,
            &mut upkeep.status_at,
            &mut upkeep.renew_at,
            &mut upkeep.sweep_at,
        ];
        times.into_iter().flatten().for_each(|at| *at = at.saturating_sub(by));
        upkeep.refill_at.iter_mut().for_each(|(at, _)| *at = at.saturating_sub(by));
    }

    /// A one-time prekey was used: soon, but not at once, the status is asked for.
    pub(super) fn prekey_used(&mut self) {
        let soon = self.now + self.around(20 * MINUTE);
        let status_at = &mut self.memory.upkeep.status_at;
        *status_at = status_at.map(|at| at.min(soon));
    }

    pub(super) fn server_info_answered(&mut self, answer: &Answer) {
        let Some(info) = answer.read::<ServerInfo>() else { return };
        let record = ServerRecord { certificate_keys: info.certificate_keys, epoch: info.epoch };
        self.records.put(&RecordKey::only(), &record);
        self.memory.upkeep.server_known = true;
        self.try_held_envelopes();
    }

    /// The certificate, where it is still good for `seconds` more.
    pub(super) fn certificate(&self, seconds: i64) -> Option<OwnCertificate> {
        let certificate: OwnCertificate = self.records.get(&RecordKey::only())?;
        (certificate.valid_until.since(self.time()) > seconds).then_some(certificate)
    }

    fn fetch_certificate_if_due(&mut self) {
        if self.memory.upkeep.certificate_at.is_none_or(|at| at > self.now) {
            return;
        }
        // The answer plans the next one.
        self.memory.upkeep.certificate_at = None;
        if let Some(certificate) = self.certificate(CERTIFICATE_MARGIN) {
            self.plan_certificate(certificate.valid_until);
        } else if !self.is_asked(|purpose| *purpose == Purpose::Certificate) {
            self.ask(Purpose::Certificate, Method::Post, "/v1/sender-certificate", None);
        }
    }

    /// Between 10 and 5 hours before its end, at a random moment.
    fn plan_certificate(&mut self, valid_until: UnixTime) {
        let margin = CERTIFICATE_MARGIN * SECOND;
        let at = valid_until.0 * SECOND - margin + self.around(margin / 3);
        self.memory.upkeep.certificate_at = Some(at.max(self.now + MINUTE));
    }

    pub(super) fn certificate_answered(&mut self, answer: &Answer) {
        let at = self.now + self.around(10 * MINUTE);
        self.memory.upkeep.certificate_at = Some(at);
        let Some(Certificate { certificate }) = answer.read() else { return };
        let Some(account) = self.account() else { return };
        let Ok(read) = SenderCertificate::from_cbor(&certificate.0) else { return };
        let mine = read.phone == account.phone
            && read.identity_key == account.identity.public()
            && read.device_id == account.device_id
            && read.device_key == account.device.public();
        if mine {
            let valid_until = read.valid_until;
            let record = OwnCertificate { bytes: certificate.0, valid_until };
            self.records.put(&RecordKey::only(), &record);
            if valid_until.since(self.time()) > CERTIFICATE_MARGIN {
                self.plan_certificate(valid_until);
            }
        }
    }

    fn ask_status_if_due(&mut self) {
        if self.memory.upkeep.status_at.is_some_and(|at| at <= self.now) {
            let at = self.now + self.around(STATUS_PAUSE);
            self.memory.upkeep.status_at = Some(at);
            if !self.is_asked(|purpose| *purpose == Purpose::KeyStatus) {
                self.ask(Purpose::KeyStatus, Method::Get, "/v1/keys/status", None);
            }
        }
    }

    pub(super) fn key_status_answered(&mut self, answer: &Answer) {
        let Some(status) = answer.read::<KeyStatus>() else { return };
        self.settle_renewal(&status);
        if status.needs_replenish && self.memory.upkeep.refill_at.is_none() {
            let count = (ONE_TIME_PREKEYS as u32).saturating_sub(status.available_prekeys);
            let at = self.now + self.around(2 * MINUTE);
            self.memory.upkeep.refill_at = Some((at, count));
        }
        self.plan_renewal();
    }

    fn refill_if_due(&mut self) {
        let Some((at, count)) = self.memory.upkeep.refill_at else { return };
        if at > self.now {
            return;
        }
        self.memory.upkeep.refill_at = None;
        if self.is_asked(|purpose| *purpose == Purpose::RefillPrekeys) {
            return;
        }
        let one_time_prekeys = self.new_one_time_prekeys(count);
        let body = serde_json::to_string(&AddOneTimePrekeys { one_time_prekeys }).ok();
        self.ask(Purpose::RefillPrekeys, Method::Post, "/v1/keys/one-time", body);
    }

    /// Whatever the answer, the status tells how many there are now: ids that the server has
    /// already seen (`409`, after a lost answer) are not offered again.
    pub(super) fn refill_answered(&mut self, answer: &Answer) {
        let at = if answer.is_ok() { self.now } else { self.now + self.around(AN_HOUR) };
        self.memory.upkeep.status_at = Some(at);
        self.check_keys();
    }

    /// Plans the next renewal: list or signed prekey, whichever comes first, with some jitter so
    /// that the moment does not repeat the one of sign-up for ever.
    fn plan_renewal(&mut self) {
        if let Some(at) = self.renewal_due() {
            let at = (at.0 * SECOND).max(self.now) + self.around(MINUTE);
            self.memory.upkeep.renew_at = Some(at);
        }
    }

    fn renewal_due(&self) -> Option<UnixTime> {
        let list = OwnList::current(self.records)?;
        let (_, prekey) = self.newest_signed_prekey()?;
        let prekey_due = prekey.created_at.plus(SIGNED_PREKEY_RENEWAL);
        Some(list.signed_at.plus(LIST_RENEWAL).min(prekey_due))
    }

    fn newest_signed_prekey(&self) -> Option<(u32, SignedPrekeySecret)> {
        let ids: PrekeyIds = self.records.get(&RecordKey::only())?;
        Some((ids.signed, self.records.get(&SignedPrekeySecret::key(ids.signed))?))
    }

    fn renew_keys_if_due(&mut self) {
        if self.memory.upkeep.renew_at.is_none_or(|at| at > self.now) {
            return;
        }
        // The answer plans the next one.
        self.memory.upkeep.renew_at = None;
        if self.is_asked(|purpose| matches!(purpose, Purpose::RenewKeys { .. })) {
            return;
        }
        let time = self.time();
        let (Some(account), Some(list)) = (self.account(), OwnList::current(self.records)) else {
            return;
        };
        let device_list = (time.since(list.signed_at) >= LIST_RENEWAL)
            .then(|| self.sign_list(&account, list.version + 1, list.messaging_key));
        let prekey_old = self
            .newest_signed_prekey()
            .is_none_or(|(_, prekey)| time.since(prekey.created_at) >= SIGNED_PREKEY_RENEWAL);
        let signed_prekey = prekey_old.then(|| self.new_signed_prekey(&account));
        let purpose = Purpose::RenewKeys {
            list: device_list.as_ref().map(|list| list.version),
            prekey: signed_prekey.as_ref().map(|prekey| prekey.key_id),
        };
        if device_list.is_some() || signed_prekey.is_some() {
            let renewal = PublishKeys::Renewal(KeyRenewal { device_list, signed_prekey });
            let body = serde_json::to_string(&renewal).ok();
            self.ask(purpose, Method::Put, "/v1/keys", body);
        }
    }

    pub(super) fn renewal_answered(
        &mut self,
        list: Option<u64>,
        prekey: Option<u32>,
        answer: &Answer,
    ) {
        if answer.is_ok() {
            if let Some(version) = list {
                self.list_published(version);
            }
            self.plan_renewal();
            self.check_keys();
        } else if answer.problem().as_deref() == Some(problems::STALE_KEYS) {
            // Perhaps taken by an earlier try whose answer was lost: the status tells.
            self.memory.upkeep.status_at = Some(self.now);
        } else {
            self.withdraw_renewal(list, prekey);
            let at = self.now + self.around(AN_HOUR);
            self.memory.upkeep.renew_at = Some(at);
        }
    }

    /// What the server says it holds decides whether a renewal in doubt was taken.
    fn settle_renewal(&mut self, status: &KeyStatus) {
        if self.is_asked(|purpose| matches!(purpose, Purpose::RenewKeys { .. })) {
            return;
        }
        for (_, own) in self.records.list::<OwnList>(&[]) {
            let version = own.list.version;
            if !own.published && version <= status.device_list_version {
                self.list_published(version);
            } else if !own.published {
                self.records.delete(&OwnList::key(version));
            }
        }
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        if ids.signed > status.signed_prekey_id {
            self.withdraw_renewal(None, Some(ids.signed));
        }
    }

    fn withdraw_renewal(&mut self, list: Option<u64>, prekey: Option<u32>) {
        if let Some(version) = list {
            self.records.delete(&OwnList::key(version));
        }
        let mut ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        if let Some(id) = prekey.filter(|id| *id == ids.signed) {
            self.records.delete(&SignedPrekeySecret::key(id));
            ids.signed -= 1;
            self.records.put(&RecordKey::only(), &ids);
        }
    }

    fn check_keys(&mut self) {
        let Some(digest) = self.served_digest() else { return };
        let body = serde_json::to_string(&crate::wire::CheckKeys { digest }).ok();
        self.ask(Purpose::CheckKeys, Method::Post, "/v1/keys/check", body);
    }

    /// What the server should be serving for this device.
    fn served_digest(&self) -> Option<Key> {
        let account = self.account()?;
        let list = OwnList::current(self.records)?;
        let messaging_key = self.messaging_secrets().into_iter().next()?.signed();
        let (key_id, prekey) = self.newest_signed_prekey()?;
        let identity = account.identity.public();
        let prekey = prekey.signed(key_id);
        Some(key_check_digest(&identity, &list, &messaging_key, &account.device_id, &prekey))
    }

    pub(super) fn keys_checked(&mut self, answer: &Answer) {
        if answer.read::<KeysChecked>().is_some_and(|checked| !checked.matches) {
            self.tell(Event::KeysAltered);
        }
    }

    /// Once a day, secrets for which nothing can arrive any more are deleted.
    fn sweep_if_due(&mut self) {
        if self.memory.upkeep.sweep_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.memory.upkeep.sweep_at = Some(self.now + 24 * AN_HOUR);
        self.sweep_prekeys();
        self.sweep_lists();
        self.sweep_sessions();
        self.sweep_seen();
    }

    fn sweep_prekeys(&mut self) {
        let time = self.time();
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        for (text, prekey) in self.records.list::<SignedPrekeySecret>(&[]) {
            let Ok(id) = u32::from_str_radix(&text, 16) else { continue };
            if id != ids.signed && time.since(prekey.created_at) > SIGNED_PREKEY_KEPT {
                self.records.delete(&SignedPrekeySecret::key(id));
                self.records.delete_all::<BaseKey>(&[&text]);
            }
        }
        for (text, prekey) in self.records.list::<OneTimeSecret>(&[]) {
            let Ok(id) = u32::from_str_radix(&text, 16) else { continue };
            if time.since(prekey.created_at) > ONE_TIME_KEPT {
                self.records.delete(&OneTimeSecret::key(id));
            }
        }
    }

    fn sweep_lists(&mut self) {
        let current = OwnList::current(self.records).map(|list| list.version);
        for (_, own) in self.records.list::<OwnList>(&[]) {
            let version = own.list.version;
            let old = self.time().since(own.list.signed_at) > OWN_LIST_KEPT;
            if old && current.is_some_and(|current| version < current) {
                self.records.delete(&OwnList::key(version));
            }
        }
    }

    /// The messaging secrets, newest first.
    pub(super) fn messaging_secrets(&self) -> Vec<MessagingSecret> {
        let secrets = self.records.list(&[]).into_iter().rev();
        secrets.map(|(_, secret)| secret).collect()
    }
}
