//! An account's devices: listed, rotated, wrapped for, revoked, recovered.

use super::{Reply, ServerAccount, ServerDevice, problem};
use crate::device_list::transcript;
use crate::keys::{verify, verify_messaging_key, verify_prekey};
use crate::sizes::ENVELOPE_SIZE;
use crate::types::*;
use crate::wire::*;
use std::collections::BTreeSet;

impl ServerDevice {
    pub(in crate::engine::tests) fn new(
        signed_prekey: SignedPrekey,
        one_time: Vec<OneTimePrekey>,
        encrypted_name: Blob,
        now: UnixTime,
    ) -> Self {
        Self {
            signed_prekey,
            last_one_time: one_time.iter().map(|key| key.key_id).max().unwrap_or(0),
            one_time,
            envelopes: Vec::new(),
            pending: BTreeSet::new(),
            failed: BTreeSet::new(),
            encrypted_name,
            counter: 0,
            capsule: None,
            created_on: now.day(),
        }
    }
}

fn stale() -> Reply {
    problem(409, problems::STALE_KEYS)
}

impl ServerAccount {
    pub(super) fn listed(&self, id: DeviceId) -> &ListedDevice {
        self.list.devices.iter().find(|device| device.device_id == id).unwrap()
    }

    pub(super) fn listing(&self) -> Devices {
        let devices = self.list.devices.iter().map(|listed| {
            let device = &self.devices[&listed.device_id];
            DeviceInfo {
                device_id: listed.device_id,
                encrypted_name: device.encrypted_name.clone(),
                created_on: device.created_on,
                last_used_on: device.created_on,
                signed_prekey: device.signed_prekey.clone(),
                has_recovery_capsule: device.capsule.is_some(),
            }
        });
        Devices {
            identity_key: self.identity_key,
            messaging_key: self.messaging_key.clone(),
            device_list: self.list.clone(),
            devices: devices.collect(),
        }
    }

    /// The account's keys as senders see them, without one-time prekeys.
    fn bundle(&self) -> KeyBundle {
        let prekeys = self.devices.iter().map(|(id, device)| DevicePrekeys {
            device_id: *id,
            signed_prekey: device.signed_prekey.clone(),
            one_time_prekey: None,
        });
        KeyBundle {
            identity_key: self.identity_key,
            messaging_key: self.messaging_key.clone(),
            device_list: self.list.clone(),
            prekeys: prekeys.collect(),
        }
    }

    /// Envelopes for siblings, under the sender's next counter.
    pub(super) fn wrap(
        &mut self,
        now: UnixTime,
        from: DeviceId,
        wraps: Option<SiblingKeys>,
    ) -> Reply {
        let Some(wraps) = wraps else { return (204, String::new()) };
        if wraps.key_rotation_counter != self.devices[&from].counter + 1 {
            return stale();
        }
        let named: BTreeSet<DeviceId> = wraps.envelopes.iter().map(|e| e.device_id).collect();
        assert_eq!(named.len(), wraps.envelopes.len(), "one envelope a device");
        assert!(!named.contains(&from), "none to oneself");
        if named.iter().any(|id| !self.devices.contains_key(id)) {
            return stale();
        }
        for envelope in wraps.envelopes {
            assert_eq!(envelope.encrypted_session_key.0.len(), ENVELOPE_SIZE);
            self.devices.get_mut(&envelope.device_id).unwrap().envelopes.push(InboxEnvelope {
                session_key_id: wraps.session_key_id,
                created_at: now.hour(),
                encrypted_session_key: envelope.encrypted_session_key,
            });
        }
        self.devices.get_mut(&from).unwrap().counter += 1;
        (204, String::new())
    }

    fn follows(&self, list: &SignedDeviceList, key: &SignedMessagingKey) -> bool {
        assert_eq!(list.messaging_key, key.public_key);
        list.version == self.list.version + 1
            && key.key_version == self.messaging_key.key_version + 1
    }

    fn wraps_follow(&self, from: DeviceId, wraps: &Option<SiblingKeys>) -> bool {
        wraps.as_ref().is_none_or(|w| w.key_rotation_counter == self.devices[&from].counter + 1)
    }

    pub(super) fn rotate(
        &mut self,
        now: UnixTime,
        from: DeviceId,
        to: RotateMessagingKey,
    ) -> Reply {
        if !self.follows(&to.device_list, &to.messaging_key) || !self.wraps_follow(from, &to.wraps)
        {
            return stale();
        }
        self.check_signed(&self.identity_key, &to.device_list, &to.messaging_key);
        assert_eq!(ids(&self.list), ids(&to.device_list), "the same devices");
        (self.list, self.messaging_key) = (to.device_list, to.messaging_key);
        self.wrap(now, from, to.wraps)
    }

