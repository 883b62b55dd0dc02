//! The account's devices: what the server tells their owner of them, checked against what was signed.

use super::account::Account;
use super::interface::{DeviceView, Event, Millis};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::bundle::{BundleDevice, Prekeys};
use crate::device_list::{check_undated, hash};
use crate::device_name::{open_name, seal_name};
use crate::json::from_json;
use crate::keys::{verify_messaging_key, verify_prekey};
use crate::limits::{CLOCK_SKEW, SIGNED_PREKEY_REFUSED};
use crate::types::{Blob, DAY, DeviceId, UnixTime};
use crate::wire::{DeviceInfo, Devices, ListedDevice, RenameDevice, SignedDeviceList};
use minicbor::{Decode, Encode};

/// The answer to `GET /v1/devices` that was checked last: `devices`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct OwnDevices {
    #[n(0)]
    pub(super) fetched_at: Millis,
    /// [`Devices`] as JSON, which is how it came.
    #[n(1)]
    json: String,
    /// The names that opened. One that does not open any more, sealed under an identity that was
    /// replaced, is remembered.
    #[n(2)]
    names: Vec<DeviceName>,
}

/// What a device is called.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct DeviceName {
    #[n(0)]
    device: DeviceId,
    #[n(1)]
    name: String,
}

impl Record for OwnDevices {
    const KIND: &'static str = "devices";
}

impl OwnDevices {
    pub(super) fn of(records: &Records) -> Option<(Self, Devices)> {
        let known: Self = records.get(&RecordKey::only())?;
        let devices = from_json(&known.json).ok()?;
        Some((known, devices))
    }

    pub(super) fn name(&self, device: &DeviceId) -> Option<&str> {
        let named = self.names.iter().find(|named| named.device == *device);
        named.map(|named| named.name.as_str())
    }

    fn set_name(&mut self, device: DeviceId, name: String) {
        self.names.retain(|named| named.device != device);
        self.names.push(DeviceName { device, name });
    }
}

/// Why an answer was not taken.
enum Untaken {
    /// What was known when it was asked is newer: rolled back, or signed by nobody here.
    Altered,
    /// The account has another identity key there.
    Identity,
    /// Something newer became known while it was under way.
    Overtaken,
}

/// The longest name, in characters.
const NAME_CHARS: usize = 60;
const A_MINUTE: Millis = 60_000;

/// Linking, recovery and what follows take some looks in a row; a server that provokes more has to wait.
pub(super) const ASKS_A_MINUTE: usize = 6;
const A_DAY: Millis = DAY * 1_000;

/// The account's devices, in the list's order.
pub(super) fn device_views(records: &Records) -> Vec<DeviceView> {
    let account: Option<Account> = records.get(&RecordKey::only());
    let (Some(account), Some((known, devices))) = (account, OwnDevices::of(records)) else {
        return Vec::new();
    };
    let fetched = UnixTime(known.fetched_at.div_euclid(1_000));
    let view = |device: &DeviceInfo| {
        let this = device.device_id == account.device_id;
        let age = fetched.since(device.signed_prekey.created_at);
        DeviceView {
            id: device.device_id,
            name: known.name(&device.device_id).map(str::to_owned),
            this,
            created_on: device.created_on.0,
            last_used_on: device.last_used_on.0,
            dormant: !this && age > SIGNED_PREKEY_REFUSED,
            recoverable: device.has_recovery_capsule,
        }
    };
    devices.devices.iter().map(view).collect()
}

