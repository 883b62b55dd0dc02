//! What an account's devices wrap for each other over their channels: the account's keys when they
//! change, and the key of a re-keyed session.
//!
//! The payloads share the numbers of their fields with [`SessionKeyPayload`], so that the purpose can
//! be read before anything else.

use crate::device_list::{self, ListError, VerifiedList};
use crate::handshake::Party;
use crate::keys::{ExchangeSecret, IdentitySecret, sign_messaging_key};
use crate::record::to_cbor;
use crate::secret::Secret;
use crate::session_key::{PAYLOAD_VERSION, PURPOSE_LETTERS, SessionId, SessionKeyPayload};
use crate::types::{DeviceId, Key, Phone, UnixTime};
use crate::wire::{KeyExchangeId, SignedDeviceList, SignedMessagingKey};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

/// The purpose of the account's keys.
pub const PURPOSE_ACCOUNT: u16 = 2;
/// The purpose of a re-keyed session's key.
pub const PURPOSE_REKEY: u16 = 3;

/// A messaging key's secret, as it travels between an account's own devices.
///
/// Its signature does not travel: Ed25519 is deterministic, so that every device comes to the same.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MessagingSecret {
    /// The key's version.
    #[n(0)]
    pub key_version: u32,
    /// When it was made, a whole hour.
    #[n(1)]
    pub created_at: UnixTime,
    /// X25519.
    #[n(2)]
    pub secret: ExchangeSecret,
}

impl MessagingSecret {
    /// The public half, signed.
    pub fn signed(&self, identity: &IdentitySecret, phone: &Phone) -> SignedMessagingKey {
        let public_key = self.secret.public();
        sign_messaging_key(identity, phone, self.key_version, self.created_at, &public_key)
    }
}

/// What came over a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelPayload {
    /// A session key.
    Session(Box<SessionKeyPayload>),
    /// The account's keys, from a sibling.
    Account(Box<AccountKeys>),
    /// A re-keyed session's key, from a sibling.
    Rekey(Box<RekeyedSession>),
}

/// Not a payload, or of a version or purpose that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a payload of a known kind")]
pub struct UnknownPayload;

/// The part of a payload that says what it is.
#[derive(Decode)]
#[cbor(map)]
struct Kind {
    #[n(0)]
    version: u16,
    #[n(6)]
    purpose: u16,
}

impl ChannelPayload {
    /// Reads a payload; nothing about it is checked but its form.
    ///
    /// # Errors
    /// [`UnknownPayload`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, UnknownPayload> {
        let kind: Kind = minicbor::decode(bytes).map_err(|_| UnknownPayload)?;
        if kind.version != PAYLOAD_VERSION {
            return Err(UnknownPayload);
        }
        let payload = match kind.purpose {
            PURPOSE_LETTERS => minicbor::decode(bytes).map(Self::Session),
            PURPOSE_ACCOUNT => minicbor::decode(bytes).map(Self::Account),
            PURPOSE_REKEY => minicbor::decode(bytes).map(Self::Rekey),
            _ => return Err(UnknownPayload),
        };
        payload.map_err(|_| UnknownPayload)
    }
}

/// The account's keys after a change, for one sibling.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AccountKeys {
    /// The version of this encoding: [`PAYLOAD_VERSION`].
    #[n(0)]
    pub version: u16,
    /// The sending device, under the identity of its channel.
    #[n(3)]
    pub sender: Party,
    /// [`PURPOSE_ACCOUNT`].
    #[n(6)]
    pub purpose: u16,
    /// The list that goes with the keys, signed by the identity that holds from now on.
    #[n(9)]
    pub list: SignedDeviceList,
    /// The messaging key that the list names.
    #[n(13)]
    pub messaging: MessagingSecret,
    /// The identity seed, where the identity was replaced.
    #[n(14)]
    pub identity: Option<IdentitySecret>,
}

