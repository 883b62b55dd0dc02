//! Live re-keying: two devices replace a session's key while a conversation goes on, so that
//! somebody who copied the state of either and only listens has nothing of what follows.
//!
//! The offer is a letter of the old session, the answer a note; the key comes from X3DH with an
//! ephemeral key in the signed prekey's place, salted with a secret of the old session. Nothing here
//! keeps state: the engine does.

use crate::channel::OwnDevice;
use crate::encoding::Transcript;
use crate::handshake::{Party, combine};
use crate::kdf::{hkdf, mac, mac_holds};
use crate::keys::{ExchangeSecret, LowOrder};
use crate::record::to_cbor;
use crate::secret::Secret;
use crate::session_key::SessionId;
use crate::types::{Bytes, DeviceId, Key};
use crate::wire::{KeyExchangeId, SUITE};
use minicbor::{Decode, Encode};
use rand::CryptoRng;

/// The kind of [`crate::content::Content`] whose body is a [`RekeyOffer`].
pub const KIND_REKEY_OFFER: u16 = 3;
/// The version of offers and answers that this code writes.
pub const REKEY_VERSION: u16 = 1;

/// The body of a letter that offers another key for the rest of its session.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RekeyOffer {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// The exchange, drawn for this offer.
    #[n(1)]
    pub exchange: KeyExchangeId,
    /// X25519, drawn for this offer.
    #[n(2)]
    pub ephemeral_key: Key,
    /// The session that brings the offer.
    #[n(3)]
    pub session: SessionId,
    /// The one that will take its place.
    #[n(4)]
    pub next_session: SessionId,
    /// The offering device.
    #[n(5)]
    pub device_id: DeviceId,
    /// The version of the offering side's device list.
    #[n(6)]
    pub sender_list_version: u64,
    /// The version of the other side's device list, as the offering side knows it.
    #[n(7)]
    pub recipient_list_version: u64,
}

/// The body of the note that answers an offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RekeyAnswer {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// Which offer.
    #[n(1)]
    pub exchange: KeyExchangeId,
    /// X25519, drawn for this answer.
    #[n(2)]
    pub ephemeral_key: Key,
    /// The answering device.
    #[n(3)]
    pub device_id: DeviceId,
    /// The version of its owner's device list.
    #[n(4)]
    pub list_version: u64,
    /// HMAC-SHA-256 under the new key.
    #[n(5)]
    pub confirmation: Key,
}

/// Why an offer or answer was refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RekeyError {
    /// Not an offer or answer of a known version.
    #[error("not a re-keying of a known kind")]
    Form,
    /// The answer is to another offer, or from another device than was looked up.
    #[error("an answer is to another re-keying")]
    Mismatch,
    /// A public key is of low order.
    #[error("a public key is of low order")]
    LowOrder,
    /// The answer does not prove the new key.
    #[error("an answer does not confirm the new key")]
    Confirmation,
}

impl From<LowOrder> for RekeyError {
    fn from(_: LowOrder) -> Self {
        Self::LowOrder
    }
}

impl RekeyOffer {
    /// Reads an offer.
    ///
    /// # Errors
    /// [`RekeyError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, RekeyError> {
        let offer: Self = minicbor::decode(bytes).map_err(|_| RekeyError::Form)?;
        let known = offer.version == REKEY_VERSION && offer.session != offer.next_session;
        if known { Ok(offer) } else { Err(RekeyError::Form) }
    }

    /// The offer as a letter's body.
    pub fn to_cbor(&self) -> Vec<u8> {
        to_cbor(self)
    }
}

