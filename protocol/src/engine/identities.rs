//! Whose key it is: a contact's identity key as it was first seen, compared, and changed.
//!
//! Where the safety number was never compared, another key is gone on with, and the person is told.
//! Where it was, nothing is sent or taken before the person has decided.

use super::contacts::Contact;
use super::interface::{
    ContactId, Event, LetterId, LetterState, Millis, Safety, Standing, WaitReason,
};
use super::letters::{IDENTITY_CHANGED, Letter};
use super::lookup::CachedBundle;
use super::outbound::OutSession;
use super::outbox::Sending;
use super::turn::Turn;
use crate::types::Key;
use minicbor::{Decode, Encode};

/// Another identity key than the pinned one.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Offered {
    #[n(0)]
    pub(super) identity: Key,
    /// When it was first seen, or before what was written under it.
    #[n(1)]
    at: Millis,
}

/// What became of another identity key.
pub(super) enum Change {
    /// It is the pinned one now.
    Taken,
    /// The person has to decide.
    Waits,
    /// It cannot be this contact's.
    Refused,
}

/// How many former keys of one contact are remembered.
const FORMER: usize = 8;
/// How often the server is asked whether it serves the pinned key again, while letters wait.
const ASK_PAUSE: Millis = 6 * 3_600_000;

impl Contact {
    pub(super) fn safety(&self) -> Safety {
        match (self.verified, self.changed) {
            (false, false) => Safety::Unverified,
            (true, false) => Safety::Verified,
            (false, true) => Safety::Changed,
            (true, true) => Safety::ChangedAfterVerification,
        }
    }

    /// Whether nothing goes out or in before a person has decided.
    pub(super) fn waits_for_decision(&self) -> bool {
        self.safety() == Safety::ChangedAfterVerification
    }
}

impl Turn<'_> {
    /// Another identity key than the pinned one speaks for a contact since `at`, and everything else
    /// about it holds.
    pub(super) fn identity_differs(&mut self, id: ContactId, identity: Key, at: Millis) -> Change {
        let Some(contact) = self.contact(id) else { return Change::Refused };
        if self.account().is_some_and(|account| account.phone == contact.phone) {
            return Change::Refused; // Nobody else speaks for the own number.
        }
        if contact.verified && contact.standing != Standing::Blocked {
            let known = contact.offered.clone().filter(|offered| offered.identity == identity);
            let offered = Some(known.unwrap_or(Offered { identity, at }));
            self.put_contact(id, &Contact { changed: true, offered, ..contact });
            return Change::Waits;
        }
        self.pin_identity(id, Offered { identity, at });
        self.tell_contact(id);
        Change::Taken
    }

    /// A sibling says which key it knows a contact by, and whether that was compared. A key that was
    /// pinned here before is an earlier word. Another key than the one that was compared is for the
    /// person to decide here, too: the sibling may have been kept from knowing that it was.
    pub(super) fn take_safety_note(&mut self, id: ContactId, identity: Key, verified: bool) {
        let Some(contact) = self.contact(id) else { return };
        if contact.former.contains(&identity) {
            return;
        }
        if contact.identity != identity && contact.verified && !verified {
            self.identity_differs(id, identity, self.now);
            return;
        }
        if contact.identity != identity {
            self.pin_identity(id, Offered { identity, at: self.now });
        }
        self.change_contact(id, |contact| {
            contact.verified = verified;
            contact.changed &= !verified;
        });
    }

    /// Pins another key. What was agreed under the old one is over; letters that were sent in its
    /// sessions can still be opened.
    fn pin_identity(&mut self, id: ContactId, Offered { identity, at }: Offered) {
        let Some(contact) = self.contact(id) else { return };
        self.drop_devices(id);
        self.records.delete(&OutSession::key(id));
        self.records.delete(&CachedBundle::key(id));
        self.records.delete(&Sending::key(id));
        self.resend_nothing_of_before(id);
        let Contact { mut former, identity: old, standing, hidden, .. } = contact.clone();
        former.retain(|key| *key != old && *key != identity);
        former.push(old);
        former.drain(..former.len().saturating_sub(FORMER));
        let (changed, list, offered) = (standing != Standing::Blocked, None, None);
        let verified = false;
        let pinned = Contact { identity, list, changed, verified, offered, former, ..contact };
        self.put_contact(id, &pinned);
        if changed && !hidden {
            self.note_change(id, &pinned, at);
        }
    }

    /// Says so in the thread, before what was written under the new key.
    fn note_change(&mut self, id: ContactId, contact: &Contact, at: Millis) {
        let after =
            contact.last.as_ref().filter(|last| last.at <= self.now).map(|last| last.at + 1);
        let at = at.min(self.now).max(after.unwrap_or_default());
        let note = Letter {
            id: LetterId::random(&mut self.rng),
            contact: id,
            outgoing: true,
            at,
            kind: IDENTITY_CHANGED,
            body: Vec::new(),
            state: LetterState::Received,
            sealed_at: at,
        };
        self.show_letter(&note);
    }

    /// The safety number was compared, or is not believed any more. Where the key has changed since
    /// it was last compared, the number shown is the new key's.
    pub(super) fn verify_contact(&mut self, id: ContactId, code: Option<String>) {
        let Some(contact) = self.contact(id) else { return };
        let verified = code.is_some();
        let now = contact.safety_number(id, self.records).1;
        if code.is_some_and(|compared| compared != now || now.is_empty()) {
            // Another key has come since. The person sees which.
            return self.tell(Event::Contact { contact: contact.view(id, self.records) });
        }
        if contact.waits_for_decision() {
            if !verified {
                return; // Going on with the new key is another decision.
            }
            self.accept_identity(id);
        }
        self.change_contact(id, |contact| {
            contact.verified = verified;
            contact.changed &= !verified;
        });
        self.tell_contact(id);
    }

    /// The person knows that the key has changed, and goes on.
    pub(super) fn accept_identity(&mut self, id: ContactId) {
        let Some(contact) = self.contact(id) else { return };
        let decided = contact.waits_for_decision();
        if let Some(offered) = contact.offered.filter(|_| decided) {
            self.pin_identity(id, offered);
        }
        self.change_contact(id, |contact| {
            contact.changed = false;
            contact.verified &= !decided;
        });
        self.tell_contact(id);
        if decided {
            self.try_held_envelopes();
            self.end_quiet(id);
        }
    }

    /// The server serves the pinned key: where another one had stood in its place, that is over.
    pub(super) fn pinned_identity_served(&mut self, id: ContactId) {
        if self.contact(id).is_some_and(|contact| contact.waits_for_decision()) {
            self.records.delete(&Sending::key(id));
            self.change_contact(id, |contact| (contact.changed, contact.offered) = (false, None));
        }
    }

    /// Letters wait; now and then the server is asked whether it serves the pinned key again.
    pub(super) fn ask_for_pinned_identity(&mut self, id: ContactId, contact: &Contact) {
        let asks = !self.is_held(id);
        self.wait_for_decision(id);
        if asks {
            self.look_up(id, contact);
        }
    }

    /// Nothing is encrypted for a contact whose person has to be asked first.
    pub(super) fn wait_for_decision(&mut self, id: ContactId) {
        self.records.delete(&OutSession::key(id));
        self.records.delete(&CachedBundle::key(id));
        let reason = WaitReason::IdentityChanged;
        if !self.is_held(id) {
            return self.hold(id, ASK_PAUSE, reason);
        }
        for outgoing in self.queued(id) {
            self.set_state(outgoing, LetterState::Waiting { reason: Some(reason) });
        }
    }
}
