//! The account's settings, the same on each of its devices.

use super::interface::Millis;
use super::notes::Said;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::notes::{self, Note};
use crate::types::{Bytes, DeviceId};
use minicbor::{Decode, Encode};

/// What the person has set, when and where; the last word holds.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Settings {
    /// Whether contacts are told when letters arrived and were read.
    #[n(0)]
    pub(super) receipts: bool,
    #[n(1)]
    changed_at: Millis,
    #[n(2)]
    device: DeviceId,
}

impl Record for Settings {
    const KIND: &'static str = "settings";
}

impl Default for Settings {
    fn default() -> Self {
        Self { receipts: false, changed_at: Millis::MIN, device: Bytes([0; 16]) }
    }
}

impl Turn<'_> {
    pub(super) fn settings(&self) -> Settings {
        self.records.get(&RecordKey::only()).unwrap_or_default()
    }

    pub(super) fn set_receipts(&mut self, on: bool) {
        let Some(account) = self.account() else { return };
        // A change is later than what it changes, whatever the clocks say.
        let changed_at = self.now.max(self.settings().changed_at.saturating_add(1));
        let device = account.device_id;
        let settings = Settings { receipts: on, changed_at, device };
        self.records.put(&RecordKey::only(), &settings);
        self.tell_siblings(&settings.note());
    }

    pub(super) fn take_settings(&mut self, said: &Said, note: &notes::Settings) {
        let (changed_at, device) = (note.changed_at, said.device);
        let known = self.settings();
        if (changed_at, device) > (known.changed_at, known.device) {
            let settings = Settings { receipts: note.receipts, changed_at, device };
            self.records.put(&RecordKey::only(), &settings);
        }
    }
}

impl Settings {
    pub(super) fn note(&self) -> Note {
        let (receipts, changed_at) = (self.receipts, self.changed_at);
        Note::Settings(notes::Settings { receipts, changed_at })
    }
}
