//! What the account's devices tell each other of conversations: what was read and deleted, and how
//! one stands with whom.

use super::contacts::{Contact, Seen};
use super::interface::{ContactId, LETTER_PREFIX, LetterId, LetterQuery, Millis, Standing};
use super::jobs::Job;
use super::letters::Letter;
use super::outbound::EXPIRY;
use super::records::{Record, RecordKey};
use super::sent::Sent;
use super::turn::Turn;
use crate::notes::{ContactNote, Deleted, NOTE_IDS, Note, NotedStanding, Read};
use crate::types::{Bytes, DeviceId, Phone};
use minicbor::{Decode, Encode};

/// When a contact's name, standing or safety was last changed, and on which device:
/// `contact-told/<contact>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct ContactTold {
    #[n(0)]
    changed_at: Millis,
    #[n(1)]
    device: DeviceId,
}

impl Record for ContactTold {
    const KIND: &'static str = "contact-told";
}

impl ContactTold {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// Letters that a sibling deleted and that have to be found: `clearing/<contact>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Clearing {
    #[n(0)]
    letters: Vec<LetterId>,
    /// And everything up to this moment.
    #[n(1)]
    until: Option<Millis>,
    /// The search has come to here.
    #[n(2)]
    after: Option<String>,
}

impl Record for Clearing {
    const KIND: &'static str = "clearing";
}

impl Clearing {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }

    fn names(&self, letter: &Letter) -> bool {
        self.letters.contains(&letter.id) || self.until.is_some_and(|until| letter.at <= until)
    }
}

/// How many bytes of letters are searched through at a time.
const PAGE: u32 = 256 << 10;

