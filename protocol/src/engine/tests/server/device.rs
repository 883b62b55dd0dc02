//! What a device does once it has proved its key.

use super::{Reply, ServerAccount, body, ok, problem};
use crate::device_list::transcript;
use crate::engine::Request;
use crate::key_check::key_check_digest;
use crate::keys::{verify, verify_prekey};
use crate::sizes::{ENVELOPE_SIZE, ExpiryClass};
use crate::types::*;
use crate::wire::*;

impl ServerAccount {
    pub(super) fn store(&mut self, now: UnixTime, message: SealedMessage) {
        if self.letters.contains_key(&message.message_id) {
            return;
        }
        if let Some(upload) = message.session_keys {
            for envelope in upload.envelopes {
                assert_eq!(envelope.encrypted_session_key.0.len(), ENVELOPE_SIZE);
                self.devices.get_mut(&envelope.device_id).unwrap().envelopes.push(InboxEnvelope {
                    session_key_id: upload.session_key_id,
                    created_at: now.hour(),
                    encrypted_session_key: envelope.encrypted_session_key,
                });
            }
        }
        let expiry = ExpiryClass::from_days(message.expiry_days).unwrap();
        for device in self.devices.values_mut() {
            device.pending.insert(message.message_id);
        }
        let letter = InboxLetter {
            message_id: message.message_id,
            timestamp: now.hour(),
            expires_at: expiry.expires_at(now),
            read: false,
            encrypted_content: message.encrypted_content,
        };
        self.letters.insert(message.message_id, letter);
    }

    pub(super) fn device_half(
        &mut self,
        now: UnixTime,
        id: DeviceId,
        request: &Request,
        path: &str,
    ) -> Reply {
        match (request.method, path) {
            ("PUT", "/v1/keys") => self.renew(id, body(request)),
            ("POST", "/v1/keys/one-time") => {
                let added: AddOneTimePrekeys = body(request);
                let device = self.devices.get_mut(&id).unwrap();
                if added.one_time_prekeys.iter().any(|key| key.key_id <= device.last_one_time) {
                    return problem(409, problems::STALE_KEYS);
                }
                device.one_time.extend(added.one_time_prekeys);
                device.last_one_time =
                    device.one_time.iter().map(|key| key.key_id).max().unwrap_or(0);
                (204, String::new())
            }
            ("GET", "/v1/keys/status") => ok(&self.status(id)),
            ("POST", "/v1/keys/check") => {
                let check: CheckKeys = body(request);
                let prekey = &self.devices[&id].signed_prekey;
                let (identity, messaging) = (&self.identity_key, &self.messaging_key);
                let here = key_check_digest(identity, &self.list, messaging, &id, prekey);
                ok(&KeysChecked { matches: here == check.digest })
            }
            ("GET", "/v1/session-keys") => {
                let envelopes = self.devices[&id].envelopes.clone();
                ok(&EnvelopePage { envelopes, next: None })
            }
            ("GET", "/v1/inbox") => ok(&InboxPage { letters: self.pending(id), next: None }),
            ("POST", "/v1/inbox/acks") => {
                let acks: InboxAcks = body(request);
                self.acknowledge(id, &acks.acks, &[]);
                (204, String::new())
            }
            ("POST", "/v1/session-keys/acks") => {
                let acks: EnvelopeAcks = body(request);
                self.acknowledge(id, &[], &acks.session_key_ids);
                (204, String::new())
            }
            ("GET", "/v1/devices") => ok(&self.listing()),
            ("PUT", "/v1/keys/messaging") => self.rotate(now, id, body(request)),
            ("PUT", "/v1/session-keys") => self.wrap(now, id, Some(body(request))),
            ("PUT", "/v1/recovery-capsule") => {
                let put: PutCapsule = body(request);
                assert_eq!(put.capsule.0.len(), CAPSULE_SIZE);
                self.devices.get_mut(&id).unwrap().capsule = Some(put.capsule);
                (204, String::new())
            }
            ("GET", "/v1/ephemeral-keys") => {
                self.ephemeral.retain(|_, row| row.expires_at > now);
                let keys = self.ephemeral.iter().map(|(id, row)| EphemeralKey {
                    key_exchange_id: *id,
                    ephemeral_public_key: row.key,
                    used: row.used,
                });
                ok(&EphemeralKeys { keys: keys.collect() })
            }
            ("POST", _) if path.starts_with("/v1/ephemeral-keys/") => self.claim(now, path),
            ("PATCH", _) if path.starts_with("/v1/devices/") => {
                let renamed: RenameDevice = body(request);
                let device = path.trim_start_matches("/v1/devices/").parse().unwrap();
                match self.devices.get_mut(&device) {
                    Some(device) => device.encrypted_name = renamed.encrypted_name,
                    None => return problem(404, problems::NOT_FOUND),
                }
                (204, String::new())
            }
            ("DELETE", _) if path.starts_with("/v1/devices/") => {
                assert!(request.touch, "a revocation needs a touch");
                let device = path.trim_start_matches("/v1/devices/").parse().unwrap();
                self.revoke(now, id, device, body(request))
            }
            ("POST", "/v1/inbox/reads") => (204, String::new()),
            ("DELETE", _) if path.starts_with("/v1/inbox/") => (204, String::new()),
            (method, path) => panic!("no such call: {method} {path}"),
        }
    }

