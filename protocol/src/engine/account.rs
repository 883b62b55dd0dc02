//! The account: its keys, how they come to be, and their first publication.

use super::interface::{AccountView, Event};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::account_keys::MessagingSecret as SharedSecret;
use crate::device_name::seal_name;
use crate::handshake::Party;
use crate::keys::{ExchangeSecret, IdentitySecret, sign_messaging_key, sign_prekey};
use crate::limits::ONE_TIME_PREKEYS;
use crate::types::{Blob, DeviceId, Phone, Signature, UnixTime};
use crate::wire::{
    Account as SessionAccount, ListedDevice, NewAccount, OneTimePrekey, PublishKeys,
    SignedMessagingKey, SignedPrekey, problems,
};
use minicbor::{Decode, Encode};

/// Who one is, and this device's long-lived secrets.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Account {
    #[n(0)]
    pub(super) phone: Phone,
    #[n(1)]
    pub(super) device_name: String,
    #[n(2)]
    pub(super) identity: IdentitySecret,
    #[n(3)]
    pub(super) device_id: DeviceId,
    #[n(4)]
    pub(super) registration_id: u32,
    #[n(5)]
    pub(super) device: ExchangeSecret,
    #[n(6)]
    pub(super) published: bool,
}

impl Record for Account {
    const KIND: &'static str = "account";
}

impl Account {
    pub(super) fn view(&self) -> AccountView {
        AccountView {
            phone: self.phone.clone(),
            device_name: self.device_name.clone(),
            published: self.published,
        }
    }

    /// This device as the other end of its channels knows it.
    pub(super) fn party(&self) -> Party {
        Party {
            phone: self.phone.clone(),
            identity_key: self.identity.public(),
            device_id: self.device_id,
            device_key: self.device.public(),
        }
    }

    pub(super) fn listed(&self) -> ListedDevice {
        ListedDevice {
            device_id: self.device_id,
            registration_id: self.registration_id,
            device_key: self.device.public(),
        }
    }
}

/// A messaging key: letters are sealed to it. `messaging/<version, 8 hex digits>`, kept as long as
/// something sealed to it can still arrive.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct MessagingSecret {
    #[n(0)]
    pub(super) secret: ExchangeSecret,
    #[n(1)]
    pub(super) key_version: u32,
    #[n(2)]
    pub(super) created_at: UnixTime,
    #[n(3)]
    pub(super) signature: Signature,
}

impl Record for MessagingSecret {
    const KIND: &'static str = "messaging";
}

impl MessagingSecret {
    pub(super) fn key(version: u32) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{version:08x}")])
    }

    /// As siblings tell it each other.
    pub(super) fn shared(&self) -> SharedSecret {
        let Self { secret, key_version, created_at, .. } = self;
        let (key_version, created_at) = (*key_version, *created_at);
        SharedSecret { secret: secret.clone(), key_version, created_at }
    }

    /// As a sibling told it, or a capsule. The signature is the same wherever it is made.
    pub(super) fn of_shared(
        shared: SharedSecret,
        identity: &IdentitySecret,
        phone: &Phone,
    ) -> Self {
        let signature = shared.signed(identity, phone).signature;
        let SharedSecret { key_version, created_at, secret } = shared;
        Self { secret, key_version, created_at, signature }
    }

    /// The public half as it was published.
    pub(super) fn signed(&self) -> SignedMessagingKey {
        SignedMessagingKey {
            public_key: self.secret.public(),
            key_version: self.key_version,
            created_at: self.created_at,
            signature: self.signature,
        }
    }
}

/// A signed prekey's secret: `signed-prekey/<id, 8 hex digits>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct SignedPrekeySecret {
    #[n(0)]
    pub(super) secret: ExchangeSecret,
    #[n(1)]
    pub(super) created_at: UnixTime,
    #[n(2)]
    pub(super) signature: Signature,
}

impl Record for SignedPrekeySecret {
    const KIND: &'static str = "signed-prekey";
}

