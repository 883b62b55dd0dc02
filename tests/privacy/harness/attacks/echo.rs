//! Echoes: something happens, and if this person has to do with it, something else is seen of them
//! a while later. How much more likely is what was seen, if they have?

use letterbox_protocol::engine::Millis;

/// How long echoes take, as far as the adversary knows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delay {
    /// Exponentially distributed: the delayed pool. The mean.
    Exponential(f64),
    /// Log-normally distributed: people. The median, and the deviation of the logarithm.
    LogNormal(f64, f64),
}

/// The network and the engine's own steps blur what is shorter than this.
const BLUR: f64 = 400.0;
/// The adversary looks at one's habits within so much time around.
const AROUND: Millis = 2 * 3_600_000;

impl Delay {
    /// The pool's, by its mean.
    pub(crate) fn pool(mean: Millis) -> Self {
        Self::Exponential((mean as f64).max(BLUR))
    }

    /// The density at so many milliseconds, for one millisecond.
    fn density(self, after: f64) -> f64 {
        if after <= 0.0 {
            return 0.0;
        }
        match self {
            Self::Exponential(mean) => (-after / mean).exp() / mean,
            Self::LogNormal(median, sigma) => {
                let z = (after / median).ln() / sigma;
                (-z * z / 2.0).exp() / (after * sigma * std::f64::consts::TAU.sqrt())
            }
        }
    }

    /// Beyond this there is next to nothing.
    fn longest(self) -> Millis {
        match self {
            Self::Exponential(mean) => (8.0 * mean) as Millis,
            Self::LogNormal(median, sigma) => (median * (3.0 * sigma).exp()) as Millis,
        }
    }

    /// The logarithm of the likelihood ratio: that what was seen of somebody at `times` (sorted)
    /// holds an echo of what happened at `at`, against their doing what they always do. An echo
    /// comes with this probability.
    pub(crate) fn evidence(self, at: Millis, times: &[Millis], probability: f64) -> f64 {
        let near = within(times, at - AROUND, at + AROUND);
        let rate = (near.len() as f64 + 0.5) / (2.0 * AROUND as f64);
        let after = within(times, at + 1, at + self.longest());
        let density: f64 = after.iter().map(|time| self.density((time - at) as f64)).sum();
        (1.0 - probability + probability * density / rate).ln()
    }

    /// The same backwards: that what happened at `at` is the echo of something at `times`.
    pub(crate) fn evidence_before(self, at: Millis, times: &[Millis], probability: f64) -> f64 {
        let near = within(times, at - AROUND, at + AROUND);
        let rate = (near.len() as f64 + 0.5) / (2.0 * AROUND as f64);
        let before = within(times, at - self.longest(), at - 1);
        let density: f64 = before.iter().map(|time| self.density((at - time) as f64)).sum();
        (1.0 - probability + probability * density / rate).ln()
    }
}

/// Those from one moment to the other, both included.
pub(super) fn within(times: &[Millis], from: Millis, to: Millis) -> &[Millis] {
    let first = times.partition_point(|time| *time < from);
    let end = times.partition_point(|time| *time <= to);
    &times[first..end.max(first)]
}

#[test]
fn an_echo_in_its_time_is_evidence_and_silence_is_against_it() {
    let pool = Delay::pool(60_000);
    let at = 10_000_000;
    assert!(pool.evidence(at, &[at + 30_000], 0.8) > 1.0);
    assert!(pool.evidence(at, &[], 0.8) < 0.0);
    assert!(pool.evidence(at, &[at - 30_000], 0.8) < 0.0);
    let soon = Delay::pool(1).evidence(at, &[at + 100], 0.8);
    assert!(soon > pool.evidence(at, &[at + 100], 0.8), "the shorter, the plainer");
    let people = Delay::LogNormal(45_000.0, 1.0);
    assert!(people.evidence_before(at, &[at - 40_000], 0.5) > 1.0);
}
