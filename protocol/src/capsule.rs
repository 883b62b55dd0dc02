//! The recovery capsule: the account's secrets, sealed to a key that only the passkey's PRF output
//! or a printed code gives, so that an emptied browser comes back without its history.
//!
//! The capsule is sealed to the public key. So it can be renewed whenever a secret changes, without
//! the passkey or the code at hand.

use crate::account_keys::MessagingSecret;
use crate::base32;
use crate::encoding::Transcript;
use crate::kdf::hkdf;
use crate::keys::{ExchangeSecret, IdentitySecret};
use crate::order::put_in_order;
use crate::padding::{pad, unpad};
use crate::record::to_cbor;
use crate::sealing::{SEAL_OVERHEAD, SealError, open, seal};
use crate::types::{DeviceId, Key, Phone};
use crate::wire::CAPSULE_SIZE;
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The version of capsules that this code writes.
pub const CAPSULE_VERSION: u16 = 1;
/// How many characters of a recovery code check the others.
const CHECK_CHARACTERS: usize = 2;
/// The 128 bits of a recovery code take so many characters.
const CODE_CHARACTERS: usize = 26;

/// The recovery secret (X25519) of a passkey, from the output of its PRF (WebAuthn level 3, §10.1.4),
/// which has 32 bytes.
pub fn recovery_secret_from_prf(prf: &[u8]) -> ExchangeSecret {
    ExchangeSecret::from_bytes(*hkdf::<32>(&[], prf, b"letterbox/2 recovery passkey"))
}

/// A printed recovery code: 128 random bits as 26 characters, and two that check them.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RecoveryCode([u8; 16]);

impl RecoveryCode {
    /// Draws a code.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut bits = [0; 16];
        rng.fill_bytes(&mut bits);
        Self(bits)
    }

    /// Reads a code as it may be typed: spaces and dashes do not matter, nor does the case; `I` and
    /// `L` are 1, `O` is 0. `None` where it is not 28 characters, or was mistyped.
    pub fn parse(typed: &str) -> Option<Self> {
        let typed = Zeroizing::new(base32::typed(typed));
        let (code, check) = typed.split_at_checked(CODE_CHARACTERS)?;
        let code = Self(base32::decode(code)?);
        let check: Option<Vec<u8>> = check.iter().map(|c| base32::value(*c)).collect();
        (check? == code.check()).then_some(code)
    }

    /// Seven groups of four characters, with spaces between.
    pub fn display(&self) -> String {
        let check: String = self.check().into_iter().map(base32::character).collect();
        base32::grouped(&(base32::encode(&self.0) + &check))
    }

    /// The recovery secret (X25519).
    pub fn secret(&self) -> ExchangeSecret {
        ExchangeSecret::from_bytes(*hkdf::<32>(&[], &self.0, b"letterbox/2 recovery code"))
    }

    /// The first ten bits of SHA-256 over the transcript `letterbox/2 recovery code check`.
    fn check(&self) -> [u8; CHECK_CHARACTERS] {
        let transcript = Transcript::new("letterbox/2 recovery code check").field(&self.0).finish();
        let hash = Sha256::digest(transcript);
        [hash[0] >> 3, (hash[0] & 7) << 2 | hash[1] >> 6]
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// What a capsule holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Capsule {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// The identity seed.
    #[n(1)]
    pub identity: IdentitySecret,
    /// Messaging secrets, the newest first.
    #[n(2)]
    pub messaging: Vec<MessagingSecret>,
}

impl Capsule {
    /// A capsule of these secrets.
    pub fn new(identity: &IdentitySecret, mut messaging: Vec<MessagingSecret>) -> Self {
        put_in_order(&mut messaging, |secret| std::cmp::Reverse(secret.key_version));
        Self { version: CAPSULE_VERSION, identity: identity.clone(), messaging }
    }

    /// Seals the capsule for a device, with as many of the newest messaging secrets as fit: exactly
    /// [`CAPSULE_SIZE`] bytes.
    ///
    /// # Errors
    /// [`SealError::LowOrder`], [`SealError::TooLong`] where not even the newest fits.
    pub fn seal(
        &self,
        rng: &mut dyn CryptoRng,
        recovery_key: &Key,
        phone: &Phone,
        device_id: &DeviceId,
    ) -> Result<Vec<u8>, SealError> {
        let padded = (0..=self.messaging.len()).rev().find_map(|count| {
            let messaging = self.messaging.iter().take(count).cloned().collect();
            pad(to_cbor(&Self { messaging, ..self.clone() }), CAPSULE_SIZE - SEAL_OVERHEAD)
        });
        let padded = Zeroizing::new(padded.ok_or(SealError::TooLong)?);
        seal(rng, recovery_key, &info(phone, device_id), b"", &padded)
    }

    /// Opens a capsule. Whether the identity is the account's is the caller's to check.
    ///
    /// # Errors
    /// [`SealError::WrongSize`], [`SealError::DoesNotOpen`].
    pub fn open(
        secret: &ExchangeSecret,
        phone: &Phone,
        device_id: &DeviceId,
        sealed: &[u8],
    ) -> Result<Self, SealError> {
        if sealed.len() != CAPSULE_SIZE {
            return Err(SealError::WrongSize);
        }
        let padded = Zeroizing::new(open(secret, &info(phone, device_id), b"", sealed)?);
        let capsule: Option<Self> = unpad(&padded).and_then(|cbor| minicbor::decode(cbor).ok());
        let known = |capsule: &Self| capsule.version == CAPSULE_VERSION;
        capsule.filter(known).ok_or(SealError::DoesNotOpen)
    }
}

fn info(phone: &Phone, device_id: &DeviceId) -> Vec<u8> {
    Transcript::new("letterbox/2 recovery capsule").phone(phone).field(&device_id.0).finish()
}
