//! Other people's keys: asked for, checked, pinned and kept for a while.

use super::contacts::Contact;
use super::identities::Change;
use super::interface::{ContactId, Event, FailReason, FindOutcome, Millis, Standing, WaitReason};
use super::outbox::DORMANT_PAUSE;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::Answer;
use super::turn::Turn;
use crate::bundle::{BundleError, VerifiedBundle, check_bundle};
use crate::device_list::{ListError, hash};
use crate::json::from_json;
use crate::types::{DeviceId, Phone};
use crate::wire::{KeyBundle, Lookup, WantedPrekeys, problems};
use minicbor::{Decode, Encode};

/// A contact's keys as the server gave them: `bundle/<contact>`. They are checked again whenever
/// they are used, because a prekey that was young enough a week ago may not be so now.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct CachedBundle {
    #[n(0)]
    fetched_at: Millis,
    /// [`KeyBundle`] as JSON, which is how it came.
    #[n(1)]
    json: String,
    /// A session was made from it: the next one asks anew.
    #[n(2)]
    pub(super) used: bool,
}

impl Record for CachedBundle {
    const KIND: &'static str = "bundle";
}

impl CachedBundle {
    pub(super) fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// How long a bundle may lie before a session is made from it.
const BUNDLE_LIFE: Millis = 7 * 86_400_000;

impl Turn<'_> {
    pub(super) fn find_contact(&mut self, phone: Phone) {
        if let Some((id, contact)) = self.contact_by_phone(&phone) {
            self.put_contact(id, &Contact { hidden: false, ..contact });
            return self.found(phone, FindOutcome::Found { contact: id });
        }
        let body = Lookup { phone: phone.clone(), prekeys: WantedPrekeys::All };
        let Ok(body) = serde_json::to_string(&body) else { return };
        if !self.is_asked(|purpose| matches!(purpose, Purpose::Find { phone: p } if *p == phone)) {
            self.ask_sealed(Purpose::Find { phone }, "/v1/sealed/lookup", body);
        }
    }

    fn found(&mut self, phone: Phone, outcome: FindOutcome) {
        self.tell(Event::Found { phone, outcome });
    }

    /// A person waits for the answer to a search: no answer is an answer too.
    pub(super) fn find_unreachable(&mut self, phone: &Phone) {
        self.found(phone.clone(), FindOutcome::Unreachable);
    }

    pub(super) fn find_answered(&mut self, phone: Phone, answer: &Answer) {
        if let Some((id, _)) = self.contact_by_phone(&phone) {
            return self.found(phone, FindOutcome::Found { contact: id });
        }
        let outcome = match answer.read::<KeyBundle>() {
            Some(bundle) => self.take_new_contact(&phone, answer, &bundle),
            None if answer.problem().as_deref() == Some(problems::NO_SUCH_MAILBOX) => {
                FindOutcome::NoSuchMailbox
            }
            None if answer.is_ok() => FindOutcome::Refused,
            None => FindOutcome::Unreachable,
        };
        self.found(phone, outcome);
    }

    fn take_new_contact(
        &mut self,
        phone: &Phone,
        answer: &Answer,
        bundle: &KeyBundle,
    ) -> FindOutcome {
        let own = self.account().filter(|account| account.phone == *phone);
        let pinned = own.map(|account| account.identity.public());
        let fresh = match check_bundle(bundle, phone, pinned.as_ref(), self.time(), 0) {
            Ok(_) => true,
            // All is well with the list but its age: its owner was silent for two weeks.
            Err(BundleError::List(ListError::Old)) => false,
            Err(_) => return FindOutcome::Refused,
        };
        let id = ContactId::random(&mut self.rng);
        let contact = Contact {
            list: Some(bundle.device_list.clone()),
            ..Contact::new(phone.clone(), bundle.identity_key, Standing::Accepted)
        };
        self.put_contact(id, &contact);
        self.tell_contact(id);
        if fresh {
            self.cache_bundle(id, answer.body);
        }
        FindOutcome::Found { contact: id }
    }

    fn cache_bundle(&mut self, contact: ContactId, json: &str) {
        let record = CachedBundle { fetched_at: self.now, json: json.to_owned(), used: false };
        self.records.put(&CachedBundle::key(contact), &record);
    }

    /// The contact's keys, checked, where they are fresh enough to make a session from. Those that
    /// held when they came and do not hold any more, because the contact's list has moved on or a
    /// prekey has aged, are stale: what the server serves now decides.
    pub(super) fn fresh_bundle(&self, id: ContactId, contact: &Contact) -> Option<VerifiedBundle> {
        let cached: CachedBundle = self.records.get(&CachedBundle::key(id))?;
        let age = self.now - cached.fetched_at;
        if cached.used || !(0..BUNDLE_LIFE).contains(&age) {
            return None;
        }
        let bundle: KeyBundle = from_json(&cached.json).ok()?;
        self.check(&bundle, contact).ok()
    }

