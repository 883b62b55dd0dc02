//! What a token is bound to (RFC 9577 section 2.1).

use super::{TOKEN_TYPE, TokenError};
use crate::types::Bytes;
use sha2::{Digest as _, Sha256};

/// A `TokenChallenge`.
///
/// ```text
/// struct {
///     uint16_t token_type;
///     opaque issuer_name<1..2^16-1>;
///     opaque redemption_context<0..32>;
///     opaque origin_info<0..2^16-1>;
/// } TokenChallenge;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenChallenge {
    bytes: Vec<u8>,
}

impl TokenChallenge {
    /// A challenge of any form. `redemption_context` is empty or 32 bytes.
    ///
    /// # Errors
    /// [`TokenError::Form`] where a part is too long, the name is empty, or the context has another
    /// length.
    pub fn new(
        issuer_name: &str,
        redemption_context: &[u8],
        origin_info: &str,
    ) -> Result<Self, TokenError> {
        let length = |text: &str| u16::try_from(text.len()).map_err(|_| TokenError::Form);
        let context = match redemption_context.len() {
            0 => 0,
            32 => 32,
            _ => return Err(TokenError::Form),
        };
        let (name, origin) = (length(issuer_name)?, length(origin_info)?);
        if name == 0 {
            return Err(TokenError::Form);
        }
        let parts = [
            &TOKEN_TYPE.to_be_bytes()[..],
            &name.to_be_bytes(),
            issuer_name.as_bytes(),
            &[context],
            redemption_context,
            &origin.to_be_bytes(),
            origin_info.as_bytes(),
        ];
        Ok(Self { bytes: parts.concat() })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes, as tokens carry it.
    pub fn digest(&self) -> Bytes<32> {
        Bytes(Sha256::digest(&self.bytes).into())
    }
}

/// The digest of the one challenge there is on a server of this host name (without a port).
///
/// The client computes it: a challenge that the server sent could differ from client to client, and
/// would mark tokens. For the same reason the redemption context is empty. So is the origin: the
/// issuer and the only place where its tokens are taken are one host.
///
/// # Errors
/// [`TokenError::Form`] where the name is empty or longer than 65,535 bytes.
pub fn challenge_digest(host: &str) -> Result<Bytes<32>, TokenError> {
    TokenChallenge::new(host, &[], "").map(|challenge| challenge.digest())
}
