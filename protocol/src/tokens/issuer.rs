//! The issuer: its key, issuing, and the check of what comes back.

use super::{
    BatchRequest, BatchResponse, Suite, Token, TokenError, entropy::Derived, token_key_id,
    truncated_key_id,
};
use crate::secret::Secret;
use crate::types::{Bytes, Key};
use rand::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq as _;
use voprf::{BlindedElement, Group, VoprfServer};

/// An issuer key. Its secret is wiped when dropped.
pub struct Issuer {
    server: VoprfServer<Suite>,
    secret: Secret,
    public_key: Key,
    token_key_id: Bytes<32>,
}

impl Issuer {
    /// Draws a key: `DeriveKeyPair(seed, "PrivacyPass")` of a random seed (RFC 9578 section 5.5).
    ///
    /// # Errors
    /// [`TokenError::Element`], which has a chance of about 2^-250 for each of 256 tries.
    pub fn generate(rng: &mut dyn CryptoRng) -> Result<Self, TokenError> {
        let seed = Secret::generate(rng);
        let server = VoprfServer::new_from_seed(seed.expose(), b"PrivacyPass");
        server.map_err(|_| TokenError::Element).and_then(Self::of)
    }

    /// Takes a secret scalar that was drawn before.
    ///
    /// # Errors
    /// [`TokenError::Element`] where it is no scalar, or zero.
    pub fn from_secret(scalar: &[u8; 32]) -> Result<Self, TokenError> {
        let server = VoprfServer::new_with_key(scalar);
        server.map_err(|_| TokenError::Element).and_then(Self::of)
    }

    fn of(server: VoprfServer<Suite>) -> Result<Self, TokenError> {
        let both = server.serialize();
        let secret = both.first_chunk().copied().ok_or(TokenError::Element)?;
        let public_key = Bytes(Suite::serialize_elem(server.get_public_key()).into());
        let token_key_id = token_key_id(&public_key);
        Ok(Self { server, secret: Secret::from_bytes(secret), public_key, token_key_id })
    }

    /// The secret scalar, for the server's key table.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The public key, serialised, as the directory names it.
    pub fn public_key(&self) -> &Key {
        &self.public_key
    }

    /// The key's id, as tokens name it.
    pub fn token_key_id(&self) -> &Bytes<32> {
        &self.token_key_id
    }

    /// Whether a request is meant for this key.
    pub fn is_meant_by(&self, request: &BatchRequest) -> bool {
        truncated_key_id(&self.token_key_id) == request.truncated_key_id
    }

    /// Evaluates a batch, with one proof (draft section 5.2). The proof's nonce is derived from key and
    /// request, so that the same request gets the same response to the last byte.
    ///
    /// # Errors
    /// [`TokenError::Key`] where another key is meant; [`TokenError::Element`] where a blinded
    /// element is none.
    pub fn issue(&self, request: &BatchRequest) -> Result<BatchResponse, TokenError> {
        if !self.is_meant_by(request) {
            return Err(TokenError::Key);
        }
        let blinded = request.blinded.iter();
        let blinded: Vec<_> = blinded
            .map(|bytes| BlindedElement::<Suite>::deserialize(bytes))
            .collect::<Result<_, _>>()
            .map_err(|_| TokenError::Element)?;
        let label = b"letterbox/2 token proof";
        let mut nonce = Derived::new(*self.secret.expose(), label, &request.to_bytes());
        let done = self.server.batch_blind_evaluate(&mut nonce, &blinded);
        let done = done.map_err(|_| TokenError::Element)?;
        let evaluated = done.messages.iter().map(|message| message.serialize().into()).collect();
        let proof = done.proof.serialize();
        let proof = proof.as_slice().try_into().map_err(|_| TokenError::Form)?;
        Ok(BatchResponse { evaluated, proof })
    }

    /// Checks a token (RFC 9578 section 5.4): one hash to the group, one multiplication, and a
    /// comparison in constant time. What it is bound to is the caller's to compare.
    ///
    /// # Errors
    /// [`TokenError::Key`] for a token of another key, [`TokenError::Forged`] for one of none.
    pub fn check(&self, token: &Token) -> Result<(), TokenError> {
        if token.token_key_id() != self.token_key_id {
            return Err(TokenError::Key);
        }
        let output = self.server.evaluate(token.input()).map_err(|_| TokenError::Forged)?;
        let same: bool = output.as_slice().ct_eq(token.authenticator()).into();
        if same { Ok(()) } else { Err(TokenError::Forged) }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(…)")
    }
}
