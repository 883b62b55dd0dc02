//! Live re-keying: when it happens, and what is kept of it.
//!
//! While two people write to each other, each device that writes offers another key for its session
//! at moments drawn at random, and for no other reason. [`super::rekey_offer`] is the offering
//! device's part, [`super::rekey_answer`] the answering side's, [`super::rekey_next`] how the new
//! session is taken up. Nothing is sent in a step that receives: what an offer or an answer asks for
//! has a moment of its own.

use super::interface::{ContactId, Millis, Standing};
use super::records::{Record, RecordKey};
use super::rekey_answer::{Answering, OfferHeard};
use super::rekey_next::NextSession;
use super::rekey_offer::OfferMade;
use super::turn::Turn;
use crate::limits::{LETTER_AGE, SESSION_GRACE};
use crate::types::{HOUR, UnixTime};
use minicbor::{Decode, Encode};

/// How lively a conversation is: `talk/<contact>`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct Talk {
    /// When something was last received.
    #[n(0)]
    pub(super) heard: Option<Millis>,
    /// When something was last written here.
    #[n(1)]
    pub(super) said: Option<Millis>,
    /// When the next re-keying is offered, if both are still recent then.
    #[n(2)]
    pub(super) due: Option<Millis>,
}

impl Record for Talk {
    const KIND: &'static str = "talk";
}

impl Talk {
    pub(super) fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }

    /// Whether both have written lately.
    fn is_lively(&self, now: Millis) -> bool {
        let lately = |at: Option<Millis>| at.is_some_and(|at| (0..LIVELY).contains(&(now - at)));
        lately(self.heard) && lately(self.said)
    }
}

const MINUTE: Millis = 60_000;
/// The mean time, exponentially distributed, from a letter to the next re-keying.
const MEAN: Millis = 30 * MINUTE;
/// A conversation is over when one side has not written for so long.
const LIVELY: Millis = 15 * MINUTE;

impl Turn<'_> {
    /// A letter was written to this contact.
    pub(super) fn has_said(&mut self, contact: ContactId) {
        let said = Some(self.now);
        self.keep_talk(contact, |talk| talk.said = said);
    }

    /// A letter has come. What lay in the mailbox is no conversation.
    pub(super) fn has_heard(&mut self, contact: ContactId, stored: UnixTime) {
        if self.time().hour().since(stored) <= HOUR {
            let heard = Some(self.now);
            self.keep_talk(contact, |talk| talk.heard = heard);
        }
    }

    fn keep_talk(&mut self, contact: ContactId, change: impl FnOnce(&mut Talk)) {
        let key = Talk::key(contact);
        let mut talk = self.records.get(&key).unwrap_or_default();
        change(&mut talk);
        if talk.due.is_none() && talk.is_lively(self.now) {
            talk.due = Some(self.now + self.exponential(MEAN));
        }
        self.records.put(&key, &talk);
    }

    /// Does whatever is due of all re-keyings. Not called in a step that receives.
    pub(super) fn tend_rekeyings(&mut self) {
        for contact in self.talks_due() {
            let key = Talk::key(contact);
            let Some(talk) = self.records.get(&key) else { continue };
            if talk.is_lively(self.now) {
                self.offer_rekeying(contact);
            }
            self.records.put(&key, &Talk { due: None, ..talk });
        }
        self.begin_agreed_sessions();
        self.post_ephemeral_keys_if_due();
        self.look_for_ephemeral_keys_if_due();
        self.finish_answers();
    }

    fn talks(&self) -> Vec<(ContactId, Talk)> {
        let all = self.records.list::<Talk>(&[]).into_iter();
        all.filter_map(|(contact, talk)| Some((contact.parse().ok()?, talk))).collect()
    }

    fn talks_due(&self) -> Vec<ContactId> {
        let due = |talk: &Talk| talk.due.is_some_and(|at| at <= self.now);
        let talks = self.talks().into_iter();
        talks.filter(|(_, talk)| due(talk)).map(|(contact, _)| contact).collect()
    }

    pub(super) fn next_rekeying_at(&self) -> Option<Millis> {
        let talks = self.talks().into_iter().filter_map(|(_, talk)| talk.due);
        let others = [self.next_ephemeral_key_at(), self.next_look_at(), self.next_answer_at()];
        talks.chain(others.into_iter().flatten()).min()
    }

    /// The clock was put back: moments stay as far off as they were.
    pub(super) fn put_back_rekeyings(&mut self, by: Millis) {
        let back = |at: Option<Millis>| at.map(|at| at.saturating_sub(by));
        for (contact, talk) in self.talks() {
            let Talk { heard, said, due } = talk;
            let talk = Talk { heard: back(heard), said: back(said), due: back(due) };
            self.records.put(&Talk::key(contact), &talk);
        }
        self.put_back_offers(by);
        self.put_back_looks(by);
    }

    /// Whether sessions with this contact are re-keyed: with everybody who was accepted. Those with
    /// one's own devices are not.
    pub(super) fn is_rekeyed_with(&self, contact: ContactId) -> bool {
        let contact = self.contact(contact);
        contact.is_some_and(|contact| {
            contact.standing == Standing::Accepted
                && !contact.waits_for_decision()
                && !self.is_own(&contact.phone)
        })
    }

    /// What nobody waits for any more.
    pub(super) fn sweep_rekeyings(&mut self) {
        for (contact, talk) in self.talks() {
            if !talk.is_lively(self.now) {
                self.records.delete(&Talk::key(contact));
            }
        }
        self.sweep_offers();
        let kept = (SESSION_GRACE + LETTER_AGE) * 1_000;
        for (session, next) in self.records.list::<NextSession>(&[]) {
            if self.now.saturating_sub(next.since) > kept {
                self.records.delete(&RecordKey::<NextSession>::of(&[&session]));
            }
        }
    }

    /// The conversation is gone, and with it what was agreed about keys.
    pub(super) fn drop_rekeyings(&mut self, contact: ContactId) {
        self.records.delete(&Talk::key(contact));
        self.records.delete(&OfferMade::key(contact));
        for (exchange, heard) in self.records.list::<OfferHeard>(&[]) {
            if heard.contact == contact {
                self.records.delete(&RecordKey::<OfferHeard>::of(&[&exchange]));
            }
        }
        for (exchange, answering) in self.records.list::<Answering>(&[]) {
            if answering.contact == contact {
                self.records.delete(&RecordKey::<Answering>::of(&[&exchange]));
            }
        }
    }
}
