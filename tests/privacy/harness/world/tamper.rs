//! A server that corrupts what it hands out, to see who does what about it.

use letterbox_protocol::{engine::Millis, types::MessageId, wire::ServerFrame};
use std::collections::{BTreeMap, BTreeSet};

/// What is altered on its way to whom, and what has been.
pub(crate) struct Tamper {
    /// The people whose devices get altered copies.
    pub(crate) victims: BTreeSet<usize>,
    /// Whether envelopes are altered, in place of letters.
    pub(crate) envelopes: bool,
    /// The letters that were, with the moment at which they were first handed out and to whom.
    pub(crate) altered: BTreeMap<MessageId, (Millis, usize)>,
    /// When envelopes were, and whose.
    pub(crate) altered_envelopes: Vec<(Millis, usize)>,
}

/// One letter in so many is altered.
const ONE_IN: u8 = 3;

impl Tamper {
    /// Alters letters of these people, or envelopes.
    pub(crate) fn new(victims: BTreeSet<usize>, envelopes: bool) -> Self {
        let (altered, altered_envelopes) = (BTreeMap::new(), Vec::new());
        Self { victims, envelopes, altered, altered_envelopes }
    }

    /// Flips a bit in the middle of what is chosen. Every device gets the same altered copy, and
    /// gets it again.
    pub(super) fn alter(&mut self, now: Millis, owner: usize, frame: &mut ServerFrame) {
        if !self.victims.contains(&owner) {
            return;
        }
        match frame {
            ServerFrame::Letters { letters } if !self.envelopes => {
                for letter in letters.iter_mut().filter(|l| l.message_id.0[0] % ONE_IN == 0) {
                    flip(&mut letter.encrypted_content.0);
                    self.altered.entry(letter.message_id).or_insert((now, owner));
                }
            }
            ServerFrame::Envelopes { envelopes } if self.envelopes => {
                for envelope in envelopes {
                    flip(&mut envelope.encrypted_session_key.0);
                    self.altered_envelopes.push((now, owner));
                }
            }
            _ => {}
        }
    }
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
}
