//! What a live socket says and when: a state machine without I/O. Things that happened go in,
//! things to do come out; the socket's code only carries them.
//!
//! A *pass* goes through everything that is pending: a page of letters is read, then all envelopes
//! are read and sent, then the letters are sent. A letter and its envelopes are committed together,
//! so envelopes read after a letter include its own: a device always gets the envelope first. One
//! batch is under way at a time; the client's acknowledgement asks for the next. A wake-up begins a
//! new pass, which passes over what this connection has sent already.

use crate::db::Position;
use letterbox_protocol::{
    types::{MessageId, SessionLabel},
    wire::{AckStatus, ClientFrame, InboxAck, InboxEnvelope, InboxLetter, ServerFrame},
};
use std::{collections::HashSet, mem};

/// Something that happened.
#[derive(Debug)]
pub enum Happened {
    /// The socket is open.
    Opened,
    /// New rows may have been committed.
    Woken,
    /// The account's keys, devices or waiting period have changed.
    AccountChanged,
    /// The client sent a frame.
    Frame(ClientFrame),
    /// A page of letters was read; `next` is where the following one begins.
    Letters {
        /// The letters.
        page: Vec<InboxLetter>,
        /// The following page, where there is one.
        next: Option<Position>,
    },
    /// A page of envelopes was read.
    Envelopes {
        /// The envelopes.
        page: Vec<InboxEnvelope>,
        /// The following page, where there is one.
        next: Option<Position>,
    },
}

/// Something to do. The order matters: what was acknowledged is stored before the next page is
/// read.
#[derive(Debug, PartialEq, Eq)]
pub enum Do {
    /// Store acknowledgements of letters.
    AcknowledgeLetters(Vec<InboxAck>),
    /// Store acknowledgements of envelopes.
    AcknowledgeEnvelopes(Vec<SessionLabel>),
    /// Read a page of pending letters, after this position.
    ReadLetters(Option<Position>),
    /// Read a page of waiting envelopes, after this position.
    ReadEnvelopes(Option<Position>),
    /// Send a frame.
    Send(ServerFrame),
    /// The client breaks the protocol: close.
    Refuse,
}

/// The most acknowledgements of one kind that a frame may carry.
pub const ACKS: usize = 500;

/// One connection's delivery.
#[derive(Debug, Default)]
pub struct Delivery {
    state: State,
    /// A wake-up came during a pass: begin another one after it.
    woken: bool,
    caught_up: bool,
    /// Sent on this connection and not acknowledged as delivered.
    sent_letters: HashSet<MessageId>,
    sent_envelopes: HashSet<SessionLabel>,
}

/// Where in a pass the connection is.
#[derive(Debug, Default)]
enum State {
    /// Not in one.
    #[default]
    Idle,
    /// A page of letters is being read.
    ReadingLetters,
    /// Envelopes are being read, with a page of letters in hand.
    ReadingEnvelopes(InHand),
    /// A batch of envelopes was sent; then the next page of them, or the letters in hand.
    EnvelopesSent(InHand, Option<Position>),
    /// A batch of letters was sent; then the next page of them.
    LettersSent(Option<Position>),
}

/// Letters that were read and wait for their envelopes to go first.
#[derive(Debug)]
struct InHand {
    letters: Vec<InboxLetter>,
    next: Option<Position>,
}

impl Delivery {
    /// One step.
    pub fn step(&mut self, happened: Happened) -> Vec<Do> {
        match happened {
            Happened::Opened => self.begin(),
            Happened::Woken => self.wake(),
            // It is no batch: it goes between two of them, and waits for no answer.
            Happened::AccountChanged => vec![Do::Send(ServerFrame::AccountChanged)],
            Happened::Frame(ClientFrame::Acks { letters, envelopes }) => {
                self.acknowledged(letters, envelopes)
            }
            Happened::Letters { page, next } => self.letters_read(page, next),
            Happened::Envelopes { page, next } => self.envelopes_read(page, next),
        }
    }

