//! Identity and exchange keys, and the signatures that tie one to the other.

use crate::encoding::Transcript;
use crate::secret::Secret;
use crate::types::{Bytes, DeviceId, Key, Phone, Signature, UnixTime};
use crate::wire::{SUITE, SignedMessagingKey, SignedPrekey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use std::fmt;
use x25519_dalek::{PublicKey, StaticSecret};

pub use crate::limits::*;

/// A signature that does not hold, or a public key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature does not hold")]
pub struct BadSignature;

/// A public key of low order: the exchange with it gives zero, whatever the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is of low order")]
pub struct LowOrder;

/// A person's identity secret, or the server's certificate-signing secret: Ed25519 (RFC 8032).
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct IdentitySecret(#[n(0)] Secret);

impl IdentitySecret {
    /// Draws a secret: 32 bytes of randomness.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// Takes a seed (RFC 8032 §5.1.5) that was drawn before.
    pub fn from_bytes(seed: [u8; 32]) -> Self {
        Self(Secret::from_bytes(seed))
    }

    /// The seed, for the owner's vault or the server's key table.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The public key.
    pub fn public(&self) -> Key {
        Bytes(self.signing_key().verifying_key().to_bytes())
    }

    /// Signs bytes, which must be a finished [`Transcript`].
    pub fn sign(&self, transcript: &[u8]) -> Signature {
        Bytes(self.signing_key().sign(transcript).to_bytes())
    }

    /// The X25519 secret shared with another identity: both keys taken to the Montgomery form of
    /// their curve (RFC 7748 §4.1). `None` where the other one is no key, or of low order.
    pub fn agree(&self, their: &Key) -> Option<Secret> {
        let their = VerifyingKey::from_bytes(&their.0).ok()?.to_montgomery();
        let own = ExchangeSecret::from_bytes(self.signing_key().to_scalar_bytes());
        own.agree(&Bytes(their.to_bytes())).ok()
    }

    fn signing_key(&self) -> SigningKey {
        SigningKey::from_bytes(self.0.expose())
    }
}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySecret(…)")
    }
}

/// Checks a signature strictly: canonical encodings only, and no key or nonce point of small order
/// (RFC 8032 §5.1.7, with the stricter checks of `verify_strict`).
///
/// # Errors
/// [`BadSignature`], whatever the cause.
pub fn verify(
    identity: &Key,
    transcript: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(&identity.0).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(transcript, &signature).map_err(|_| BadSignature)
}

/// An X25519 secret (RFC 7748): device key, messaging key, prekey or ratchet key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct ExchangeSecret(#[n(0)] Secret);

impl ExchangeSecret {
    /// Draws a secret: 32 bytes of randomness, clamped when used.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// Takes a secret that was drawn before.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::from_bytes(bytes))
    }

    /// The public key.
    pub fn public(&self) -> Key {
        Bytes(PublicKey::from(&self.scalar()).to_bytes())
    }

    /// The shared secret with a public key.
    ///
    /// # Errors
    /// [`LowOrder`] when the result is all zero (RFC 7748 §6.1).
    pub fn agree(&self, their: &Key) -> Result<Secret, LowOrder> {
        let shared = self.scalar().diffie_hellman(&PublicKey::from(their.0));
        if shared.was_contributory() {
            Ok(Secret::from_bytes(shared.to_bytes()))
        } else {
            Err(LowOrder)
        }
    }

    /// The bytes, for the owner's vault.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    fn scalar(&self) -> StaticSecret {
        StaticSecret::from(*self.0.expose())
    }
}

impl fmt::Debug for ExchangeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExchangeSecret(…)")
    }
}

/// Signs a messaging key for its owner's phone.
pub fn sign_messaging_key(
    identity: &IdentitySecret,
    phone: &Phone,
    key_version: u32,
    created_at: UnixTime,
    public_key: &Key,
) -> SignedMessagingKey {
    let transcript = messaging_key_transcript(phone, key_version, created_at, public_key);
    let signature = identity.sign(&transcript);
    SignedMessagingKey { public_key: *public_key, key_version, created_at, signature }
}

/// Checks a messaging key's signature.
///
/// # Errors
/// [`BadSignature`].
pub fn verify_messaging_key(
    identity: &Key,
    phone: &Phone,
    key: &SignedMessagingKey,
) -> Result<(), BadSignature> {
    let transcript =
        messaging_key_transcript(phone, key.key_version, key.created_at, &key.public_key);
    verify(identity, &transcript, &key.signature)
}

/// What the signature of a messaging key is over.
pub fn messaging_key_transcript(
    phone: &Phone,
    key_version: u32,
    created_at: UnixTime,
    public_key: &Key,
) -> Vec<u8> {
    Transcript::new("letterbox/2 messaging key")
        .u64(SUITE.into())
        .phone(phone)
        .u64(key_version.into())
        .time(created_at)
        .field(&public_key.0)
        .finish()
}

/// Signs a device's prekey.
pub fn sign_prekey(
    identity: &IdentitySecret,
    device_id: &DeviceId,
    key_id: u32,
    created_at: UnixTime,
    public_key: &Key,
) -> SignedPrekey {
    let transcript = prekey_transcript(device_id, key_id, created_at, public_key);
    let signature = identity.sign(&transcript);
    SignedPrekey { key_id, public_key: *public_key, created_at, signature }
}

/// Checks a signed prekey's signature.
///
/// # Errors
/// [`BadSignature`].
pub fn verify_prekey(
    identity: &Key,
    device_id: &DeviceId,
    prekey: &SignedPrekey,
) -> Result<(), BadSignature> {
    let transcript =
        prekey_transcript(device_id, prekey.key_id, prekey.created_at, &prekey.public_key);
    verify(identity, &transcript, &prekey.signature)
}

/// What the signature of a prekey is over.
pub fn prekey_transcript(
    device_id: &DeviceId,
    key_id: u32,
    created_at: UnixTime,
    public_key: &Key,
) -> Vec<u8> {
    Transcript::new("letterbox/2 signed prekey")
        .u64(SUITE.into())
        .field(&device_id.0)
        .u64(key_id.into())
        .time(created_at)
        .field(&public_key.0)
        .finish()
}
