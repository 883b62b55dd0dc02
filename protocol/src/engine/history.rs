//! Giving another of the account's devices the letters of this vault: one large letter after the
//! other to the own mailbox, each once the one before it is stored. It goes on after a reload.

use super::interface::{Event, LetterId, LetterQuery, Millis};
use super::jobs::Job;
use super::letters::{Letter, NOTES};
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::notes::{self, History, Note};
use crate::types::{Bytes, DeviceId};
use minicbor::{Decode, Encode};

/// Room for letters in one of the history's, besides how far it has got and what stands before notes.
const ROOM: usize = BODY_IN_64_KIB - 64;

/// A history that is being given: `history/<device>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Giving {
    #[n(0)]
    job: Bytes<16>,
    /// Nothing of before is given.
    #[n(1)]
    since: Option<Millis>,
    /// The vault was read to here.
    #[n(2)]
    after: Option<String>,
    /// So many letters have been packed.
    #[n(3)]
    letters: u32,
    /// The last of it is packed.
    #[n(4)]
    done: bool,
    /// The letter that has to be stored before the next.
    #[n(5)]
    under_way: Option<LetterId>,
}

impl Record for Giving {
    const KIND: &'static str = "history";
}

impl Giving {
    fn key(device: &DeviceId) -> RecordKey<Self> {
        RecordKey::of(&[&device.to_text()])
    }
}

/// The bytes of notes that fit into the body of a letter of 64 KiB, whoever sends it.
const BODY_IN_64_KIB: usize = 65_300;
/// How many bytes of letters are read at a time.
const PAGE: u32 = 48 << 10;

impl Turn<'_> {
    /// The person wants another device to have the letters of this one.
    pub(super) fn share_history(&mut self, device: DeviceId, since: Option<Millis>) {
        if !self.has_siblings() || self.records.has(&Giving::key(&device)) {
            return;
        }
        self.tell_everything();
        let job = Bytes::random(&mut self.rng);
        let giving = Giving { job, since, after: None, letters: 0, done: false, under_way: None };
        self.records.put(&Giving::key(&device), &giving);
    }

    pub(super) fn want_history(&mut self) {
        for (text, giving) in self.records.list::<Giving>(&[]) {
            if giving.under_way.is_none()
                && let Ok(device) = text.parse()
            {
                let query = LetterQuery::All { after: giving.after, bytes: PAGE };
                self.want(Job::History { device }, query);
            }
        }
    }

    /// Packs as many of these letters as fit into the next letter of the history.
    pub(super) fn give_history(
        &mut self,
        device: DeviceId,
        letters: Vec<Letter>,
        next: Option<String>,
    ) {
        let key = Giving::key(&device);
        let giving: Option<Giving> = self.records.get(&key);
        let (Some(mut giving), Some(own)) = (giving, self.own_contact()) else { return };
        let mut packed: Vec<Vec<u8>> = Vec::new();
        let mut room = ROOM;
        giving.done = next.is_none();
        for letter in letters {
            let wanted = giving.since.is_none_or(|since| letter.at >= since);
            if let Some(copy) = self.copy_as_it_is(&letter).filter(|_| wanted) {
                let note = Note::Letter(copy);
                let encoded = note.to_cbor();
                if encoded.len() > ROOM {
                    self.pool_note(own, &note);
                } else if encoded.len() > room || packed.len() + 1 >= notes::NOTES {
                    giving.done = false;
                    break;
                } else {
                    room -= encoded.len();
                    packed.push(encoded);
                }
                giving.letters += 1;
            }
            giving.after = Some(letter.key());
        }
        if packed.is_empty() && !giving.done {
            // None of these were wanted: the next page is read.
            giving.after = next.or(giving.after);
            return self.records.put(&key, &giving);
        }
        let (job, letters, done) = (giving.job, giving.letters, giving.done);
        packed.push(Note::History(History { job, letters, done }).to_cbor());
        giving.under_way = Some(self.send_silently(own, NOTES, notes::write(&packed)));
        self.records.put(&key, &giving);
    }

    /// The server has a letter that nobody sees: perhaps the history goes on.
    pub(super) fn silent_letter_sent(&mut self, letter: LetterId) {
        for (text, giving) in self.records.list::<Giving>(&[]) {
            let Ok(device) = text.parse() else { continue };
            if giving.under_way != Some(letter) {
                continue;
            }
            let (letters, done) = (giving.letters, giving.done);
            let key = Giving::key(&device);
            if done {
                self.records.delete(&key);
            } else {
                self.records.put(&key, &Giving { under_way: None, ..giving });
            }
            self.tell(Event::HistorySent { device, letters, done });
        }
    }

    /// A sibling gives its letters, and says how far it has got.
    pub(super) fn take_history(&mut self, history: &History) {
        let (letters, done) = (history.letters, history.done);
        self.tell(Event::HistoryReceived { letters, done });
    }
}
