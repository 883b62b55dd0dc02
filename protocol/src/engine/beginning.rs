//! A device's new beginning under its old name: another registration id, device key, prekeys and
//! messaging key, all in one request, with the messaging secret wrapped for the siblings over
//! channels that begin with their signed prekeys.
//!
//! Until the server has taken it, all of it lies in one record beside what the vault held before, so
//! that a declined touch or a refusal changes nothing.

use super::account::{Account, MessagingSecret, OneTimeSecret, PrekeyIds, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::certificates::OwnCertificate;
use super::channels::{ChannelRecord, PeerDevice};
use super::contacts::Contact;
use super::interface::{ContactId, Event, Millis, Standing};
use super::lookup::CachedBundle;
use super::outbound::OutSession;
use super::outbox::{Outgoing, Sending};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::rekey_answer::Answering;
use super::rekey_offer::OfferMade;
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::account_keys::{self, AccountKeys, PURPOSE_ACCOUNT};
use crate::channel::{Channel, OwnDevice};
use crate::device_list::{self, hash};
use crate::device_name::open_name;
use crate::handshake::Party;
use crate::keys::{
    ExchangeSecret, IdentitySecret, sign_messaging_key, sign_prekey, verify_messaging_key,
    verify_prekey,
};
use crate::limits::{CLOCK_SKEW, ONE_TIME_PREKEYS, SIGNED_PREKEY_REFUSED};
use crate::notes::{Heal, Missing, Note};
use crate::session_key::PAYLOAD_VERSION;
use crate::wire::{
    ListedDevice, OneTimePrekey, RecoverDevice, RecoveryInfo, SiblingKeys, SignedDeviceList,
    SignedPrekey,
};
use minicbor::{Decode, Encode};

/// What the device is to be: `beginning`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Beginning {
    #[n(0)]
    account: Account,
    /// The account's messaging secrets, the new one first.
    #[n(1)]
    messaging: Vec<account_keys::MessagingSecret>,
    #[n(2)]
    list: SignedDeviceList,
    #[n(3)]
    signed_id: u32,
    #[n(4)]
    signed: SignedPrekeySecret,
    #[n(5)]
    one_time_from: u32,
    #[n(6)]
    one_time: Vec<ExchangeSecret>,
    /// Channels to siblings.
    #[n(7)]
    channels: Vec<ChannelRecord>,
    /// What was wrapped for them goes under this counter.
    #[n(8)]
    counter: Option<u64>,
    /// How often the account's keys had moved on meanwhile.
    #[n(9)]
    tries: u8,
}

impl Record for Beginning {
    const KIND: &'static str = "beginning";
}

/// After so many tries in a row that came too late, the person tries again.
const TRIES: u8 = 3;
/// Nothing lies in a mailbox for longer: what an emptied device may have missed.
const MAILBOX_LIFE: Millis = 33 * 86_400_000;

