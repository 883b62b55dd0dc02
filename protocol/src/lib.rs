//! letterbox's protocol, without I/O, clock or global randomness: time and randomness come in as
//! parameters, so that the server, the browser and the tests run the same code.

pub mod engine;
pub mod types;
pub mod wire;
