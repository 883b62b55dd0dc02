//! What the server's answers do to letters under way.

use super::interface::{ContactId, Event, FailReason, LetterId, LetterState, Millis, WaitReason};
use super::outbound::OutSession;
use super::outbox::{Outgoing, Sending, StaleList};
use super::purpose::Purpose;
use super::requests::Answer;
use super::retries::Delay;
use super::turn::Turn;
use crate::bundle::VerifiedBundle;
use crate::types::Bytes;

/// After so many new lists in a row, sending waits.
const MOVES: u32 = 2;
const AN_HOUR: Millis = 3_600_000;

impl Turn<'_> {
    pub(super) fn letter_answered(
        &mut self,
        id: ContactId,
        letter: LetterId,
        session: Bytes<16>,
        answer: &Answer,
    ) {
        self.end_quiet(id);
        let outgoing = self.outgoing(id, letter).map(|o| Outgoing { under_way: None, ..o });
        match answer.status {
            202 => self.letter_sent(id, session, outgoing),
            409 => {
                self.list_moved(id, session);
                if let Some(outgoing) = outgoing {
                    let reason = self.is_held(id).then_some(WaitReason::ListMoving);
                    self.set_state(outgoing, LetterState::Waiting { reason });
                }
            }
            status => {
                let gone = status == 404;
                let reason = if gone { FailReason::NoSuchMailbox } else { FailReason::Refused };
                if let Some(outgoing) = outgoing {
                    self.letter_failed(outgoing, reason);
                }
                if gone {
                    self.fail_letters(id, reason);
                } else {
                    self.drop_unconfirmed_session(id, session);
                }
            }
        }
    }

    fn letter_sent(&mut self, id: ContactId, session: Bytes<16>, outgoing: Option<Outgoing>) {
        self.confirm_session(id, session);
        self.records.delete(&Sending::key(id));
        if let Some(Outgoing { mut letter, .. }) = outgoing {
            self.records.delete(&Outgoing::key(&letter));
            if letter.is_shown() {
                // A receipt may have overtaken the server's answer.
                letter.state = self.take_remark(id, letter.id).state();
                self.remember_sent(&letter, Some(session));
                self.show_letter(&letter);
                self.copy_to_siblings(&letter);
            } else {
                self.silent_letter_sent(letter.id);
            }
            self.offer_stored(&letter);
        }
    }

    /// The server calls the list stale, or the set of devices wrong: look up and begin anew.
    fn list_moved(&mut self, id: ContactId, session: Bytes<16>) {
        let current: Option<OutSession> = self.records.get(&OutSession::key(id));
        let Some(current) = current.filter(|current| current.id() == session) else {
            return; // A later letter of a session that was dropped already.
        };
        self.records.delete(&OutSession::key(id));
        self.bundle_used(id);
        let Sending { moves, .. } = self.sending(id);
        let stale = StaleList { version: current.list_version, devices: current.devices };
        let sending = Sending { hold_until: None, moves: moves + 1, stale: Some(stale) };
        self.records.put(&Sending::key(id), &sending);
        if moves + 1 > MOVES {
            self.list_keeps_moving(id);
        }
    }

    /// Sending waits, then begins anew with whatever validly signed list there is then.
    fn list_keeps_moving(&mut self, id: ContactId) {
        self.records.put(&Sending::key(id), &Sending::default());
        self.hold(id, AN_HOUR, WaitReason::ListMoving);
    }

    /// A newer list is demanded after a `409`; the same one only where a device of it has woken up
    /// since and has to be written to as well.
    pub(super) fn looked_up(&mut self, id: ContactId, bundle: &VerifiedBundle) {
        let sending = self.sending(id);
        let Some(stale) = &sending.stale else { return };
        let newer = bundle.list.version() > stale.version;
        if newer || self.devices_to_write_to(id, bundle) != stale.devices {
            self.records.put(&Sending::key(id), &Sending { stale: None, ..sending });
        } else {
            self.bundle_used(id);
            self.list_keeps_moving(id);
        }
    }

    /// The bytes of a letter will go out again later. Where the mailbox is full or the server asks
    /// for patience, no other letter to this contact begins before this one is through. Letters whose
    /// recipient's keys are asked for wait with that question; a search says that it waits for tokens.
    pub(super) fn letter_delayed(&mut self, purpose: &Purpose, why: Delay) {
        let reason = match why {
            Delay::Trouble => None,
            Delay::Full => Some(WaitReason::MailboxFull),
            Delay::Patience => Some(WaitReason::TooManyRequests),
            Delay::Tokens => Some(WaitReason::NoTokens),
        };
        match purpose {
            Purpose::Letter { contact, letter, .. } => {
                if let Some(outgoing) = self.outgoing(*contact, *letter) {
                    self.set_state(outgoing, LetterState::Waiting { reason });
                }
            }
            Purpose::Lookup { contact, .. } => self.say_why(*contact, reason),
            Purpose::Find { phone } if why == Delay::Tokens => {
                self.tell(Event::FindWaits { phone: phone.clone() });
            }
            _ => {}
        }
    }

    /// The session ended before the server took the letter: the next one carries it, under the
    /// same inner id, so that it shows once even if both arrive.
    pub(super) fn letter_outlived(&mut self, purpose: &Purpose) {
        let Purpose::Letter { contact, letter, session, .. } = purpose else { return };
        self.drop_unconfirmed_session(*contact, *session);
        if let Some(outgoing) = self.outgoing(*contact, *letter) {
            self.records
                .put(&Outgoing::key(&outgoing.letter), &Outgoing { under_way: None, ..outgoing });
        }
    }
}
