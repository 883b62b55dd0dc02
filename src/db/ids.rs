//! Row ids.

use letterbox_protocol::types::{HOUR, UnixTime};
use rand::CryptoRng;

/// Random bits below the hour. 20 bits of hours reach to 2089; with 43 random bits, a hundred
/// million rows in one hour draw the same id about 600 times, and the writer tries those again.
pub(super) const RANDOM_BITS: u32 = 43;

/// An id for a row of the mailbox: the hour in the high bits, random below. Inserts stay near the
/// end of the tree, and no order finer than the stored hour is kept.
pub(super) fn hourly(now: UnixTime, rng: &mut impl CryptoRng) -> i64 {
    let hour = now.0.div_euclid(HOUR);
    let random = rng.next_u64() >> (u64::BITS - RANDOM_BITS);
    (hour << RANDOM_BITS) | i64::try_from(random).unwrap_or(0)
}

/// An id for a person or a device: 62 random bits, so that it tells not even the day.
pub(super) fn random(rng: &mut impl CryptoRng) -> i64 {
    i64::try_from(rng.next_u64() >> 2).unwrap_or(0)
}
