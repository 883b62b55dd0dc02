//! By tokens: whoever was issued some last is likely to spend one now, if people fetch when they
//! need to.

use super::{
    super::{score::Case, view::View},
    who_wrote,
};
use letterbox_protocol::engine::Millis;
use std::collections::BTreeMap;

/// Where tokens are issued.
const ISSUING: &str = "/v1/tokens";
/// Tokens in a batch.
const BATCH: usize = 50;
/// A client that fetches when it needs to spends the first one so soon.
const AT_ONCE: Millis = 150;

/// Whoever fetched tokens last, by the log as it is. Without any fetch, nobody stands out.
pub(crate) fn fetched_last(view: &View<'_>) -> Vec<Case> {
    let deeds = view.deeds.iter().filter(|deed| deed.path.starts_with(ISSUING));
    ask(view, deeds.map(|deed| (deed.at, deed.who)))
}

/// The same, in the same log with fetches put in where clients would have made them that fetch a
/// batch when their last token is spent.
pub(crate) fn on_demand(view: &View<'_>) -> Vec<Case> {
    let mut left: BTreeMap<usize, usize> = BTreeMap::new();
    let mut fetches = Vec::new();
    let sealed = view.lived.seen.iter().enumerate().filter(|(_, seen)| seen.device.is_none());
    for (index, seen) in sealed {
        let who = view.lived.sender(index);
        // Not everybody's last batch was fetched at the same time.
        let left = left.entry(who).or_insert(who * 7 % BATCH);
        if *left == 0 {
            *left = BATCH;
            fetches.push((seen.at - AT_ONCE, who));
        }
        *left -= 1;
    }
    ask(view, fetches.into_iter())
}

fn ask(view: &View<'_>, fetches: impl Iterator<Item = (Millis, usize)>) -> Vec<Case> {
    let mut by_person = vec![Vec::new(); view.devices.len()];
    fetches.for_each(|(at, who)| by_person[who].push(at));
    let last = |who: usize, before: Millis| {
        let count = by_person[who].partition_point(|at| *at < before);
        count.checked_sub(1).map_or(f64::NEG_INFINITY, |at| (by_person[who][at] - before) as f64)
    };
    view.texts().filter_map(|l| who_wrote(view, l, |who| last(who, l.at))).collect()
}
