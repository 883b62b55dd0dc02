//! Contacts: who they are, how one stands with them, and what is unread.

use super::identities::Offered;
use super::interface::{ContactId, ContactView, Event, LetterId, Millis, Snapshot, Standing};
use super::letters::Letter;
use super::lookup::CachedBundle;
use super::outbound::OutSession;
use super::outbox::Sending;
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::requests::Method;
use super::sent::Sent;
use super::turn::Turn;
use crate::order::put_in_order;
use crate::types::{DAY, Key, MessageId, Phone, UnixTime};
use crate::wire::SignedDeviceList;
use minicbor::{Decode, Encode};

/// The longest own name for a contact, in characters.
const NAME_CHARS: usize = 100;

/// A contact: `contact/<id>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Contact {
    #[n(0)]
    pub(super) phone: Phone,
    #[n(1)]
    pub(super) name: String,
    #[n(2)]
    pub(super) standing: Standing,
    /// The pinned identity key.
    #[n(3)]
    pub(super) identity: Key,
    /// The newest device list that was checked; an older one is a rollback.
    #[n(4)]
    pub(super) list: Option<SignedDeviceList>,
    /// The key is another than before, and the person has not said that they know.
    #[n(5)]
    pub(super) changed: bool,
    #[n(6)]
    pub(super) last: Option<Letter>,
    #[n(7)]
    pub(super) unread: u32,
    /// The conversation was deleted, and nothing was written in it since.
    #[n(8)]
    pub(super) hidden: bool,
    /// The safety number was compared.
    #[n(9)]
    #[cbor(default)]
    pub(super) verified: bool,
    /// The key that stands where the pinned one should, while a person has to decide.
    #[n(10)]
    pub(super) offered: Option<Offered>,
    /// Keys that were pinned before, newest last.
    #[n(11)]
    #[cbor(default)]
    pub(super) former: Vec<Key>,
    /// When the list took another one's place, while devices that only that one named may have sent
    /// something that has not been read.
    #[n(12)]
    pub(super) list_taken_at: Option<Millis>,
}

impl Record for Contact {
    const KIND: &'static str = "contact";
}

impl Contact {
    pub(super) fn new(phone: Phone, identity: Key, standing: Standing) -> Self {
        Self {
            phone,
            name: String::new(),
            standing,
            identity,
            list: None,
            changed: false,
            last: None,
            unread: 0,
            hidden: false,
            verified: false,
            offered: None,
            former: Vec::new(),
            list_taken_at: None,
        }
    }

    pub(super) fn key(id: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&id.to_text()])
    }

    /// The version of the newest list seen, or 0.
    pub(super) fn list_version(&self) -> u64 {
        self.list.as_ref().map_or(0, |list| list.version)
    }

    pub(super) fn view(&self, id: ContactId, records: &Records) -> ContactView {
        let (safety_number, safety_code) = self.safety_number(id, records);
        ContactView {
            id,
            phone: self.phone.clone(),
            name: self.name.clone(),
            standing: self.standing,
            unread: self.unread,
            last: self.last.as_ref().map(Letter::view),
            safety: self.safety(),
            safety_number,
            safety_code,
        }
    }
}

/// A letter that was received or sent: `seen/<contact>/<inner id>`. It makes a second copy of the
/// same letter show once, keeps others from writing over one's own letters, and knows a received
/// letter's name in the mailbox.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Seen {
    #[n(0)]
    pub(super) message_id: Option<MessageId>,
    #[n(1)]
    pub(super) expires_at: UnixTime,
    #[n(2)]
    pub(super) unread: bool,
}

impl Record for Seen {
    const KIND: &'static str = "seen";
}

impl Seen {
    pub(super) fn key(contact: ContactId, letter: LetterId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &letter.to_text()])
    }
}

/// A sender tries a letter for as long as its vault lives; a copy that comes later than this after
/// the first one's expiry shows twice.
const SEEN_KEPT: i64 = 60 * DAY;

