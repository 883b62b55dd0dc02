//! Safety numbers: what two people compare to be sure of each other's identity keys.
//!
//! After Signal's numeric fingerprint, version 0: an iterated hash over each side's identity key and
//! phone, 30 digits a side, the lower ones first, so that both see the same 60.

use crate::types::{Key, Phone};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha512};

/// What the QR code begins with.
pub const CODE_PREFIX: &str = "letterbox-safety:2:";

/// The version of the fingerprint, two bytes, big-endian.
const VERSION: [u8; 2] = [0; 2];
const ITERATIONS: u32 = 5_200;

/// A person as another knows them: phone and identity key.
pub type Known<'a> = (&'a Phone, &'a Key);

/// One side's part of a safety number. It takes some milliseconds, and is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Fingerprint(#[n(0)] Key);

impl Fingerprint {
    /// `hash = version || identity key || phone`, then 5,200 times `hash = SHA-512(hash || identity
    /// key)`; the first 32 bytes.
    pub fn of((phone, identity): Known<'_>) -> Self {
        let first = Sha512::new()
            .chain_update(VERSION)
            .chain_update(identity.0)
            .chain_update(phone.as_str())
            .chain_update(identity.0)
            .finalize();
        let step = |hash, _| Sha512::new().chain_update(hash).chain_update(identity.0).finalize();
        let last = (1..ITERATIONS).fold(first, step);
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(&last[..32]);
        Self(crate::types::Bytes(fingerprint))
    }

    /// Six groups of five digits: each five bytes, big-endian, modulo 100,000.
    fn digits(&self) -> [String; 6] {
        let group = |at: usize| {
            let bytes = self.0.0.iter().skip(at * 5).take(5);
            let number = bytes.fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        };
        std::array::from_fn(group)
    }
}

/// The safety number of two people and the text of its QR code, the same on both sides.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    /// 60 digits in twelve groups of five, with spaces between.
    pub digits: String,
    /// [`CODE_PREFIX`], then both fingerprints (64 bytes) in unpadded base64url, the lower first.
    pub code: String,
}

impl SafetyNumber {
    /// From both sides' fingerprints, in any order.
    pub fn of(one: Fingerprint, other: Fingerprint) -> Self {
        let (low, high) = if one.0 <= other.0 { (one, other) } else { (other, one) };
        let digits: Vec<String> = low.digits().into_iter().chain(high.digits()).collect();
        let both = [low.0.0, high.0.0].concat();
        let code = format!("{CODE_PREFIX}{}", URL_SAFE_NO_PAD.encode(both));
        Self { digits: digits.join(" "), code }
    }
}

impl std::fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SafetyNumber(…)")
    }
}