    /// Whether this connection has sent the letter and has no word that it is in the vault.
    pub fn has_sent(&self, letter: &MessageId) -> bool {
        self.sent_letters.contains(letter)
    }

    fn begin(&mut self) -> Vec<Do> {
        self.woken = false;
        self.state = State::ReadingLetters;
        vec![Do::ReadLetters(None)]
    }

    fn wake(&mut self) -> Vec<Do> {
        if matches!(self.state, State::Idle) {
            return self.begin();
        }
        self.woken = true;
        Vec::new()
    }

    fn letters_read(&mut self, page: Vec<InboxLetter>, next: Option<Position>) -> Vec<Do> {
        let State::ReadingLetters = self.state else { return vec![Do::Refuse] };
        let sent = &self.sent_letters;
        let letters = page.into_iter().filter(|l| !sent.contains(&l.message_id)).collect();
        self.state = State::ReadingEnvelopes(InHand { letters, next });
        vec![Do::ReadEnvelopes(None)]
    }

    fn envelopes_read(&mut self, page: Vec<InboxEnvelope>, next: Option<Position>) -> Vec<Do> {
        let State::ReadingEnvelopes(in_hand) = mem::take(&mut self.state) else {
            return vec![Do::Refuse];
        };
        let envelopes: Vec<_> = (page.into_iter())
            .filter(|envelope| self.sent_envelopes.insert(envelope.session_key_id))
            .collect();
        if !envelopes.is_empty() {
            self.state = State::EnvelopesSent(in_hand, next);
            return vec![Do::Send(ServerFrame::Envelopes { envelopes })];
        }
        self.after_envelopes(in_hand, next)
    }

    /// The next page of envelopes or, after the last, the letters in hand.
    fn after_envelopes(&mut self, in_hand: InHand, next: Option<Position>) -> Vec<Do> {
        if next.is_some() {
            self.state = State::ReadingEnvelopes(in_hand);
            return vec![Do::ReadEnvelopes(next)];
        }
        let InHand { letters, next } = in_hand;
        if letters.is_empty() {
            return self.after_letters(next);
        }
        self.sent_letters.extend(letters.iter().map(|letter| letter.message_id));
        self.state = State::LettersSent(next);
        vec![Do::Send(ServerFrame::Letters { letters })]
    }

    /// The next page of letters or, after the last, the end of the pass.
    fn after_letters(&mut self, next: Option<Position>) -> Vec<Do> {
        if next.is_some() {
            self.state = State::ReadingLetters;
            return vec![Do::ReadLetters(next)];
        }
        self.state = State::Idle;
        let first = !mem::replace(&mut self.caught_up, true);
        let caught_up = first.then_some(Do::Send(ServerFrame::CaughtUp));
        let again = if self.woken { self.begin() } else { Vec::new() };
        caught_up.into_iter().chain(again).collect()
    }

    fn acknowledged(&mut self, letters: Vec<InboxAck>, envelopes: Vec<SessionLabel>) -> Vec<Do> {
        if letters.len() > ACKS || envelopes.len() > ACKS {
            return vec![Do::Refuse];
        }
        for ack in letters.iter().filter(|ack| ack.status == AckStatus::Delivered) {
            self.sent_letters.remove(&ack.message_id);
        }
        for label in &envelopes {
            self.sent_envelopes.remove(label);
        }
        let mut todo = Vec::new();
        if !envelopes.is_empty() {
            todo.push(Do::AcknowledgeEnvelopes(envelopes));
        }
        if !letters.is_empty() {
            todo.push(Do::AcknowledgeLetters(letters));
        }
        todo.extend(self.go_on());
        todo
    }

    /// An acknowledgement that no batch waits for (of letters held back until now) only stores.
    fn go_on(&mut self) -> Vec<Do> {
        match mem::take(&mut self.state) {
            State::EnvelopesSent(in_hand, next) => self.after_envelopes(in_hand, next),
            State::LettersSent(next) => self.after_letters(next),
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests;
