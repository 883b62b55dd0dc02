//! letterbox's protocol, without I/O, clock or global randomness: time and randomness come in as
//! parameters, so that the server, the browser and the tests run the same code.

pub mod bundle;
pub mod certificate;
pub mod content;
pub mod device_list;
pub mod encoding;
pub mod engine;
pub mod key_check;
pub mod keys;
pub mod limits;
mod padding;
pub mod record;
pub mod sealing;
pub mod secret;
pub mod sizes;
pub mod types;
pub mod wire;
