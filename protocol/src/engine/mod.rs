//! The client engine: everything a client does, as one state machine without I/O.
//!
//! `step(now, rng, input)` returns what to write, what to send and what to show. State is keyed
//! records; see [`interface`].

pub mod interface;

pub use interface::*;