/// What the page's first view shows.
pub(super) fn snapshot(records: &Records) -> Snapshot {
    let account: Option<super::account::Account> = records.get(&RecordKey::only());
    let mut contacts: Vec<ContactView> = contacts(records)
        .into_iter()
        .filter(|(_, contact)| !contact.hidden)
        .map(|(id, contact)| contact.view(id, records))
        .collect();
    let newest = |contact: &ContactView| contact.last.as_ref().map(|letter| letter.at);
    put_in_order(&mut contacts, |contact| std::cmp::Reverse(newest(contact)));
    Snapshot {
        account: account.map(|account| account.view()),
        contacts,
        devices: Vec::new(),
        keys: None,
        link: None,
        reset_ends_at: None,
        outdated: false,
    }
}

pub(super) fn contacts(records: &Records) -> Vec<(ContactId, Contact)> {
    let all = records.list::<Contact>(&[]).into_iter();
    all.filter_map(|(id, contact)| Some((id.parse().ok()?, contact))).collect()
}

impl Turn<'_> {
    pub(super) fn contact(&self, id: ContactId) -> Option<Contact> {
        self.records.get(&Contact::key(id))
    }

    pub(super) fn contacts(&self) -> Vec<(ContactId, Contact)> {
        contacts(self.records)
    }

    pub(super) fn contact_by_phone(&self, phone: &Phone) -> Option<(ContactId, Contact)> {
        contacts(self.records).into_iter().find(|(_, contact)| contact.phone == *phone)
    }

    /// Writes a contact, and shows it where a person would see the difference.
    pub(super) fn put_contact(&mut self, id: ContactId, contact: &Contact) {
        let old = self.contact(id).filter(|old| !old.hidden);
        let before = old.map(|old| old.view(id, self.records));
        if !contact.hidden {
            self.keep_fingerprint(id, contact);
        }
        let view = contact.view(id, self.records);
        self.records.put(&Contact::key(id), contact);
        if !contact.hidden && before.is_none_or(|before| before != view) {
            self.tell(Event::Contact { contact: view });
        }
    }

    pub(super) fn change_contact(&mut self, id: ContactId, change: impl FnOnce(&mut Contact)) {
        if let Some(mut contact) = self.contact(id) {
            change(&mut contact);
            self.put_contact(id, &contact);
        }
    }

    /// A letter was written, received, or changed its state.
    pub(super) fn show_letter(&mut self, letter: &Letter) {
        self.write_letter(letter);
        self.change_contact(letter.contact, |contact| {
            contact.hidden = false;
            let newest = contact.last.as_ref().is_none_or(|last| last.key() <= letter.key());
            if newest {
                contact.last = Some(letter.preview());
            }
        });
        self.tell(Event::Letter { letter: letter.view() });
    }

    pub(super) fn name_contact(&mut self, id: ContactId, name: String) {
        let name = name.trim().chars().take(NAME_CHARS).collect();
        self.change_contact(id, |contact| contact.name = name);
        self.tell_contact(id);
    }

    pub(super) fn accept_contact(&mut self, id: ContactId) {
        self.change_contact(id, |contact| {
            if contact.standing == Standing::Request {
                contact.standing = Standing::Accepted;
            }
        });
        self.tell_contact(id);
    }

    pub(super) fn block_contact(&mut self, id: ContactId, blocked: bool) {
        self.change_contact(id, |contact| match (blocked, contact.standing) {
            (true, _) => contact.standing = Standing::Blocked,
            (false, Standing::Blocked) => contact.standing = Standing::Accepted,
            (false, _) => {}
        });
        self.tell_contact(id);
    }

    /// Everything from this contact has been seen, which is between the person, the account's other
    /// devices and, where the person wants it, the contact.
    ///
    /// The server is not told: a request to `POST /v1/inbox/reads` with the letters of one
    /// conversation would group the mailbox by sender.
    pub(super) fn mark_read(&mut self, id: ContactId) {
        let mut read = Vec::new();
        for (text, seen) in self.records.list::<Seen>(&[&id.to_text()]) {
            if seen.unread
                && let Ok(letter) = text.parse()
            {
                self.records.put(&Seen::key(id, letter), &Seen { unread: false, ..seen });
                read.push(letter);
            }
        }
        self.change_contact(id, |contact| contact.unread = 0);
        self.tell_read(id, &read);
    }

    pub(super) fn delete_letter(&mut self, id: ContactId, letter: LetterId, key: &str) {
        let here = format!("{}{}/", super::interface::LETTER_PREFIX, id.to_text());
        let Some(contact) = self.contact(id) else { return };
        if !key.starts_with(&here) || !key.ends_with(&letter.to_text()) {
            return;
        }
        self.forget_outgoing(id, letter);
        let seen: Option<Seen> = self.records.get(&Seen::key(id, letter));
        if let Some(message_id) = seen.and_then(|seen| seen.message_id) {
            let path = format!("/v1/inbox/{}", message_id.to_text());
            self.ask(Purpose::Mailbox, Method::Delete, path, None);
        }
        self.remove_letter(id, letter, key.to_owned());
        self.tell_deleted(&contact.phone, letter);
    }

    /// Takes a letter out of this vault.
    pub(super) fn remove_letter(&mut self, id: ContactId, letter: LetterId, key: String) {
        let seen_key = Seen::key(id, letter);
        if let Some(seen) = self.records.get::<Seen>(&seen_key) {
            self.records.put(&seen_key, &Seen { unread: false, ..seen.clone() });
            self.change_contact(id, |contact| {
                contact.unread = contact.unread.saturating_sub(u32::from(seen.unread));
            });
        }
        self.records.delete(&Sent::key(id, letter));
        self.delete_letter_record(key);
        self.change_contact(id, |contact| {
            contact.last.take_if(|last| last.id == letter);
        });
        self.tell(Event::LetterRemoved { contact: id, letter });
    }

    pub(super) fn delete_conversation(&mut self, id: ContactId) {
        let Some(contact) = self.contact(id) else { return };
        self.remove_conversation(id);
        self.tell_conversation_deleted(&contact);
    }

    /// Removes the conversation from sight: its letters, its name, what waits to be sent. The pinned
    /// identity and the channels stay, so that what this contact writes next can still be opened
    /// and another identity in its place is still noticed.
    pub(super) fn remove_conversation(&mut self, id: ContactId) {
        let Some(contact) = self.contact(id) else { return };
        self.call_letters_back(id);
        self.records.delete(&Sending::key(id));
        self.records.delete(&OutSession::key(id));
        self.records.delete(&CachedBundle::key(id));
        self.records.delete_all::<Sent>(&[&id.to_text()]);
        for (text, seen) in self.records.list::<Seen>(&[&id.to_text()]) {
            if let Ok(letter) = text.parse() {
                self.records.put(&Seen::key(id, letter), &Seen { unread: false, ..seen });
            }
        }
        self.drop_rekeyings(id);
        self.delete_letter_records(id);
        let (name, last, unread, hidden) = (String::new(), None, 0, true);
        self.put_contact(id, &Contact { name, last, unread, hidden, ..contact });
        self.tell(Event::ContactRemoved { contact: id });
    }

    pub(super) fn sweep_seen(&mut self) {
        let time = self.time();
        for (id, _) in contacts(self.records) {
            for (letter, seen) in self.records.list::<Seen>(&[&id.to_text()]) {
                let gone = time.since(seen.expires_at) > SEEN_KEPT && !seen.unread;
                if gone && let Ok(letter) = letter.parse() {
                    self.records.delete(&Seen::key(id, letter));
                }
            }
        }
    }
}
