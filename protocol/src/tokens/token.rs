//! A token (RFC 9577 section 2.2), and the header that carries it.

use super::{TOKEN_TYPE, TokenError, token_input};
use crate::encoding::Transcript;
use crate::types::Bytes;
use crate::wire::TOKEN_SCHEME;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use minicbor::{Decode, Decoder, Encode, Encoder};
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Whoever has these bytes can make one request.
///
/// ```text
/// struct {
///     uint16_t token_type = 0x0005;
///     uint8_t nonce[32];
///     uint8_t challenge_digest[32];
///     uint8_t token_key_id[32];
///     uint8_t authenticator[64];
/// } Token;
/// ```
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Token {
    input: [u8; 98],
    authenticator: [u8; 64],
}

impl Token {
    /// Bytes of a token.
    pub const LENGTH: usize = 162;

    pub(super) fn new(input: [u8; 98], authenticator: [u8; 64]) -> Self {
        Self { input, authenticator }
    }

    /// Reads the structure; whether the token holds is the issuer's to say.
    ///
    /// # Errors
    /// [`TokenError::Form`] for another length or type.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        let (input, authenticator) = bytes.split_at_checked(98).ok_or(TokenError::Form)?;
        if !input.starts_with(&TOKEN_TYPE.to_be_bytes()) {
            return Err(TokenError::Form);
        }
        let input = input.try_into().map_err(|_| TokenError::Form)?;
        let authenticator = authenticator.try_into().map_err(|_| TokenError::Form)?;
        Ok(Self { input, authenticator })
    }

    /// The structure, 162 bytes.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.input[..], &self.authenticator].concat())
    }

    /// The value of an `Authorization` header: `PrivateToken token="…"` (RFC 9577 section 2.2.1).
    /// The length of a token is a multiple of three, so that its base64url has no padding.
    pub fn to_header(&self) -> String {
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*self.to_bytes()));
        format!("{TOKEN_SCHEME} token=\"{}\"", *text)
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// [`TokenError::Form`] for another scheme, other parameters, or what is no token.
    pub fn from_header(header: &str) -> Result<Self, TokenError> {
        let (scheme, parameters) = header.split_once(' ').ok_or(TokenError::Form)?;
        let value = parameters.trim().strip_prefix("token=").ok_or(TokenError::Form)?;
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        if !scheme.eq_ignore_ascii_case(TOKEN_SCHEME) {
            return Err(TokenError::Form);
        }
        let bytes = URL_SAFE_NO_PAD.decode(bare.unwrap_or(value)).map_err(|_| TokenError::Form)?;
        Self::from_bytes(&Zeroizing::new(bytes))
    }

    /// The client's random value.
    pub fn nonce(&self) -> Bytes<32> {
        self.part(2)
    }

    /// What the token is bound to.
    pub fn challenge_digest(&self) -> Bytes<32> {
        self.part(34)
    }

    /// The issuer key.
    pub fn token_key_id(&self) -> Bytes<32> {
        self.part(66)
    }

    /// The proof of its issue, and a key for whatever is to be bound to the token.
    pub fn authenticator(&self) -> &[u8; 64] {
        &self.authenticator
    }

    /// Under what a spent token is remembered: SHA-256 over a transcript of everything in it but the
    /// authenticator. It does not give the nonce away, and two tokens never share it.
    pub fn nullifier(&self) -> Bytes<32> {
        let transcript = Transcript::new("letterbox/2 spent token").field(&self.input).finish();
        Bytes(Sha256::digest(transcript).into())
    }

    pub(super) fn input(&self) -> &[u8; 98] {
        &self.input
    }

    fn part(&self, at: usize) -> Bytes<32> {
        let part = self.input.get(at..at + 32).and_then(|part| part.try_into().ok());
        Bytes(part.unwrap_or_default())
    }
}

/// A token of these parts, whether it holds or not.
impl From<(Bytes<32>, Bytes<32>, Bytes<32>, [u8; 64])> for Token {
    fn from(parts: (Bytes<32>, Bytes<32>, Bytes<32>, [u8; 64])) -> Self {
        let (nonce, challenge_digest, token_key_id, authenticator) = parts;
        Self::new(token_input(&nonce.0, &challenge_digest.0, &token_key_id.0), authenticator)
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().ct_eq(&other.to_bytes()).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl<C> Encode<C> for Token {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.to_bytes())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Token {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_bytes(d.bytes()?).map_err(minicbor::decode::Error::custom)
    }
}
