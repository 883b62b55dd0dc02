//! X3DH ("The X3DH Key Agreement Protocol", revision 1), over X25519 with HKDF-SHA-512.
//!
//! The identity key of that document is the device key here; prekeys are signed by the Ed25519
//! identity key, which the device list ties to the device key.

use crate::encoding::Transcript;
use crate::kdf::hkdf;
use crate::keys::{ExchangeSecret, LowOrder};
use crate::secret::Secret;
use crate::types::{Bytes, DeviceId, Key, Phone};
use crate::wire::{OneTimePrekey, SUITE, SignedPrekey};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// One end of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Party {
    /// Whose device.
    #[n(0)]
    pub phone: Phone,
    /// Their identity key (Ed25519).
    #[n(1)]
    pub identity_key: Key,
    /// The device.
    #[n(2)]
    pub device_id: DeviceId,
    /// The device key (X25519).
    #[n(3)]
    pub device_key: Key,
}

/// What the responder needs to come to the same secret. Sent until the channel is answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HandshakeHeader {
    /// The initiating device.
    #[n(0)]
    pub initiator: Party,
    /// The ephemeral "base" key (X25519).
    #[n(1)]
    pub base_key: Key,
    /// Which signed prekey was used.
    #[n(2)]
    pub signed_prekey_id: u32,
    /// Which one-time prekey was used, if any.
    #[n(3)]
    pub one_time_prekey_id: Option<u32>,
}

/// Begins a handshake: four (or three) exchanges, the base key drawn here.
///
/// # Errors
/// [`LowOrder`] when any public key of the other side is of low order.
pub(crate) fn initiate(
    rng: &mut dyn CryptoRng,
    own: &Party,
    own_secret: &ExchangeSecret,
    peer: &Party,
    signed_prekey: &SignedPrekey,
    one_time_prekey: Option<&OneTimePrekey>,
) -> Result<(Secret, HandshakeHeader), LowOrder> {
    let base = ExchangeSecret::generate(rng);
    let root = combine(&[
        Some(own_secret.agree(&signed_prekey.public_key)?),
        Some(base.agree(&peer.device_key)?),
        Some(base.agree(&signed_prekey.public_key)?),
        one_time_prekey.map(|prekey| base.agree(&prekey.public_key)).transpose()?,
    ]);
    let header = HandshakeHeader {
        initiator: own.clone(),
        base_key: base.public(),
        signed_prekey_id: signed_prekey.key_id,
        one_time_prekey_id: one_time_prekey.map(|prekey| prekey.key_id),
    };
    Ok((root, header))
}

/// Answers a handshake with the secrets of the prekeys that its header names.
///
/// # Errors
/// [`LowOrder`] when any public key in the header is of low order.
pub(crate) fn respond(
    own_secret: &ExchangeSecret,
    signed_prekey: &ExchangeSecret,
    one_time_prekey: Option<&ExchangeSecret>,
    header: &HandshakeHeader,
) -> Result<Secret, LowOrder> {
    Ok(combine(&[
        Some(signed_prekey.agree(&header.initiator.device_key)?),
        Some(own_secret.agree(&header.base_key)?),
        Some(signed_prekey.agree(&header.base_key)?),
        one_time_prekey.map(|prekey| prekey.agree(&header.base_key)).transpose()?,
    ]))
}

/// The channel's associated data: everything that both ends must agree about.
pub fn associated_data(
    channel_id: &Bytes<16>,
    header: &HandshakeHeader,
    responder: &Party,
) -> Vec<u8> {
    let one_time = header.one_time_prekey_id.map(|id| u64::from(id).to_be_bytes());
    let head = Transcript::new("letterbox/2 channel").u64(SUITE.into()).field(&channel_id.0);
    [&header.initiator, responder]
        .into_iter()
        .fold(head, |transcript, party| {
            transcript
                .phone(&party.phone)
                .field(&party.identity_key.0)
                .field(&party.device_id.0)
                .field(&party.device_key.0)
        })
        .field(&header.base_key.0)
        .u64(header.signed_prekey_id.into())
        .field(one_time.as_ref().map_or(&[], |id| &id[..]))
        .finish()
}

/// KDF(F || DH1 || DH2 || DH3 || DH4): F is 32 bytes 0xFF, the salt 64 zero bytes.
pub(crate) fn combine(exchanges: &[Option<Secret>; 4]) -> Secret {
    let mut input = Zeroizing::new(Vec::with_capacity(5 * 32));
    input.extend_from_slice(&[0xff; 32]);
    for exchanged in exchanges.iter().flatten() {
        input.extend_from_slice(exchanged.expose());
    }
    Secret::from_bytes(*hkdf::<32>(&[0; 64], &input, b"letterbox/2 X3DH"))
}
