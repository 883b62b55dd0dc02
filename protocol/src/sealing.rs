//! The seal: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; and
//! its PSK mode for [`crate::link`].
//!
//! A sealed value is the encapsulated key (32 bytes), then the ciphertext with its tag (16 bytes).

use crate::encoding::Transcript;
use crate::keys::ExchangeSecret;
use crate::padding::{pad, unpad};
use crate::sizes::{ENVELOPE_SIZE, ExpiryClass, LetterSize};
use crate::types::{DeviceId, Key, MessageId, Phone, SessionLabel};
use hpke::{
    Deserializable, OpModeR, OpModeS, PskBundle, Serializable,
    aead::{Aead, AesGcm256},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
    single_shot_open, single_shot_seal_with_rng,
};
use rand::CryptoRng;

/// What the seal adds: encapsulated key and tag.
pub const SEAL_OVERHEAD: usize = 48;

/// A seal that cannot be made or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The value is longer than its size class allows.
    #[error("what is to be sealed is too long")]
    TooLong,
    /// The recipient's public key is of low order.
    #[error("the recipient's public key is of low order")]
    LowOrder,
    /// Not exactly of a permitted size.
    #[error("a sealed value is not of a permitted size")]
    WrongSize,
    /// Not sealed to this key, for this place, or changed on the way.
    #[error("a seal does not open")]
    DoesNotOpen,
}

/// What a letter's seal is bound to besides the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterBinding<'a> {
    /// The mailbox.
    pub phone: &'a Phone,
    /// The version of the messaging key that it is sealed to.
    pub key_version: u32,
    /// The letter's random id.
    pub message_id: &'a MessageId,
    /// How long it is kept.
    pub expiry: ExpiryClass,
}

impl LetterBinding<'_> {
    fn info(&self) -> Vec<u8> {
        Transcript::new("letterbox/2 sealed letter")
            .phone(self.phone)
            .u64(self.key_version.into())
            .finish()
    }

    fn aad(&self, size: LetterSize) -> Vec<u8> {
        Transcript::new("letterbox/2 sealed letter data")
            .field(&self.message_id.0)
            .u64(size.bytes() as u64)
            .u64(self.expiry.days().into())
            .finish()
    }
}

/// Seals a letter's session part, which [`crate::sessions`] has made as long as its size class
/// holds. The result is exactly 1, 2, 4, 8, 16, 32 or 64 KiB.
///
/// # Errors
/// [`SealError::WrongSize`], [`SealError::LowOrder`].
pub fn seal_letter(
    rng: &mut dyn CryptoRng,
    messaging_key: &Key,
    binding: &LetterBinding<'_>,
    session_part: &[u8],
) -> Result<Vec<u8>, SealError> {
    let size = LetterSize::of_sealed(session_part.len() + SEAL_OVERHEAD)?;
    seal(rng, messaging_key, &binding.info(), &binding.aad(size), session_part)
}

/// Opens a letter's seal and gives its session part. Receivers try their live messaging secrets,
/// newest first, each with its own version in the binding.
///
/// # Errors
/// [`SealError::WrongSize`], [`SealError::DoesNotOpen`].
pub fn open_letter(
    messaging_secret: &ExchangeSecret,
    binding: &LetterBinding<'_>,
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    let size = LetterSize::of_sealed(sealed.len())?;
    open(messaging_secret, &binding.info(), &binding.aad(size), sealed)
}

/// What an envelope's seal is bound to besides the key.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvelopeBinding<'a> {
    /// The mailbox.
    pub phone: &'a Phone,
    /// The device's registration id in the list that the envelope was made for.
    pub registration_id: u32,
    /// The upload's random label.
    pub session_key_id: &'a SessionLabel,
    /// The device.
    pub device_id: &'a DeviceId,
}

impl std::fmt::Debug for EnvelopeBinding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnvelopeBinding(…)")
    }
}

impl EnvelopeBinding<'_> {
    fn info(&self) -> Vec<u8> {
        Transcript::new("letterbox/2 sealed envelope")
            .phone(self.phone)
            .u64(self.registration_id.into())
            .finish()
    }

    fn aad(&self) -> Vec<u8> {
        Transcript::new("letterbox/2 sealed envelope data")
            .field(&self.session_key_id.0)
            .field(&self.device_id.0)
            .finish()
    }
}

/// Pads and seals what [`crate::channel`] has made. The result is exactly 2,048 bytes.
///
/// # Errors
/// [`SealError::TooLong`], [`SealError::LowOrder`].
pub fn seal_envelope(
    rng: &mut dyn CryptoRng,
    device_key: &Key,
    binding: &EnvelopeBinding<'_>,
    content: &[u8],
) -> Result<Vec<u8>, SealError> {
    let padded = pad(content.to_vec(), ENVELOPE_SIZE - SEAL_OVERHEAD).ok_or(SealError::TooLong)?;
    seal(rng, device_key, &binding.info(), &binding.aad(), &padded)
}

