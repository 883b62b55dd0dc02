//! One step: what it works on, and the order in which things are taken up.

use super::consistency::Asked;
use super::inbox::Held;
use super::interface::{Event, Input, Millis, Output, RequestId};
use super::jobs::Jobs;
use super::linking::Linking;
use super::live::Polling;
use super::marks::Marks;
use super::pool::PoolMean;
use super::purpose::Purpose;
use super::records::Records;
use super::requests::{Answer, Flight};
use super::rest::Rest;
use super::rotation::KeyPlans;
use super::session::Session;
use super::tokens::TokenMemory;
use super::upkeep::Upkeep;
use crate::keys::ExchangeSecret;
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
    pub(super) marks: Marks,
    pub(super) jobs: Jobs,
    /// Whether everything pending has been fetched since the connection, or the pass, began.
    pub(super) caught_up: bool,
    pub(super) rest: Rest,
    pub(super) keys: KeyPlans,
    pub(super) upkeep: Upkeep,
    pub(super) linking: Linking,
    /// When a refused capsule is tried again.
    pub(super) capsule_at: Option<Millis>,
    pub(super) pool_mean: PoolMean,
    pub(super) tokens: TokenMemory,
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
        self.give_unopened_up();
        self.heal_when_due();
        self.grant_wishes();
        self.follow_link();
        self.follow_own_identity();
        self.keep_capsule();
        self.poll();
        self.drop_outlived();
        if received {
            self.put_pool_off();
            self.resume_sending_later();
        } else {
            self.tend_rekeyings();
            self.empty_pool_if_due();
            self.send_waiting_letters();
        }
        self.want_letters();
        self.dispatch();
        self.out.writes = self.records.take_writes();
        self.tell_own_state();
        self.out.wake_at = self.wake_at();
        self.out
    }

    /// A clock that was put back does not make everything wait for the moment it showed before.
    fn follow_the_clock(&mut self) {
        let back = self.memory.clock.saturating_sub(self.now);
        if self.memory.clock == 0 {
            self.cap_waits();
            self.redraw_pool();
        }
        if back > 0 {
            self.put_back_requests(back);
            self.put_back_upkeep(back);
            self.put_back_polling(back);
            self.put_back_rest(back);
            self.put_back_pool(back);
            self.put_back_linking(back);
            self.put_back_rekeyings(back);
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
            Input::TouchDeclined { request } => self.touch_declined(request),
            Input::VerifyContact { contact, code } => self.verify_contact(contact, code),
            Input::AcceptIdentity { contact } => self.accept_identity(contact),
            Input::RotateKeys => self.rotate_keys(),
            Input::RenameDevice { device, name } => self.rename_device(device, &name),
            Input::RevokeDevice { device, lost } => self.revoke_device(device, lost),
            Input::CancelReset => self.cancel_reset(),
            Input::DeleteAccount => self.delete_account(),
            Input::OfferLink { device_name } => self.offer_link(device_name),
            Input::EnterLinkDigits { digits } => self.enter_link_digits(&digits),
            Input::CompleteLink => self.complete_link(),
            Input::ApproveLink { code } => self.approve_link(&code),
            Input::CancelLink => self.cancel_link(),
            Input::ShareHistory { device, since } => self.share_history(device, since),
            Input::SetReceipts { on } => self.set_receipts(on),
            Input::LettersRead { job, letters, next } => self.letters_read(job, &letters, next),
            Input::SetRecovery { key, method } => self.set_recovery(key, method),
            Input::Recover { secret, method, info } => {
                self.recover(&ExchangeSecret::from_bytes(secret.0), method, &info);
            }
            Input::RenewDevice => self.renew_device(),
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
            Purpose::OfferLink => self.link_offered(answer),
            Purpose::PollLink => self.link_polled(answer),
            Purpose::ProveDigits => self.digits_answered(answer),
            Purpose::ApproveLink => self.link_approved(answer),
            Purpose::CompleteLink => self.link_completed(answer),
            Purpose::EphemeralKey => {}
            Purpose::EphemeralKeys => self.ephemeral_keys_answered(answer),
            Purpose::WrapRekeyed { exchange } => self.rekeyed_wrapped(exchange, answer),
            Purpose::ClaimRekeying { exchange } => self.claim_answered(exchange, answer),
            Purpose::PutCapsule { held } => self.capsule_put(held, answer),
            Purpose::RecoveryInfo => self.recovery_info_answered(answer),
            Purpose::BeginAnew => self.beginning_answered(answer),
            Purpose::Devices { known } => self.devices_answered(known, answer),
            Purpose::ChangeKeys { .. } => self.change_answered(answer),
            Purpose::RenameDevice { device, name } => self.rename_answered(device, name, answer),
            Purpose::OwnLookup { known, prekey } => {
                self.own_look_up_answered(Asked { list: known, prekey }, answer);
            }
            Purpose::CancelReset => self.reset_cancelled(answer),
            Purpose::DeleteAccount => self.account_deleted(answer),
            Purpose::IssuerDirectory => self.directory_answered(answer),
            Purpose::Tokens => self.tokens_answered(answer),
        }
    }

    fn wake_at(&self) -> Option<Millis> {
        let next = [
            self.next_request_at(),
            self.next_upkeep_at(),
            self.next_poll_at(),
            self.next_letter_at(),
            self.next_pool_at(),
            self.next_heal_at(),
            self.next_wish_at(),
            self.next_failure_at(),
            self.next_link_at(),
            self.next_rekeying_at(),
            self.next_capsule_at(),
        ];
        next.into_iter().flatten().min().map(|at| at.max(self.now))
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.out.events.push(event);
    }

    /// The moment in seconds, as keys and sessions count it.
    pub(super) fn time(&self) -> UnixTime {
        UnixTime(self.now.div_euclid(1_000))
    }
}
