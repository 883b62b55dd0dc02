//! How letters come in: frames of the live socket, or pages where it is not open.
//!
//! Both carry the same things in the same order, envelopes before letters, and both are
//! acknowledged only by what follows the commit of this step's writes.

use super::interface::{Event, Millis};
use super::purpose::Purpose;
use super::recovery::is_outdated;
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::json::from_json;
use crate::types::{MessageId, SessionLabel};
use crate::wire::{
    AckStatus, ClientFrame, EnvelopeAcks, EnvelopePage, InboxAck, InboxAcks, InboxPage, ServerFrame,
};

/// What this step may acknowledge once its writes are committed.
#[derive(Default)]
pub(super) struct Acks {
    pub(super) letters: Vec<MessageId>,
    pub(super) envelopes: Vec<SessionLabel>,
    /// Letters that will not open any more.
    pub(super) failed: Vec<MessageId>,
}

/// The fallback without a live socket.
#[derive(Default)]
pub(super) struct Polling {
    next: Option<Millis>,
    under_way: bool,
    pauses: u32,
}

/// A frame of acknowledgements stays below 16 KiB with this many of each.
const ACKS_A_FRAME: usize = 100;
/// The server takes this many acknowledgements in one request.
const ACKS_A_REQUEST: usize = 500;
const PAGE: u32 = 100;
const SECOND: Millis = 1_000;
/// How long the live socket has to open before the inbox is fetched by page.
const LIVE_PATIENCE: Millis = 4 * SECOND;

