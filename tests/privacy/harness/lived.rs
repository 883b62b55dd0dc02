//! One population's days, lived to the end: what the adversary has of them, and what is true.

use super::{
    life::{Life, Setting, WATCHED_FROM, measured::Measured},
    people::Population,
    world::{
        log::{Seen, Truth},
        tamper::Tamper,
    },
};
use letterbox_protocol::{engine::Millis, wire::SealedMessage};
use std::collections::BTreeMap;

/// Everything about a run.
pub(super) struct Lived {
    pub(super) setting: Setting,
    pub(super) phones: Vec<String>,
    /// Whose each device is. The server knows it as well.
    pub(super) owners: Vec<usize>,
    /// In the order in which it reached the server.
    pub(super) seen: Vec<Seen>,
    pub(super) until: Millis,
    /// What a tampering server altered.
    pub(super) tamper: Option<Tamper>,
    /// The truth of each thing that was seen.
    truth: Vec<Truth>,
    letters: Letters,
    pub(super) measured: Measured,
}

impl Lived {
    /// Lives through it all.
    pub(super) async fn through(population: &Population, setting: &Setting) -> Self {
        let until = WATCHED_FROM + population.hours * 3_600_000;
        let mut life = Life::begin(population, setting).await;
        life.run_until(until).await;
        Self::of(life, setting, until)
    }

    /// What is left of a life.
    pub(super) fn of(life: Life, setting: &Setting, until: Millis) -> Self {
        let Life { world, measured, .. } = life;
        let phones: Vec<String> =
            world.phones.iter().map(|phone| phone.as_str().to_owned()).collect();
        let owners: Vec<usize> = world.devices.iter().map(|device| device.owner).collect();
        let log = world.log;
        Self {
            setting: setting.clone(),
            letters: letters(&log.seen, &log.truth, &owners, &phones),
            phones,
            owners,
            seen: log.seen,
            until,
            tamper: world.tamper,
            truth: log.truth,
            measured,
        }
    }

    /// Who sent this. The judge asks, and no attack does.
    pub(super) fn sender(&self, index: usize) -> usize {
        self.owners[self.truth[index].device]
    }

    /// Whether a person wrote this.
    pub(super) fn is_text(&self, index: usize) -> bool {
        self.truth[index].is_text
    }

    /// How many letters these two have written to each other, by what each deposit was and to whom.
    pub(super) fn letters_between(&self, one: usize, other: usize) -> usize {
        self.letters.get(&(one.min(other), one.max(other))).copied().unwrap_or(0)
    }
}

/// The letters of each pair, from the destination that each names and the truth of who sent it.
fn letters(seen: &[Seen], truth: &[Truth], owners: &[usize], phones: &[String]) -> Letters {
    let mut letters = Letters::new();
    for (seen, truth) in seen.iter().zip(truth).filter(|(_, truth)| truth.is_text) {
        let Ok(letter) = serde_json::from_str::<SealedMessage>(&seen.body) else { continue };
        let to = phones.iter().position(|phone| phone == letter.destination.as_str());
        let (to, from) = (to.expect("a known mailbox"), owners[truth.device]);
        *letters.entry((from.min(to), from.max(to))).or_default() += 1;
    }
    letters
}

type Letters = BTreeMap<(usize, usize), usize>;
