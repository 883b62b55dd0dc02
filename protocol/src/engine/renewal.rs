//! Keys that a device renews by itself: one-time prekeys when few are left, the signed prekey every
//! two days, the list every week; and whether the server serves what was published.

use super::account::{PrekeyIds, SignedPrekeySecret};
use super::interface::Millis;
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::RecordKey;
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::limits::{LIST_RENEWAL, ONE_TIME_PREKEYS, SIGNED_PREKEY_RENEWAL};
use crate::types::{DAY, UnixTime};
use crate::wire::{
    AddOneTimePrekeys, KeyRenewal, KeyStatus, PublishKeys, SignedDeviceList, SignedPrekey, problems,
};

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const AN_HOUR: Millis = 60 * MINUTE;
/// The key status is asked for this often.
const STATUS_PAUSE: Millis = 6 * AN_HOUR;
/// How long after its week a messaging key may be replaced before the list is renewed without it.
const ROTATION_GRACE: i64 = 2 * DAY;

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
        if self.notice_restored_vault(&status) {
            return;
        }
        if !status.has_recovery_capsule {
            self.capsule_is_gone();
        }
        self.settle_renewal(&status);
        self.follow_reset(status.reset.as_ref());
        self.follow_siblings(&status);
        self.count_one_time_prekeys(status.available_prekeys);
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
        Some(self.list_due(&list).min(prekey_due))
    }

    /// A list that is as old as its messaging key is signed anew with the next one, and by itself only
    /// where that does not come about.
    fn list_due(&self, list: &SignedDeviceList) -> UnixTime {
        let secrets = self.messaging_secrets();
        let of_one_age = secrets.first().is_some_and(|secret| {
            secret.secret.public() == list.messaging_key && secret.created_at == list.signed_at
        });
        list.signed_at.plus(LIST_RENEWAL + if of_one_age { ROTATION_GRACE } else { 0 })
    }

    fn is_list_old(&self, list: &SignedDeviceList) -> bool {
        self.time() >= self.list_due(list)
    }

    pub(super) fn newest_signed_prekey(&self) -> Option<(u32, SignedPrekeySecret)> {
        let ids: PrekeyIds = self.records.get(&RecordKey::only())?;
        Some((ids.signed, self.records.get(&SignedPrekeySecret::key(ids.signed))?))
    }

    pub(super) fn renew_keys_if_due(&mut self) {
        if self.memory.upkeep.renew_at.is_none_or(|at| at > self.now) {
            return;
        }
        // The answer plans the next one.
        self.memory.upkeep.renew_at = None;
        if self.is_asked(Purpose::publishes_keys) {
            return self.plan_renewal();
        }
        let time = self.time();
        let (Some(account), Some(list)) = (self.account(), OwnList::current(self.records)) else {
            return;
        };
        let device_list = self.is_list_old(&list).then(|| {
            let (version, devices) = (list.version + 1, list.devices.clone());
            self.sign_list(&account, version, &list.messaging_key, devices)
        });
        if let Some(list) = &device_list {
            self.keep_pending_list(list);
        }
        let prekey_old = self
            .newest_signed_prekey()
            .is_none_or(|(_, prekey)| time.since(prekey.created_at) >= SIGNED_PREKEY_RENEWAL);
        let signed_prekey = prekey_old.then(|| self.new_signed_prekey(&account));
        self.ask_renewal(device_list, signed_prekey);
    }

    /// A signed prekey now, whatever the age of the one before.
    pub(super) fn renew_prekey(&mut self) {
        if let Some(account) = self.account()
            && !self.is_asked(|purpose| matches!(purpose, Purpose::RenewKeys { .. }))
        {
            let signed_prekey = Some(self.new_signed_prekey(&account));
            self.ask_renewal(None, signed_prekey);
        }
    }

    fn ask_renewal(
        &mut self,
        device_list: Option<SignedDeviceList>,
        signed_prekey: Option<SignedPrekey>,
    ) {
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

    /// What siblings did, and what became of a change in doubt, the devices tell.
    fn follow_siblings(&mut self, status: &KeyStatus) {
        let list = OwnList::current(self.records).map_or(0, |list| list.version);
        let newest = self.messaging_secrets().first().map_or(0, |secret| secret.key_version);
        let moved = status.device_list_version != list || status.key_version != newest;
        if moved || self.pending_list().is_some() || self.devices_are_old() {
            self.want_devices();
        } else if !self.is_wrapping() {
            self.wrapped(status.key_rotation_counter);
        }
    }

    /// What the server says it holds decides whether a prekey in doubt was taken.
    fn settle_renewal(&mut self, status: &KeyStatus) {
        if self.is_asked(|purpose| matches!(purpose, Purpose::RenewKeys { .. })) {
            return;
        }
        self.prekey_published(status.signed_prekey_id);
        let ids = self.prekey_ids();
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
}
