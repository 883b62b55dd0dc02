//! Connections: who may hold one, for how long, and from where.

pub mod accept;
pub mod address;
pub mod rate;
mod stalled;

pub use accept::{Connections, Limits};
pub use address::ClientAddress;
pub use rate::Rates;
