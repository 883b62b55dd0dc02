//! Changes of the account's keys: a new messaging key under a new list, wrapped for the siblings in
//! the same request; with a device less, or another identity, where one is revoked.
//!
//! Nothing of a change is in force before the server is known to have it. Whoever loses the race for
//! the next version takes up what the winner made.

use super::account::{Account, MessagingSecret};
use super::consistency::Asked;
use super::devices::OwnDevices;
use super::interface::{DeviceView, KeysView, Millis};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::account_keys::{self, AccountKeys, PURPOSE_ACCOUNT};
use crate::device_list::{DeviceList, hash};
use crate::keys::{ExchangeSecret, IdentitySecret, sign_messaging_key};
use crate::limits::MESSAGING_KEY_RENEWAL;
use crate::sessions::PAYLOAD_VERSION;
use crate::types::{DAY, DeviceId, Key};
use crate::wire::{
    Devices, KeyBundle, ListedDevice, RevokeDevice, RotateMessagingKey, SignedDeviceList,
};
use minicbor::{Decode, Encode};

/// A change under way: `change`. Its list is the one that is not known to be published.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Change {
    #[n(0)]
    pub(super) list: SignedDeviceList,
    #[n(1)]
    pub(super) messaging: MessagingSecret,
    /// Another identity, where the account gets one.
    #[n(2)]
    pub(super) identity: Option<IdentitySecret>,
    /// The counter of what was wrapped for the siblings.
    #[n(3)]
    counter: Option<u64>,
}

impl Record for Change {
    const KIND: &'static str = "change";
}

/// What is to be done once the devices are known as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// A new messaging key.
    Rotate,
    /// A device less.
    Revoke {
        /// Which.
        device: DeviceId,
        /// With another identity.
        lost: bool,
    },
}

/// What is planned with the account's keys, and what was told of them. Held in memory: what a person
/// asked for and a crash took is asked for again, by them.
#[derive(Default)]
pub(super) struct KeyPlans {
    pub(super) intent: Option<Intent>,
    /// A stranger's look-up that was due when the vault was opened has been put off.
    pub(super) awake: bool,
    /// Since when the server serves another identity than the own one.
    pub(super) other_identity_since: Option<Millis>,
    /// The devices have just been fetched: what they do not explain, they will not.
    pub(super) devices_are_fresh: bool,
    /// What the last check of the keys was asked with.
    pub(super) checked_digest: Option<Key>,
    /// It did not hold; the next one decides.
    pub(super) check_doubted: bool,
    /// What a stranger was served, and what was known then: to be compared once the devices were
    /// fetched.
    pub(super) looked_up: Option<(Asked, KeyBundle)>,
    pub(super) devices_told: Vec<DeviceView>,
    pub(super) told: Option<KeysView>,
}

const SECOND: Millis = 1_000;
const AN_HOUR: Millis = 3_600 * SECOND;
const A_DAY: Millis = DAY * SECOND;

