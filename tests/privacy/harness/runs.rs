//! Many lives of one population, each under another setting, and every attack on each of them.

use super::{
    attacks::{corruption, disclosure, envelopes, sizes, timing, tokens},
    life::Setting,
    lived::Lived,
    people::Population,
    score::{Case, Outcome},
    view::View,
};
use letterbox_protocol::engine::Millis;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// An attack on a log.
type Attack = fn(&View<'_>) -> Vec<Case>;

/// Every attack on the log, by the name under which its outcome is found.
const ATTACKS: [(&str, Attack); 16] = [
    ("tokens", tokens::fetched_last),
    ("tokens on demand", tokens::on_demand),
    ("envelope counts", envelopes::counts),
    ("certificates", envelopes::certificates),
    ("texts from notes", sizes::texts_from_notes),
    ("copies from receipts", sizes::copies_from_receipts),
    ("own copies", timing::own_copies),
    ("receipts", timing::receipts),
    ("re-keyings", timing::rekeyings),
    ("replies", timing::replies),
    ("replied to", timing::replied_to),
    ("seen last", timing::seen_last),
    ("together", timing::together),
    ("altered letters", corruption::letters),
    ("altered envelopes", corruption::envelopes),
    ("disclosure, informed", disclosure::informed),
];

/// The epochs that the statistical disclosure attack is tried with; the best one counts.
const EPOCHS: [Millis; 7] = [1_000, 5_000, 30_000, 60_000, 120_000, 300_000, 600_000];

/// What became of one life.
pub(super) struct Judged {
    pub(super) setting: Setting,
    outcomes: BTreeMap<&'static str, Outcome>,
    /// The epoch with which the statistical disclosure attack did best.
    pub(super) epoch: Millis,
    /// Letters that people wrote.
    pub(super) texts: usize,
    /// Letters that devices wrote.
    pub(super) notes: usize,
    /// Median and 95th percentile of the time to a receipt, and to an own copy.
    pub(super) receipt_delay: Option<(Millis, Millis)>,
    pub(super) copy_delay: Option<(Millis, Millis)>,
}

impl Judged {
    /// What an attack came to; nothing where it had nothing to be asked.
    pub(super) fn outcome(&self, name: &str) -> Option<Outcome> {
        self.outcomes.get(name).copied()
    }

    fn of(lived: &Lived) -> Self {
        let view = View::of(lived);
        let mut outcomes = BTreeMap::new();
        for (name, attack) in ATTACKS {
            outcomes.extend(Outcome::of(&attack(&view)).map(|outcome| (name, outcome)));
        }
        let with =
            |epoch: Millis| Some((epoch, Outcome::of(&disclosure::published(&view, epoch))?));
        let by_area = |a: &(Millis, Outcome), b: &(Millis, Outcome)| a.1.area.total_cmp(&b.1.area);
        let best = EPOCHS.into_iter().filter_map(with).max_by(by_area);
        outcomes.extend(best.map(|(_, outcome)| ("disclosure", outcome)));
        let texts = view.texts().count();
        Self {
            setting: lived.setting.clone(),
            outcomes,
            epoch: best.map_or(0, |(epoch, _)| epoch),
            texts,
            notes: view.deposits.len() - texts,
            receipt_delay: percentiles(&lived.measured.receipts()),
            copy_delay: percentiles(&lived.measured.copies()),
        }
    }
}

fn percentiles(sorted: &[Millis]) -> Option<(Millis, Millis)> {
    let at = |share: usize| sorted.get(sorted.len() * share / 100).copied();
    Some((at(50)?, at(95)?))
}

/// Lives through one life per setting, two at a time, and judges each.
pub(super) fn all(population: &Population, settings: &[Setting]) -> Vec<Judged> {
    let next = AtomicUsize::new(0);
    let judged: Mutex<BTreeMap<usize, Judged>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(setting) = settings.get(at) else { return };
                    let lived = alone(Lived::through(population, setting));
                    judged.lock().unwrap().insert(at, Judged::of(&lived));
                }
            });
        }
    });
    judged.into_inner().unwrap().into_values().collect()
}

/// Runs to the end on this thread, one thing at a time.
pub(super) fn alone<T>(life: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(life)
}