    fn renew(&mut self, id: DeviceId, keys: PublishKeys) -> Reply {
        let PublishKeys::Renewal(renewal) = keys else { panic!("published twice") };
        let device = self.devices.get_mut(&id).unwrap();
        let identity = &self.identity_key;
        let signed =
            |list: &SignedDeviceList| verify(identity, &transcript(list), &list.signature).is_ok();
        let prekey_signed = |prekey: &SignedPrekey| verify_prekey(identity, &id, prekey).is_ok();
        if !renewal.device_list.as_ref().is_none_or(signed)
            || !renewal.signed_prekey.as_ref().is_none_or(prekey_signed)
        {
            return problem(422, problems::BAD_REQUEST);
        }
        if let Some(list) = &renewal.device_list
            && list.version != self.list.version + 1
        {
            return problem(409, problems::STALE_KEYS);
        }
        if let Some(prekey) = &renewal.signed_prekey
            && prekey.key_id != device.signed_prekey.key_id + 1
        {
            return problem(409, problems::STALE_KEYS);
        }
        self.list = renewal.device_list.unwrap_or_else(|| self.list.clone());
        if let Some(prekey) = renewal.signed_prekey {
            device.signed_prekey = prekey;
        }
        (204, String::new())
    }

    fn status(&self, id: DeviceId) -> KeyStatus {
        let device = &self.devices[&id];
        KeyStatus {
            available_prekeys: device.one_time.len() as u32,
            needs_replenish: device.one_time.len() < 20,
            signed_prekey_stale: false,
            has_key_bundle: true,
            key_version: self.messaging_key.key_version,
            device_list_version: self.list.version,
            device_list_signed_at: self.list.signed_at,
            signed_prekey_id: device.signed_prekey.key_id,
            last_one_time_key_id: device.last_one_time,
            registration_id: self.listed(id).registration_id,
            key_rotation_counter: device.counter,
            has_recovery_capsule: device.capsule.is_some(),
            reset: self.reset.clone(),
        }
    }

    pub(in crate::engine::tests) fn pending(&self, id: DeviceId) -> Vec<InboxLetter> {
        let pending = self.devices[&id].pending.iter();
        pending.filter_map(|message_id| self.letters.get(message_id).cloned()).collect()
    }

    pub(in crate::engine::tests) fn acknowledge(
        &mut self,
        id: DeviceId,
        letters: &[InboxAck],
        envelopes: &[SessionLabel],
    ) {
        let device = self.devices.get_mut(&id).unwrap();
        for ack in letters {
            device.pending.remove(&ack.message_id);
            if ack.status == AckStatus::Failed {
                device.failed.insert(ack.message_id);
            }
        }
        device.envelopes.retain(|envelope| !envelopes.contains(&envelope.session_key_id));
    }
}
