//! What the defences cost: how long receipts and own copies take.

use letterbox_protocol::engine::{Event, LetterId, LetterState, LetterView, Millis};
use std::collections::BTreeMap;

/// What was measured.
#[derive(Default)]
pub(crate) struct Measured {
    /// Letters by their inner id, which is the same on every device.
    letters: BTreeMap<LetterId, Times>,
}

#[derive(Default)]
struct Times {
    /// On which device it was written, and when the server had it.
    sent: Option<(usize, Millis)>,
    /// Whether another device of the writer's was on then.
    another_is_on: bool,
    /// When it came to its recipient.
    arrived: Option<Millis>,
    /// When its writer heard of that.
    confirmed: Option<Millis>,
    /// When a second device of the writer's had its copy.
    copied: Option<Millis>,
}

impl Measured {
    pub(super) fn hear(&mut self, at: Millis, device: usize, another_is_on: bool, event: &Event) {
        let Event::Letter { letter } = event else { return };
        let LetterView { id, outgoing, state, .. } = letter;
        let times = self.letters.entry(*id).or_default();
        if !outgoing {
            times.arrived.get_or_insert(at);
            return;
        }
        let elsewhere = times.sent.is_some_and(|(sender, _)| sender != device);
        match state {
            LetterState::Sent if times.sent.is_none() => {
                (times.sent, times.another_is_on) = (Some((device, at)), another_is_on);
            }
            LetterState::Confirmed { .. } if !elsewhere => {
                times.confirmed.get_or_insert(at);
            }
            _ => {}
        }
        if elsewhere {
            times.copied.get_or_insert(at);
        }
    }

    /// From a letter's arrival to its receipt with the writer, where both were seen; sorted.
    pub(crate) fn receipts(&self) -> Vec<Millis> {
        self.delays(|times| Some(times.confirmed? - times.arrived?))
    }

    /// From the server's having a letter to its copy on the writer's other device, where that was on;
    /// sorted.
    pub(crate) fn copies(&self) -> Vec<Millis> {
        self.delays(|times| Some(times.copied? - times.sent.filter(|_| times.another_is_on)?.1))
    }

    fn delays(&self, delay: impl Fn(&Times) -> Option<Millis>) -> Vec<Millis> {
        let mut delays: Vec<Millis> = self.letters.values().filter_map(delay).collect();
        delays.sort_unstable();
        delays
    }
}
