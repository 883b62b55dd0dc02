//! Tests of the cryptographic core through its public interface, in one binary. Those that draw their
//! cases by themselves are native only; all others run as WASM too (`scripts/wasm-tests.sh`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod people;

#[cfg(not(target_family = "wasm"))]
mod account_keys;
#[cfg(not(target_family = "wasm"))]
mod channels;
#[cfg(not(target_family = "wasm"))]
mod links;
mod notes;
#[cfg(not(target_family = "wasm"))]
mod ratchets;
#[cfg(not(target_family = "wasm"))]
mod recovery;
mod refusals;
#[cfg(not(target_family = "wasm"))]
mod rekeying;
#[cfg(not(target_family = "wasm"))]
mod rubbish;
mod secrecy;
#[cfg(not(target_family = "wasm"))]
mod sessions;
mod tokens;
mod vectors;