impl Turn<'_> {
    // ---- read ----

    /// The person has seen letters here.
    pub(super) fn tell_read(&mut self, id: ContactId, letters: &[LetterId]) {
        self.give_receipt(id, letters, true);
        if let Some(contact) = self.contact(id) {
            for letters in letters.chunks(NOTE_IDS).map(<[_]>::to_vec) {
                let contact = contact.phone.clone();
                self.tell_siblings(&Note::Read(Read { contact, letters }));
            }
        }
    }

    pub(super) fn take_read(&mut self, read: Read) {
        let Some((id, _)) = self.contact_by_phone(&read.contact) else { return };
        for letter in read.letters {
            let key = Seen::key(id, letter);
            match self.records.get::<Seen>(&key) {
                Some(seen) if seen.unread => {
                    self.records.put(&key, &Seen { unread: false, ..seen });
                    self.change_contact(id, |c| c.unread = c.unread.saturating_sub(1));
                }
                Some(_) => {}
                None => self.remark(id, letter, |remark| remark.read = true),
            }
        }
    }

    // ---- deleted ----

    pub(super) fn tell_deleted(&mut self, phone: &Phone, letter: LetterId) {
        let (contact, letters, until) = (phone.clone(), vec![letter], None);
        self.tell_siblings(&Note::Deleted(Deleted { contact, letters, until }));
    }

    pub(super) fn tell_conversation_deleted(&mut self, contact: &Contact) {
        // Not up to now: what comes next may be from a clock that is behind this one.
        let until = Some(contact.last.as_ref().map_or(self.now, |last| last.at));
        let (contact, letters) = (contact.phone.clone(), Vec::new());
        self.tell_siblings(&Note::Deleted(Deleted { contact, letters, until }));
    }

    pub(super) fn take_deleted(&mut self, deleted: Deleted) {
        let Some((id, contact)) = self.contact_by_phone(&deleted.contact) else { return };
        if let Some(until) = deleted.until {
            // Where the last letter was deleted, the one before it is not known.
            let newer = contact.last.map_or(!contact.hidden, |last| last.at > until);
            if !newer {
                return self.remove_conversation(id);
            }
        }
        for letter in &deleted.letters {
            self.remember_deleted(id, *letter);
        }
        let key = Clearing::key(id);
        let mut clearing: Clearing = self.records.get(&key).unwrap_or_default();
        clearing.letters.extend(deleted.letters);
        clearing.until = clearing.until.max(deleted.until);
        self.records.put(&key, &Clearing { after: None, ..clearing });
        self.want_anew(&Job::Clear { contact: id });
    }

    /// A copy that comes later is not shown.
    fn remember_deleted(&mut self, id: ContactId, letter: LetterId) {
        let key = Seen::key(id, letter);
        if !self.records.has(&key) {
            let expires_at = EXPIRY.expires_at(self.time());
            self.records.put(&key, &Seen { message_id: None, expires_at, unread: false });
        }
        self.take_remark(id, letter);
        self.records.delete(&Sent::key(id, letter));
    }

    pub(super) fn want_cleared(&mut self) {
        for (text, clearing) in self.records.list::<Clearing>(&[]) {
            let Ok(contact) = text.parse() else { continue };
            let start = format!("{LETTER_PREFIX}{text}/");
            let after = Some(clearing.after.unwrap_or(start));
            self.want(Job::Clear { contact }, LetterQuery::All { after, bytes: PAGE });
        }
    }

    pub(super) fn clear_letters(
        &mut self,
        id: ContactId,
        letters: Vec<Letter>,
        next: Option<String>,
    ) {
        let key = Clearing::key(id);
        let Some(mut clearing) = self.records.get::<Clearing>(&key) else { return };
        let named = letters.iter().filter(|letter| letter.contact == id && clearing.names(letter));
        let named: Vec<Letter> = named.cloned().collect();
        for letter in named {
            clearing.letters.retain(|other| *other != letter.id);
            self.remove_letter(id, letter.id, letter.key());
        }
        let here = format!("{LETTER_PREFIX}{}/", id.to_text());
        let more = next.filter(|next| next.starts_with(&here));
        if more.is_none() || clearing.until.is_none() && clearing.letters.is_empty() {
            self.records.delete(&key);
        } else {
            self.records.put(&key, &Clearing { after: more, ..clearing });
        }
    }

    // ---- contacts ----

    /// A contact's name, standing or safety was changed here.
    pub(super) fn tell_contact(&mut self, id: ContactId) {
        let (Some(account), Some(contact)) = (self.account(), self.contact(id)) else { return };
        let key = ContactTold::key(id);
        let known: Option<ContactTold> = self.records.get(&key);
        // A change is later than what it changes, whatever the clocks say.
        let after = known.map_or(Millis::MIN, |known| known.changed_at.saturating_add(1));
        let told = ContactTold { changed_at: self.now.max(after), device: account.device_id };
        self.records.put(&key, &told);
        self.tell_siblings(&Note::Contact(contact_note(&contact, &told)));
    }

    /// Everything about contacts and settings, for a sibling that is new.
    pub(super) fn tell_everything(&mut self) {
        for (id, contact) in self.contacts() {
            if self.is_own(&contact.phone) {
                continue;
            }
            // What was never changed gives way to any change.
            let untold = ContactTold { changed_at: 0, device: Bytes([0; 16]) };
            let told = self.records.get(&ContactTold::key(id)).unwrap_or(untold);
            self.tell_siblings(&Note::Contact(contact_note(&contact, &told)));
        }
        let settings = self.settings().note();
        self.tell_siblings(&settings);
    }

    /// The last word on a contact holds.
    pub(super) fn take_contact_note(&mut self, note: ContactNote) {
        if self.is_own(&note.contact) {
            return;
        }
        let (id, contact) = self.contact_by_phone(&note.contact).unwrap_or_else(|| {
            let contact =
                Contact::new(note.contact.clone(), note.identity, standing(note.standing));
            (ContactId::random(&mut self.rng), contact)
        });
        let key = ContactTold::key(id);
        let known: Option<ContactTold> = self.records.get(&key);
        let newest = (note.changed_at, note.device);
        if known.is_some_and(|known| newest <= (known.changed_at, known.device)) {
            return;
        }
        let (changed_at, device) = newest;
        self.records.put(&key, &ContactTold { changed_at, device });
        let (name, standing) = (note.name, standing(note.standing));
        self.put_contact(id, &Contact { name, standing, ..contact });
        self.take_safety_note(id, note.identity, note.verified);
    }
}

fn contact_note(contact: &Contact, told: &ContactTold) -> ContactNote {
    ContactNote {
        contact: contact.phone.clone(),
        name: contact.name.clone(),
        standing: match contact.standing {
            Standing::Accepted => NotedStanding::Accepted,
            Standing::Request => NotedStanding::Request,
            Standing::Blocked => NotedStanding::Blocked,
        },
        identity: contact.identity,
        verified: contact.verified,
        changed_at: told.changed_at,
        device: told.device,
    }
}

fn standing(noted: NotedStanding) -> Standing {
    match noted {
        NotedStanding::Accepted => Standing::Accepted,
        NotedStanding::Request => Standing::Request,
        NotedStanding::Blocked => Standing::Blocked,
    }
}
