//! Handshake base keys, remembered per signed prekey: a first message that comes again is dropped.

use super::interface::ContactId;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::types::Key;
use minicbor::{Decode, Encode};

/// A base key that a handshake was accepted with: `base-key/<signed prekey id>/<base key>`. It is
/// forgotten together with the prekey's secret, without which nothing can be replayed.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct BaseKey {
    /// Whose handshake it was.
    #[n(0)]
    pub(super) contact: Option<ContactId>,
}

impl Record for BaseKey {
    const KIND: &'static str = "base-key";
}

impl BaseKey {
    pub(super) fn key(signed_prekey: u32, base_key: &Key) -> RecordKey<Self> {
        RecordKey::of(&[&format!("{signed_prekey:08x}"), &base_key.to_text()])
    }
}

/// Handshakes accepted from one contact with one signed prekey. Eight devices that begin anew every
/// few days stay far below; whoever does not is not listened to until the next prekey.
const HANDSHAKES: usize = 32;

impl Turn<'_> {
    /// Whether a contact has made as many handshakes with a signed prekey as are remembered.
    pub(super) fn has_too_many_handshakes(&self, contact: ContactId, signed_prekey: u32) -> bool {
        let with_it = self.records.list::<BaseKey>(&[&format!("{signed_prekey:08x}")]);
        let theirs = with_it.iter().filter(|(_, base_key)| base_key.contact == Some(contact));
        theirs.count() >= HANDSHAKES
    }
}
