//! The native client: an HTTP driver for the engine, and a software passkey.

pub mod passkey;