impl Turn<'_> {
    /// The session may read the inbox: the host opens the live socket now.
    pub(super) fn expect_live(&mut self) {
        if !self.memory.live {
            let next = Some(self.now + LIVE_PATIENCE);
            self.memory.polling = Polling { next, ..Polling::default() };
        }
    }

    pub(super) fn live_opened(&mut self) {
        self.memory.live = true;
        self.memory.polling = Polling::default();
        self.give_up(|purpose| matches!(purpose, Purpose::EnvelopePage | Purpose::InboxPage));
        self.let_held_go();
        self.hurry_after_trouble();
    }

    pub(super) fn live_closed(&mut self) {
        self.memory.live = false;
        if self.memory.session == Session::Ready {
            self.expect_live();
        }
    }

    pub(super) fn live_frame(&mut self, text: &str) {
        if is_outdated(self.records) {
            return; // Not acknowledged, and not taken, before the device has begun anew.
        }
        let mut acks = Acks::default();
        match from_json(text) {
            Ok(ServerFrame::Envelopes { envelopes }) => {
                for envelope in envelopes {
                    self.receive_envelope(envelope, &mut acks);
                }
            }
            Ok(ServerFrame::Letters { letters }) => {
                for letter in letters {
                    self.receive_letter(letter, &mut acks);
                }
            }
            Ok(ServerFrame::CaughtUp) => return self.all_fetched(),
            Ok(ServerFrame::AccountChanged) => {
                self.memory.upkeep.status_at = Some(self.now);
                self.want_devices();
                return;
            }
            // A frame of a later version: passed over, and the next one asked for.
            Err(_) => {}
        }
        self.answer_frame(acks);
    }

    fn all_fetched(&mut self) {
        self.memory.caught_up = true;
        self.tell(Event::CaughtUp);
    }

    /// The frame's answer is the go-ahead for the next one, whatever could be acknowledged.
    fn answer_frame(&mut self, mut acks: Acks) {
        let rest = Acks {
            letters: acks.letters.split_off(acks.letters.len().min(ACKS_A_FRAME)),
            envelopes: acks.envelopes.split_off(acks.envelopes.len().min(ACKS_A_FRAME)),
            failed: acks.failed,
        };
        let letters = acks.letters.into_iter().map(delivered).collect();
        let frame = ClientFrame::Acks { letters, envelopes: acks.envelopes };
        self.out.frames.extend(serde_json::to_string(&frame));
        self.acknowledge(rest);
    }

    /// Acknowledges outside the live socket.
    pub(super) fn acknowledge(&mut self, acks: Acks) {
        for labels in acks.envelopes.chunks(ACKS_A_REQUEST).map(<[_]>::to_vec) {
            let body =
                serde_json::to_string(&EnvelopeAcks { session_key_ids: labels.clone() }).ok();
            let path = "/v1/session-keys/acks";
            self.ask(Purpose::EnvelopeAcks { labels }, Method::Post, path, body);
        }
        let failed = acks.failed.into_iter().map(failed);
        let all: Vec<InboxAck> = acks.letters.into_iter().map(delivered).chain(failed).collect();
        for acks in all.chunks(ACKS_A_REQUEST).map(<[_]>::to_vec) {
            let letters = acks.iter().map(|ack| ack.message_id).collect();
            let body = serde_json::to_string(&InboxAcks { acks }).ok();
            let path = "/v1/inbox/acks";
            self.ask(Purpose::LetterAcks { letters }, Method::Post, path, body);
        }
    }

    /// Begins a pass over the inbox where no live socket brings it.
    pub(super) fn poll(&mut self) {
        let due = self.memory.polling.next.is_some_and(|at| at <= self.now);
        let ready = self.memory.session == Session::Ready && !self.memory.live;
        if due && ready && !self.memory.polling.under_way {
            self.memory.polling.under_way = true;
            self.memory.polling.next = None;
            self.let_held_go();
            self.ask_envelopes(None);
        }
    }

    /// Something became known with which more of the mailbox may open: all that was not acknowledged
    /// is fetched once more.
    pub(super) fn read_inbox_again(&mut self) {
        if self.memory.session == Session::Ready && !self.memory.polling.under_way {
            self.memory.polling.under_way = true;
            self.ask_envelopes(None);
        }
    }

    pub(super) fn next_poll_at(&self) -> Option<Millis> {
        let ready = self.memory.session == Session::Ready && !self.memory.live;
        self.memory.polling.next.filter(|_| ready)
    }

    pub(super) fn put_back_polling(&mut self, by: Millis) {
        let next = &mut self.memory.polling.next;
        *next = next.map(|at| at.saturating_sub(by));
    }

    fn ask_envelopes(&mut self, after: Option<&str>) {
        let path = page_path("/v1/session-keys", after);
        self.ask(Purpose::EnvelopePage, Method::Get, path, None);
    }

    fn ask_inbox(&mut self, after: Option<&str>) {
        let path = page_path("/v1/inbox", after);
        self.ask(Purpose::InboxPage, Method::Get, path, None);
    }

    pub(super) fn envelope_page(&mut self, answer: &Answer) {
        let Some(page) = answer.read::<EnvelopePage>() else { return self.pass_over() };
        let mut acks = Acks::default();
        for envelope in page.envelopes {
            self.receive_envelope(envelope, &mut acks);
        }
        self.acknowledge(acks);
        match page.next {
            Some(next) => self.ask_envelopes(Some(&next)),
            None => self.ask_inbox(None),
        }
    }

    pub(super) fn inbox_page(&mut self, answer: &Answer) {
        let Some(page) = answer.read::<InboxPage>() else { return self.pass_over() };
        let mut acks = Acks::default();
        for letter in page.letters {
            self.receive_letter(letter, &mut acks);
        }
        if !acks.letters.is_empty() {
            self.memory.polling.pauses = 0;
        }
        self.acknowledge(acks);
        match page.next {
            Some(next) => self.ask_inbox(Some(&next)),
            None => {
                self.all_fetched();
                self.pass_over();
            }
        }
    }

    /// The next pass comes after 5 seconds, then later and later, up to 2 minutes.
    fn pass_over(&mut self) {
        let pauses = self.memory.polling.pauses.min(5);
        let pause = ((5 * SECOND) << pauses).min(120 * SECOND);
        let next = Some(self.now + self.around(pause));
        self.memory.polling = Polling { next, under_way: false, pauses: pauses + 1 };
    }
}

fn delivered(message_id: MessageId) -> InboxAck {
    InboxAck { message_id, status: AckStatus::Delivered }
}

fn failed(message_id: MessageId) -> InboxAck {
    InboxAck { message_id, status: AckStatus::Failed }
}

fn page_path(path: &str, after: Option<&str>) -> String {
    match after {
        Some(after) => format!("{path}?limit={PAGE}&after={after}"),
        None => format!("{path}?limit={PAGE}"),
    }
}
