//! By time: own copies, receipts, replies both ways, whoever was seen last, re-keyings.

use super::{
    super::{
        score::Case,
        view::{Deposit, View},
    },
    echo::Delay,
    who_wrote,
};
use letterbox_protocol::engine::Millis;

/// People read and answer so soon, by median and spread: read about 12 s after a letter came,
/// answered about 25 s after that.
const REPLY: Delay = Delay::LogNormal(45_000.0, 0.9);
/// How often a letter is followed by what the attack looks for.
const OFTEN: f64 = 0.85;
const REPLIES: f64 = 0.5;
/// What a device sends on another connection can overtake its acknowledgement by so much.
const OVERTAKEN: Millis = 100;

/// A copy for the writer's own devices: somebody's own mailbox gets a note after the letter. Asked of
/// letters whose writer has a second device.
pub(crate) fn own_copies(view: &View<'_>) -> Vec<Case> {
    let (notes, delay) = (view.brought(true), pool(view));
    let of_two = |letter: &&Deposit| view.devices[view.lived.sender(letter.index)] > 1;
    let score = |letter: &Deposit, who: usize| match view.devices[who] {
        0 | 1 => f64::NEG_INFINITY,
        _ => delay.evidence(letter.at, &notes[who], OFTEN),
    };
    let ask = |letter: &Deposit| who_wrote(view, letter, |who| score(letter, who));
    view.texts().filter(of_two).filter_map(ask).collect()
}

/// A receipt: after the recipient took the letter, its writer's mailbox gets a note.
pub(crate) fn receipts(view: &View<'_>) -> Vec<Case> {
    let (notes, delay) = (view.brought(true), pool(view));
    each(view, |letter, who| match letter.taken_at {
        Some(taken) => delay.evidence(taken - OVERTAKEN, &notes[who], OFTEN),
        None => 0.0,
    })
}

/// A reply: after the recipient took the letter, its writer's mailbox gets a short letter.
pub(crate) fn replies(view: &View<'_>) -> Vec<Case> {
    let short = view.brought(false);
    each(view, |letter, who| match letter.taken_at {
        Some(taken) => REPLY.evidence(taken, &short[who], REPLIES),
        None => 0.0,
    })
}

/// The other way round: the letter is a reply of somebody who took one a while before.
pub(crate) fn replied_to(view: &View<'_>) -> Vec<Case> {
    each(view, |letter, who| REPLY.evidence_before(letter.at, &view.takes[who], REPLIES))
}

/// Whoever did something under their name last.
pub(crate) fn seen_last(view: &View<'_>) -> Vec<Case> {
    let mut deeds = vec![Vec::new(); view.devices.len()];
    view.deeds.iter().for_each(|deed| deeds[deed.who].push(deed.at));
    each(view, |letter, who| {
        let before = deeds[who].partition_point(|at| *at < letter.at);
        before
            .checked_sub(1)
            .map_or(f64::NEG_INFINITY, |last| (deeds[who][last] - letter.at) as f64)
    })
}

/// All of it together: copies, receipts and replies of one letter.
pub(crate) fn together(view: &View<'_>) -> Vec<Case> {
    let (notes, short, delay) = (view.brought(true), view.brought(false), pool(view));
    each(view, |letter, who| {
        let copy = match view.devices[who] {
            0 | 1 => 0.0,
            _ => delay.evidence(letter.at, &notes[who], OFTEN),
        };
        let taken = letter.taken_at.map_or(0.0, |taken| {
            delay.evidence(taken, &notes[who], OFTEN) + REPLY.evidence(taken, &short[who], REPLIES)
        });
        copy + taken + REPLY.evidence_before(letter.at, &view.takes[who], REPLIES)
    })
}

/// A re-keying: one of the mailbox's devices claims the ephemeral key under its name, and its answer
/// comes to whoever posted that.
pub(crate) fn rekeyings(view: &View<'_>) -> Vec<Case> {
    let (notes, delay) = (view.brought(true), pool(view));
    let ask = |exchange: &super::super::view::Exchange| {
        let poster = view.lived.sender(exchange.index);
        let active = view.active(exchange.claimed_at, exchange.to);
        let score = |who: usize| delay.evidence(exchange.claimed_at, &notes[who], OFTEN);
        let group = (poster, exchange.to);
        active.contains(&poster).then(|| Case::one_of(&active, poster, group, score))
    };
    view.exchanges.iter().filter_map(ask).collect()
}

fn each(view: &View<'_>, score: impl Fn(&Deposit, usize) -> f64) -> Vec<Case> {
    view.texts().filter_map(|letter| who_wrote(view, letter, |who| score(letter, who))).collect()
}

fn pool(view: &View<'_>) -> Delay {
    Delay::pool(view.lived.setting.pool_mean)
}
