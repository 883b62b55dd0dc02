//! Blind tokens: Privacy Pass (RFC 9576 to 9578) over the VOPRF of RFC 9497 with ristretto255 and
//! SHA-512, issued in batches (draft-ietf-privacypass-batched-tokens).
//!
//! An issuer evaluates blinded inputs and proves, once for a whole batch, that it used the key that
//! its directory announces. What a client then spends is the unblinded output: the issuer can tell
//! that it issued it, and not to whom.
//!
//! | module | what |
//! | --- | --- |
//! | `challenge` | what a token is bound to; the client computes it |
//! | `token` | a token, and the header that carries it |
//! | `batch` | requests and responses, byte by byte |
//! | `client` | blinding, and what is kept until the response |
//! | `issuer` | keys, issuing, checking |
//! | `directory` | which keys there are, and when |

mod batch;
mod challenge;
mod client;
mod directory;
mod entropy;
mod issuer;
#[cfg(test)]
mod tests;
mod token;

pub use batch::{BatchRequest, BatchResponse};
pub use challenge::{TokenChallenge, challenge_digest};
pub use client::PendingBatch;
pub use directory::{
    KEY_ANNOUNCED, KEY_GRACE, KEY_WEEK, KeyWeek, directory_digest, directory_of, weeks_of,
};
pub use issuer::Issuer;
pub use token::Token;

use crate::types::{Bytes, Key};
use sha2::{Digest as _, Sha256};
use voprf::Ristretto255;

/// VOPRF (ristretto255, SHA-512): the type that the batched-tokens draft registers (section 8.1).
pub const TOKEN_TYPE: u16 = 0x0005;

/// The most tokens in one batch.
pub const MOST_TOKENS: usize = 1_000;

/// The suite of RFC 9497 section 4.1.
type Suite = Ristretto255;

/// Why a message about tokens came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Bytes that have another form.
    #[error("not a message about tokens")]
    Form,
    /// A key or an element of the group that is none.
    #[error("not an element of the group")]
    Element,
    /// The request names another key.
    #[error("another issuer key is meant")]
    Key,
    /// The issuer did not prove that it used its key.
    #[error("the issuer's proof does not hold")]
    Proof,
    /// The token was not issued under this key.
    #[error("the token does not hold")]
    Forged,
    /// The directory is not as directories are here.
    #[error("the issuer directory does not hold")]
    Directory,
}

/// `token_key_id` (RFC 9578 section 5.5): SHA-256 of the serialised public key.
pub fn token_key_id(public_key: &Key) -> Bytes<32> {
    Bytes(Sha256::digest(public_key.0).into())
}

/// The last byte of `token_key_id`, which requests carry in its place.
pub fn truncated_key_id(token_key_id: &Bytes<32>) -> u8 {
    let [.., last] = token_key_id.0;
    last
}

/// What is blinded and what the authenticator is over: type, nonce, challenge digest, key id
/// (RFC 9578 section 5.1); 98 bytes.
fn token_input(nonce: &[u8; 32], challenge_digest: &[u8; 32], key_id: &[u8; 32]) -> [u8; 98] {
    let mut input = [0; 98];
    let parts = [&TOKEN_TYPE.to_be_bytes()[..], nonce, challenge_digest, key_id].concat();
    input.copy_from_slice(&parts);
    input
}