impl RekeyAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`RekeyError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, RekeyError> {
        let answer: Self = minicbor::decode(bytes).map_err(|_| RekeyError::Form)?;
        if answer.version == REKEY_VERSION { Ok(answer) } else { Err(RekeyError::Form) }
    }
}

/// A session's secret for re-keying, `rk`. It opens no letter, and is kept as long as the session.
pub fn rekey_secret(session_key: &Secret) -> Secret {
    Secret::from_bytes(*hkdf::<32>(&[], session_key.expose(), b"letterbox/2 rekey"))
}

/// The answering device's part: X3DH as the initiator, with the offer's key in the signed prekey's
/// place. Gives the next session's key and the answer. The ephemeral secret is drawn here and gone
/// with the return.
///
/// # Errors
/// [`LowOrder`].
pub fn answer(
    rng: &mut dyn CryptoRng,
    rekey: &Secret,
    offer: &RekeyOffer,
    offering: &Party,
    own: &OwnDevice<'_>,
    own_list_version: u64,
) -> Result<(Secret, RekeyAnswer), LowOrder> {
    let ephemeral = ExchangeSecret::generate(rng);
    let shared = combine(&[
        Some(own.secret.agree(&offer.ephemeral_key)?),
        Some(ephemeral.agree(&offering.device_key)?),
        Some(ephemeral.agree(&offer.ephemeral_key)?),
        None,
    ]);
    let mut answer = RekeyAnswer {
        version: REKEY_VERSION,
        exchange: offer.exchange,
        ephemeral_key: ephemeral.public(),
        device_id: own.party.device_id,
        list_version: own_list_version,
        confirmation: Bytes([0; 32]),
    };
    let context = context(offer, offering, own.party, &answer.ephemeral_key);
    let key = next_key(rekey, &shared, &context);
    answer.confirmation = Bytes(mac(&key, &confirmed(&context, offer, &answer)));
    Ok((key, answer))
}

/// The offering device's part: gives the next session's key. The caller has found `answering` in the
/// other side's device list of the version that the answer names, and deletes `ephemeral` now.
///
/// # Errors
/// [`RekeyError::Mismatch`], [`RekeyError::LowOrder`], [`RekeyError::Confirmation`].
pub fn conclude(
    rekey: &Secret,
    offer: &RekeyOffer,
    own: &OwnDevice<'_>,
    ephemeral: &ExchangeSecret,
    answering: &Party,
    answer: &RekeyAnswer,
) -> Result<Secret, RekeyError> {
    if answer.exchange != offer.exchange || answer.device_id != answering.device_id {
        return Err(RekeyError::Mismatch);
    }
    let shared = combine(&[
        Some(ephemeral.agree(&answering.device_key)?),
        Some(own.secret.agree(&answer.ephemeral_key)?),
        Some(ephemeral.agree(&answer.ephemeral_key)?),
        None,
    ]);
    let context = context(offer, own.party, answering, &answer.ephemeral_key);
    let key = next_key(rekey, &shared, &context);
    let confirmed = confirmed(&context, offer, answer);
    if mac_holds(&key, &confirmed, &answer.confirmation.0) {
        Ok(key)
    } else {
        Err(RekeyError::Confirmation)
    }
}

/// K′.
fn next_key(rekey: &Secret, shared: &Secret, context: &[u8]) -> Secret {
    Secret::from_bytes(*hkdf::<32>(rekey.expose(), shared.expose(), context))
}

/// What both sides must agree about for the key to be the same.
fn context(offer: &RekeyOffer, offering: &Party, answering: &Party, answer_key: &Key) -> Vec<u8> {
    let head = Transcript::new("letterbox/2 rekey session")
        .u64(SUITE.into())
        .field(&offer.exchange.0)
        .field(&offer.session.0)
        .field(&offer.next_session.0);
    [offering, answering]
        .into_iter()
        .fold(head, |transcript, party| {
            transcript
                .phone(&party.phone)
                .field(&party.identity_key.0)
                .field(&party.device_id.0)
                .field(&party.device_key.0)
        })
        .field(&offer.ephemeral_key.0)
        .field(&answer_key.0)
        .finish()
}

/// What the answer confirms.
fn confirmed(context: &[u8], offer: &RekeyOffer, answer: &RekeyAnswer) -> Vec<u8> {
    Transcript::new("letterbox/2 rekey confirmation")
        .field(context)
        .u64(offer.sender_list_version)
        .u64(offer.recipient_list_version)
        .u64(answer.list_version)
        .finish()
}