impl SignedPrekeySecret {
    pub(super) fn key(id: u32) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{id:08x}")])
    }

    /// The public half as it was published.
    pub(super) fn signed(&self, key_id: u32) -> SignedPrekey {
        SignedPrekey {
            key_id,
            public_key: self.secret.public(),
            created_at: self.created_at,
            signature: self.signature,
        }
    }
}

/// A one-time prekey's secret: `one-time/<id, 8 hex digits>`, gone with its first use.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct OneTimeSecret {
    #[n(0)]
    pub(super) secret: ExchangeSecret,
    #[n(1)]
    pub(super) created_at: UnixTime,
}

impl Record for OneTimeSecret {
    const KIND: &'static str = "one-time";
}

impl OneTimeSecret {
    pub(super) fn key(id: u32) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{id:08x}")])
    }
}

/// The ids given last, and what became of them.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct PrekeyIds {
    #[n(0)]
    pub(super) signed: u32,
    #[n(1)]
    pub(super) one_time: u32,
    /// The newest signed prekey that the server is known to have had.
    #[n(2)]
    #[cbor(default)]
    pub(super) published: u32,
}

impl Record for PrekeyIds {
    const KIND: &'static str = "prekey-ids";
}

impl Turn<'_> {
    pub(super) fn account(&self) -> Option<Account> {
        self.records.get(&RecordKey::only())
    }

    pub(super) fn create_account(&mut self, phone: Phone, device_name: String) {
        if self.account().is_some_and(|account| account.published) {
            return;
        }
        self.drop_unpublished();
        let account = Account {
            phone,
            device_name,
            identity: IdentitySecret::generate(self.rng),
            device_id: DeviceId::random(&mut self.rng),
            registration_id: self.random_registration_id(),
            device: ExchangeSecret::generate(self.rng),
            published: false,
        };
        self.records.put(&RecordKey::only(), &account);
        let messaging_key = self.new_messaging_key(&account, 1);
        let devices = vec![account.listed()];
        let device_list = self.sign_list(&account, 1, &messaging_key.public_key, devices);
        self.keep_pending_list(&device_list);
        let signed_prekey = self.new_signed_prekey(&account);
        let (identity, name) = (&account.identity, &account.device_name);
        let sealed_name = seal_name(self.rng, identity, &account.phone, &account.device_id, name);
        let keys = NewAccount {
            identity_key: account.identity.public(),
            device_list,
            messaging_key,
            signed_prekey,
            one_time_prekeys: self.new_one_time_prekeys(ONE_TIME_PREKEYS as u32),
            encrypted_name: Blob(sealed_name),
        };
        let body = serde_json::to_string(&PublishKeys::Account(keys)).ok();
        self.ask(Purpose::CreateAccount, Method::Put, "/v1/keys", body);
    }

    /// An attempt that was refused leaves keys that nobody knows.
    pub(super) fn drop_unpublished(&mut self) {
        self.give_up(|purpose| *purpose == Purpose::CreateAccount);
        self.records.delete_all::<MessagingSecret>(&[]);
        self.records.delete_all::<SignedPrekeySecret>(&[]);
        self.records.delete_all::<OneTimeSecret>(&[]);
        self.records.delete_all::<OwnList>(&[]);
        self.records.delete(&RecordKey::<PrekeyIds>::only());
    }

    pub(super) fn account_answered(&mut self, answer: &Answer) {
        if answer.is_ok() {
            // The session that registered the passkey counts as a device's at once.
            self.account_published(true);
        } else if answer.problem().as_deref() == Some(problems::PHONE_TAKEN) {
            // Perhaps by this very publication, the first answer to which was lost.
            self.ask(Purpose::WhoAmI, Method::Get, "/v1/account", None);
        } else {
            self.account_refused(answer.problem().unwrap_or_default());
        }
    }

    pub(super) fn who_am_i_answered(&mut self, answer: &Answer) {
        if self.newcomer().is_some() {
            return self.completion_settled(answer.read().as_ref());
        }
        let account = self.account();
        let here = account.as_ref().map(|account| account.device_id);
        if account.is_some_and(|account| account.published) {
            return self.challenge_did_not_open(answer, here);
        }
        match answer.read::<SessionAccount>() {
            Some(account) if Some(account.device_id) == here => {
                self.account_published(account.device_session);
            }
            _ => self.account_refused(problems::PHONE_TAKEN.to_owned()),
        }
    }

    /// The session is this device's, but the challenge was for another key: the device has begun
    /// anew since this vault was written.
    fn challenge_did_not_open(&mut self, answer: &Answer, here: Option<DeviceId>) {
        match answer.read::<SessionAccount>() {
            Some(session) if Some(session.device_id) == here => self.vault_is_outdated(),
            _ => self.device_unknown(),
        }
    }

    fn account_published(&mut self, proved: bool) {
        let Some(mut account) = self.account() else { return };
        account.published = true;
        self.records.put(&RecordKey::only(), &account);
        self.list_published(1);
        self.prekey_published(1);
        self.tell(Event::AccountReady { account: account.view() });
        if proved { self.device_ready() } else { self.prove() }
    }

    pub(super) fn account_refused(&mut self, problem: String) {
        self.tell(Event::AccountRefused { problem });
    }

    /// Below 2^31 and not zero.
    pub(super) fn random_registration_id(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.rng.fill_bytes(&mut bytes);
        (u32::from_le_bytes(bytes) >> 1).max(1)
    }

    fn new_messaging_key(&mut self, account: &Account, version: u32) -> SignedMessagingKey {
        let secret = ExchangeSecret::generate(self.rng);
        let created_at = self.time().hour();
        let signed = sign_messaging_key(
            &account.identity,
            &account.phone,
            version,
            created_at,
            &secret.public(),
        );
        let signature = signed.signature;
        let record = MessagingSecret { secret, key_version: version, created_at, signature };
        self.records.put(&MessagingSecret::key(version), &record);
        signed
    }

    pub(super) fn prekey_ids(&self) -> PrekeyIds {
        self.records.get(&RecordKey::only()).unwrap_or_default()
    }

    pub(super) fn prekey_published(&mut self, id: u32) {
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        let published = ids.published.max(id.min(ids.signed));
        self.records.put(&RecordKey::only(), &PrekeyIds { published, ..ids });
    }

    pub(super) fn new_signed_prekey(&mut self, account: &Account) -> SignedPrekey {
        let mut ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        ids.signed += 1;
        self.records.put(&RecordKey::only(), &ids);
        let secret = ExchangeSecret::generate(self.rng);
        let created_at = self.time().hour();
        let signed = sign_prekey(
            &account.identity,
            &account.device_id,
            ids.signed,
            created_at,
            &secret.public(),
        );
        let record = SignedPrekeySecret { secret, created_at, signature: signed.signature };
        self.records.put(&SignedPrekeySecret::key(ids.signed), &record);
        signed
    }

    pub(super) fn new_one_time_prekeys(&mut self, count: u32) -> Vec<OneTimePrekey> {
        let mut ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        let created_at = self.time();
        let mut prekeys = Vec::new();
        for _ in 0..count {
            ids.one_time += 1;
            let secret = ExchangeSecret::generate(self.rng);
            prekeys.push(OneTimePrekey { key_id: ids.one_time, public_key: secret.public() });
            let record = OneTimeSecret { secret, created_at };
            self.records.put(&OneTimeSecret::key(ids.one_time), &record);
        }
        self.records.put(&RecordKey::only(), &ids);
        prekeys
    }

    /// The messaging secrets, newest first.
    pub(super) fn messaging_secrets(&self) -> Vec<MessagingSecret> {
        let secrets = self.records.list(&[]).into_iter().rev();
        secrets.map(|(_, secret)| secret).collect()
    }
}