impl Turn<'_> {
    /// The messaging key lasts a week and up to a day more, so that siblings do not race. One that is
    /// older yet goes at a moment that short visits reach as well.
    pub(super) fn plan_rotation(&mut self) {
        let Some(newest) = self.messaging_secrets().into_iter().next() else { return };
        if self.memory.upkeep.rotate_at.is_none() {
            let due = newest.created_at.plus(MESSAGING_KEY_RENEWAL).0 * SECOND;
            let least = due.max(self.now);
            let left = due + A_DAY - least;
            let more = if left > 0 { self.up_to(left) } else { self.pool_pause() };
            self.memory.upkeep.rotate_at = Some(least + more);
        }
    }

    /// Where the secret of the messaging key in force is not known: an only device has made it itself,
    /// in a life that its vault knows nothing of. One of several makes the next key, unless a sibling
    /// tells it the secret within the hour.
    pub(super) fn want_messaging_secret(&mut self, list: &SignedDeviceList) {
        let secrets = self.messaging_secrets();
        if secrets.iter().any(|secret| secret.secret.public() == list.messaging_key) {
            return;
        }
        if list.devices.len() == 1 && self.is_listed() {
            return self.vault_is_outdated();
        }
        let at = self.now + AN_HOUR + self.up_to(AN_HOUR);
        let rotate_at = &mut self.memory.upkeep.rotate_at;
        *rotate_at = Some(rotate_at.map_or(at, |planned| planned.min(at)));
    }

    pub(super) fn rotate_if_due(&mut self) {
        if self.memory.upkeep.rotate_at.is_some_and(|at| at <= self.now) {
            self.memory.upkeep.rotate_at = Some(self.now + self.around(AN_HOUR));
            self.intend(Intent::Rotate);
        }
    }

    /// New signed prekey, messaging key and sessions, whatever their age.
    pub(super) fn rotate_keys(&mut self) {
        if self.account().is_some_and(|account| account.published) {
            self.renew_prekey();
            self.end_sessions();
            self.intend(Intent::Rotate);
        }
    }

    /// Does something with the account's keys, after a look at how they are now. What a person asked
    /// for goes before what the clock did, and after what is under way.
    pub(super) fn intend(&mut self, intent: Intent) {
        let revokes = |intent: &Intent| matches!(intent, Intent::Revoke { .. });
        let under_way = self.is_asked(Purpose::changes_keys);
        if (revokes(&intent) || !under_way)
            && !self.memory.keys.intent.as_ref().is_some_and(revokes)
        {
            self.memory.keys.intent = Some(intent);
            self.ask_devices();
        }
    }

    /// The devices could not be looked at.
    pub(super) fn intent_failed(&mut self) {
        self.memory.keys.intent = None;
    }

    pub(super) fn carry_out_intent(&mut self) {
        // Two lists of one version under way would be taken for each other.
        let busy = self.is_asked(Purpose::signs_list) || self.is_wrapping();
        match self.memory.keys.intent.take() {
            Some(intent) if busy => {
                self.memory.keys.intent = Some(intent);
                self.want_devices();
            }
            Some(Intent::Rotate) => self.begin_change(None, false),
            Some(Intent::Revoke { device, lost }) => self.begin_change(Some(device), lost),
            None => {}
        }
    }

    /// Makes the next keys and asks the server to take them.
    fn begin_change(&mut self, revoked: Option<DeviceId>, lost: bool) {
        let (Some(account), Some(current), Some((_, known))) =
            (self.account(), OwnList::current(self.records), OwnDevices::of(self.records))
        else {
            return;
        };
        if revoked.is_some_and(|id| !current.names(&id) || id == account.device_id) {
            return;
        }
        let left = current.devices.iter().filter(|listed| Some(listed.device_id) != revoked);
        let left: Vec<ListedDevice> = left.cloned().collect();
        let identity = lost.then(|| IdentitySecret::generate(self.rng));
        let change = self.new_change(&account, &current, &known, left, identity);
        self.ask_change(&account, change, revoked, &known);
    }

    fn new_change(
        &mut self,
        account: &Account,
        current: &SignedDeviceList,
        known: &Devices,
        devices: Vec<ListedDevice>,
        identity: Option<IdentitySecret>,
    ) -> Change {
        let signer = identity.as_ref().unwrap_or(&account.identity);
        let key_version = known.messaging_key.key_version + 1;
        let secret = ExchangeSecret::generate(self.rng);
        let (created_at, public) = (self.time().hour(), secret.public());
        let signed = sign_messaging_key(signer, &account.phone, key_version, created_at, &public);
        let signature = signed.signature;
        let messaging = MessagingSecret { secret, key_version, created_at, signature };
        let (phone, version) = (&account.phone, current.version.saturating_add(1));
        let list = DeviceList::sign(signer, phone, version, self.time(), &public, devices);
        Change { list, messaging, identity, counter: None }
    }

    fn ask_change(
        &mut self,
        account: &Account,
        change: Change,
        revoked: Option<DeviceId>,
        known: &Devices,
    ) {
        let payload = change.for_siblings(account).to_cbor();
        let wraps = self.wrap_for_siblings(&change.list.devices, &payload);
        let counter = wraps.as_ref().map(|wraps| wraps.key_rotation_counter);
        let rotation = RotateMessagingKey {
            messaging_key: change.messaging.signed(),
            device_list: change.list.clone(),
            wraps,
        };
        let (method, path, body) = match revoked {
            None => {
                let body = serde_json::to_string(&rotation).ok();
                (Method::Put, "/v1/keys/messaging".to_owned(), body)
            }
            Some(device) => {
                let identity = change.identity.as_ref().map(|new| change.replaces(new, known));
                let body = serde_json::to_string(&RevokeDevice { rotation, identity }).ok();
                (Method::Delete, format!("/v1/devices/{}", device.to_text()), body)
            }
        };
        self.keep_pending_list(&change.list);
        self.records.put(&RecordKey::only(), &Change { counter, ..change });
        self.ask(Purpose::ChangeKeys { touch: revoked.is_some() }, method, path, body);
    }

    pub(super) fn change_answered(&mut self, answer: &Answer) {
        if answer.is_ok()
            && let Some(change) = self.records.get(&RecordKey::<Change>::only())
        {
            self.apply_change(change);
        }
        // Refused: another device was first, or an earlier try was taken and its answer lost.
        self.ask_devices();
    }

    /// The person did not touch the passkey. An earlier try may have been taken and its answer lost:
    /// what the server serves decides.
    pub(super) fn change_declined(&mut self) {
        self.ask_devices();
    }

    /// What the server serves decides whether a change in doubt was taken.
    pub(super) fn settle_change(&mut self, served: &Devices) {
        let Some(pending) = self.pending_list() else { return };
        let change: Option<Change> = self.records.get(&RecordKey::only());
        let change = change.filter(|change| change.list.version == pending.version);
        let is_served = hash(&pending) == hash(&served.device_list);
        match change {
            // Its answer is lost or to come; a later list under its identity says as much.
            Some(change) if is_served || change.gives_identity(&served.identity_key) => {
                self.give_up(Purpose::changes_keys);
                self.apply_change(change);
            }
            _ if self.is_asked(Purpose::signs_list) => {}
            None if is_served => self.list_published(pending.version),
            _ => {
                self.drop_change();
                self.withdraw_list(pending.version);
            }
        }
    }

    pub(super) fn drop_change(&mut self) {
        if let Some(change) = self.records.get(&RecordKey::<Change>::only()) {
            self.withdraw_list(change.list.version);
            self.records.delete(&RecordKey::<Change>::only());
        }
    }

    /// From here on the new keys are those in force.
    fn apply_change(&mut self, change: Change) {
        self.records.delete(&RecordKey::<Change>::only());
        if let Some(counter) = change.counter {
            self.wrapped(counter);
        }
        if let Some(identity) = change.identity {
            self.replace_identity(identity);
            self.name_devices_anew(&change.list);
        }
        self.take_messaging_secret(&change.messaging);
        self.take_own_list(&change.list);
    }

    /// Takes a messaging key into use. Those before it are kept as long as what was sealed to them
    /// can arrive.
    pub(super) fn take_messaging_secret(&mut self, messaging: &MessagingSecret) {
        let key = MessagingSecret::key(messaging.key_version);
        if !self.records.has(&key) {
            self.records.put(&key, messaging);
            self.memory.upkeep.rotate_at = None;
            self.plan_rotation();
        }
    }

    /// The secret of the messaging key that an own list names, for siblings that were dormant when it
    /// was wrapped.
    pub(super) fn messaging_secret_of(
        &self,
        list: &SignedDeviceList,
    ) -> Option<account_keys::MessagingSecret> {
        let newest = self.messaging_secrets().into_iter().next()?;
        (newest.secret.public() == list.messaging_key).then(|| newest.shared())
    }
}

impl Change {
    fn gives_identity(&self, key: &Key) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.public() == *key)
    }

    /// What the siblings get: over channels that were made under the identity of now.
    fn for_siblings(&self, account: &Account) -> AccountKeys {
        AccountKeys {
            version: PAYLOAD_VERSION,
            sender: account.party(),
            purpose: PURPOSE_ACCOUNT,
            list: self.list.clone(),
            messaging: self.messaging.shared(),
            identity: self.identity.clone(),
        }
    }
}
