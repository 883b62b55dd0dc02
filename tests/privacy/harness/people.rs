//! Who knows whom, and how much they write to each other.

use super::draw;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeSet;

/// A population and how long it is watched.
#[derive(Clone)]
pub(super) struct Population {
    pub(super) people: usize,
    /// Hours for which the adversary watches, from eight in the morning of the first day.
    pub(super) hours: i64,
    /// Conversations that an ordinary pair of acquaintances begins in a day.
    pub(super) conversations: f64,
    /// Of so many people, one has a second device.
    pub(super) two_devices: usize,
    /// Pairs who write to each other far more than others do.
    pub(super) heavy_pairs: usize,
    pub(super) seed: u64,
}

/// Two people who write to each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) pair: (usize, usize),
    /// How many conversations they begin, of those of an ordinary pair.
    pub(super) weight: f64,
}

/// How many acquaintances a newcomer begins with.
const ATTACHMENTS: usize = 2;
/// How much more a heavy pair writes than an ordinary one.
const HEAVY: f64 = 6.0;

impl Population {
    /// Preferential attachment (Barabási and Albert): newcomers meet those who know many already.
    /// Weights are log-normal; the last few pairs drawn are heavy.
    pub(super) fn edges(&self) -> Vec<Edge> {
        let mut rng = StdRng::seed_from_u64(self.seed ^ 0x67_7261_7068);
        // Everybody stands here once for each acquaintance.
        let mut ends = vec![0, 1];
        let mut pairs = BTreeSet::from([(0, 1)]);
        for newcomer in 2..self.people {
            let mut met = BTreeSet::new();
            while met.len() < ATTACHMENTS.min(newcomer) {
                met.insert(ends[rng.random_range(0..ends.len())]);
            }
            for known in met {
                pairs.insert((known, newcomer));
                ends.extend([known, newcomer]);
            }
        }
        let pairs: Vec<_> = pairs.into_iter().collect();
        let heavy: BTreeSet<usize> =
            (0..self.heavy_pairs).map(|_| rng.random_range(0..pairs.len())).collect();
        let weigh = |(at, pair): (usize, &(usize, usize))| {
            let light = (0.6 * draw::normal(&mut rng)).exp();
            Edge { pair: *pair, weight: if heavy.contains(&at) { HEAVY } else { light } }
        };
        pairs.iter().enumerate().map(weigh).collect()
    }

    /// Whether this person has a second device.
    pub(super) fn has_two(&self, person: usize) -> bool {
        self.two_devices > 0 && person.is_multiple_of(self.two_devices)
    }
}
