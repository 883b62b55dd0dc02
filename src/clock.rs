//! The server's clock: the one place that reads the time. Everything below takes it as a parameter.

use letterbox_protocol::types::UnixTime;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Tells the time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's.
    System,
    /// One that is set by hand, in tests: seconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands still at this moment until [`Clock::Manual`]'s number is changed.
    pub fn manual(now: UnixTime) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now.0)))
    }

    /// Now.
    #[allow(clippy::disallowed_methods, reason = "the server's edge: time comes in here")]
    pub fn now(&self) -> UnixTime {
        match self {
            Self::System => UnixTime(time::OffsetDateTime::now_utc().unix_timestamp()),
            Self::Manual(seconds) => UnixTime(seconds.load(Ordering::Relaxed)),
        }
    }
}
