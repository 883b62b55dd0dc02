//! The server itself.

use crate::types::Key;
use serde::{Deserialize, Serialize};

wire! {
    /// `GET /v1/server`: what a client must know before it does anything.
    answer struct ServerInfo {
        /// The server's version, as in its release notes.
        version: String,
        /// Changes when the database was restored from a backup.
        epoch: String,
        /// Suites the server takes.
        suites: Vec<u16>,
        /// Ed25519 keys under which sender certificates are valid, newest first.
        certificate_keys: Vec<Key>,
        /// The server's limits.
        limits: Limits,
        /// The digest of the built page, so that an old page can tell that it is old.
        page: String,
    }
}

wire! {
    /// The limits that a client must keep to.
    answer struct Limits {
        /// Bytes of a request body.
        body: u64,
        /// Bytes of a sealed letter.
        letter: u64,
        /// Devices an account.
        devices: u32,
        /// One-time prekeys a device may have on the server.
        one_time_prekeys: u32,
        /// Blind tokens in a device's daily batch: exactly so many.
        tokens: u32,
    }
}
