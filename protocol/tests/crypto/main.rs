//! Tests of the cryptographic core through its public interface, in one binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod people;

mod channels;
mod ratchets;
mod refusals;
mod rubbish;
mod secrecy;
mod sessions;
mod vectors;
