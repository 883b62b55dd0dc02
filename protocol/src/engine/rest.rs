//! Receiving sends nothing: what it makes due leaves at a moment drawn apart.
//!
//! A frame can bring a newer device list, and with it the need to look its owner up before the next
//! letter. Were that asked in the same step, the server would see whose envelope it has just handed
//! out.

use super::interface::{ContactId, Input, Millis};
use super::purpose::Purpose;
use super::turn::Turn;
use std::collections::BTreeMap;

/// What is not sent yet, because something was received.
#[derive(Default)]
pub(super) struct Rest {
    /// When letters that wait are looked at again, if nothing else asks for it before.
    resume_at: Option<Millis>,
    /// Contacts whose keys moved by something received, and until when nothing is done about it.
    quiet: BTreeMap<ContactId, Millis>,
}

/// How long sending rests, give or take a half.
const PAUSE: Millis = 30_000;

impl Turn<'_> {
    /// Whether a step is caused by what somebody else sent.
    pub(super) fn is_receiving(&self, input: &Input) -> bool {
        use Purpose::*;
        let answered = match input {
            Input::LiveFrame { .. } => return true,
            // Letters are mostly read because of what somebody said of them.
            Input::LettersRead { job, .. } => return !self.is_own_wish(*job),
            Input::Response { request, .. } | Input::NoAnswer { request } => *request,
            _ => return false,
        };
        self.purpose_of(answered).is_some_and(|purpose| {
            let receives =
                |purpose: &Purpose| matches!(purpose, LetterAcks { .. } | EnvelopeAcks { .. });
            receives(purpose)
                || matches!(purpose, EnvelopePage | InboxPage | ServerInfo | Devices { .. })
        })
    }

    /// Letters that wait are looked at again at a moment that says nothing about this one.
    pub(super) fn resume_sending_later(&mut self) {
        if self.memory.rest.resume_at.is_none() && self.has_letters_to_send() {
            let at = self.now + self.around(PAUSE);
            self.memory.rest.resume_at = Some(at);
        }
    }

    /// Something received changed what this contact is to be written with.
    pub(super) fn keep_quiet(&mut self, contact: ContactId) {
        let at = self.now + self.around(PAUSE);
        self.memory.rest.quiet.insert(contact, at);
    }

    /// A person's own doing, or the answer to a request of one's own, is reason enough to send.
    pub(super) fn end_quiet(&mut self, contact: ContactId) {
        self.memory.rest.quiet.remove(&contact);
    }

    pub(super) fn is_quiet(&self, contact: ContactId) -> bool {
        self.memory.rest.quiet.get(&contact).is_some_and(|until| *until > self.now)
    }

    /// Letters are looked at now.
    pub(super) fn end_rest(&mut self) {
        let now = self.now;
        let rest = &mut self.memory.rest;
        rest.resume_at = None;
        rest.quiet.retain(|_, until| *until > now);
    }

    pub(super) fn next_resumption_at(&self) -> Option<Millis> {
        let rest = &self.memory.rest;
        rest.quiet.values().copied().chain(rest.resume_at).min()
    }

    pub(super) fn put_back_rest(&mut self, by: Millis) {
        let rest = &mut self.memory.rest;
        let times = rest.quiet.values_mut().chain(&mut rest.resume_at);
        times.for_each(|at| *at = at.saturating_sub(by));
    }
}
