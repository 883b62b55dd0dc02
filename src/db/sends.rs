//! A sealed send, parsed: nothing in it can make a batch fail.

use super::SpentToken;
use letterbox_protocol::{
    types::{DeviceId, MessageId, Phone, SessionLabel},
    wire::SealedMessage,
};
use std::fmt;

/// Bytes of an envelope.
const ENVELOPE: usize = 2_048;
/// The sizes of letters: 1 to 64 KiB, doubling.
const SIZES: std::ops::RangeInclusive<usize> = 1_024..=65_536;
/// Devices an account can have, and so envelopes an upload can hold.
const DEVICES: usize = 8;

/// What is wrong with a send: the field's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSend {
    /// Not 1, 2, 4, 8, 16, 32 or 64 KiB.
    #[error("a letter is exactly 1, 2, 4, 8, 16, 32 or 64 KiB")]
    Size,
    /// Not 1, 7 or 30 days.
    #[error("a letter expires after 1, 7 or 30 days")]
    Expiry,
    /// Envelopes of another size than 2 KiB, none, too many, or two for one device.
    #[error("an upload holds one envelope of 2 KiB for each of one to eight devices")]
    Envelopes,
    /// The version does not fit.
    #[error("no device list has this version")]
    ListVersion,
}

/// Sealed session keys, one a device, sorted by device.
pub(super) type Envelopes = Vec<(DeviceId, Vec<u8>)>;

/// A letter, its envelopes and its token, ready to be stored.
#[derive(Clone)]
pub struct SealedSend {
    pub(super) token: SpentToken,
    pub(super) destination: Phone,
    pub(super) list_version: i64,
    pub(super) message_id: MessageId,
    pub(super) expiry_days: u8,
    pub(super) content: Vec<u8>,
    pub(super) session: Option<(SessionLabel, Envelopes)>,
}

impl SealedSend {
    /// Takes a request apart, once its token was parsed.
    ///
    /// # Errors
    /// The field that does not have the form it must have.
    pub fn parse(token: SpentToken, message: SealedMessage) -> Result<Self, BadSend> {
        let content = message.encrypted_content.0;
        if !SIZES.contains(&content.len()) || !content.len().is_power_of_two() {
            return Err(BadSend::Size);
        }
        if !matches!(message.expiry_days, 1 | 7 | 30) {
            return Err(BadSend::Expiry);
        }
        let session = match message.session_keys {
            None => None,
            Some(upload) => {
                let envelopes = upload.envelopes.into_iter();
                let envelopes =
                    envelopes.map(|e| (e.device_id, e.encrypted_session_key.0)).collect();
                Some((upload.session_key_id, checked(envelopes)?))
            }
        };
        Ok(Self {
            token,
            destination: message.destination,
            list_version: i64::try_from(message.list_version).map_err(|_| BadSend::ListVersion)?,
            message_id: message.message_id,
            expiry_days: message.expiry_days,
            content,
            session,
        })
    }
}

impl SealedSend {
    /// Whose mailbox it is for.
    pub fn destination(&self) -> &Phone {
        &self.destination
    }
}

/// One envelope a device, each of the one size; sorted by device.
fn checked(mut envelopes: Envelopes) -> Result<Envelopes, BadSend> {
    envelopes.sort_by_key(|(device, _)| *device);
    let sized = envelopes.iter().all(|(_, sealed)| sealed.len() == ENVELOPE);
    let distinct = envelopes.windows(2).all(|pair| matches!(pair, [a, b] if a.0 != b.0));
    let few = (1..=DEVICES).contains(&envelopes.len());
    if sized && distinct && few { Ok(envelopes) } else { Err(BadSend::Envelopes) }
}

impl fmt::Debug for SealedSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSend(…)")
    }
}

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// Durably stored, now or when the same send came before.
    Stored,
    /// No such mailbox. The token is spent.
    NoSuchMailbox,
    /// Made for another device list, or its envelopes do not fit the list. Nothing was stored but
    /// that the token is spent.
    StaleList,
    /// The token was spent on another request.
    TokenReused,
    /// The mailbox can take no more. Nothing was stored, and the token is good.
    MailboxFull,
}

impl SendOutcome {
    /// The status under which a spent token remembers the outcome; none where it is not spent.
    pub(super) fn spent_status(self) -> Option<i16> {
        match self {
            Self::Stored => Some(202),
            Self::NoSuchMailbox => Some(404),
            Self::StaleList => Some(409),
            Self::TokenReused | Self::MailboxFull => None,
        }
    }

    /// The outcome that a spent token remembers.
    pub(super) fn of_spent(status: i16) -> Self {
        match status {
            202 => Self::Stored,
            404 => Self::NoSuchMailbox,
            409 => Self::StaleList,
            // Spent on a lookup, whose digest cannot be that of a send.
            _ => Self::TokenReused,
        }
    }
}
