//! The payload of a session-key envelope: one sending device's key to one mailbox, with everything
//! that proves whose it is.

use crate::account_keys::MessagingSecret;
use crate::certificate::{CertificateError, SenderCertificate};
use crate::device_list::{self, ListError, VerifiedList};
use crate::handshake::Party;
use crate::limits::{CLOCK_SKEW, SESSION_GRACE};
use crate::record::to_cbor;
use crate::secret::Secret;
use crate::types::{Bytes, HOUR, Key, Phone, UnixTime};
use crate::wire::SignedDeviceList;
use minicbor::{Decode, Encode};
use std::cmp::Ordering;
use zeroize::Zeroizing;

/// A session's own id. Only those who hold its key ever see it.
pub type SessionId = Bytes<16>;
/// The version of the payload that this code writes.
pub const PAYLOAD_VERSION: u16 = 1;
/// The purpose of a session for letters to the recipient's mailbox.
pub const PURPOSE_LETTERS: u16 = 1;
/// The digest of the token issuers' directory where the sender has not seen this week's key.
pub const NO_DIRECTORY: [u8; 32] = [0; 32];

/// A session key, encrypted to each of the recipient's devices over its channel.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionKeyPayload {
    /// The version of this encoding.
    #[n(0)]
    pub version: u16,
    /// The session.
    #[n(1)]
    pub session_id: SessionId,
    /// Its first chain key.
    #[n(2)]
    pub key: Secret,
    /// The sending device.
    #[n(3)]
    pub sender: Party,
    /// The mailbox it writes to.
    #[n(4)]
    pub recipient: Phone,
    /// Whose identity key is this.
    #[n(5)]
    pub recipient_identity: Key,
    /// What the session is for: [`PURPOSE_LETTERS`].
    #[n(6)]
    pub purpose: u16,
    /// When the session began.
    #[n(7)]
    pub created_at: UnixTime,
    /// The server's word on the sending device.
    #[n(8)]
    pub certificate: SenderCertificate,
    /// The sender's device list.
    #[n(9)]
    pub sender_list: SignedDeviceList,
    /// The version of the recipient's list that the session was made for.
    #[n(10)]
    pub recipient_list_version: u64,
    /// That list's hash.
    #[n(11)]
    pub recipient_list_hash: Key,
    /// The digest of the issuer key that the sender saw for the week in which the session began; zeros
    /// where it saw none. See [`directory_digest`](crate::tokens::directory_digest).
    #[n(12)]
    pub directory_digest: Key,
    /// The newest messaging secret; to the own mailbox only.
    #[n(13)]
    pub messaging: Option<MessagingSecret>,
    /// The session before it, of the same device to the same mailbox. A receiver who has letters of
    /// that one and never got its key knows by this whose they are.
    #[n(14)]
    pub previous: Option<SessionId>,
}

/// What a receiver holds against a payload.
#[derive(Debug, Clone)]
pub struct PayloadContext<'a> {
    /// The other end of the channel that brought it.
    pub channel_peer: &'a Party,
    /// The own phone number.
    pub phone: &'a Phone,
    /// The own identity key.
    pub identity_key: &'a Key,
    /// The own device list of the version that the payload names, or else the newest one signed.
    pub own_list: &'a SignedDeviceList,
    /// The identity key pinned for the sender, where the sender is known.
    pub pinned_identity: Option<&'a Key>,
    /// The newest of the sender's lists that was checked before, where there is one.
    pub known_list: Option<&'a SignedDeviceList>,
    /// The last hour in which a device that it does not name any more may have sent this.
    pub unlisted_until: Option<UnixTime>,
    /// The server's certificate keys.
    pub server_keys: &'a [Key],
    /// The hour in which the envelope was stored.
    pub stored: UnixTime,
}

/// Why a session-key payload was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not a payload, or of a version or purpose that is not known.
    #[error("not a session key of a known kind")]
    Form,
    /// The sender is not who the channel is to.
    #[error("a session key came over another device's channel")]
    Sender,
    /// Made for another mailbox, or another identity of this one.
    #[error("a session key is for somebody else")]
    Recipient,
    /// The sender's identity is not the pinned one.
    #[error("the sender's identity key is not the one seen before")]
    IdentityChanged,
    /// The certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The certificate is for another device.
    #[error("the sender certificate is another device's")]
    CertificateMismatch,
    /// The sender's list does not hold.
    #[error(transparent)]
    List(#[from] ListError),
    /// The sending device is not in its owner's list, or no longer.
    #[error("the sending device is not in its owner's list")]
    NotListed,
    /// Two different lists of the sender's have the same version: somebody shows different lists to
    /// different people.
    #[error("two device lists have the same version")]
    ListsDiffer,
    /// It did not begin in the 26 hours before it was stored.
    #[error("the session's time is out of bounds")]
    Time,
    /// The sender was shown another list of the own devices under the same version.
    #[error("a session was made for another list of the own devices")]
    OwnListsDiffer,
    /// A messaging secret where none belongs, or not the one that the sender's list names.
    #[error("a session key brings a messaging secret that does not belong there")]
    MessagingSecret,
    /// The sender was shown a list of the own devices that is newer than any signed.
    #[error("a session was made for a list of the own devices that nobody signed here")]
    OwnListUnknown,
}