impl Turn<'_> {
    /// Prepares the new beginning and asks for it; `false` where what the server tells of the
    /// account does not hold under this identity.
    pub(super) fn begin_anew(
        &mut self,
        info: &RecoveryInfo,
        identity: &IdentitySecret,
        mut messaging: Vec<account_keys::MessagingSecret>,
        name: Option<String>,
        tries: u8,
    ) -> bool {
        let Some(own_prekey) = check_info(info, identity) else { return false };
        if self.is_rolled_back(info, &messaging) {
            return false;
        }
        let own_prekey = own_prekey.key_id;
        let sealed_name = &info.encrypted_name.0;
        let name = name.or_else(|| open_name(identity, &info.phone, &info.device_id, sealed_name));
        let account = self.account_anew(info, identity, name.unwrap_or_default());
        let newest = account_keys::MessagingSecret {
            key_version: info.bundle.messaging_key.key_version.saturating_add(1),
            created_at: self.time().hour(),
            secret: ExchangeSecret::generate(self.rng),
        };
        let list = self.list_of_beginning(&account, info, &newest);
        messaging.retain(|secret| secret.key_version < newest.key_version);
        messaging.insert(0, newest);
        let secret = ExchangeSecret::generate(self.rng);
        let (created_at, signed_id) = (self.time().hour(), own_prekey.saturating_add(1));
        let prekey =
            sign_prekey(identity, &info.device_id, signed_id, created_at, &secret.public());
        let signature = prekey.signature;
        let mut beginning = Beginning {
            account,
            messaging,
            list,
            signed_id,
            signed: SignedPrekeySecret { secret, created_at, signature },
            one_time_from: info.last_one_time_key_id.saturating_add(1),
            one_time: (0..ONE_TIME_PREKEYS).map(|_| ExchangeSecret::generate(self.rng)).collect(),
            channels: Vec::new(),
            counter: None,
            tries,
        };
        let wraps = self.wrap_beginning(&mut beginning, info);
        let Some(body) = beginning.request(prekey, wraps) else { return false };
        self.records.put(&RecordKey::only(), &beginning);
        self.ask(Purpose::BeginAnew, Method::Post, "/v1/recovery", Some(body));
        true
    }

    fn account_anew(
        &mut self,
        info: &RecoveryInfo,
        identity: &IdentitySecret,
        device_name: String,
    ) -> Account {
        Account {
            phone: info.phone.clone(),
            device_name,
            identity: identity.clone(),
            device_id: info.device_id,
            registration_id: self.random_registration_id(),
            device: ExchangeSecret::generate(self.rng),
            published: false,
        }
    }

    /// Whether the server tells less than what is known: an older list, another one of the same
    /// version, or a messaging key before the newest whose secret is here. A list signed on top of
    /// it could name devices that were revoked.
    pub(super) fn is_rolled_back(
        &self,
        info: &RecoveryInfo,
        messaging: &[account_keys::MessagingSecret],
    ) -> bool {
        let served = &info.bundle.device_list;
        let older = OwnList::current(self.records).is_some_and(|own| {
            let same = own.version == served.version;
            own.version > served.version || same && hash(&own) != hash(served)
        });
        let version = info.bundle.messaging_key.key_version;
        older || messaging.iter().any(|secret| secret.key_version > version)
    }

    fn list_of_beginning(
        &self,
        account: &Account,
        info: &RecoveryInfo,
        newest: &account_keys::MessagingSecret,
    ) -> SignedDeviceList {
        let served = &info.bundle.device_list;
        let mut devices = served.devices.clone();
        devices.retain(|device| device.device_id != account.device_id);
        devices.push(account.listed());
        let (version, key) = (served.version.saturating_add(1), newest.secret.public());
        self.sign_list(account, version, &key, devices)
    }

    /// The messaging secret for every sibling whose signed prekey is young enough; the others catch
    /// up once they are back.
    fn wrap_beginning(
        &mut self,
        beginning: &mut Beginning,
        info: &RecoveryInfo,
    ) -> Option<SiblingKeys> {
        let payload = AccountKeys {
            version: PAYLOAD_VERSION,
            sender: beginning.account.party(),
            purpose: PURPOSE_ACCOUNT,
            list: beginning.list.clone(),
            messaging: beginning.messaging.first()?.clone(),
            identity: None,
        };
        let payload = payload.to_cbor();
        let Beginning { account, list, channels, .. } = beginning;
        let devices = list.devices.iter();
        let siblings = devices.filter(|listed| listed.device_id != account.device_id);
        let counter = info.key_rotation_counter.saturating_add(1);
        let wraps = self.wrap_each(&account.phone, siblings, counter, |turn, sibling| {
            let (channel, content) = turn.first_wrap_for(account, sibling, info, &payload)?;
            channels.push(channel);
            Some(content)
        })?;
        beginning.counter = Some(counter);
        Some(wraps)
    }

    /// Begins a channel with a sibling's signed prekey, and wraps the payload in it.
    fn first_wrap_for(
        &mut self,
        account: &Account,
        sibling: &ListedDevice,
        info: &RecoveryInfo,
        payload: &[u8],
    ) -> Option<(ChannelRecord, Vec<u8>)> {
        let mut prekeys = info.bundle.prekeys.iter();
        let prekey = &prekeys.find(|p| p.device_id == sibling.device_id)?.signed_prekey;
        let age = self.time().since(prekey.created_at);
        if !(-CLOCK_SKEW..=SIGNED_PREKEY_REFUSED).contains(&age) {
            return None;
        }
        let (party, peer) = (account.party(), peer_party(account, sibling));
        let own = OwnDevice { party: &party, secret: &account.device };
        let channel = Channel::initiate(self.rng, &own, &peer, prekey, None).ok()?;
        let (channel, message) = channel.encrypt(self.rng, payload);
        let registration_id = sibling.registration_id;
        let (contact, begun_at) = (ContactId::random(&mut self.rng), self.time());
        let ended = false;
        let record = ChannelRecord { contact, registration_id, channel, begun_at, ended };
        Some((record, message.to_cbor()))
    }

    /// A refusal may follow a success whose answer was lost: what the server serves tells.
    pub(super) fn beginning_answered(&mut self, answer: &Answer) {
        if answer.is_ok() { self.begun_anew(true) } else { self.ask_recovery_info() }
    }

    pub(super) fn beginning_settled(&mut self, info: Option<RecoveryInfo>) {
        let beginning: Option<Beginning> = self.records.get(&RecordKey::only());
        let Some(beginning) = beginning else { return };
        let Some(info) = info else { return self.beginning_refused() };
        let served = &info.bundle.device_list;
        if *served == beginning.list {
            return self.begun_anew(false);
        }
        self.give_beginning_up();
        let overtaken = served.version >= beginning.list.version && beginning.tries < TRIES;
        let Beginning { account, mut messaging, tries, .. } = beginning;
        messaging.remove(0);
        let name = Some(account.device_name.clone());
        if !overtaken || !self.begin_anew(&info, &account.identity, messaging, name, tries + 1) {
            self.beginning_refused();
        }
    }

    /// Nothing came of it, and what the vault held is as it was.
    fn beginning_refused(&mut self) {
        self.give_beginning_up();
        if self.account().is_some() {
            self.vault_is_outdated();
        } else {
            self.tell(Event::RecoveryRefused);
        }
    }

    pub(super) fn give_beginning_up(&mut self) {
        self.give_up(|purpose| matches!(purpose, Purpose::BeginAnew | Purpose::RecoveryInfo));
        self.records.delete(&RecordKey::<Beginning>::only());
    }

    /// The server has taken it: the old state goes, the new one comes, and everybody is told what
    /// may be missing here.
    fn begun_anew(&mut self, proved: bool) {
        let beginning: Option<Beginning> = self.records.get(&RecordKey::only());
        let Some(beginning) = beginning else { return };
        self.give_beginning_up();
        let known_until = self.account().map(|_| self.vault_is_of());
        self.drop_old_state();
        let account = Account { published: true, ..beginning.account };
        self.records.put(&RecordKey::only(), &account);
        for secret in beginning.messaging {
            let key = MessagingSecret::key(secret.key_version);
            let secret = MessagingSecret::of_shared(secret, &account.identity, &account.phone);
            self.records.put(&key, &secret);
        }
        self.records.put(&SignedPrekeySecret::key(beginning.signed_id), &beginning.signed);
        let created_at = self.time();
        let mut last = beginning.one_time_from.saturating_sub(1);
        for secret in beginning.one_time {
            last = last.saturating_add(1);
            self.records.put(&OneTimeSecret::key(last), &OneTimeSecret { secret, created_at });
        }
        let (signed, published) = (beginning.signed_id, beginning.signed_id);
        self.records.put(&RecordKey::only(), &PrekeyIds { signed, one_time: last, published });
        if let Some(counter) = beginning.counter {
            self.wrapped(counter);
        }
        self.take_list_of_beginning(&account, beginning.list, beginning.channels);
        self.forget_outdated();
        self.ask_for_what_is_missing(known_until);
        self.tell(Event::Recovered { account: account.view() });
        if proved { self.device_ready() } else { self.prove() }
    }

    /// Channels, sessions for sending and prekeys of the device's earlier life. Sessions for receiving
    /// stay: letters of theirs may still lie in the mailbox.
    fn drop_old_state(&mut self) {
        self.call_requests_back();
        self.drop_change();
        self.drop_tokens();
        self.records.delete_all::<PeerDevice>(&[]);
        self.records.delete_all::<ChannelRecord>(&[]);
        self.records.delete_all::<OutSession>(&[]);
        self.records.delete_all::<CachedBundle>(&[]);
        self.records.delete_all::<Sending>(&[]);
        self.records.delete_all::<OfferMade>(&[]);
        self.records.delete_all::<Answering>(&[]);
        self.records.delete_all::<BaseKey>(&[]);
        self.records.delete_all::<SignedPrekeySecret>(&[]);
        self.records.delete_all::<OneTimeSecret>(&[]);
        self.records.delete(&RecordKey::<OwnCertificate>::only());
    }

    /// Letters on their way are written in another session; they show once all the same.
    fn call_requests_back(&mut self) {
        self.give_up(|purpose| !matches!(purpose, Purpose::Mailbox));
        for (_, outgoing) in self.records.list::<Outgoing>(&[]) {
            if outgoing.under_way.is_some() {
                let key = Outgoing::key(&outgoing.letter);
                self.records.put(&key, &Outgoing { under_way: None, ..outgoing });
            }
        }
    }

    fn take_list_of_beginning(
        &mut self,
        account: &Account,
        list: SignedDeviceList,
        channels: Vec<ChannelRecord>,
    ) {
        let own = OwnList { list: list.clone(), published: true };
        self.records.put(&OwnList::key(list.version), &own);
        let Some(id) = self.own_contact() else { return };
        self.close_sessions_of_unlisted(id, &list);
        if let Some(contact) = self.contact(id) {
            let identity = account.identity.public();
            self.put_contact(id, &Contact { identity, list: Some(list), ..contact });
        }
        for channel in channels {
            self.activate(&ChannelRecord { contact: id, ..channel });
        }
    }

    /// Contacts send again what they wrote since the vault's last moment; siblings give what they
    /// have. All of it waits in the pool.
    fn ask_for_what_is_missing(&mut self, known_until: Option<Millis>) {
        let since = known_until.unwrap_or(self.now.saturating_sub(MAILBOX_LIFE));
        for (id, contact) in super::contacts::contacts(self.records) {
            if contact.standing == Standing::Accepted && !self.is_own(&contact.phone) {
                self.pool_note(id, &Note::Heal(Heal { since: Some(since), sessions: Vec::new() }));
            }
        }
        self.tell_siblings(&Note::Missing(Missing { since, sessions: Vec::new() }));
    }
}

