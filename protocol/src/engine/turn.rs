//! One step: what it works on, and the order in which things are taken up.

use super::inbox::Held;
use super::interface::{Event, Input, Millis, Output, RequestId};
use super::live::Polling;
use super::purpose::Purpose;
use super::records::Records;
use super::requests::{Answer, Flight};
use super::rest::Rest;
use super::session::Session;
use super::upkeep::Upkeep;
use crate::types::UnixTime;
use rand::CryptoRng;
use std::collections::BTreeMap;

/// What the engine knows only while it runs. Losing it costs time, never a letter.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) session: Session,
    pub(super) flights: BTreeMap<RequestId, Flight>,
    pub(super) live: bool,
    pub(super) polling: Polling,
    pub(super) held: Held,
    pub(super) rest: Rest,
    pub(super) upkeep: Upkeep,
    /// The clock at the last step.
    pub(super) clock: Millis,
}

/// One step under way. Each module adds what it does as methods.
pub(super) struct Turn<'a> {
    pub(super) records: &'a mut Records,
    pub(super) memory: &'a mut Memory,
    pub(super) now: Millis,
    pub(super) rng: &'a mut dyn CryptoRng,
    pub(super) out: Output,
}

impl Turn<'_> {
    /// Takes one input up, then does everything else that is due.
    pub(super) fn run(mut self, input: Input) -> Output {
        self.follow_the_clock();
        let received = self.is_receiving(&input);
        self.take(input);
        self.keep_up();
        self.poll();
        self.drop_outlived();
        if received {
            self.resume_sending_later();
        } else {
            self.send_waiting_letters();
        }
        self.dispatch();
        self.out.writes = self.records.take_writes();
        self.out.wake_at = self.wake_at();
        self.out
    }

    /// A clock that was put back does not make everything wait for the moment it showed before.
    fn follow_the_clock(&mut self) {
        let back = self.memory.clock.saturating_sub(self.now);
        if self.memory.clock == 0 {
            self.cap_waits();
        }
        if back > 0 {
            self.put_back_requests(back);
            self.put_back_upkeep(back);
            self.put_back_polling(back);
            self.put_back_rest(back);
        }
        self.memory.clock = self.now;
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Resume | Input::Tick => {}
            Input::CreateAccount { phone, device_name } => self.create_account(phone, device_name),
            Input::SignedIn => self.signed_in(),
            Input::LiveOpened => self.live_opened(),
            Input::LiveClosed => self.live_closed(),
            Input::LiveFrame { text } => self.live_frame(&text),
            Input::Response { request, status, retry_after, body } => {
                self.answered(request, retry_after, &Answer { status, body: &body });
            }
            Input::NoAnswer { request } => self.unanswered(request),
            Input::FindContact { phone } => self.find_contact(phone),
            Input::SendText { contact, text } => self.send_text(contact, text),
            Input::RetryLetter { contact, letter } => self.retry_letter(contact, letter),
            Input::DeleteLetter { contact, letter, key } => {
                self.delete_letter(contact, letter, &key);
            }
            Input::MarkRead { contact } => self.mark_read(contact),
            Input::NameContact { contact, name } => self.name_contact(contact, name),
            Input::AcceptContact { contact } => self.accept_contact(contact),
            Input::BlockContact { contact, blocked } => self.block_contact(contact, blocked),
            Input::DeleteConversation { contact } => self.delete_conversation(contact),
        }
    }

    /// Hands an answer to the module that asked.
    pub(super) fn handle(&mut self, purpose: Purpose, answer: &Answer) {
        match purpose {
            Purpose::CreateAccount => self.account_answered(answer),
            Purpose::WhoAmI => self.who_am_i_answered(answer),
            Purpose::RenewKeys { list, prekey } => self.renewal_answered(list, prekey, answer),
            Purpose::RefillPrekeys => self.refill_answered(answer),
            Purpose::Mailbox => {}
            Purpose::Find { phone } => self.find_answered(phone, answer),
            Purpose::Lookup { contact, known } => self.lookup_answered(contact, known, answer),
            Purpose::Letter { contact, letter, session, .. } => {
                self.letter_answered(contact, letter, session, answer);
            }
            Purpose::ServerInfo => self.server_info_answered(answer),
            Purpose::Certificate => self.certificate_answered(answer),
            Purpose::KeyStatus => self.key_status_answered(answer),
            Purpose::CheckKeys => self.keys_checked(answer),
            Purpose::ProofStart => self.challenge_received(answer),
            Purpose::ProofFinish => self.proof_answered(answer),
            Purpose::EnvelopePage => self.envelope_page(answer),
            Purpose::InboxPage => self.inbox_page(answer),
            Purpose::LetterAcks { .. } | Purpose::EnvelopeAcks { .. } => {}
        }
    }

    fn wake_at(&self) -> Option<Millis> {
        [self.next_request_at(), self.next_upkeep_at(), self.next_poll_at(), self.next_letter_at()]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(self.now))
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// The moment in seconds, as keys and sessions count it.
    pub(super) fn time(&self) -> UnixTime {
        UnixTime(self.now.div_euclid(1_000))
    }
}
