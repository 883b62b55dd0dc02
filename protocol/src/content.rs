//! What a letter says: the innermost layer, versioned so that later kinds are additions.

use crate::record::to_cbor;
use crate::types::{Bytes, DeviceId, Phone};
use minicbor::{Decode, Encode};

/// The version that this code writes.
pub const CONTENT_VERSION: u16 = 1;
/// The kind of [`Content`] whose body is text (UTF-8).
pub const KIND_TEXT: u16 = 1;

/// The content of a letter.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Content {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// Who wrote.
    #[n(1)]
    pub sender: Phone,
    /// On which device.
    #[n(2)]
    pub sender_device: DeviceId,
    /// Random, and the same however often and to however many devices the letter is sent.
    #[n(3)]
    pub inner_id: Bytes<16>,
    /// When it was written, in milliseconds since 1970-01-01T00:00:00Z.
    #[n(4)]
    pub sent_at: i64,
    /// What the body is. A kind that is not known is kept with its body.
    #[n(5)]
    pub kind: u16,
    /// The body.
    #[cbor(n(6), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

impl Content {
    /// The content of a text letter.
    pub fn text(
        sender: &Phone,
        device: &DeviceId,
        inner_id: Bytes<16>,
        sent_at: i64,
        text: &str,
    ) -> Self {
        Self {
            version: CONTENT_VERSION,
            sender: sender.clone(),
            sender_device: *device,
            inner_id,
            sent_at,
            kind: KIND_TEXT,
            body: text.as_bytes().to_vec(),
        }
    }

    /// The text, where this is a text letter.
    pub fn as_text(&self) -> Option<&str> {
        if self.kind != KIND_TEXT {
            return None;
        }
        std::str::from_utf8(&self.body).ok()
    }

    /// The encoded content.
    pub fn to_cbor(&self) -> Vec<u8> {
        to_cbor(self)
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("kind", &self.kind).finish_non_exhaustive()
    }
}
