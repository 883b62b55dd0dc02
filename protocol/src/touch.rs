//! Passkey touches for one request only.

use crate::encoding::Transcript;
use crate::types::{Bytes, Key};
use sha2::{Digest, Sha256};

/// What a touch is bound to: SHA-256 of the transcript `letterbox/2 touch`: method; path with query;
/// body, byte for byte as it is sent.
pub fn touch_digest(method: &str, path: &str, body: &[u8]) -> Key {
    let transcript = Transcript::new("letterbox/2 touch")
        .field(method.as_bytes())
        .field(path.as_bytes())
        .field(body)
        .finish();
    Bytes(Sha256::digest(transcript).into())
}
