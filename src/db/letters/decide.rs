//! What becomes of each send. No I/O: facts in, decisions out.

use super::{
    facts::{Facts, Mailbox},
    gauge::{self, Gauge},
};
use crate::db::{SealedSend, SendOutcome};
use letterbox_protocol::types::{Bytes, DeviceId, MessageId, Phone};
use std::collections::{HashMap, HashSet};

/// A send's outcome, and whether anything must be written for it.
pub(super) struct Decision {
    pub(super) outcome: SendOutcome,
    /// False for a repeated request, and for one whose token is not spent.
    pub(super) write: bool,
}

/// Decides in the order of arrival; of two sends in the batch with one token, the second is judged
/// as if the first had come long before.
pub(super) fn decide(batch: &[&SealedSend], facts: &Facts, gauge: &mut Gauge) -> Vec<Decision> {
    let mut spent_here: HashMap<Bytes<32>, (Bytes<32>, SendOutcome)> = HashMap::new();
    let mut so_far = SoFar { envelopes: facts.envelopes.clone(), stored: HashSet::new() };
    let mut decisions = Vec::with_capacity(batch.len());
    for send in batch {
        let token = &send.token;
        let before = facts.spent.get(&token.nullifier);
        let before = before.map(|(digest, status)| (*digest, SendOutcome::of_spent(*status)));
        let before = before.or_else(|| spent_here.get(&token.nullifier).copied());
        let decision = match before {
            Some((digest, outcome)) if digest == token.request_digest => {
                Decision { outcome, write: false }
            }
            Some(_) => Decision { outcome: SendOutcome::TokenReused, write: false },
            None => {
                let outcome = judge(send, facts, gauge, &mut so_far);
                Decision { outcome, write: outcome.spent_status().is_some() }
            }
        };
        if decision.write {
            spent_here.insert(token.nullifier, (token.request_digest, decision.outcome));
        }
        decisions.push(decision);
    }
    decisions
}

/// What the batch's earlier sends have taken up.
struct SoFar<'a> {
    /// Envelopes by user, the stored ones included.
    envelopes: HashMap<i64, i64>,
    stored: HashSet<(&'a Phone, MessageId)>,
}

fn judge<'a>(
    send: &'a SealedSend,
    facts: &Facts,
    gauge: &mut Gauge,
    so_far: &mut SoFar<'a>,
) -> SendOutcome {
    let Some(mailbox) = facts.mailboxes.get(&send.destination) else {
        return SendOutcome::NoSuchMailbox;
    };
    if mailbox.list_version != send.list_version || !envelopes_fit(send, mailbox) {
        return SendOutcome::StaleList;
    }
    // A letter that is there takes no room, whatever token it comes with this time.
    let letter = (&send.destination, send.message_id);
    if so_far.stored.contains(&letter) || facts.holds(letter.0, &letter.1) {
        return SendOutcome::Stored;
    }
    let held = so_far.envelopes.entry(mailbox.user).or_default();
    let more = gauge::envelopes(send);
    let envelopes = held.saturating_add(more);
    if (more > 0 && envelopes > gauge.envelopes()) || !gauge.charge(send) {
        return SendOutcome::MailboxFull;
    }
    *held = envelopes;
    so_far.stored.insert(letter);
    SendOutcome::Stored
}

/// Every device that is not dormant has an envelope, and no envelope is for an unlisted one.
fn envelopes_fit(send: &SealedSend, mailbox: &Mailbox) -> bool {
    let Some((_, envelopes)) = &send.session else { return true };
    let named = |id: &DeviceId| envelopes.iter().any(|(device, _)| device == id);
    let listed = |id: &DeviceId| mailbox.devices.iter().any(|device| device.id == *id);
    mailbox.devices.iter().all(|device| device.dormant || named(&device.id))
        && envelopes.iter().all(|(device, _)| listed(device))
}