/// Opens an envelope's seal and takes the padding away.
///
/// # Errors
/// [`SealError::WrongSize`], [`SealError::DoesNotOpen`].
pub fn open_envelope(
    device_secret: &ExchangeSecret,
    binding: &EnvelopeBinding<'_>,
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    if sealed.len() != ENVELOPE_SIZE {
        return Err(SealError::WrongSize);
    }
    let padded = open(device_secret, &binding.info(), &binding.aad(), sealed)?;
    unpad(&padded).map(<[u8]>::to_vec).ok_or(SealError::DoesNotOpen)
}

/// Seals the 32 bytes that a device has to give back to prove its key.
///
/// # Errors
/// [`SealError::LowOrder`].
pub fn seal_challenge(
    rng: &mut dyn CryptoRng,
    device_key: &Key,
    phone: &Phone,
    device_id: &DeviceId,
    challenge: &[u8; 32],
) -> Result<Vec<u8>, SealError> {
    seal(rng, device_key, &challenge_info(phone, device_id), b"", challenge)
}

/// Opens a device session's challenge.
///
/// # Errors
/// [`SealError::DoesNotOpen`].
pub fn open_challenge(
    device_secret: &ExchangeSecret,
    phone: &Phone,
    device_id: &DeviceId,
    sealed: &[u8],
) -> Result<[u8; 32], SealError> {
    let opened = open(device_secret, &challenge_info(phone, device_id), b"", sealed)?;
    opened.try_into().map_err(|_| SealError::DoesNotOpen)
}

fn challenge_info(phone: &Phone, device_id: &DeviceId) -> Vec<u8> {
    Transcript::new("letterbox/2 device session").phone(phone).field(&device_id.0).finish()
}

/// A pre-shared key and its public name (RFC 9180 §5.1.2). The key has at least 32 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Psk<'a> {
    pub(crate) secret: &'a [u8; 32],
    pub(crate) id: &'a [u8],
}

pub(crate) fn seal(
    rng: &mut dyn CryptoRng,
    to: &Key,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    seal_in::<AesGcm256>(&OpModeS::Base, rng, to, info, aad, plaintext)
}

pub(crate) fn open(
    secret: &ExchangeSecret,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    open_in::<AesGcm256>(&OpModeR::Base, secret, info, aad, sealed)
}

/// Seals in PSK mode: who does not know the pre-shared key can neither seal nor open.
pub(crate) fn seal_psk(
    rng: &mut dyn CryptoRng,
    to: &Key,
    psk: Psk<'_>,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let psk = PskBundle::new(psk.secret, psk.id).map_err(|_| SealError::DoesNotOpen)?;
    seal_in::<AesGcm256>(&OpModeS::Psk(psk), rng, to, info, aad, plaintext)
}

/// Opens what was sealed in PSK mode.
pub(crate) fn open_psk(
    secret: &ExchangeSecret,
    psk: Psk<'_>,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    let psk = PskBundle::new(psk.secret, psk.id).map_err(|_| SealError::DoesNotOpen)?;
    open_in::<AesGcm256>(&OpModeR::Psk(psk), secret, info, aad, sealed)
}

/// Generic over the cipher, so that the vectors of RFC 9180 with another one hold this code too.
pub(crate) fn seal_in<A: Aead>(
    mode: &OpModeS<'_, Kem>,
    rng: &mut dyn CryptoRng,
    to: &Key,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut rng = rng;
    let to = <Kem as hpke::Kem>::PublicKey::from_bytes(&to.0).map_err(|_| SealError::LowOrder)?;
    let (encapsulated, ciphertext) =
        single_shot_seal_with_rng::<A, HkdfSha256, Kem>(mode, &to, info, plaintext, aad, &mut rng)
            .map_err(|_| SealError::LowOrder)?;
    Ok([encapsulated.to_bytes().as_slice(), &ciphertext].concat())
}

pub(crate) fn open_in<A: Aead>(
    mode: &OpModeR<'_, Kem>,
    secret: &ExchangeSecret,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, SealError> {
    let opened = || {
        let (encapsulated, ciphertext) = sealed.split_at_checked(32)?;
        let secret = <Kem as hpke::Kem>::PrivateKey::from_bytes(secret.expose()).ok()?;
        let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(encapsulated).ok()?;
        single_shot_open::<A, HkdfSha256, Kem>(mode, &secret, &encapsulated, info, ciphertext, aad)
            .ok()
    };
    opened().ok_or(SealError::DoesNotOpen)
}
