//! Linking a new browser to an account: the code that ties the two together, the offer, the digits
//! and the answer.
//!
//! The new browser shows a code. Who knows it, and only who knows it, can read the offer's MAC and
//! seal an answer; the digits, typed at the new browser before anything is sent, make sure that the
//! code came from the one that the person holds in their hands.

use crate::account_keys::MessagingSecret;
use crate::base32;
use crate::encoding::Transcript;
use crate::kdf::{hkdf, mac, mac_holds};
use crate::keys::{ExchangeSecret, IdentitySecret};
use crate::record::to_cbor;
use crate::sealing::{Psk, SealError, open_psk, seal_psk};
use crate::secret::Secret;
use crate::types::{Bytes, DeviceId, Key, Phone, UnixTime};
use crate::wire::{
    LINK_ANSWER_LIMIT, LINK_OFFER_LIMIT, LinkId, ListedDevice, SignedDeviceList, SignedPrekey,
};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The version of offers and answers that this code writes.
pub const LINK_VERSION: u16 = 1;
/// How many digits are typed.
pub const DIGITS: usize = 6;

/// The code that the new browser shows: 80 random bits, as 16 characters and as a QR code.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Encode, Decode)]
#[cbor(transparent)]
pub struct LinkCode(#[cbor(n(0), with = "minicbor::bytes")] [u8; 10]);

impl LinkCode {
    /// Draws a code.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut bits = [0; 10];
        rng.fill_bytes(&mut bits);
        Self(bits)
    }

    /// Reads a code as it may be typed: spaces and dashes do not matter, nor does the case; `I` and
    /// `L` are 1, `O` is 0. `None` where it is not 16 characters of the alphabet.
    pub fn parse(typed: &str) -> Option<Self> {
        base32::decode(&base32::typed(typed)).map(Self)
    }

    /// Four groups of four characters, with spaces between. The QR code holds the same.
    pub fn display(&self) -> String {
        base32::grouped(&base32::encode(&self.0))
    }

    /// The offer's id at the server.
    pub fn link_id(&self) -> LinkId {
        Bytes(*hkdf::<16>(&[], &self.0, b"letterbox/2 link id"))
    }

    fn psk(&self) -> Zeroizing<[u8; 32]> {
        hkdf::<32>(&[], &self.0, b"letterbox/2 link psk")
    }

    fn mac_key(&self) -> Secret {
        Secret::from_bytes(*hkdf::<32>(&[], &self.0, b"letterbox/2 link mac"))
    }
}

impl std::fmt::Debug for LinkCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkCode(…)")
    }
}

/// What the new browser offers to become.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LinkOffer {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// Random.
    #[n(1)]
    pub device_id: DeviceId,
    /// Random, below 2³¹.
    #[n(2)]
    pub registration_id: u32,
    /// X25519. The answer is sealed to it.
    #[n(3)]
    pub device_key: Key,
    /// X25519: the device's first signed prekey, of id 1, which the answer signs.
    #[n(4)]
    pub prekey: Key,
    /// When the prekey was made, a whole hour.
    #[n(5)]
    pub prekey_created_at: UnixTime,
}

impl std::fmt::Debug for LinkOffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkOffer(…)")
    }
}

/// An offer, proof or answer that does not hold under the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Too long, or not of a known form.
    #[error("not a link of a known kind")]
    Form,
    /// Not made by somebody who knows the code.
    #[error("a link was not made with this code")]
    Code,
    /// The new device's key is of low order.
    #[error("a public key is of low order")]
    LowOrder,
}

impl LinkOffer {
    /// The offer under its MAC: CBOR, then 32 bytes.
    pub fn seal(&self, code: &LinkCode) -> Vec<u8> {
        let mut offer = to_cbor(self);
        let tag = mac(&code.mac_key(), &offer_transcript(&offer));
        offer.extend_from_slice(&tag);
        offer
    }

    /// Checks the MAC and reads the offer.
    ///
    /// # Errors
    /// [`LinkError::Form`], [`LinkError::Code`].
    pub fn open(code: &LinkCode, bytes: &[u8]) -> Result<Self, LinkError> {
        let (offer, tag) = bytes.split_last_chunk::<32>().ok_or(LinkError::Form)?;
        if bytes.len() > LINK_OFFER_LIMIT {
            return Err(LinkError::Form);
        }
        if !mac_holds(&code.mac_key(), &offer_transcript(offer), tag) {
            return Err(LinkError::Code);
        }
        let offer: Self = minicbor::decode(offer).map_err(|_| LinkError::Form)?;
        let known = offer.version == LINK_VERSION
            && offer.registration_id < 1 << 31
            && offer.prekey_created_at == offer.prekey_created_at.hour();
        if known { Ok(offer) } else { Err(LinkError::Form) }
    }

    /// The new device as the list will name it.
    pub fn listed(&self) -> ListedDevice {
        let Self { device_id, registration_id, device_key, .. } = *self;
        ListedDevice { device_id, registration_id, device_key }
    }
}

/// SHA-256 of an offer with its MAC: what proofs, answers and the touch mean.
pub fn offer_hash(offer: &[u8]) -> Key {
    Bytes(Sha256::digest(offer).into())
}

fn offer_transcript(offer: &[u8]) -> Vec<u8> {
    Transcript::new("letterbox/2 link offer").field(offer).finish()
}

