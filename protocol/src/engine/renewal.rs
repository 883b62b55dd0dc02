//! Keys that a device renews by itself: one-time prekeys when few are left, the signed prekey every
//! two days, the list every week; and whether the server serves what was published.

use super::account::{OwnList, PrekeyIds, SignedPrekeySecret};
use super::interface::{Event, Millis};
use super::purpose::Purpose;
use super::records::RecordKey;
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::key_check::key_check_digest;
use crate::limits::{LIST_RENEWAL, ONE_TIME_PREKEYS, SIGNED_PREKEY_RENEWAL};
use crate::types::{Key, UnixTime};
use crate::wire::{AddOneTimePrekeys, KeyRenewal, KeyStatus, KeysChecked, PublishKeys, problems};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const AN_HOUR: Millis = 60 * MINUTE;
/// The key status is asked for this often.
const STATUS_PAUSE: Millis = 6 * AN_HOUR;

impl Turn<'_> {
    /// A one-time prekey was used: soon, but not at once, the status is asked for.
    pub(super) fn prekey_used(&mut self) {
        let soon = self.now + self.around(20 * MINUTE);
        let status_at = &mut self.memory.upkeep.status_at;
        *status_at = status_at.map(|at| at.min(soon));
    }

    pub(super) fn ask_status_if_due(&mut self) {
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

    pub(super) fn refill_if_due(&mut self) {
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

    pub(super) fn renew_keys_if_due(&mut self) {
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
            if let Some(id) = prekey {
                self.prekey_published(id);
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
        self.prekey_published(status.signed_prekey_id);
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        if ids.signed > status.signed_prekey_id {
            self.withdraw_renewal(None, Some(ids.signed));
        }
    }

    /// Takes back what the server has not taken. What it is known to have had stays, whatever it
    /// says now: others may hold that prekey, and an id is never given twice.
    fn withdraw_renewal(&mut self, list: Option<u64>, prekey: Option<u32>) {
        if let Some(version) = list {
            let key = OwnList::key(version);
            if self.records.get(&key).is_some_and(|own: OwnList| !own.published) {
                self.records.delete(&key);
            }
        }
        let mut ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        if let Some(id) = prekey.filter(|id| *id == ids.signed && *id > ids.published) {
            self.records.delete(&SignedPrekeySecret::key(id));
            ids.signed -= 1;
            self.records.put(&RecordKey::only(), &ids);
        }
    }

    /// Not while a renewal is in doubt: the server may or may not have it.
    fn check_keys(&mut self) {
        if self.is_renewal_unsettled() {
            return;
        }
        let Some(digest) = self.served_digest() else { return };
        let body = serde_json::to_string(&crate::wire::CheckKeys { digest }).ok();
        self.ask(Purpose::CheckKeys, Method::Post, "/v1/keys/check", body);
    }

    fn is_renewal_unsettled(&self) -> bool {
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        let mut lists = self.records.list::<OwnList>(&[]).into_iter();
        ids.signed > ids.published
            || lists.any(|(_, own)| !own.published)
            || self.is_asked(|purpose| matches!(purpose, Purpose::RenewKeys { .. }))
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
        let Some(checked) = answer.read::<KeysChecked>() else { return };
        self.tell(if checked.matches { Event::KeysIntact } else { Event::KeysAltered });
    }
}
