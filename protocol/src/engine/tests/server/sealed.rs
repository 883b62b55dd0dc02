//! The sealed half: tokens, look-ups, letters, ephemeral keys.

use super::{Reply, Server, ServerEphemeral, body, ok, problem};
use crate::engine::Request;
use crate::engine::tests::world::HOST;
use crate::limits::SIGNED_PREKEY_REFUSED;
use crate::sizes::LetterSize;
use crate::tokens::{Token, challenge_digest};
use crate::types::*;
use crate::wire::*;
use std::collections::BTreeSet;

impl Server {
    pub(super) fn sealed(&mut self, now: UnixTime, request: &Request) -> Reply {
        if let Some((status, kind)) = self.refusals.pop() {
            return problem(status, kind);
        }
        let authorization = request.authorization.as_deref().unwrap();
        let token = Token::from_header(authorization).unwrap();
        assert_eq!(token.challenge_digest(), challenge_digest(HOST).unwrap());
        if !self.is_issued_here(now, &token) {
            self.refused_tokens += 1;
            return problem(401, problems::TOKEN_REFUSED);
        }
        let token = token.nullifier();
        let digest = format!("{} {}", request.path, request.body.as_deref().unwrap());
        if let Some((spent_on, status, answer)) = self.tokens.get(&token) {
            return if *spent_on == digest {
                (*status, answer.clone())
            } else {
                self.refused_tokens += 1;
                problem(401, problems::TOKEN_REFUSED)
            };
        }
        self.sealed_log.push(digest.clone());
        let reply = match request.path.as_str() {
            "/v1/sealed/lookup" => self.lookup(&body(request)),
            "/v1/sealed/messages" => self.message(now, body(request)),
            "/v1/sealed/ephemeral-keys" => self.ephemeral_key(now, &body(request)),
            other => panic!("no such path: {other}"),
        };
        if matches!(reply.0, 200 | 202 | 404 | 409) {
            self.tokens.insert(token, (digest, reply.0, reply.1.clone()));
        }
        reply
    }

    fn lookup(&mut self, lookup: &Lookup) -> Reply {
        let shown = self.shown_to_strangers.as_ref().filter(|(of, _)| *of == lookup.phone);
        let phone = shown.map_or(&lookup.phone, |(_, instead)| instead);
        let Some(account) = self.accounts.get_mut(phone) else {
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
        let phone = message.destination.clone();
        account.store(now, message);
        self.log_stored(&phone);
        (202, String::new())
    }

    fn log_stored(&mut self, phone: &Phone) {
        let account = &self.accounts[phone];
        let letters = self.all_letters.entry(phone.clone()).or_default();
        let known: BTreeSet<MessageId> = letters.iter().map(|letter| letter.message_id).collect();
        let new = account.letters.values().filter(|letter| !known.contains(&letter.message_id));
        letters.extend(new.cloned());
        let envelopes = self.all_envelopes.entry(phone.clone()).or_default();
        for envelope in account.devices.values().flat_map(|device| &device.envelopes) {
            if !envelopes.contains(envelope) {
                envelopes.push(envelope.clone());
            }
        }
    }

    fn ephemeral_key(&mut self, now: UnixTime, offer: &SealedEphemeralKey) -> Reply {
        let Some(account) = self.accounts.get_mut(&offer.destination) else {
            return problem(404, problems::NO_SUCH_MAILBOX);
        };
        account.ephemeral.retain(|_, row| row.expires_at > now);
        if account.ephemeral.contains_key(&offer.key_exchange_id) {
            return problem(409, problems::ALREADY_CLAIMED);
        }
        let row = ServerEphemeral {
            key: offer.ephemeral_public_key,
            used: false,
            expires_at: now.plus(300),
        };
        account.ephemeral.insert(offer.key_exchange_id, row);
        (202, String::new())
    }
}
