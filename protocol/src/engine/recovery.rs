//! A device that lost its vault, or got an old one back: how that is noticed, and how it comes back.

use super::account::{Account, PrekeyIds, SignedPrekeySecret};
use super::beginning::Beginning;
use super::capsules::Recovery;
use super::interface::{Event, Millis, RecoveryMethod};
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::capsule::Capsule;
use crate::json::from_json;
use crate::keys::ExchangeSecret;
use crate::wire::{KeyStatus, RecoveryInfo};
use minicbor::{Decode, Encode};

/// This vault is an older copy of what the device was: `outdated`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Outdated {
    #[n(0)]
    noticed_at: Millis,
}

impl Record for Outdated {
    const KIND: &'static str = "outdated";
}

pub(super) fn is_outdated(records: &Records) -> bool {
    records.has(&RecordKey::<Outdated>::only())
}

impl Turn<'_> {
    /// In a vault without an account: brings the device of the passkey that signed in back.
    pub(super) fn recover(&mut self, secret: &ExchangeSecret, method: RecoveryMethod, info: &str) {
        let busy = self.newcomer().is_some() || self.records.has(&RecordKey::<Beginning>::only());
        if busy || self.account().is_some_and(|account| account.published) {
            return;
        }
        let Some((info, capsule)) = open_capsule(secret, info) else {
            return self.tell(Event::RecoveryRefused);
        };
        self.drop_unpublished();
        self.records.delete(&RecordKey::<Account>::only());
        if !self.begin_anew(&info, &capsule.identity, capsule.messaging, None, 0) {
            return self.tell(Event::RecoveryRefused);
        }
        self.records.put(&RecordKey::only(), &Recovery::new(secret.public(), method));
    }

    /// Whether the server knows more of this device than its vault: keys that nobody made here.
    pub(super) fn notice_restored_vault(&mut self, status: &KeyStatus) -> bool {
        let Some(account) = self.account() else { return false };
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        let unknown = status.signed_prekey_id > ids.signed
            || status.last_one_time_key_id > ids.one_time
            || status.registration_id != account.registration_id;
        if unknown {
            self.vault_is_outdated();
        }
        unknown
    }

    /// Nothing comes in or goes out before the device has begun anew.
    pub(super) fn vault_is_outdated(&mut self) {
        if !is_outdated(self.records) {
            self.records.put(&RecordKey::only(), &Outdated { noticed_at: self.now });
        }
        self.memory.session = Session::Lost;
        self.memory.polling = Default::default();
        self.tell(Event::VaultOutdated);
    }

    /// The person lets the device begin anew with the secrets that its vault has.
    pub(super) fn renew_device(&mut self) {
        let busy = self.is_asked(|p| matches!(p, Purpose::RecoveryInfo | Purpose::BeginAnew));
        if is_outdated(self.records) && !busy {
            self.ask_recovery_info();
        }
    }

    pub(super) fn ask_recovery_info(&mut self) {
        self.ask(Purpose::RecoveryInfo, Method::Get, "/v1/recovery-capsule", None);
    }

    pub(super) fn recovery_info_answered(&mut self, answer: &Answer) {
        let info: Option<RecoveryInfo> = answer.read();
        if self.records.has(&RecordKey::<Beginning>::only()) {
            return self.beginning_settled(info);
        }
        let (Some(account), Some(info)) = (self.account(), info) else { return };
        let secrets: Vec<_> =
            self.messaging_secrets().iter().map(|secret| secret.shared()).collect();
        if info.bundle.identity_key == account.identity.public()
            && self.is_rolled_back(&info, &secrets)
        {
            return self.served_altered(); // The device stays as it is, and the person may try again.
        }
        let name = Some(account.device_name.clone());
        let same = info.device_id == account.device_id && info.phone == account.phone;
        if !same || !self.begin_anew(&info, &account.identity, secrets, name, 0) {
            // Its secrets are not the account's any more.
            self.device_unknown();
        }
    }

    /// The last moment of which the vault is known to be.
    pub(super) fn vault_is_of(&self) -> Millis {
        let prekeys = self.records.list::<SignedPrekeySecret>(&[]).into_iter();
        prekeys.map(|(_, prekey)| prekey.created_at.0.saturating_mul(1_000)).max().unwrap_or(0)
    }

    pub(super) fn forget_outdated(&mut self) {
        self.records.delete(&RecordKey::<Outdated>::only());
    }
}

/// The capsule, where it opens and holds the identity that the account has now.
fn open_capsule(secret: &ExchangeSecret, info: &str) -> Option<(RecoveryInfo, Capsule)> {
    let info: RecoveryInfo = from_json(info).ok()?;
    let sealed = info.capsule.as_ref()?;
    let capsule = Capsule::open(secret, &info.phone, &info.device_id, &sealed.0).ok()?;
    let holds = capsule.identity.public() == info.bundle.identity_key;
    holds.then_some((info, capsule))
}
