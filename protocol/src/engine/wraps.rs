//! What an account's devices wrap for each other over their channels: the keys of the account, when
//! they change. Siblings are reached like anybody else's devices, with the own number as the contact.

use super::account::{Account, MessagingSecret};
use super::devices::OwnDevices;
use super::envelopes::Fate;
use super::interface::{ContactId, Millis};
use super::live::Acks;
use super::opening::Opened;
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::account_keys::{AccountKeys, RekeyedSession, SiblingContext, SiblingError};
use crate::device_list::{check_undated, hash};
use crate::handshake::Party;
use crate::session_key::SessionKeyPayload;
use crate::types::{Bytes, DeviceId, Phone, SessionLabel, UnixTime};
use crate::wire::{Devices, ListedDevice, SiblingKeys};
use minicbor::{Decode, Encode};

/// The counter of what this device last wrapped for its siblings: `wraps`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct WrapCounter {
    #[n(0)]
    pub(super) last: u64,
}

impl Record for WrapCounter {
    const KIND: &'static str = "wraps";
}

/// What a sibling told of the account's keys, until the server serves it: `told-keys/<hash of the list>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct ToldKeys {
    #[n(0)]
    told_at: Millis,
    #[n(1)]
    keys: AccountKeys,
}

impl Record for ToldKeys {
    const KIND: &'static str = "told-keys";
}

impl ToldKeys {
    fn key(keys: &AccountKeys) -> RecordKey<Self> {
        RecordKey::of(&[&Bytes(hash(&keys.list)).to_text()])
    }
}

/// The most of them; the newest.
const MOST_TOLD: usize = 16;
const TOLD_KEPT: Millis = 33 * 86_400_000;
/// How long a sibling's word on another identity may take to arrive.
const PATIENCE: Millis = 10 * 60_000;

