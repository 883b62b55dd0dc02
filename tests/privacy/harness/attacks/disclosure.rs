//! The statistical disclosure attack on sealed sender (Martiny, Kaptchuk, Aviv, Roche and Wustrow,
//! NDSS 2021): each delivery to a target opens an epoch; mailboxes that get more in those epochs
//! than in epochs at random are the target's associates'.

use super::{
    super::{score::Case, view::View},
    echo::{Delay, within},
};
use letterbox_protocol::engine::Millis;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Associates have written so many letters to each other.
const ASSOCIATES: usize = 5;
/// What a device sends on another connection can overtake its acknowledgement by so much.
const OVERTAKEN: Millis = 100;
/// Epochs at random for each one of the target's.
const RANDOM: usize = 8;

/// The attack as published: epochs of one length, counts compared. "Who is an associate of this
/// person?", of all others.
pub(crate) fn published(view: &View<'_>, epoch: Millis) -> Vec<Case> {
    let brought = all_brought(view);
    let mut rng = StdRng::seed_from_u64(2021);
    of_all_targets(view, |target, deliveries| {
        // At random, but within the time around a delivery: at night nobody gets anything.
        let around = |rng: &mut StdRng, at: Millis| at + rng.random_range(-3_600_000..3_600_000);
        let mut at_random: Vec<Millis> = Vec::new();
        for at in deliveries {
            at_random.extend((0..RANDOM).map(|_| around(&mut rng, *at)));
        }
        let count = |who: usize, starts: &[Millis]| -> f64 {
            let hit =
                |at: &&Millis| !within(&brought[who], **at - OVERTAKEN, **at + epoch).is_empty();
            starts.iter().filter(hit).count() as f64
        };
        let score = |who: usize| {
            let (epochs, random) = (deliveries.len() as f64, at_random.len() as f64);
            let expected = (count(who, &at_random) + 0.5) / (random + 1.0) * epochs;
            (count(who, deliveries) - expected) / expected.sqrt()
        };
        (0..view.devices.len()).map(|who| if who == target { 0.0 } else { score(who) }).collect()
    })
}

/// The same question, by all that is known: the evidence of receipts and replies to every letter, in
/// sum.
pub(crate) fn informed(view: &View<'_>) -> Vec<Case> {
    let notes = view.brought(true);
    let delay = Delay::pool(view.lived.setting.pool_mean);
    of_all_targets(view, |_, deliveries| {
        let evidence = |who: usize| -> f64 {
            let of = |at: &Millis| delay.evidence(*at - OVERTAKEN, &notes[who], 0.3);
            deliveries.iter().map(of).sum()
        };
        (0..view.devices.len()).map(evidence).collect()
    })
}

fn all_brought(view: &View<'_>) -> Vec<Vec<Millis>> {
    let mut times = vec![Vec::new(); view.devices.len()];
    view.deposits.iter().for_each(|deposit| times[deposit.to].push(deposit.at));
    times
}

/// Everybody is the target once. Those with next to no mail are left out.
fn of_all_targets(
    view: &View<'_>,
    mut scores: impl FnMut(usize, &[Millis]) -> Vec<f64>,
) -> Vec<Case> {
    let mut taken = vec![Vec::new(); view.devices.len()];
    for letter in view.deposits.iter().filter(|letter| !letter.is_note()) {
        taken[letter.to].extend(letter.taken_at);
    }
    let mut cases = Vec::new();
    for (target, deliveries) in taken.iter_mut().enumerate() {
        deliveries.sort_unstable();
        if deliveries.len() < 5 {
            continue;
        }
        let scores = scores(target, deliveries);
        let others = (0..view.devices.len()).filter(|who| *who != target);
        let (scores, right) = others
            .map(|who| (scores[who], view.lived.letters_between(target, who) >= ASSOCIATES))
            .unzip();
        cases.push(Case { scores, right, group: (target, target) });
    }
    cases
}
