//! The account half: sessions, the account as a whole.

use super::{Cookie, Reply, Server, ServerAccount, ServerDevice, body, ok, problem};
use crate::certificate::SenderCertificate;
use crate::engine::Request;
use crate::keys::{verify, verify_prekey};
use crate::sealing::seal_challenge;
use crate::types::*;
use crate::wire::*;
use rand::CryptoRng;
use std::collections::BTreeMap;

impl Server {
    pub(super) fn account_half(
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
        if path == "/.well-known/private-token-issuer-directory" {
            return self.directory(rng, now, cookie);
        }
        if (request.method, path) == ("PUT", "/v1/keys")
            && cookie.registered
            && let PublishKeys::Account(keys) = body(request)
        {
            return self.create(cookie, keys);
        }
        if path.starts_with("/v1/device-links") {
            return self.link_call(now, cookie, request, path);
        }
        let Some((phone, device_id)) = cookie.device.clone() else {
            return problem(401, problems::SIGN_IN_REQUIRED);
        };
        if (request.method, path) == ("POST", "/v1/tokens") && self.accounts.contains_key(&phone) {
            return self.issue(rng, now, &phone, device_id, &body(request));
        }
        let Some(account) = self.accounts.get_mut(&phone) else {
            return problem(401, problems::SIGN_IN_REQUIRED);
        };
        let Some(listed) = account.list.devices.iter().find(|d| d.device_id == device_id) else {
            return problem(401, problems::SIGN_IN_REQUIRED);
        };
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
            ("GET", "/v1/recovery-capsule") => return ok(&account.recovery_info(device_id)),
            ("POST", "/v1/recovery") => {
                assert!(request.touch, "a recovery needs a touch");
                let reply = account.recover(now, device_id, body(request));
                cookie.proved = reply.0 == 204;
                if cookie.proved {
                    self.issuance.retain(|(device, _), _| *device != device_id);
                }
                return reply;
            }
            ("DELETE", "/v1/resets") => {
                assert!(request.touch, "cancelling a reset needs a touch");
                account.reset =
                    account.reset.take().map(|reset| Reset { state: ResetState::Blocked, ..reset });
                return (204, String::new());
            }
            ("DELETE", "/v1/account") => {
                assert!(request.touch, "deleting the account needs a touch");
                self.accounts.remove(&phone);
                return (204, String::new());
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

    pub(in crate::engine::tests) fn info(&self) -> ServerInfo {
        ServerInfo {
            version: "1".into(),
            epoch: self.epoch.clone(),
            suites: vec![SUITE],
            certificate_keys: vec![self.told_key.unwrap_or(self.certificate_secret.public())],
            limits: Limits {
                body: 1,
                letter: 1,
                devices: 8,
                one_time_prekeys: 100,
                tokens: self.batch,
            },
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
        let device = ServerDevice::new(
            keys.signed_prekey,
            keys.one_time_prekeys,
            keys.encrypted_name,
            UnixTime(0),
        );
        let account = ServerAccount {
            identity_key: keys.identity_key,
            list: keys.device_list,
            messaging_key: keys.messaging_key,
            devices: BTreeMap::from([(id, device)]),
            letters: BTreeMap::new(),
            ephemeral: BTreeMap::new(),
            reset: None,
            full: false,
        };
        self.accounts.insert(phone.clone(), account);
        cookie.device = Some((phone, id));
        cookie.proved = true;
        (200, String::new())
    }
}