impl SessionKeyPayload {
    /// Reads a payload; nothing about it is checked but its form.
    ///
    /// # Errors
    /// [`PayloadError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, PayloadError> {
        let payload: Self = minicbor::decode(bytes).map_err(|_| PayloadError::Form)?;
        let known = payload.version == PAYLOAD_VERSION && payload.purpose == PURPOSE_LETTERS;
        if known { Ok(payload) } else { Err(PayloadError::Form) }
    }

    /// The payload as it goes into a channel.
    pub fn to_cbor(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(to_cbor(self))
    }

    /// Checks that the session is what the channel, the certificate and the lists say it is, and
    /// gives the sender's list.
    ///
    /// # Errors
    /// The first check that fails, in the order of [`PayloadError`].
    pub fn check(&self, context: &PayloadContext<'_>) -> Result<VerifiedList, PayloadError> {
        if self.sender != *context.channel_peer {
            return Err(PayloadError::Sender);
        }
        if self.recipient != *context.phone || self.recipient_identity != *context.identity_key {
            return Err(PayloadError::Recipient);
        }
        if context.pinned_identity.is_some_and(|pinned| *pinned != self.sender.identity_key) {
            return Err(PayloadError::IdentityChanged);
        }
        self.check_certificate(context)?;
        let list = self.check_sender_list(context)?;
        self.check_time(context.stored)?;
        self.check_messaging_secret()?;
        self.check_own_list(context.own_list)?;
        Ok(list)
    }

    /// An account's devices tell each other the newest messaging secret; nobody else does. The sender
    /// has the recipient's identity, and its list is signed by it.
    fn check_messaging_secret(&self) -> Result<(), PayloadError> {
        let Some(messaging) = &self.messaging else { return Ok(()) };
        let own = self.sender.phone == self.recipient
            && self.sender.identity_key == self.recipient_identity;
        let named = messaging.secret.public() == self.sender_list.messaging_key;
        if own && named { Ok(()) } else { Err(PayloadError::MessagingSecret) }
    }

    /// A list older than those still kept cannot be told; one newer than the newest was not signed
    /// by the own devices.
    fn check_own_list(&self, own: &SignedDeviceList) -> Result<(), PayloadError> {
        match self.recipient_list_version.cmp(&own.version) {
            Ordering::Greater => Err(PayloadError::OwnListUnknown),
            Ordering::Equal if self.recipient_list_hash.0 != device_list::hash(own) => {
                Err(PayloadError::OwnListsDiffer)
            }
            _ => Ok(()),
        }
    }

    fn check_certificate(&self, context: &PayloadContext<'_>) -> Result<(), PayloadError> {
        let certificate = &self.certificate;
        certificate.check(context.server_keys, context.stored)?;
        let names = Party {
            phone: certificate.phone.clone(),
            identity_key: certificate.identity_key,
            device_id: certificate.device_id,
            device_key: certificate.device_key,
        };
        if names == self.sender { Ok(()) } else { Err(PayloadError::CertificateMismatch) }
    }

    /// A list older than the one known is taken only where the known one still names the device, or
    /// came so lately that what the device sent before could not be read yet.
    fn check_sender_list(
        &self,
        context: &PayloadContext<'_>,
    ) -> Result<VerifiedList, PayloadError> {
        let sender = &self.sender;
        let list = device_list::check(
            &self.sender_list,
            &sender.identity_key,
            &sender.phone,
            context.stored,
            0,
        )?;
        let names = |devices: &[crate::wire::ListedDevice]| {
            devices.iter().any(|device| {
                device.device_id == sender.device_id && device.device_key == sender.device_key
            })
        };
        if !names(list.devices()) {
            return Err(PayloadError::NotListed);
        }
        let Some(known) = context.known_list else { return Ok(list) };
        if known.version == list.version() && device_list::hash(known) != list.hash() {
            return Err(PayloadError::ListsDiffer);
        }
        let late = context.unlisted_until.is_none_or(|hour| context.stored.hour() > hour);
        if known.version > list.version() && !names(&known.devices) && late {
            return Err(PayloadError::NotListed);
        }
        Ok(list)
    }

    fn check_time(&self, stored: UnixTime) -> Result<(), PayloadError> {
        let old = stored.since(self.created_at) > SESSION_GRACE;
        let ahead = self.created_at.since(stored) > HOUR + CLOCK_SKEW;
        if old || ahead { Err(PayloadError::Time) } else { Ok(()) }
    }
}