    /// Checks a bundle against what is known of the contact. A list of the known version has to be
    /// the known list.
    fn check(&self, bundle: &KeyBundle, contact: &Contact) -> Result<VerifiedBundle, BundleError> {
        let (pinned, least) = (Some(&contact.identity), contact.list_version());
        let verified = check_bundle(bundle, &contact.phone, pinned, self.time(), least)?;
        let known = contact.list.as_ref().filter(|list| list.version == verified.list.version());
        match known {
            Some(known) if hash(known) != verified.list.hash() => {
                Err(BundleError::List(ListError::RolledBack))
            }
            _ => Ok(verified),
        }
    }

    pub(super) fn bundle_used(&mut self, id: ContactId) {
        if let Some(cached) = self.records.get(&CachedBundle::key(id)) {
            self.records.put(&CachedBundle::key(id), &CachedBundle { used: true, ..cached });
        }
    }

    /// Asks for a contact's keys; prekeys only for devices without a channel.
    pub(super) fn look_up(&mut self, id: ContactId, contact: &Contact) {
        if self.is_asked(
            |purpose| matches!(purpose, Purpose::Lookup { contact, .. } if *contact == id),
        ) {
            return;
        }
        let prekeys = match self.devices_without_channel(id, contact) {
            Some(devices) => WantedPrekeys::Devices(devices),
            None => WantedPrekeys::All,
        };
        let body = Lookup { phone: contact.phone.clone(), prekeys };
        if let Ok(body) = serde_json::to_string(&body) {
            let purpose = Purpose::Lookup { contact: id, known: contact.list_version() };
            self.ask_sealed(purpose, "/v1/sealed/lookup", body);
        }
    }

    /// Of the devices known so far; `None` where none is known.
    fn devices_without_channel(&self, id: ContactId, contact: &Contact) -> Option<Vec<DeviceId>> {
        let list = contact.list.as_ref()?;
        let own = self.account().map(|account| account.device_id);
        let devices = list.devices.iter();
        let without = devices
            .filter(|device| Some(device.device_id) != own)
            .filter(|device| self.live_channel(id, device).is_none());
        Some(without.map(|device| device.device_id).collect())
    }

    pub(super) fn lookup_answered(&mut self, id: ContactId, known: u64, answer: &Answer) {
        let Some(contact) = self.contact(id) else { return };
        self.end_quiet(id);
        if answer.problem().as_deref() == Some(problems::NO_SUCH_MAILBOX) {
            return self.fail_letters(id, FailReason::NoSuchMailbox);
        }
        let Some(bundle) = answer.read::<KeyBundle>() else {
            return self.fail_letters(id, FailReason::KeysRefused);
        };
        match self.check(&bundle, &contact) {
            Ok(verified) => {
                self.take_list(id, contact, verified.list.signed());
                self.pinned_identity_served(id);
                self.cache_bundle(id, answer.body);
                self.looked_up(id, &verified);
            }
            // The answer was under way while an envelope told of a newer list. An answer to a
            // question asked since then has no such excuse.
            Err(BundleError::List(ListError::RolledBack)) if contact.list_version() > known => {
                self.look_up(id, &contact);
            }
            Err(BundleError::IdentityChanged) => {
                self.other_identity_served(id, &contact, &bundle, answer.body);
            }
            // Nobody has signed it for two weeks: all of its devices are silent.
            Err(BundleError::List(ListError::Old)) => {
                self.hold(id, DORMANT_PAUSE, WaitReason::AllDormant);
            }
            Err(_) => self.fail_letters(id, FailReason::KeysRefused),
        }
    }

    /// Another identity than the pinned one: everything else about it has to hold, or nothing is
    /// sent.
    fn other_identity_served(
        &mut self,
        id: ContactId,
        contact: &Contact,
        bundle: &KeyBundle,
        json: &str,
    ) {
        let verified = match check_bundle(bundle, &contact.phone, None, self.time(), 0) {
            Ok(verified) => verified,
            Err(BundleError::List(ListError::Old)) => {
                return self.hold(id, DORMANT_PAUSE, WaitReason::AllDormant);
            }
            Err(_) => return self.fail_letters(id, FailReason::KeysRefused),
        };
        match self.identity_differs(id, bundle.identity_key, self.now) {
            Change::Taken => {
                self.change_contact(id, |contact| {
                    contact.list = Some(verified.list.signed().clone());
                });
                self.cache_bundle(id, json);
                self.try_held_envelopes();
            }
            Change::Waits => self.wait_for_decision(id),
            Change::Refused => self.fail_letters(id, FailReason::KeysRefused),
        }
    }
}