    fn check_signed(&self, identity: &Key, list: &SignedDeviceList, key: &SignedMessagingKey) {
        verify(identity, &transcript(list), &list.signature).unwrap();
        verify_messaging_key(identity, &list.phone, key).unwrap();
    }

    pub(super) fn revoke(
        &mut self,
        now: UnixTime,
        from: DeviceId,
        gone: DeviceId,
        request: RevokeDevice,
    ) -> Reply {
        let RevokeDevice { rotation: to, identity } = request;
        if !self.devices.contains_key(&gone) {
            return problem(404, problems::NOT_FOUND);
        }
        if !self.follows(&to.device_list, &to.messaging_key) || !self.wraps_follow(from, &to.wraps)
        {
            return stale();
        }
        let mut left = ids(&self.list);
        left.remove(&gone);
        assert_eq!(left, ids(&to.device_list), "all but the revoked one");
        let key = identity.as_ref().map_or(self.identity_key, |new| new.identity_key);
        self.check_signed(&key, &to.device_list, &to.messaging_key);
        self.devices.remove(&gone);
        for resigned in identity.into_iter().flat_map(|new| new.signed_prekeys) {
            verify_prekey(&key, &resigned.device_id, &resigned.signed_prekey).unwrap();
            let device = self.devices.get_mut(&resigned.device_id).unwrap();
            assert_eq!(device.signed_prekey.key_id, resigned.signed_prekey.key_id);
            assert_eq!(device.signed_prekey.public_key, resigned.signed_prekey.public_key);
            device.signed_prekey = resigned.signed_prekey;
        }
        for (id, device) in &self.devices {
            verify_prekey(&key, id, &device.signed_prekey).expect("re-signed");
        }
        self.identity_key = key;
        (self.list, self.messaging_key) = (to.device_list, to.messaging_key);
        self.wrap(now, from, to.wraps)
    }

    pub(super) fn recovery_info(&self, id: DeviceId) -> RecoveryInfo {
        let device = &self.devices[&id];
        RecoveryInfo {
            phone: self.list.phone.clone(),
            device_id: id,
            capsule: device.capsule.clone(),
            encrypted_name: device.encrypted_name.clone(),
            bundle: self.bundle(),
            last_one_time_key_id: device.last_one_time,
            key_rotation_counter: device.counter,
        }
    }

    pub(super) fn recover(&mut self, now: UnixTime, id: DeviceId, to: RecoverDevice) -> Reply {
        let device = &self.devices[&id];
        let next_prekey = to.signed_prekey.key_id == device.signed_prekey.key_id + 1;
        let fresh = to.one_time_prekeys.iter().all(|key| key.key_id > device.last_one_time);
        let follows = self.follows(&to.device_list, &to.messaging_key);
        if !next_prekey || !fresh || !follows || !self.wraps_follow(id, &to.wraps) {
            return stale();
        }
        self.check_signed(&self.identity_key, &to.device_list, &to.messaging_key);
        verify_prekey(&self.identity_key, &id, &to.signed_prekey).unwrap();
        assert_eq!(ids(&self.list), ids(&to.device_list), "the same devices");
        let device = self.devices.get_mut(&id).unwrap();
        let last = to.one_time_prekeys.iter().map(|key| key.key_id).max();
        device.last_one_time = last.unwrap_or(device.last_one_time);
        (device.signed_prekey, device.one_time) = (to.signed_prekey, to.one_time_prekeys);
        device.envelopes.clear();
        (self.list, self.messaging_key) = (to.device_list, to.messaging_key);
        assert_ne!(self.listed(id).registration_id, 0);
        self.wrap(now, id, to.wraps)
    }

    pub(super) fn claim(&mut self, now: UnixTime, path: &str) -> Reply {
        let id = path.trim_start_matches("/v1/ephemeral-keys/").trim_end_matches("/claim");
        let id: KeyExchangeId = id.parse().unwrap();
        match self.ephemeral.get_mut(&id).filter(|row| row.expires_at > now) {
            None => problem(404, problems::NOT_FOUND),
            Some(row) if row.used => problem(409, problems::ALREADY_CLAIMED),
            Some(row) => {
                row.used = true;
                (204, String::new())
            }
        }
    }
}

fn ids(list: &SignedDeviceList) -> BTreeSet<DeviceId> {
    list.devices.iter().map(|device| device.device_id).collect()
}
