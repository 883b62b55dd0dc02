//! Notes coming in: what other devices say besides letters, each handed to the module it concerns.

use super::interface::{ContactId, Millis};
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::notes::{self, Joining, Note, Part};
use crate::types::{Bytes, DeviceId, UnixTime};
use minicbor::{Decode, Encode};

/// Where notes came from.
pub(super) struct Said {
    /// Through whose mailbox sessions.
    pub(super) by: ContactId,
    /// On which of their devices.
    pub(super) device: DeviceId,
    /// Whether that is one of the account's own.
    pub(super) own: bool,
    /// The hour in which the letter was stored.
    pub(super) stored: UnixTime,
}

/// The pieces of a large note that have come: `part/<contact>/<id>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Parts {
    #[n(0)]
    joining: Joining,
    #[n(1)]
    since: Millis,
}

impl Record for Parts {
    const KIND: &'static str = "part";
}

impl Parts {
    fn key(contact: ContactId, id: Bytes<16>) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &id.to_text()])
    }
}

/// The most notes of one contact of which pieces are missing.
const UNFINISHED: usize = 32;
/// Pieces for which the others can still come.
const PARTS_KEPT: Millis = 33 * 86_400_000;

impl Turn<'_> {
    pub(super) fn take_notes(&mut self, said: &Said, body: &[u8]) {
        let Ok(notes) = notes::read(body) else { return };
        for note in notes {
            self.take_note(said, note);
        }
    }

    fn take_note(&mut self, said: &Said, note: Note) {
        if note.is_for_siblings() && !said.own {
            return;
        }
        match note {
            Note::Part(part) => self.take_part(said, &part),
            Note::Receipt(receipt) => self.take_receipt(said, &receipt),
            Note::Heal(heal) => self.take_heal(said, &heal),
            Note::Resend(resend) => self.take_resend(said, resend),
            Note::Missing(missing) => self.take_missing(said, &missing),
            Note::Letter(copy) => self.take_copy(copy),
            Note::Read(read) => self.take_read(read),
            Note::Deleted(deleted) => self.take_deleted(deleted),
            Note::Contact(contact) => self.take_contact_note(contact),
            Note::Settings(settings) => self.take_settings(said, &settings),
            Note::RekeyAnswer(answer) => self.take_rekey_answer(said, &answer),
            Note::History(history) => self.take_history(&history),
        }
    }

    /// One contact cannot fill the vault with pieces of notes that never become whole: of too many
    /// the one begun first goes.
    fn take_part(&mut self, said: &Said, part: &Part) {
        let key = Parts::key(said.by, part.id);
        let known: Option<Parts> = self.records.get(&key);
        if known.is_none() {
            self.make_room_for_parts(said.by);
        }
        let mut parts =
            known.unwrap_or_else(|| Parts { joining: Joining::of(part), since: self.now });
        match parts.joining.take(part) {
            Ok(Some(whole)) => {
                self.records.delete(&key);
                if let Some(note) = whole {
                    self.take_note(said, note);
                }
            }
            Ok(None) => self.records.put(&key, &parts),
            Err(_) => {}
        }
    }

    fn make_room_for_parts(&mut self, contact: ContactId) {
        let unfinished = self.records.list::<Parts>(&[&contact.to_text()]);
        if unfinished.len() >= UNFINISHED
            && let Some((oldest, _)) = unfinished.into_iter().min_by_key(|(_, parts)| parts.since)
            && let Ok(id) = oldest.parse()
        {
            self.records.delete(&Parts::key(contact, id));
        }
    }

    pub(super) fn sweep_parts(&mut self) {
        for (place, parts) in self.records.list::<Parts>(&[]) {
            if self.now.saturating_sub(parts.since) > PARTS_KEPT {
                self.records.delete(&RecordKey::<Parts>::of(&[&place]));
            }
        }
    }
}
