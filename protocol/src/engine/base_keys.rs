//! Handshake base keys, remembered per signed prekey: a first message that comes again is dropped.

use super::records::{Record, RecordKey};
use crate::types::Key;
use minicbor::{Decode, Encode};

/// A base key that a handshake was accepted with: `base-key/<signed prekey id>/<base key>`. It is
/// forgotten together with the prekey's secret, without which nothing can be replayed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct BaseKey {}

impl Record for BaseKey {
    const KIND: &'static str = "base-key";
}

impl BaseKey {
    pub(super) fn key(signed_prekey: u32, base_key: &Key) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{signed_prekey:08x}"), &base_key.to_text()])
    }
}
