//! Letters that the engine needs to see again. It does not hold them: it asks the host, and what it
//! wanted them for stands in records, so that a question that was lost with the page is asked again.

use super::interface::{ContactId, Event, JobId, LetterId, LetterQuery, LetterRecord};
use super::letters::Letter;
use super::turn::Turn;
use crate::types::DeviceId;
use std::collections::BTreeMap;

/// What letters are wanted for.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Their recipient says that they arrived.
    Confirm { contact: ContactId, letters: Vec<LetterId> },
    /// Their recipient could not open them.
    Resend { contact: ContactId, letters: Vec<LetterId> },
    /// A sibling misses letters.
    Answer { device: DeviceId },
    /// A sibling is given them.
    History { device: DeviceId },
    /// A sibling deleted some of this conversation.
    Clear { contact: ContactId },
}

impl Job {
    /// Whether both do the same work, of which one at a time is enough.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Confirm { contact: one, .. }, Self::Confirm { contact: two, .. })
            | (Self::Resend { contact: one, .. }, Self::Resend { contact: two, .. })
            | (Self::Clear { contact: one }, Self::Clear { contact: two }) => one == two,
            (Self::Answer { device: one }, Self::Answer { device: two })
            | (Self::History { device: one }, Self::History { device: two }) => one == two,
            _ => false,
        }
    }
}

/// Questions that the host has not answered.
#[derive(Default)]
pub(super) struct Jobs(BTreeMap<JobId, Job>);

impl Turn<'_> {
    /// Asks for the letters that records say are wanted.
    pub(super) fn want_letters(&mut self) {
        self.want_confirmed();
        self.want_cleared();
        self.want_resent();
        self.want_answered();
        self.want_history();
    }

    pub(super) fn want(&mut self, job: Job, query: LetterQuery) {
        if self.memory.jobs.0.values().any(|other| other.is_like(&job)) {
            return;
        }
        let id = JobId::random(&mut self.rng);
        self.memory.jobs.0.insert(id, job);
        self.tell(Event::LettersWanted { job: id, query });
    }

    /// More is wanted than was asked for: the answer to that is not taken, and it is asked anew.
    pub(super) fn want_anew(&mut self, job: &Job) {
        self.memory.jobs.0.retain(|_, asked| !asked.is_like(job));
    }

    /// Whether letters are wanted because the person said so, and not somebody else.
    pub(super) fn is_own_wish(&self, job: JobId) -> bool {
        matches!(self.memory.jobs.0.get(&job), Some(Job::History { .. }))
    }

    pub(super) fn letters_read(
        &mut self,
        job: JobId,
        letters: &[LetterRecord],
        next: Option<String>,
    ) {
        let Some(job) = self.memory.jobs.0.remove(&job) else { return };
        let letters = letters.iter().filter_map(read).collect();
        match job {
            Job::Confirm { contact, letters: asked } => {
                self.confirm_letters(contact, asked, letters)
            }
            Job::Resend { contact, letters: asked } => {
                self.resend_letters(contact, &asked, letters);
            }
            Job::History { device } => self.give_history(device, letters, next),
            Job::Answer { device } => self.answer_missing(&device, letters, next),
            Job::Clear { contact } => self.clear_letters(contact, letters, next),
        }
    }
}

fn read(record: &LetterRecord) -> Option<Letter> {
    let letter: Letter = minicbor::decode(&record.value.0).ok()?;
    (letter.key() == record.key).then_some(letter)
}
