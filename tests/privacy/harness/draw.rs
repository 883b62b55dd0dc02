//! Random quantities, from a seed.

use letterbox_protocol::engine::Millis;
use rand::{Rng, RngExt as _};

/// Above 0 and up to 1.
fn uniform(rng: &mut impl Rng) -> f64 {
    1.0 - rng.random::<f64>()
}

/// From the exponential distribution with this mean.
pub(super) fn exponential(rng: &mut impl Rng, mean: Millis) -> Millis {
    (-uniform(rng).ln() * mean as f64) as Millis + 1
}

/// From the log-normal distribution with this median and this deviation of the logarithm.
pub(super) fn log_normal(rng: &mut impl Rng, median: Millis, sigma: f64) -> Millis {
    (median as f64 * (sigma * normal(rng)).exp()) as Millis + 1
}

/// From the standard normal distribution (Box and Muller).
pub(super) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * uniform(rng).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(rng)).cos()
}

/// How often something happens that goes on with this probability: once at least.
pub(super) fn geometric(rng: &mut impl Rng, goes_on: f64) -> u32 {
    let mut times = 1;
    while times < 12 && rng.random_bool(goes_on) {
        times += 1;
    }
    times
}
