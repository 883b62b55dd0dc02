//! The client: blinding a batch, and unblinding what comes back.

use super::{
    BatchRequest, BatchResponse, Suite, Token, TokenError, entropy::Drawn, token_input,
    token_key_id, truncated_key_id,
};
use crate::types::{Bytes, Key};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use std::fmt;
use voprf::{EvaluationElement, Group, Proof, VoprfClient};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A nonce, then a blind and the blinded element.
const KEPT: usize = 96;

/// What a client keeps between a request and its response. Whoever knows it can tell which tokens
/// came from which request.
#[derive(Clone, PartialEq, Eq, Encode, Decode, Zeroize, ZeroizeOnDrop)]
#[cbor(map)]
pub struct PendingBatch {
    /// The issuer key.
    #[n(0)]
    #[zeroize(skip)]
    public_key: Key,
    /// What the tokens are bound to.
    #[n(1)]
    #[zeroize(skip)]
    challenge_digest: Bytes<32>,
    /// [`KEPT`] bytes a token.
    #[cbor(n(2), with = "minicbor::bytes")]
    kept: Vec<u8>,
}

impl PendingBatch {
    /// Draws nonces and blinds for so many tokens (draft section 5.1).
    ///
    /// # Errors
    /// [`TokenError::Element`] where the key is none.
    pub fn blind(
        public_key: &Key,
        challenge_digest: &Bytes<32>,
        tokens: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, TokenError> {
        element(&public_key.0)?;
        let key_id = token_key_id(public_key);
        let mut kept = Vec::with_capacity(tokens * KEPT);
        for _ in 0..tokens {
            let mut nonce = [0; 32];
            rng.fill_bytes(&mut nonce);
            let input = token_input(&nonce, &challenge_digest.0, &key_id.0);
            let blinded = VoprfClient::<Suite>::blind(&input, &mut Drawn(rng));
            let state = blinded.map_err(|_| TokenError::Element)?.state;
            kept.extend_from_slice(&nonce);
            kept.extend_from_slice(&Zeroizing::new(
                state.serialize().into_iter().collect::<Vec<_>>(),
            ));
        }
        Ok(Self { public_key: *public_key, challenge_digest: *challenge_digest, kept })
    }

    /// The request, the same each time.
    pub fn request(&self) -> BatchRequest {
        let (kept, _) = self.kept.as_chunks::<KEPT>();
        let blinded = kept.iter().filter_map(|kept| kept.last_chunk().copied()).collect();
        let truncated_key_id = truncated_key_id(&token_key_id(&self.public_key));
        BatchRequest { truncated_key_id, blinded }
    }

    /// The issuer key that the batch was blinded for.
    pub fn public_key(&self) -> &Key {
        &self.public_key
    }

    /// Checks the proof and unblinds the tokens (draft section 5.3).
    ///
    /// # Errors
    /// [`TokenError::Form`] or [`TokenError::Element`] where the response is none to this request;
    /// [`TokenError::Proof`] where the issuer used another key than it announced, for any of the
    /// tokens.
    pub fn finish(&self, response: &BatchResponse) -> Result<Vec<Token>, TokenError> {
        let (kept, odd) = self.kept.as_chunks::<KEPT>();
        if kept.len() != response.evaluated.len() || !odd.is_empty() {
            return Err(TokenError::Form);
        }
        let key_id = token_key_id(&self.public_key);
        let (mut inputs, mut states) = (Vec::new(), Vec::new());
        for kept in kept {
            let (nonce, state) = kept.split_first_chunk::<32>().ok_or(TokenError::Form)?;
            inputs.push(token_input(nonce, &self.challenge_digest.0, &key_id.0));
            states.push(VoprfClient::<Suite>::deserialize(state).map_err(|_| TokenError::Form)?);
        }
        let evaluated = response.evaluated.iter();
        let evaluated: Vec<_> = evaluated
            .map(|bytes| EvaluationElement::<Suite>::deserialize(bytes))
            .collect::<Result<_, _>>()
            .map_err(|_| TokenError::Element)?;
        let proof = Proof::deserialize(&response.proof).map_err(|_| TokenError::Proof)?;
        let key = element(&self.public_key.0)?;
        let outputs = VoprfClient::batch_finalize(&inputs, &states, &evaluated, &proof, key);
        let outputs = outputs.map_err(|_| TokenError::Proof)?;
        let mut tokens = Vec::with_capacity(inputs.len());
        for (input, output) in inputs.iter().zip(outputs) {
            let output = output.map_err(|_| TokenError::Element)?;
            tokens.push(Token::new(*input, output.into()));
        }
        Ok(tokens)
    }
}

/// The element that a public key is (RFC 9497 section 2.1, `DeserializeElement`).
fn element(bytes: &[u8; 32]) -> Result<<Suite as Group>::Elem, TokenError> {
    Suite::deserialize_elem(bytes).map_err(|_| TokenError::Element)
}

impl fmt::Debug for PendingBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingBatch(…)")
    }
}