impl Turn<'_> {
    /// Whether a device is listed as one of the account's others.
    pub(super) fn is_sibling(&self, device: &DeviceId) -> bool {
        let own = self.account().map(|account| account.device_id);
        let list = OwnList::current(self.records);
        list.is_some_and(|list| list.names(device)) && own.as_ref() != Some(device)
    }

    /// Whether a party's device is one of the account's others, by its key as well.
    pub(super) fn is_a_siblings_device(&self, party: &Party) -> bool {
        let list = OwnList::current(self.records);
        let named = list.is_some_and(|list| {
            list.devices.iter().any(|listed| {
                listed.device_id == party.device_id && listed.device_key == party.device_key
            })
        });
        named && self.is_sibling(&party.device_id)
    }

    /// Whether something wrapped for siblings is on its way: the next one has to wait, because it
    /// takes the next counter.
    pub(super) fn is_wrapping(&self) -> bool {
        self.is_asked(Purpose::wraps_for_siblings)
    }

    /// Wraps a payload over the channels to those siblings in `devices` that are awake, under the
    /// next counter; `None` where there is none. The server has it once the request is answered:
    /// see [`Self::wrapped`].
    pub(super) fn wrap_for_siblings(
        &mut self,
        devices: &[ListedDevice],
        payload: &[u8],
    ) -> Option<SiblingKeys> {
        let account = self.account()?;
        let id = self.own_contact()?;
        let contact = self.contact(id)?;
        let counter: WrapCounter = self.records.get(&RecordKey::only()).unwrap_or_default();
        let siblings = devices.iter().filter(|listed| listed.device_id != account.device_id);
        self.wrap_each(&account.phone, siblings, counter.last + 1, |turn, listed| {
            let device = turn.sibling(listed);
            turn.seal_for(id, &contact, &account, &device, payload)
        })
    }

    /// One envelope for each sibling for whom `seal` makes its content, all under one label;
    /// `None` where there is none.
    pub(super) fn wrap_each<'a>(
        &mut self,
        phone: &Phone,
        siblings: impl Iterator<Item = &'a ListedDevice>,
        key_rotation_counter: u64,
        mut seal: impl FnMut(&mut Self, &ListedDevice) -> Option<Vec<u8>>,
    ) -> Option<SiblingKeys> {
        let session_key_id = SessionLabel::random(&mut self.rng);
        let mut envelopes = Vec::new();
        for listed in siblings {
            let content = seal(self, listed);
            envelopes.extend(content.and_then(|content| {
                self.seal_envelope_to(phone, listed, &session_key_id, &content)
            }));
        }
        let wraps = SiblingKeys { session_key_id, key_rotation_counter, envelopes };
        (!wraps.envelopes.is_empty()).then_some(wraps)
    }

    /// The server has taken what was wrapped under this counter, or says that it has.
    pub(super) fn wrapped(&mut self, counter: u64) {
        self.records.put(&RecordKey::only(), &WrapCounter { last: counter });
    }

    /// The account's keys, from a sibling.
    pub(super) fn take_account_envelope(
        &mut self,
        account: &Account,
        keys: AccountKeys,
        opened: Opened,
        stored: UnixTime,
    ) -> Fate {
        let (sender, list) = (keys.sender.clone(), keys.list.clone());
        match self.take_account_keys(account, keys, opened.channel.peer(), stored) {
            Ok(contact) => {
                self.keep_channel(contact, &sender.device_id, &list, opened);
                Fate::Taken
            }
            Err(error) => self.fate_among_siblings(account, &sender.phone, error),
        }
    }

    /// The key of a re-keyed session, from a sibling.
    pub(super) fn take_rekeyed_envelope(
        &mut self,
        account: &Account,
        rekeyed: RekeyedSession,
        opened: Opened,
        stored: UnixTime,
        acks: &mut Acks,
    ) -> Fate {
        let (Some(own_list), Some(contact)) = (OwnList::current(self.records), self.own_contact())
        else {
            return Fate::Useless;
        };
        let (own, peer) = (account.party(), opened.channel.peer().clone());
        let (channel_peer, own, own_list) = (&peer, &own, &own_list);
        match rekeyed.check(&SiblingContext { channel_peer, own, own_list, stored }) {
            Ok(()) => {
                self.keep_channel(contact, &peer.device_id, own_list, opened);
                self.take_rekeyed_session(rekeyed, acks);
                Fate::Taken
            }
            Err(error) => self.fate_among_siblings(account, &peer.phone, error),
        }
    }

    /// From a device that this one has yet to hear of, it waits until the devices were fetched.
    fn fate_among_siblings(
        &mut self,
        account: &Account,
        from: &Phone,
        error: SiblingError,
    ) -> Fate {
        if error == SiblingError::NotSibling && *from == account.phone {
            return self.fate_of_unlisted();
        }
        Fate::Useless
    }

    /// Whether a party speaks for the own number with a device that the newest own list does not name.
    pub(super) fn speaks_unlisted(&self, account: &Account, sender: &Party) -> bool {
        sender.phone == account.phone && !self.is_a_siblings_device(sender)
    }

    /// The devices as they are now decide.
    pub(super) fn fate_of_unlisted(&mut self) -> Fate {
        if self.memory.keys.devices_are_fresh {
            return Fate::Useless;
        }
        self.want_devices();
        Fate::Held
    }

    /// A sibling's word on the account's keys: the messaging secret, the list that names it, and
    /// another identity where it was replaced. Whoever holds a sibling can say so without the server
    /// having taken anything: it counts once the server serves what it says.
    fn take_account_keys(
        &mut self,
        account: &Account,
        keys: AccountKeys,
        peer: &Party,
        stored: UnixTime,
    ) -> Result<ContactId, SiblingError> {
        let own_list = OwnList::current(self.records).ok_or(SiblingError::NotSibling)?;
        let own = account.party();
        let context = SiblingContext { channel_peer: peer, own: &own, own_list: &own_list, stored };
        let list = keys.check(&context)?;
        let contact = self.own_contact().ok_or(SiblingError::NotSibling)?;
        if keys.identity.is_some() && list.version() <= own_list.version {
            return Err(SiblingError::NotSibling);
        }
        let told = ToldKeys { told_at: self.now, keys };
        self.records.put(&ToldKeys::key(&told.keys), &told);
        self.sweep_told_keys();
        match OwnDevices::of(self.records) {
            Some((_, served)) if served.device_list.version >= list.version() => {
                self.settle_told_keys(&served);
            }
            _ => self.want_devices(),
        }
        Ok(contact)
    }

    /// What siblings told of keys that the server serves now, or has served before, is taken up; what
    /// it serves otherwise is dropped.
    pub(super) fn settle_told_keys(&mut self, served: &Devices) {
        let mut told = self.records.list::<ToldKeys>(&[]);
        told.sort_by_key(|(_, told)| told.keys.list.version);
        for (place, ToldKeys { keys, .. }) in told {
            if keys.list.version <= served.device_list.version {
                self.records.delete(&RecordKey::<ToldKeys>::of(&[&place]));
                if self.take_told_keys(keys, served).is_some() {
                    self.read_inbox_again();
                }
            }
        }
    }

    fn take_told_keys(&mut self, keys: AccountKeys, served: &Devices) -> Option<()> {
        let account = self.account()?;
        let AccountKeys { identity, messaging, list, .. } = keys;
        let signer = identity.as_ref().unwrap_or(&account.identity);
        let messaging = MessagingSecret::of_shared(messaging, signer, &account.phone);
        // Of a list in between, the key may be served still, or letters of its time are sealed to it.
        let is_served = messaging.signed() == served.messaging_key;
        let in_between = hash(&list) != hash(&served.device_list)
            && messaging.key_version < served.messaging_key.key_version;
        let key = signer.public();
        let signs = |list| check_undated(list, &key, &account.phone).is_ok();
        // What follows on another identity is signed with it.
        let follows = key == served.identity_key && signs(&served.device_list);
        if !signs(&list) || !(is_served || in_between) || identity.is_some() && !follows {
            return None;
        }
        if is_served || identity.is_some() {
            self.drop_other_secret(&messaging);
        }
        match identity {
            Some(identity) => self.sibling_replaced_identity(identity, &messaging, &list),
            None => self.take_messaging_secret(&messaging),
        }
        Some(())
    }

    /// Somebody told another secret of this version before, which is not the one that counts.
    fn drop_other_secret(&mut self, messaging: &MessagingSecret) {
        let key = MessagingSecret::key(messaging.key_version);
        let known: Option<MessagingSecret> = self.records.get(&key);
        if known.is_some_and(|known| known.secret.public() != messaging.secret.public()) {
            self.records.delete(&key);
        }
    }

    /// What the server never served, and more than there can be.
    pub(super) fn sweep_told_keys(&mut self) {
        let mut told = self.records.list::<ToldKeys>(&[]);
        told.sort_by_key(|(_, told)| std::cmp::Reverse(told.told_at));
        for (at, (place, told)) in told.into_iter().enumerate() {
            if at >= MOST_TOLD || self.now.saturating_sub(told.told_at) > TOLD_KEPT {
                self.records.delete(&RecordKey::<ToldKeys>::of(&[&place]));
            }
        }
    }

    /// The newest messaging secret, as a sibling's session with the own mailbox brings it to those
    /// that were dormant when it was made.
    pub(super) fn take_told_messaging_secret(
        &mut self,
        account: &Account,
        payload: &SessionKeyPayload,
    ) {
        let own = payload.sender.phone == account.phone
            && payload.sender.identity_key == account.identity.public();
        let Some(messaging) = payload.messaging.clone().filter(|_| own) else { return };
        let (identity, phone) = (&account.identity, &account.phone);
        if !self.records.has(&MessagingSecret::key(messaging.key_version)) {
            let messaging = MessagingSecret::of_shared(messaging, identity, phone);
            self.take_messaging_secret(&messaging);
            self.read_inbox_again();
        }
    }

    /// The server serves another identity than the own one. Where a sibling replaced it, its word
    /// lies in the mailbox; where nobody did, somebody is lying.
    pub(super) fn identity_is_another(&mut self) {
        let since = *self.memory.keys.other_identity_since.get_or_insert(self.now);
        if self.now - since >= PATIENCE {
            self.intent_failed();
            return self.served_altered();
        }
        self.read_inbox_again();
        self.memory.upkeep.devices_at = Some(self.now + PATIENCE);
    }
}