/// Six digits, drawn evenly, which the signed-in device shows.
pub fn draw_digits(rng: &mut dyn CryptoRng) -> String {
    // The largest multiple of a million in 32 bits: what lies above would make some more likely.
    const EVEN: u32 = u32::MAX - u32::MAX % 1_000_000;
    loop {
        let drawn = rng.next_u32();
        if drawn < EVEN {
            return format!("{:06}", drawn % 1_000_000);
        }
    }
}

/// The digits as they may be typed, spaces and dashes passed over. `None` where they are not six.
pub fn parse_digits(typed: &str) -> Option<String> {
    let digits: String = base32::typed(typed).into_iter().collect();
    let six = digits.len() == DIGITS && digits.bytes().all(|c| c.is_ascii_digit());
    six.then_some(digits)
}

/// What the new browser answers to the digits that were typed there.
pub fn digits_proof(code: &LinkCode, offer_hash: &Key, digits: &str) -> Key {
    Bytes(mac(&code.mac_key(), &digits_transcript(offer_hash, digits)))
}

/// Whether a proof is over these digits and this offer, compared in constant time.
pub fn digits_hold(code: &LinkCode, offer_hash: &Key, digits: &str, proof: &Key) -> bool {
    mac_holds(&code.mac_key(), &digits_transcript(offer_hash, digits), &proof.0)
}

fn digits_transcript(offer_hash: &Key, digits: &str) -> Vec<u8> {
    Transcript::new("letterbox/2 link digits")
        .field(&offer_hash.0)
        .field(digits.as_bytes())
        .finish()
}

/// What the new device is told: who it belongs to, and all secrets of the account.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LinkAnswer {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// The account's number.
    #[n(1)]
    pub phone: Phone,
    /// Its identity seed.
    #[n(2)]
    pub identity: IdentitySecret,
    /// Its messaging secrets that may still be needed, the newest first.
    #[n(3)]
    pub messaging: Vec<MessagingSecret>,
    /// The list that names the new device.
    #[n(4)]
    pub list: SignedDeviceList,
    /// The offered prekey, signed.
    #[n(5)]
    pub signed_prekey: SignedPrekeyRecord,
}

/// A signed prekey in CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SignedPrekeyRecord {
    /// Its id.
    #[n(0)]
    pub key_id: u32,
    /// X25519.
    #[n(1)]
    pub public_key: Key,
    /// A whole hour.
    #[n(2)]
    pub created_at: UnixTime,
    /// Ed25519, by the identity key.
    #[n(3)]
    pub signature: Bytes<64>,
}

impl From<&SignedPrekey> for SignedPrekeyRecord {
    fn from(prekey: &SignedPrekey) -> Self {
        let SignedPrekey { key_id, public_key, created_at, signature } = *prekey;
        Self { key_id, public_key, created_at, signature }
    }
}

impl From<&SignedPrekeyRecord> for SignedPrekey {
    fn from(prekey: &SignedPrekeyRecord) -> Self {
        let SignedPrekeyRecord { key_id, public_key, created_at, signature } = *prekey;
        Self { key_id, public_key, created_at, signature }
    }
}

impl LinkAnswer {
    /// Seals the answer to the offered device key, with the code's secret as pre-shared key.
    ///
    /// # Errors
    /// [`LinkError::LowOrder`]; [`LinkError::Form`] where it is longer than the server takes: leave
    /// the oldest messaging secrets out.
    pub fn seal(
        &self,
        rng: &mut dyn CryptoRng,
        code: &LinkCode,
        offer: &LinkOffer,
        offer_hash: &Key,
    ) -> Result<Vec<u8>, LinkError> {
        let plaintext = Zeroizing::new(to_cbor(self));
        let (id, psk) = (code.link_id(), code.psk());
        let psk = Psk { secret: &psk, id: &id.0 };
        let info = answer_info(&id, offer_hash);
        let sealed = seal_psk(rng, &offer.device_key, psk, &info, b"", &plaintext);
        let sealed = sealed.map_err(|_| LinkError::LowOrder)?;
        if sealed.len() > LINK_ANSWER_LIMIT { Err(LinkError::Form) } else { Ok(sealed) }
    }

    /// Opens the answer with the offered device key's secret. That it names this device, and that
    /// its signatures hold, is the caller's to check.
    ///
    /// # Errors
    /// [`LinkError::Code`], [`LinkError::Form`].
    pub fn open(
        device_secret: &ExchangeSecret,
        code: &LinkCode,
        offer_hash: &Key,
        sealed: &[u8],
    ) -> Result<Self, LinkError> {
        if sealed.len() > LINK_ANSWER_LIMIT {
            return Err(LinkError::Form);
        }
        let (id, psk) = (code.link_id(), code.psk());
        let psk = Psk { secret: &psk, id: &id.0 };
        let opened = open_psk(device_secret, psk, &answer_info(&id, offer_hash), b"", sealed);
        let opened = Zeroizing::new(opened.map_err(|_: SealError| LinkError::Code)?);
        let answer: Self = minicbor::decode(&opened).map_err(|_| LinkError::Form)?;
        if answer.version == LINK_VERSION { Ok(answer) } else { Err(LinkError::Form) }
    }
}

fn answer_info(id: &LinkId, offer_hash: &Key) -> Vec<u8> {
    Transcript::new("letterbox/2 link answer").field(&id.0).field(&offer_hash.0).finish()
}
