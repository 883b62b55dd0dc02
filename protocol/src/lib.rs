//! letterbox's protocol, without I/O, clock or global randomness: time and randomness come in as
//! parameters, so that the server, the browser and the tests run the same code.

pub mod account_keys;
mod aead;
mod base32;
pub mod bundle;
pub mod capsule;
pub mod certificate;
pub mod channel;
pub mod content;
pub mod device_list;
pub mod device_name;
pub mod encoding;
pub mod engine;
pub mod handshake;
pub mod json;
mod kdf;
pub mod key_check;
pub mod keys;
pub mod limits;
pub mod link;
pub mod notes;
mod order;
mod padding;
#[cfg(test)]
mod published_vectors;
pub mod ratchet;
pub mod record;
pub mod rekey;
pub mod safety;
pub mod sealing;
pub mod secret;
pub mod session_key;
pub mod session_mark;
pub mod sessions;
pub mod sizes;
pub mod tokens;
pub mod touch;
pub mod types;
pub mod wire;
