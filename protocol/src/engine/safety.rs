//! Safety numbers. Each side's half of one takes milliseconds to compute, so that it is kept with
//! the identity key that it is of.

use super::contacts::{Contact, contacts};
use super::interface::{ContactId, Event};
use super::records::{Record, RecordKey, Records};
use super::turn::Turn;
use crate::safety::{Fingerprint, SafetyNumber};
use crate::types::{Key, Phone};
use minicbor::{Decode, Encode};

/// Half of a safety number: `fingerprint/<contact>`, and `fingerprint/own`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct KnownFingerprint {
    #[n(0)]
    identity: Key,
    #[n(1)]
    fingerprint: Fingerprint,
}

impl Record for KnownFingerprint {
    const KIND: &'static str = "fingerprint";
}

const OWN: &str = "own";

fn known(records: &Records, whose: &str) -> Option<KnownFingerprint> {
    records.get(&RecordKey::of(&[whose]))
}

impl Contact {
    /// The key that a person compares: the one that stands in the pinned one's place, where they
    /// have to decide about it.
    fn compared_identity(&self) -> Key {
        let offered = self.offered.as_ref().filter(|_| self.waits_for_decision());
        offered.map_or(self.identity, |offered| offered.identity)
    }

    /// The safety number and the text of its QR code; empty where there is none yet, and for the own
    /// number.
    pub(super) fn safety_number(&self, id: ContactId, records: &Records) -> (String, String) {
        let identity = self.compared_identity();
        let theirs = known(records, &id.to_text()).filter(|theirs| theirs.identity == identity);
        let (Some(own), Some(theirs)) = (known(records, OWN), theirs) else {
            return Default::default();
        };
        if own.identity == identity {
            return Default::default();
        }
        let SafetyNumber { digits, code } = SafetyNumber::of(own.fingerprint, theirs.fingerprint);
        (digits, code)
    }
}

impl Turn<'_> {
    pub(super) fn keep_fingerprint(&mut self, id: ContactId, contact: &Contact) {
        self.remember_fingerprint(&id.to_text(), &contact.phone, contact.compared_identity());
    }

    fn remember_fingerprint(&mut self, whose: &str, phone: &Phone, identity: Key) {
        if known(self.records, whose).is_none_or(|known| known.identity != identity) {
            let fingerprint = Fingerprint::of((phone, &identity));
            let record = KnownFingerprint { identity, fingerprint };
            self.records.put(&RecordKey::of(&[whose]), &record);
        }
    }

    /// With the account's first identity, or another one, every safety number is another.
    pub(super) fn follow_own_identity(&mut self) {
        let Some(account) = self.account().filter(|account| account.published) else { return };
        let identity = account.identity.public();
        if known(self.records, OWN).is_some_and(|known| known.identity == identity) {
            return;
        }
        self.remember_fingerprint(OWN, &account.phone, identity);
        for (id, contact) in contacts(self.records).into_iter().filter(|(_, c)| !c.hidden) {
            self.keep_fingerprint(id, &contact);
            self.tell(Event::Contact { contact: contact.view(id, self.records) });
        }
    }
}
