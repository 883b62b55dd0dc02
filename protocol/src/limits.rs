//! How long keys, lists and sessions last, and how much of anything there may be.
//!
//! Times are in seconds.

use crate::types::{DAY, HOUR};

/// A device replaces its signed prekey after this long.
pub const SIGNED_PREKEY_RENEWAL: i64 = 2 * DAY;
/// A signed prekey older than this is called stale.
pub const SIGNED_PREKEY_STALE: i64 = 7 * DAY;
/// Senders refuse a signed prekey older than this; without a channel its device is dormant.
pub const SIGNED_PREKEY_REFUSED: i64 = 14 * DAY;
/// The messaging key is replaced after this long, and up to a day more.
pub const MESSAGING_KEY_RENEWAL: i64 = 7 * DAY;
/// The device list is signed anew after this long.
pub const LIST_RENEWAL: i64 = 7 * DAY;
/// A device list older than this is refused.
pub const LIST_REFUSED: i64 = 14 * DAY;
/// How far ahead of the reader's clock a signed time may be.
pub const CLOCK_SKEW: i64 = HOUR;
/// Devices an account may have.
pub const DEVICES: usize = 8;
/// One-time prekeys a device may have on the server.
pub const ONE_TIME_PREKEYS: usize = 100;
/// Fewer one-time prekeys than this are refilled.
pub const ONE_TIME_PREKEYS_LOW: usize = 20;
/// Letters in one session.
pub const SESSION_LETTERS: u32 = 100;
/// A sender begins a new session after this long.
pub const SESSION_AGE: i64 = 24 * HOUR;
/// A receiver refuses a letter stored this long after its session began.
pub const SESSION_GRACE: i64 = 26 * HOUR;
/// A sender's session ends this long before the certificate in it does.
pub const SESSION_BEFORE_CERTIFICATE_END: i64 = HOUR;
/// A sender certificate is valid to a day boundary at most this far off.
pub const CERTIFICATE_LONGEST: i64 = 48 * HOUR;
/// Message keys that a ratchet keeps for messages not yet arrived.
pub const SKIPPED_KEYS: usize = 1_000;
/// Envelopes wait at the server this long, rounded up to the day.
pub const ENVELOPE_AGE: i64 = 32 * DAY;
/// A skipped message key goes after this long: nothing that it opens can still arrive.
pub const SKIPPED_KEY_AGE: i64 = ENVELOPE_AGE + DAY;
/// Letters lie at the server this long at most: 30 days, rounded up to the day.
pub const LETTER_AGE: i64 = 31 * DAY;
