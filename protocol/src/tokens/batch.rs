//! Requests and responses (draft-ietf-privacypass-batched-tokens section 5), byte by byte.
//!
//! ```text
//! struct {
//!     uint16_t token_type;
//!     uint8_t truncated_token_key_id;
//!     BlindedMessage blinded_msgs<V>;        /* 32 bytes each */
//! } AmortizedBatchTokenRequest;
//!
//! struct {
//!     EvaluatedMessage evaluated_msgs<V>;    /* 32 bytes each */
//!     uint8_t evaluated_proof[64];
//! } AmortizedBatchTokenResponse;
//! ```
//!
//! `<V>` is a length in bytes as QUIC writes integers (RFC 9000 section 16), in as few bytes as it
//! takes (draft section 4.2).

use super::{MOST_TOKENS, TOKEN_TYPE, TokenError};

/// Bytes of a serialised element (`Ne`).
const ELEMENT: usize = 32;
/// Bytes of a proof (`2 Ns`).
const PROOF: usize = 64;

/// Blinded inputs, to be evaluated under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRequest {
    /// Which key.
    pub truncated_key_id: u8,
    /// One serialised element a token.
    pub blinded: Vec<[u8; ELEMENT]>,
}

impl BatchRequest {
    /// Reads a request. Whether its elements are any is not looked at.
    ///
    /// # Errors
    /// [`TokenError::Form`] for another type, no elements, too many, or bytes beside them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let rest = bytes.strip_prefix(&TOKEN_TYPE.to_be_bytes()).ok_or(TokenError::Form)?;
        let (truncated_key_id, rest) = rest.split_first().ok_or(TokenError::Form)?;
        let (blinded, rest) = elements(rest)?;
        if !rest.is_empty() {
            return Err(TokenError::Form);
        }
        Ok(Self { truncated_key_id: *truncated_key_id, blinded })
    }

    /// The request as it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = TOKEN_TYPE.to_be_bytes().to_vec();
        bytes.push(self.truncated_key_id);
        put_elements(&mut bytes, &self.blinded);
        bytes
    }
}

/// The inputs evaluated, and the proof over all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchResponse {
    /// One serialised element a token, in the request's order.
    pub evaluated: Vec<[u8; ELEMENT]>,
    /// Two scalars (RFC 9497 section 2.2.1).
    pub proof: [u8; PROOF],
}

impl BatchResponse {
    /// Reads a response.
    ///
    /// # Errors
    /// [`TokenError::Form`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let (evaluated, rest) = elements(bytes)?;
        let proof = rest.try_into().map_err(|_| TokenError::Form)?;
        Ok(Self { evaluated, proof })
    }

    /// The response as it travels.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.evaluated.len() * ELEMENT + PROOF);
        put_elements(&mut bytes, &self.evaluated);
        bytes.extend_from_slice(&self.proof);
        bytes
    }
}

fn put_elements(bytes: &mut Vec<u8>, elements: &[[u8; ELEMENT]]) {
    // The top two bits say in how many bytes. A batch is far below 2^30 bytes.
    let length = (elements.len() * ELEMENT) as u32;
    match length {
        0..64 => bytes.push(length as u8),
        64..16_384 => bytes.extend_from_slice(&(length as u16 | 0x4000).to_be_bytes()),
        _ => bytes.extend_from_slice(&(length | 0x8000_0000).to_be_bytes()),
    }
    bytes.extend(elements.iter().flatten());
}

/// Reads a vector of elements, one at least, and gives what follows it.
fn elements(bytes: &[u8]) -> Result<(Vec<[u8; ELEMENT]>, &[u8]), TokenError> {
    let (length, rest) = length(bytes).ok_or(TokenError::Form)?;
    let (vector, rest) = rest.split_at_checked(length).ok_or(TokenError::Form)?;
    let (elements, odd) = vector.as_chunks::<ELEMENT>();
    let few = (1..=MOST_TOKENS).contains(&elements.len());
    if few && odd.is_empty() { Ok((elements.to_vec(), rest)) } else { Err(TokenError::Form) }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match *bytes {
        [first @ 0x00..0x40, ref rest @ ..] => Some((first.into(), rest)),
        [first @ 0x40..0x80, second, ref rest @ ..] => {
            let length = u16::from_be_bytes([first & 0x3f, second]);
            (length >= 64).then_some((length.into(), rest))
        }
        [first @ 0x80..0xc0, b, c, d, ref rest @ ..] => {
            let length = u32::from_be_bytes([first & 0x3f, b, c, d]);
            (length >= 16_384).then_some((usize::try_from(length).ok()?, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_as_few_bytes_as_they_take() {
        for (tokens, head) in [(1, 1), (2, 2), (511, 2), (512, 4), (1_000, 4)] {
            let request = BatchRequest { truncated_key_id: 7, blinded: vec![[9; 32]; tokens] };
            let bytes = request.to_bytes();
            assert_eq!(bytes.len(), 3 + head + 32 * tokens);
            assert_eq!(BatchRequest::from_bytes(&bytes), Ok(request));
        }
        let longer = [&[0, 5, 7, 0x40, 32][..], &[9; 32]].concat();
        assert_eq!(BatchRequest::from_bytes(&longer), Err(TokenError::Form));
    }

    #[test]
    fn what_is_not_exactly_a_batch_is_refused() {
        let good = BatchRequest { truncated_key_id: 7, blinded: vec![[9; 32]; 3] }.to_bytes();
        let response = BatchResponse { evaluated: vec![[9; 32]; 3], proof: [1; 64] }.to_bytes();
        for cut in 0..good.len() {
            assert!(BatchRequest::from_bytes(&good[..cut]).is_err());
        }
        for cut in 0..response.len() {
            assert!(BatchResponse::from_bytes(&response[..cut]).is_err());
        }
        assert!(BatchRequest::from_bytes(&[&good[..], &[0]].concat()).is_err());
        assert!(BatchRequest::from_bytes(&[0, 5, 7, 0]).is_err());
        let many = BatchRequest { truncated_key_id: 7, blinded: vec![[9; 32]; MOST_TOKENS + 1] };
        assert!(BatchRequest::from_bytes(&many.to_bytes()).is_err());
        assert!(BatchRequest::from_bytes(&[&[0, 1], &good[2..]].concat()).is_err());
    }
}
