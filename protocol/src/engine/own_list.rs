//! The account's own device list: signed here or by a sibling, and what follows from a newer one.

use super::account::Account;
use super::contacts::Contact;
use super::interface::{ContactId, Millis};
use super::records::{Record, RecordKey, Records};
use super::turn::Turn;
use crate::device_list::{DeviceList, hash};
use crate::types::{DeviceId, Key, UnixTime};
use crate::wire::{ListedDevice, SignedDeviceList};
use minicbor::{Decode, Encode};

/// A device list of one's own: `own-list/<version, 16 hex digits>`. Lists that letters may still
/// be made for are kept; the newest published one goes into envelopes.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OwnList {
    #[n(0)]
    pub(super) list: SignedDeviceList,
    /// Whether the server has it. One that was signed here and is under way is not known to be
    /// there: a sibling may be first with that version.
    #[n(1)]
    pub(super) published: bool,
}

/// How long what a device sent before it was revoked may take to be read.
const UNLISTED_KEPT: Millis = 86_400_000;

impl Record for OwnList {
    const KIND: &'static str = "own-list";
}

impl OwnList {
    pub(super) fn key(version: u64) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{version:016x}")])
    }

    /// The lists that the server has taken, the oldest first.
    pub(super) fn taken(records: &Records) -> impl DoubleEndedIterator<Item = SignedDeviceList> {
        let lists = records.list::<Self>(&[]).into_iter().map(|(_, own)| own);
        lists.filter(|own| own.published).map(|own| own.list)
    }

    /// The newest list that the server has taken.
    pub(super) fn current(records: &Records) -> Option<SignedDeviceList> {
        Self::taken(records).next_back()
    }

    /// The list that somebody says to have written for, if it is one of those known; else the newest
    /// one known.
    pub(super) fn named(records: &Records, version: u64, named: &Key) -> Option<SignedDeviceList> {
        let own: Option<Self> = records.get(&Self::key(version));
        own.filter(|own| own.published || hash(&own.list) == named.0)
            .map(|own| own.list)
            .or_else(|| Self::current(records))
    }
}

impl Turn<'_> {
    /// Signs a list of the account's devices. Nothing is kept: see [`Self::keep_pending_list`].
    pub(super) fn sign_list(
        &self,
        account: &Account,
        version: u64,
        messaging_key: &Key,
        devices: Vec<ListedDevice>,
    ) -> SignedDeviceList {
        let (identity, phone) = (&account.identity, &account.phone);
        DeviceList::sign(identity, phone, version, self.time(), messaging_key, devices)
    }

    /// Keeps a list that was signed here and is under way.
    pub(super) fn keep_pending_list(&mut self, list: &SignedDeviceList) {
        let record = OwnList { list: list.clone(), published: false };
        self.records.put(&OwnList::key(list.version), &record);
    }

    /// The list that was signed here and is under way.
    pub(super) fn pending_list(&self) -> Option<SignedDeviceList> {
        let lists = self.records.list::<OwnList>(&[]).into_iter().rev();
        lists.map(|(_, own)| own).find(|own| !own.published).map(|own| own.list)
    }

    /// The list under way came to nothing.
    pub(super) fn withdraw_list(&mut self, version: u64) {
        let key = OwnList::key(version);
        if self.records.get(&key).is_some_and(|own: OwnList| !own.published) {
            self.records.delete(&key);
        }
    }

    /// The server has taken the list that was signed here under this version.
    pub(super) fn list_published(&mut self, version: u64) {
        let own: Option<OwnList> = self.records.get(&OwnList::key(version));
        if let Some(own) = own {
            self.take_own_list(&own.list);
        }
    }

    /// Takes up a list that the server has, and that holds: whoever it does not name any more is
    /// not listened to from then on.
    pub(super) fn take_own_list(&mut self, list: &SignedDeviceList) {
        let before = OwnList::current(self.records);
        let record = OwnList { list: list.clone(), published: true };
        self.records.put(&OwnList::key(list.version), &record);
        if before.as_ref().is_some_and(|before| list.version <= before.version) {
            return;
        }
        let Some(account) = self.account() else { return };
        if before.is_some_and(|before| has_newcomers(&before, list, &account)) {
            self.tell_everything();
        }
        if let Some((id, contact)) = self.contact_by_phone(&account.phone) {
            self.take_list(id, contact, list);
        }
        if !self.is_listed() {
            self.device_revoked();
        }
    }

    /// Whether this device is one of the account's, as far as it knows.
    pub(super) fn is_listed(&self) -> bool {
        let (Some(account), Some(list)) = (self.account(), OwnList::current(self.records)) else {
            return true;
        };
        list.names(&account.device_id)
    }

    /// Takes up a contact's list.
    pub(super) fn take_list(
        &mut self,
        id: ContactId,
        mut contact: Contact,
        list: &SignedDeviceList,
    ) {
        self.replace_list(id, &mut contact, list);
        self.put_contact(id, &contact);
    }

    /// Where the list is a newer one, the sessions of devices that it does not name close. What a
    /// contact's device sent before may lie in the mailbox still, so that its channels are kept for a
    /// day; a sibling that was revoked is not listened to from now on.
    pub(super) fn replace_list(
        &mut self,
        id: ContactId,
        contact: &mut Contact,
        list: &SignedDeviceList,
    ) {
        if list.version > contact.list_version() {
            self.close_sessions_of_unlisted(id, list);
            if self.is_own(&contact.phone) {
                self.drop_unlisted_devices(id, list);
            } else {
                contact.list_taken_at = Some(self.now);
            }
        }
        contact.list = Some(list.clone());
    }

    /// The last hour in which a device that the contact's list does not name any more may have sent
    /// what has not been read yet.
    pub(super) fn unlisted_until(&self, contact: &Contact) -> Option<UnixTime> {
        let taken_at = contact.list_taken_at?;
        let lately = (0..UNLISTED_KEPT).contains(&self.now.saturating_sub(taken_at));
        contact.list.as_ref().filter(|_| lately).map(|list| list.signed_at.hour())
    }

    /// The hour up to which letters are taken in a session of such a device.
    pub(super) fn closing(&self, contact: ContactId, device: &DeviceId) -> Option<UnixTime> {
        let contact = self.contact(contact)?;
        let listed = contact.list.as_ref()?.names(device);
        self.unlisted_until(&contact).filter(|_| !listed)
    }

    /// Devices that a newer list does not name have had their time.
    pub(super) fn sweep_unlisted(&mut self) {
        for (id, contact) in self.contacts() {
            if contact.list_taken_at.is_some()
                && self.unlisted_until(&contact).is_none()
                && let Some(list) = &contact.list
            {
                self.drop_unlisted_devices(id, list);
                self.put_contact(id, &Contact { list_taken_at: None, ..contact });
            }
        }
    }
}

/// Whether a sibling is new, or has begun anew, and knows nothing of what the others know.
fn has_newcomers(before: &SignedDeviceList, now: &SignedDeviceList, account: &Account) -> bool {
    let others = now.devices.iter().filter(|device| device.device_id != account.device_id);
    others.into_iter().any(|device| !before.devices.contains(device))
}
