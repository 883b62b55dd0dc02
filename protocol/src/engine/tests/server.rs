//! A small model of the server, faithful to the wire: it spends tokens, keeps lists, fans letters
//! out to devices and hands them out until they are acknowledged.

use crate::certificate::SenderCertificate;
use crate::engine::{Half, Request};
use crate::key_check::key_check_digest;
use crate::keys::{IdentitySecret, verify, verify_prekey};
use crate::limits::SIGNED_PREKEY_REFUSED;
use crate::sealing::seal_challenge;
use crate::sizes::{ENVELOPE_SIZE, ExpiryClass, LetterSize};
use crate::types::*;
use crate::wire::*;
use rand::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Server {
    pub(super) certificate_secret: IdentitySecret,
    pub(super) accounts: BTreeMap<Phone, ServerAccount>,
    tokens: BTreeMap<Bytes<32>, (String, u16, String)>,
    /// What the next sealed requests are answered with, instead of being looked at.
    pub(super) refusals: Vec<(u16, &'static str)>,
    /// Every sealed request that was looked at, as `path body`.
    pub(super) sealed_log: Vec<String>,
    pub(super) certificates_issued: u32,
    /// What the server tells as its certificate key, where that is not the one it signs with.
    pub(super) told_key: Option<Key>,
    /// Every request of the account half, as `method path`.
    pub(super) account_log: Vec<String>,
}

pub(super) struct ServerAccount {
    pub(super) identity_key: Key,
    pub(super) list: SignedDeviceList,
    pub(super) messaging_key: SignedMessagingKey,
    pub(super) devices: BTreeMap<DeviceId, ServerDevice>,
    pub(super) letters: BTreeMap<MessageId, InboxLetter>,
    pub(super) full: bool,
}

pub(super) struct ServerDevice {
    pub(super) signed_prekey: SignedPrekey,
    pub(super) one_time: Vec<OneTimePrekey>,
    pub(super) envelopes: Vec<InboxEnvelope>,
    pub(super) pending: BTreeSet<MessageId>,
}

/// A cookie session.
#[derive(Default, Clone)]
pub(super) struct Cookie {
    pub(super) registered: bool,
    pub(super) device: Option<(Phone, DeviceId)>,
    pub(super) proved: bool,
    pub(super) challenge: Option<Key>,
}

pub(super) type Reply = (u16, String);

fn problem(status: u16, kind: &str) -> Reply {
    let problem = Problem { kind: kind.into(), title: String::new(), status, field: None };
    (status, serde_json::to_string(&problem).unwrap())
}

fn ok(answer: &impl serde::Serialize) -> Reply {
    (200, serde_json::to_string(answer).unwrap())
}

fn body<T: serde::de::DeserializeOwned>(request: &Request) -> T {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

impl Server {
    pub(super) fn new(rng: &mut dyn CryptoRng) -> Self {
        Self {
            certificate_secret: IdentitySecret::generate(rng),
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            refusals: Vec::new(),
            sealed_log: Vec::new(),
            certificates_issued: 0,
            told_key: None,
            account_log: Vec::new(),
        }
    }

    pub(super) fn handle(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        cookie: &mut Cookie,
        request: &Request,
    ) -> Reply {
        match request.half {
            Half::Sealed => self.sealed(now, request),
            Half::Account => self.account_half(rng, now, cookie, request),
        }
    }

    // ---- the sealed half ----

    fn sealed(&mut self, now: UnixTime, request: &Request) -> Reply {
        if let Some((status, kind)) = self.refusals.pop() {
            return problem(status, kind);
        }
        let authorization = request.authorization.as_deref().unwrap();
        let token = authorization.strip_prefix("PrivateToken token=\"").unwrap();
        let token: Bytes<32> = token.strip_suffix('"').unwrap().parse().unwrap();
        let digest = format!("{} {}", request.path, request.body.as_deref().unwrap());
        if let Some((spent_on, status, answer)) = self.tokens.get(&token) {
            return if *spent_on == digest {
                (*status, answer.clone())
            } else {
                problem(401, problems::TOKEN_REFUSED)
            };
        }
        self.sealed_log.push(digest.clone());
        let reply = match request.path.as_str() {
            "/v1/sealed/lookup" => self.lookup(&body(request)),
            "/v1/sealed/messages" => self.message(now, body(request)),
            other => panic!("no such path: {other}"),
        };
        if matches!(reply.0, 200 | 202 | 404 | 409) {
            self.tokens.insert(token, (digest, reply.0, reply.1.clone()));
        }
        reply
    }

    fn lookup(&mut self, lookup: &Lookup) -> Reply {
        let Some(account) = self.accounts.get_mut(&lookup.phone) else {
            return problem(404, problems::NO_SUCH_MAILBOX);
        };
        let wanted = |id: &DeviceId| match &lookup.prekeys {
            WantedPrekeys::All => true,
            WantedPrekeys::Devices(ids) => ids.contains(id),
        };
        let prekeys = account.devices.iter_mut().map(|(id, device)| DevicePrekeys {
            device_id: *id,
            signed_prekey: device.signed_prekey.clone(),
            one_time_prekey: (wanted(id) && !device.one_time.is_empty())
                .then(|| device.one_time.remove(0)),
        });
        let prekeys = prekeys.collect();
        ok(&KeyBundle {
            identity_key: account.identity_key,
            messaging_key: account.messaging_key.clone(),
            device_list: account.list.clone(),
            prekeys,
        })
    }

    fn message(&mut self, now: UnixTime, message: SealedMessage) -> Reply {
        let Some(account) = self.accounts.get_mut(&message.destination) else {
            return problem(404, problems::NO_SUCH_MAILBOX);
        };
        LetterSize::of_sealed(message.encrypted_content.0.len()).expect("an exact size");
        if message.list_version != account.list.version {
            return problem(409, problems::STALE_DEVICE_LIST);
        }
        if let Some(upload) = &message.session_keys {
            let named: BTreeSet<DeviceId> = upload.envelopes.iter().map(|e| e.device_id).collect();
            assert_eq!(named.len(), upload.envelopes.len(), "one envelope a device");
            let young = account.devices.iter().filter(|(_, device)| {
                now.since(device.signed_prekey.created_at) < SIGNED_PREKEY_REFUSED
            });
            let all = young.into_iter().all(|(id, _)| named.contains(id));
            if !all || named.iter().any(|id| !account.devices.contains_key(id)) {
                return problem(409, problems::STALE_DEVICE_LIST);
            }
        }
        if account.full {
            return problem(507, problems::MAILBOX_FULL);
        }
        account.store(now, message);
        (202, String::new())
    }

    // ---- the account half ----

    fn account_half(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        cookie: &mut Cookie,
        request: &Request,
    ) -> Reply {
        let path = request.path.split('?').next().unwrap();
        self.account_log.push(format!("{} {path}", request.method));
        if (request.method, path) == ("GET", "/v1/server") {
            return ok(&self.info());
        }
        if (request.method, path) == ("PUT", "/v1/keys")
            && cookie.registered
            && let PublishKeys::Account(keys) = body(request)
        {
            return self.create(cookie, keys);
        }
        let Some((phone, device_id)) = cookie.device.clone() else {
            return problem(401, problems::SIGN_IN_REQUIRED);
        };
        let Some(account) = self.accounts.get_mut(&phone) else {
            return problem(401, problems::SIGN_IN_REQUIRED);
        };
        let listed = account.list.devices.iter().find(|d| d.device_id == device_id).unwrap();
        match (request.method, path) {
            ("POST", "/v1/device-session/start") => {
                let challenge = Bytes::random(&mut &mut *rng);
                cookie.challenge = Some(challenge);
                let key = &listed.device_key;
                let sealed = seal_challenge(rng, key, &phone, &device_id, &challenge.0).unwrap();
                return ok(&DeviceChallenge { sealed: Blob(sealed) });
            }
            ("POST", "/v1/device-session/finish") => {
                let answer: DeviceAnswer = body(request);
                cookie.proved = cookie.challenge.take() == Some(answer.opened);
                return if cookie.proved { (204, String::new()) } else { problem(403, "") };
            }
            ("GET", "/v1/account") => {
                return ok(&Account { phone, device_id, device_session: cookie.proved });
            }
            _ if !cookie.proved => return problem(403, problems::DEVICE_SESSION_REQUIRED),
            ("POST", "/v1/sender-certificate") => {
                self.certificates_issued += 1;
                let (identity, key) = (account.identity_key, listed.device_key);
                let server = &self.certificate_secret;
                let certificate =
                    SenderCertificate::issue(server, &phone, &identity, &device_id, &key, now);
                return ok(&Certificate { certificate: Blob(certificate.to_cbor()) });
            }
            _ => {}
        }
        account.device_half(now, device_id, request, path)
    }

    pub(super) fn info(&self) -> ServerInfo {
        ServerInfo {
            version: "1".into(),
            epoch: "e".into(),
            suites: vec![SUITE],
            certificate_keys: vec![self.told_key.unwrap_or(self.certificate_secret.public())],
            limits: Limits { body: 1, letter: 1, devices: 8, one_time_prekeys: 100 },
            page: String::new(),
        }
    }

    fn create(&mut self, cookie: &mut Cookie, keys: NewAccount) -> Reply {
        let phone = keys.device_list.phone.clone();
        if self.accounts.contains_key(&phone) {
            return problem(409, problems::PHONE_TAKEN);
        }
        verify(
            &keys.identity_key,
            &crate::device_list::transcript(&keys.device_list),
            &keys.device_list.signature,
        )
        .unwrap();
        let id = keys.device_list.devices[0].device_id;
        verify_prekey(&keys.identity_key, &id, &keys.signed_prekey).unwrap();
        assert_eq!(keys.one_time_prekeys.len(), 100);
        let device = ServerDevice {
            signed_prekey: keys.signed_prekey,
            one_time: keys.one_time_prekeys,
            envelopes: Vec::new(),
            pending: BTreeSet::new(),
        };
        let account = ServerAccount {
            identity_key: keys.identity_key,
            list: keys.device_list,
            messaging_key: keys.messaging_key,
            devices: BTreeMap::from([(id, device)]),
            letters: BTreeMap::new(),
            full: false,
        };
        self.accounts.insert(phone.clone(), account);
        cookie.device = Some((phone, id));
        cookie.proved = true;
        (200, String::new())
    }
}

impl ServerAccount {
    fn store(&mut self, now: UnixTime, message: SealedMessage) {
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

    fn device_half(
        &mut self,
        _now: UnixTime,
        id: DeviceId,
        request: &Request,
        path: &str,
    ) -> Reply {
        match (request.method, path) {
            ("PUT", "/v1/keys") => self.renew(id, body(request)),
            ("POST", "/v1/keys/one-time") => {
                let added: AddOneTimePrekeys = body(request);
                self.devices.get_mut(&id).unwrap().one_time.extend(added.one_time_prekeys);
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
            ("POST", "/v1/inbox/reads") => (204, String::new()),
            ("DELETE", _) if path.starts_with("/v1/inbox/") => (204, String::new()),
            (method, path) => panic!("no such call: {method} {path}"),
        }
    }

    fn renew(&mut self, id: DeviceId, keys: PublishKeys) -> Reply {
        let PublishKeys::Renewal(renewal) = keys else { panic!("published twice") };
        let device = self.devices.get_mut(&id).unwrap();
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
        }
    }

    pub(super) fn pending(&self, id: DeviceId) -> Vec<InboxLetter> {
        let pending = self.devices[&id].pending.iter();
        pending.filter_map(|message_id| self.letters.get(message_id).cloned()).collect()
    }

    pub(super) fn acknowledge(
        &mut self,
        id: DeviceId,
        letters: &[InboxAck],
        envelopes: &[SessionLabel],
    ) {
        let device = self.devices.get_mut(&id).unwrap();
        for ack in letters.iter().filter(|ack| ack.status == AckStatus::Delivered) {
            device.pending.remove(&ack.message_id);
        }
        device.envelopes.retain(|envelope| !envelopes.contains(&envelope.session_key_id));
    }
}
