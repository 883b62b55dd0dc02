//! How good a guess is, against chance.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;

/// One question to the adversary: a score for each candidate, and who would be right.
pub(super) struct Case {
    pub(super) scores: Vec<f64>,
    pub(super) right: Vec<bool>,
    /// Cases of one group (letters between the same two people) are not independent.
    pub(super) group: (usize, usize),
}

impl Case {
    /// A question with one right answer among these candidates.
    pub(super) fn one_of(
        candidates: &[usize],
        right: usize,
        group: (usize, usize),
        score: impl FnMut(usize) -> f64,
    ) -> Self {
        Self {
            scores: candidates.iter().copied().map(score).collect(),
            right: candidates.iter().map(|candidate| *candidate == right).collect(),
            group,
        }
    }

    /// How likely a guess at random is right.
    fn chance(&self) -> f64 {
        share(self.right.iter().copied())
    }

    /// How likely the best guess is right, where it is drawn among equals.
    fn best(&self) -> f64 {
        let most = self.scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let first = self.scores.iter().zip(&self.right).filter(|(score, _)| **score >= most);
        share(first.map(|(_, right)| *right))
    }

    /// How likely somebody right scores above somebody wrong; equals count half.
    fn area(&self) -> Option<f64> {
        let of = |wanted: bool| {
            let all = self.scores.iter().zip(&self.right);
            all.filter(move |(_, right)| **right == wanted).map(|(score, _)| *score)
        };
        let above = |right: f64, wrong: f64| match right.total_cmp(&wrong) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
        let pairs: Vec<f64> =
            of(true).flat_map(|right| of(false).map(move |wrong| above(right, wrong))).collect();
        (!pairs.is_empty()).then(|| mean(&pairs))
    }
}

fn share(right: impl Iterator<Item = bool>) -> f64 {
    let all: Vec<f64> = right.map(|right| f64::from(u8::from(right))).collect();
    mean(&all)
}

fn mean(all: &[f64]) -> f64 {
    if all.is_empty() { 0.0 } else { all.iter().sum::<f64>() / all.len() as f64 }
}

/// What an attack came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) cases: usize,
    /// The share of right guesses at random.
    pub(super) chance: f64,
    /// The share of right best guesses.
    pub(super) best: f64,
    /// Its 95 % interval, by a bootstrap over groups.
    pub(super) interval: (f64, f64),
    /// The mean area under the ROC curve; a half is chance.
    pub(super) area: f64,
}

impl Outcome {
    /// Judges the answers; nothing where nothing was asked.
    pub(super) fn of(cases: &[Case]) -> Option<Self> {
        if cases.is_empty() {
            return None;
        }
        let best: Vec<f64> = cases.iter().map(Case::best).collect();
        let chance: Vec<f64> = cases.iter().map(Case::chance).collect();
        let area: Vec<f64> = cases.iter().filter_map(Case::area).collect();
        Some(Self {
            cases: cases.len(),
            chance: mean(&chance),
            best: mean(&best),
            interval: bootstrap(cases, &best),
            area: if area.is_empty() { 0.5 } else { mean(&area) },
        })
    }

    /// Whether the adversary did no better than at random, in every digit.
    pub(super) fn is_chance(&self) -> bool {
        self.best == self.chance && self.area == 0.5
    }
}

const RESAMPLES: usize = 1_000;

/// The middle 95 % of the mean over groups that are drawn with replacement.
fn bootstrap(cases: &[Case], values: &[f64]) -> (f64, f64) {
    let mut groups: BTreeMap<(usize, usize), (f64, f64)> = BTreeMap::new();
    for (case, value) in cases.iter().zip(values) {
        let group = groups.entry(case.group).or_default();
        *group = (group.0 + value, group.1 + 1.0);
    }
    let groups: Vec<(f64, f64)> = groups.into_values().collect();
    let mut rng = StdRng::seed_from_u64(95);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..groups.len()).map(|_| groups[rng.random_range(0..groups.len())]);
            let (sum, count) = drawn.fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
            sum / count
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40])
}

#[test]
fn a_perfect_guess_a_blind_one_and_a_wrong_one_are_told_apart() {
    let case = |scores: &[f64]| Case {
        scores: scores.to_vec(),
        right: vec![true, false, false, false],
        group: (0, 0),
    };
    let perfect = Outcome::of(&[case(&[3.0, 1.0, 2.0, 0.0])]).unwrap();
    assert_eq!((perfect.chance, perfect.best, perfect.area), (0.25, 1.0, 1.0));
    let blind = Outcome::of(&[case(&[0.0; 4])]).unwrap();
    assert!(blind.is_chance() && blind.best == 0.25);
    let wrong = Outcome::of(&[case(&[0.0, 1.0, 1.0, 1.0])]).unwrap();
    assert_eq!((wrong.best, wrong.area), (0.0, 0.0));
    let half = Outcome::of(&[case(&[1.0, 1.0, 0.0, 0.0]), case(&[1.0, 0.0, 0.0, 0.0])]).unwrap();
    assert_eq!(half.best, 0.75);
    assert_eq!(Outcome::of(&[]), None);
}
