//! This device's recovery capsule: made anew whenever the identity or the messaging key is another.
//! It is sealed to a public key, so that nobody has to touch or type anything for it.

use super::account::Account;
use super::interface::{Millis, RecoveryMethod};
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::account_keys;
use crate::capsule::Capsule;
use crate::keys::IdentitySecret;
use crate::types::{Blob, Key};
use crate::wire::PutCapsule;
use minicbor::{Decode, Encode};

/// What the capsule is sealed to, and what the server's one holds: `recovery`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Recovery {
    #[n(0)]
    pub(super) key: Key,
    #[n(1)]
    pub(super) method: RecoveryMethod,
    /// What is in the one that the server has.
    #[n(2)]
    put: Option<Held>,
}

impl Record for Recovery {
    const KIND: &'static str = "recovery";
}

/// Which secrets are in a capsule, and under which key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Held {
    #[n(0)]
    key: Key,
    #[n(1)]
    identity: Key,
    #[n(2)]
    messaging: u32,
}

impl Recovery {
    pub(super) fn new(key: Key, method: RecoveryMethod) -> Self {
        Self { key, method, put: None }
    }
}

/// What the recovery secret comes from, where there is one.
pub(super) fn recovery_method(records: &Records) -> Option<RecoveryMethod> {
    let recovery: Option<Recovery> = records.get(&RecordKey::only());
    recovery.map(|recovery| recovery.method)
}

/// A capsule that was refused is tried again after this long, give or take a half.
const REFUSED_PAUSE: Millis = 3_600_000;

impl Turn<'_> {
    pub(super) fn set_recovery(&mut self, key: Key, method: RecoveryMethod) {
        if self.account().is_some_and(|account| account.published) {
            self.records.put(&RecordKey::only(), &Recovery::new(key, method));
            self.memory.capsule_at = None;
        }
    }

    /// Puts a capsule to the server where it has none, or one with other secrets in it.
    pub(super) fn keep_capsule(&mut self) {
        let ready = self.memory.session == Session::Ready;
        let due = self.memory.capsule_at.is_none_or(|at| at <= self.now);
        let recovery: Option<Recovery> = self.records.get(&RecordKey::only());
        let (Some(recovery), Some(account)) = (recovery.filter(|_| ready && due), self.account())
        else {
            return;
        };
        let secrets = self.messaging_secrets();
        let Some(newest) = secrets.first() else { return };
        let held = Held {
            key: recovery.key,
            identity: account.identity.public(),
            messaging: newest.key_version,
        };
        let asked = self.is_asked(|purpose| matches!(purpose, Purpose::PutCapsule { .. }));
        if recovery.put.as_ref() == Some(&held) || asked {
            return;
        }
        let secrets = secrets.iter().map(|secret| secret.shared()).collect();
        let Some(capsule) = self.sealed_capsule(&account, &recovery.key, secrets) else { return };
        let body = serde_json::to_string(&PutCapsule { capsule: Blob(capsule) }).ok();
        self.ask(Purpose::PutCapsule { held }, Method::Put, "/v1/recovery-capsule", body);
    }

    fn sealed_capsule(
        &mut self,
        account: &Account,
        key: &Key,
        secrets: Vec<account_keys::MessagingSecret>,
    ) -> Option<Vec<u8>> {
        let identity: &IdentitySecret = &account.identity;
        let capsule = Capsule::new(identity, secrets);
        capsule.seal(self.rng, key, &account.phone, &account.device_id).ok()
    }

    pub(super) fn capsule_put(&mut self, held: Held, answer: &Answer) {
        let recovery: Option<Recovery> = self.records.get(&RecordKey::only());
        match recovery {
            Some(recovery) if answer.is_ok() => {
                self.records.put(&RecordKey::only(), &Recovery { put: Some(held), ..recovery });
            }
            _ => {
                let at = self.now + self.around(REFUSED_PAUSE);
                self.memory.capsule_at = Some(at);
            }
        }
    }

    /// The server says that it has no capsule.
    pub(super) fn capsule_is_gone(&mut self) {
        let recovery: Option<Recovery> = self.records.get(&RecordKey::only());
        let asked = self.is_asked(|purpose| matches!(purpose, Purpose::PutCapsule { .. }));
        if let Some(recovery) = recovery.filter(|_| !asked) {
            self.records.put(&RecordKey::only(), &Recovery { put: None, ..recovery });
        }
    }

    pub(super) fn next_capsule_at(&self) -> Option<Millis> {
        let ready = self.memory.session == Session::Ready;
        self.memory.capsule_at.filter(|at| ready && *at > self.now)
    }
}