impl Beginning {
    fn request(&self, prekey: SignedPrekey, wraps: Option<SiblingKeys>) -> Option<String> {
        let Account { identity, phone, .. } = &self.account;
        let newest = self.messaging.first()?;
        let (version, key) = (newest.key_version, newest.secret.public());
        let messaging_key = sign_messaging_key(identity, phone, version, newest.created_at, &key);
        let ids = self.one_time_from..;
        let prekeys = ids
            .zip(&self.one_time)
            .map(|(key_id, secret)| OneTimePrekey { key_id, public_key: secret.public() });
        let request = RecoverDevice {
            device_list: self.list.clone(),
            messaging_key,
            signed_prekey: prekey,
            one_time_prekeys: prekeys.collect(),
            wraps,
        };
        serde_json::to_string(&request).ok()
    }
}

/// Everything that the server tells of the account's keys is signed with its identity, and the list
/// names this device, whose prekey comes back. The list may be old: the account may have been silent
/// for long.
fn check_info<'a>(info: &'a RecoveryInfo, identity: &IdentitySecret) -> Option<&'a SignedPrekey> {
    let (identity, bundle) = (identity.public(), &info.bundle);
    let list = device_list::check_undated(&bundle.device_list, &identity, &info.phone).ok()?;
    verify_messaging_key(&identity, &info.phone, &bundle.messaging_key).ok()?;
    let named = bundle.messaging_key.public_key == bundle.device_list.messaging_key;
    let all = list.devices().iter().all(|device| {
        let mut theirs = bundle.prekeys.iter().filter(|p| p.device_id == device.device_id);
        theirs.next().is_some_and(|prekeys| {
            verify_prekey(&identity, &device.device_id, &prekeys.signed_prekey).is_ok()
        })
    });
    list.device(&info.device_id)?;
    let own = bundle.prekeys.iter().find(|prekeys| prekeys.device_id == info.device_id)?;
    (named && all).then_some(&own.signed_prekey)
}

fn peer_party(account: &Account, device: &ListedDevice) -> Party {
    Party {
        phone: account.phone.clone(),
        identity_key: account.identity.public(),
        device_id: device.device_id,
        device_key: device.device_key,
    }
}