impl Turn<'_> {
    /// Asks how the account's devices are: at once, or where that was done too often, within a minute.
    pub(super) fn want_devices(&mut self) {
        let [oldest, ..] = self.memory.upkeep.devices_asked_at;
        let earliest = oldest.map_or(self.now, |at| at + A_MINUTE);
        let at = earliest.max(self.now);
        let devices_at = &mut self.memory.upkeep.devices_at;
        *devices_at = Some(devices_at.map_or(at, |planned| planned.min(at)));
    }

    pub(super) fn ask_devices_if_due(&mut self) {
        if self.memory.upkeep.devices_at.is_some_and(|at| at <= self.now) {
            self.ask_devices();
        }
    }

    /// Asks at once, for something that a person or the clock wants done.
    pub(super) fn ask_devices(&mut self) {
        self.memory.upkeep.devices_at = None;
        let asked_at = &mut self.memory.upkeep.devices_asked_at;
        asked_at.rotate_left(1);
        asked_at[ASKS_A_MINUTE - 1] = Some(self.now);
        if !self.is_asked(|purpose| matches!(purpose, Purpose::Devices { .. })) {
            let known = OwnList::current(self.records).map_or(0, |list| list.version);
            self.ask(Purpose::Devices { known }, Method::Get, "/v1/devices", None);
        }
    }

    /// Whether the devices were not looked at for a day.
    pub(super) fn devices_are_old(&self) -> bool {
        let known: Option<OwnDevices> = self.records.get(&RecordKey::only());
        known.is_none_or(|known| self.now.abs_diff(known.fetched_at) >= A_DAY.unsigned_abs())
    }

    pub(super) fn devices_answered(&mut self, known: u64, answer: &Answer) {
        let (Some(devices), Some(account)) = (answer.read::<Devices>(), self.account()) else {
            return self.intent_failed();
        };
        self.settle_change(&devices);
        self.settle_told_keys(&devices);
        let account = self.account().unwrap_or(account);
        match self.check_devices(&account, &devices, known) {
            Ok(list) => self.take_devices(&account, devices, &list, answer.body),
            Err(Untaken::Overtaken) => self.want_devices(),
            Err(Untaken::Identity) => self.identity_is_another(),
            Err(Untaken::Altered) => {
                self.intent_failed();
                self.served_altered();
            }
        }
    }

    /// Everything in it is signed with the own identity, and no older than what was known.
    fn check_devices(
        &self,
        account: &Account,
        devices: &Devices,
        known: u64,
    ) -> Result<SignedDeviceList, Untaken> {
        let identity = account.identity.public();
        if devices.identity_key != identity {
            return Err(Untaken::Identity);
        }
        // The list may be old: all of the devices may have been silent for weeks.
        let list = check_undated(&devices.device_list, &identity, &account.phone)
            .map_err(|_| Untaken::Altered)?;
        let same: Option<OwnList> = self.records.get(&OwnList::key(list.version()));
        let differs = same.is_some_and(|own| own.published && hash(&own.list) != list.hash());
        let ahead = list.signed().signed_at.since(self.time()) > CLOCK_SKEW;
        if list.version() < known || differs || ahead {
            return Err(Untaken::Altered);
        }
        if OwnList::current(self.records).is_some_and(|own| own.version > list.version()) {
            return Err(Untaken::Overtaken);
        }
        let key = &devices.messaging_key;
        let messaging = verify_messaging_key(&identity, &account.phone, key).is_ok()
            && key.public_key == list.signed().messaging_key;
        let entry = |listed: &ListedDevice| {
            let mut infos = devices.devices.iter();
            infos.find(|info| info.device_id == listed.device_id).is_some_and(|info| {
                verify_prekey(&identity, &info.device_id, &info.signed_prekey).is_ok()
            })
        };
        let one_each = devices.devices.len() == list.devices().len();
        if messaging && one_each && list.devices().iter().all(entry) {
            Ok(list.signed().clone())
        } else {
            Err(Untaken::Altered)
        }
    }

    fn take_devices(
        &mut self,
        account: &Account,
        devices: Devices,
        list: &SignedDeviceList,
        json: &str,
    ) {
        self.memory.keys.other_identity_since = None;
        self.keep_devices(account, &devices, json);
        self.take_own_list(list);
        self.plan_rotation();
        self.want_messaging_secret(list);
        self.memory.keys.devices_are_fresh = true;
        self.try_held_envelopes();
        self.memory.keys.devices_are_fresh = false;
        self.compare_waiting_look_up();
        self.check_doubted_keys();
        self.carry_out_intent();
    }

    fn keep_devices(&mut self, account: &Account, devices: &Devices, json: &str) {
        let old: Option<OwnDevices> = self.records.get(&RecordKey::only());
        let mut known = OwnDevices {
            fetched_at: self.now,
            json: json.to_owned(),
            names: old.map(|old| old.names).unwrap_or_default(),
        };
        let (identity, phone) = (&account.identity, &account.phone);
        for device in &devices.devices {
            let sealed = &device.encrypted_name.0;
            if let Some(name) = open_name(identity, phone, &device.device_id, sealed) {
                known.set_name(device.device_id, name);
            }
        }
        known.names.retain(|named| devices.devices.iter().any(|d| d.device_id == named.device));
        if let Some(name) = known.name(&account.device_id) {
            self.rename_this_device(name.to_owned());
        }
        self.records.put(&RecordKey::only(), &known);
    }

    fn rename_this_device(&mut self, device_name: String) {
        if let Some(account) = self.account() {
            self.records.put(&RecordKey::only(), &Account { device_name, ..account });
        }
    }

    /// Whether the server was asked for the devices of the newest list.
    pub(super) fn are_siblings_known(&self) -> bool {
        let list = OwnList::current(self.records).map(|list| list.version);
        OwnDevices::of(self.records).map(|(_, known)| known.device_list.version) >= list
    }

    /// What a sibling offers, as far as is known.
    pub(super) fn sibling(&self, device: &ListedDevice) -> BundleDevice {
        let known = OwnDevices::of(self.records).map(|(_, devices)| devices.devices);
        let mut known = known.unwrap_or_default().into_iter();
        let info = known.find(|info| info.device_id == device.device_id);
        let young = info.map(|info| info.signed_prekey).filter(|signed| {
            let age = self.time().since(signed.created_at);
            (-CLOCK_SKEW..=SIGNED_PREKEY_REFUSED).contains(&age)
        });
        let prekeys = match young {
            Some(signed) => Prekeys::Active { signed, one_time: None },
            None => Prekeys::Dormant,
        };
        BundleDevice { device: device.clone(), prekeys }
    }

    /// Gives a device another name, for the account's devices to read.
    pub(super) fn rename_device(&mut self, device: DeviceId, name: &str) {
        let name: String = name.trim().chars().take(NAME_CHARS).collect();
        let listed = OwnList::current(self.records).is_some_and(|list| list.names(&device));
        if let Some(account) = self.account()
            && listed
            && !name.is_empty()
        {
            self.upload_name(&account, device, name);
        }
    }

    /// Seals a name under the identity of now, and puts it in place of the one at the server.
    pub(super) fn upload_name(&mut self, account: &Account, device: DeviceId, name: String) {
        let sealed = seal_name(self.rng, &account.identity, &account.phone, &device, &name);
        let body = serde_json::to_string(&RenameDevice { encrypted_name: Blob(sealed) }).ok();
        let path = format!("/v1/devices/{}", device.to_text());
        self.give_up(|p| matches!(p, Purpose::RenameDevice { device: d, .. } if *d == device));
        self.ask(Purpose::RenameDevice { device, name }, Method::Patch, path, body);
    }

    pub(super) fn rename_answered(&mut self, device: DeviceId, name: String, answer: &Answer) {
        if !answer.is_ok() {
            return self.want_devices();
        }
        if self.account().is_some_and(|account| account.device_id == device) {
            self.rename_this_device(name.clone());
        }
        let known: Option<OwnDevices> = self.records.get(&RecordKey::only());
        if let Some(mut known) = known {
            known.set_name(device, name);
            self.records.put(&RecordKey::only(), &known);
        }
    }

    /// Tells the devices where what this step wrote changes how they are shown.
    pub(super) fn tell_devices(&mut self) {
        let devices = device_views(self.records);
        if !devices.is_empty() && self.memory.keys.devices_told != devices {
            self.memory.keys.devices_told = devices.clone();
            self.tell(Event::Devices { devices });
        }
    }
}