/// The key of a re-keyed session, for one sibling of the device that answered.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RekeyedSession {
    /// The version of this encoding: [`PAYLOAD_VERSION`].
    #[n(0)]
    pub version: u16,
    /// The next session.
    #[n(1)]
    pub session_id: SessionId,
    /// Its key.
    #[n(2)]
    pub key: Secret,
    /// The sending device: the one that answered.
    #[n(3)]
    pub sender: Party,
    /// [`PURPOSE_REKEY`].
    #[n(6)]
    pub purpose: u16,
    /// The session whose place it takes.
    #[n(15)]
    pub replaces: SessionId,
    /// The exchange.
    #[n(16)]
    pub exchange: KeyExchangeId,
    /// The device that offered, at the session's sending end.
    #[n(17)]
    pub offering: Party,
}

/// What a receiver holds against a sibling's payload.
#[derive(Debug, Clone)]
pub struct SiblingContext<'a> {
    /// The other end of the channel that brought it.
    pub channel_peer: &'a Party,
    /// This device, under the identity it has had so far.
    pub own: &'a Party,
    /// The newest of the own lists that is known.
    pub own_list: &'a SignedDeviceList,
    /// The hour in which the envelope was stored.
    pub stored: UnixTime,
}

/// Why a sibling's payload was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SiblingError {
    /// The sender is not who the channel is to.
    #[error("a sibling's keys came over another device's channel")]
    Sender,
    /// The sender is not one of the account's own other devices, or no longer.
    #[error("keys of the account came from somebody else")]
    NotSibling,
    /// The list does not hold.
    #[error(transparent)]
    List(#[from] ListError),
    /// The list does not name this device and the sender.
    #[error("a list from a sibling does not name both devices")]
    NotListed,
    /// Two different own lists have the same version.
    #[error("two own device lists have the same version")]
    ListsDiffer,
    /// The list names another messaging key.
    #[error("a messaging secret is not the one that the list names")]
    MessagingKey,
}

impl AccountKeys {
    /// The payload as it goes into a channel.
    pub fn to_cbor(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(to_cbor(self))
    }

    /// Checks that the keys come from a sibling and hold together, and gives the list. It may be
    /// older than the one known: its messaging secret is still good for letters of its time.
    ///
    /// # Errors
    /// The first check that fails, in the order of [`SiblingError`].
    pub fn check(&self, context: &SiblingContext<'_>) -> Result<VerifiedList, SiblingError> {
        check_sibling(&self.sender, context)?;
        let phone = &context.own.phone;
        let replaced = self.identity.as_ref().map(IdentitySecret::public);
        let identity = replaced.unwrap_or(context.own.identity_key);
        let list = device_list::check(&self.list, &identity, phone, context.stored, 0)?;
        let names = |party: &Party| names(list.devices(), &party.device_id, &party.device_key);
        if !names(&self.sender) || !names(context.own) {
            return Err(SiblingError::NotListed);
        }
        let known = context.own_list;
        if known.version == list.version() && device_list::hash(known) != list.hash() {
            return Err(SiblingError::ListsDiffer);
        }
        if self.messaging.secret.public() != self.list.messaging_key {
            return Err(SiblingError::MessagingKey);
        }
        Ok(list)
    }
}

impl RekeyedSession {
    /// The payload as it goes into a channel.
    pub fn to_cbor(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(to_cbor(self))
    }

    /// Checks that the key comes from a sibling. That it belongs to a session with the offering
    /// device shows once that session is known.
    ///
    /// # Errors
    /// [`SiblingError::Sender`], [`SiblingError::NotSibling`].
    pub fn check(&self, context: &SiblingContext<'_>) -> Result<(), SiblingError> {
        check_sibling(&self.sender, context)
    }
}

/// Who holds a device key that the own list names is a sibling; the channel proves the key.
fn check_sibling(sender: &Party, context: &SiblingContext<'_>) -> Result<(), SiblingError> {
    let own = context.own;
    if sender != context.channel_peer {
        return Err(SiblingError::Sender);
    }
    let of_the_account = sender.phone == own.phone && sender.identity_key == own.identity_key;
    let listed = names(&context.own_list.devices, &sender.device_id, &sender.device_key);
    if of_the_account && listed && sender.device_id != own.device_id {
        Ok(())
    } else {
        Err(SiblingError::NotSibling)
    }
}

fn names(devices: &[crate::wire::ListedDevice], id: &DeviceId, key: &Key) -> bool {
    devices.iter().any(|device| device.device_id == *id && device.device_key == *key)
}
