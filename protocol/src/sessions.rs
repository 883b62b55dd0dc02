//! Sessions: one key from one sending device to one mailbox, stepped by a hash ratchet for each
//! letter. A letter is encrypted once, however many devices will read it.

use crate::aead;
use crate::content::Content;
use crate::encoding::Transcript;
use crate::handshake::Party;
use crate::kdf::chain_step;
use crate::limits::{
    CLOCK_SKEW, LETTER_AGE, SESSION_AGE, SESSION_BEFORE_CERTIFICATE_END, SESSION_GRACE,
    SESSION_LETTERS,
};
use crate::padding::{pad, unpad};
use crate::rekey::rekey_secret;
use crate::sealing::SEAL_OVERHEAD;
use crate::secret::Secret;
use crate::session_key::SessionKeyPayload;
use crate::sizes::LetterSize;
use crate::types::{Bytes, HOUR, Key, Phone, UnixTime};
use minicbor::{Decode, Encode};
use rand::CryptoRng;

pub use crate::session_key::{
    NO_DIRECTORY, PAYLOAD_VERSION, PURPOSE_LETTERS, PayloadContext, PayloadError, SessionId,
};

/// Session id and index, before the ciphertext.
const HEADER: usize = 20;
/// What a letter's size class holds besides its padded content.
pub const LETTER_OVERHEAD: usize = SEAL_OVERHEAD + HEADER + aead::OVERHEAD;

/// Whom a session ties together. Every letter's encryption is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionParties {
    /// The sending device.
    #[n(0)]
    pub sender: Party,
    /// The mailbox it writes to.
    #[n(1)]
    pub recipient: Phone,
    /// Whose identity key is this.
    #[n(2)]
    pub recipient_identity: Key,
}

/// Why a letter could not be encrypted or was refused. The state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// All of the session's letters have been used.
    #[error("the session has no letters left")]
    Spent,
    /// The content is longer than the largest letter holds.
    #[error("the content is too long for a letter")]
    TooLong,
    /// Not a letter of a session.
    #[error("not a letter of a session")]
    Form,
    /// Another session's letter.
    #[error("a letter is of another session")]
    Mismatch,
    /// Stored before the session began, over 26 hours after, after the certificate's end, or after
    /// another session took its place.
    #[error("a letter was stored outside its session's time")]
    Time,
    /// Its key was used already.
    #[error("a letter came again")]
    Repeated,
    /// Changed on the way.
    #[error("a letter does not decrypt")]
    DoesNotDecrypt,
    /// It says to be from somebody else than the session is from.
    #[error("a letter's sender is not its session's")]
    Sender,
}

/// The sending end of a session; a CBOR record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OutboundSession {
    #[n(0)]
    id: SessionId,
    #[n(1)]
    parties: SessionParties,
    #[n(2)]
    chain: Secret,
    #[n(3)]
    next: u32,
    #[n(4)]
    ends_at: UnixTime,
    #[n(5)]
    own_list_version: u64,
    #[n(6)]
    recipient_list_version: u64,
    /// For [`crate::rekey`].
    #[n(7)]
    rekey: Option<Secret>,
}

impl OutboundSession {
    /// The sending end of the session that `payload` hands to the recipient's devices.
    pub fn begin(payload: &SessionKeyPayload) -> Self {
        let certified = payload.certificate.valid_until.plus(-SESSION_BEFORE_CERTIFICATE_END);
        Self {
            id: payload.session_id,
            parties: parties(payload),
            chain: payload.key.clone(),
            next: 0,
            ends_at: payload.created_at.plus(SESSION_AGE).min(certified),
            own_list_version: payload.sender_list.version,
            recipient_list_version: payload.recipient_list_version,
            rekey: Some(rekey_secret(&payload.key)),
        }
    }

    /// The session that takes this one's place after a re-keying: between the same parties, for the
    /// same lists, with an end no later than this one's, and letters counted anew.
    pub fn rekeyed(&self, id: SessionId, key: Secret) -> Self {
        let rekey = Some(rekey_secret(&key));
        Self { id, chain: key, next: 0, rekey, ..self.clone() }
    }

    /// The secret that a re-keying rests on; sessions of earlier versions have none.
    pub fn rekey_secret(&self) -> Option<&Secret> {
        self.rekey.as_ref()
    }

    /// The versions of the sender's and of the recipient's device list that it was made for.
    pub fn list_versions(&self) -> (u64, u64) {
        (self.own_list_version, self.recipient_list_version)
    }

    /// Whether the next letter needs a new session: after 100 letters, after 24 hours, an hour
    /// before the certificate's end, or when either device list has another version.
    pub fn is_over(&self, now: UnixTime, own_list: u64, recipient_list: u64) -> bool {
        self.next >= SESSION_LETTERS
            || now >= self.ends_at
            || own_list != self.own_list_version
            || recipient_list != self.recipient_list_version
    }

    /// Encrypts content for its letter: the next state, and the session part, which is as long as
    /// the smallest size class that holds it allows: session id (16), index (4, big-endian),
    /// nonce (12), ciphertext, tag (16).
    ///
    /// # Errors
    /// [`SessionError::Spent`], [`SessionError::TooLong`].
    pub fn encrypt(
        &self,
        rng: &mut dyn CryptoRng,
        content: &Content,
    ) -> Result<(Self, Vec<u8>), SessionError> {
        self.encrypt_at_least(rng, content, LetterSize::SMALLEST)
    }

    /// Likewise, in a size class no smaller than `least`.
    ///
    /// # Errors
    /// [`SessionError::Spent`], [`SessionError::TooLong`].
    pub fn encrypt_at_least(
        &self,
        rng: &mut dyn CryptoRng,
        content: &Content,
        least: LetterSize,
    ) -> Result<(Self, Vec<u8>), SessionError> {
        if self.next >= SESSION_LETTERS {
            return Err(SessionError::Spent);
        }
        let content = content.to_cbor();
        let size = LetterSize::fitting(content.len() + 1 + LETTER_OVERHEAD);
        let size = size.map(|size| size.max(least));
        let padded = size.and_then(|size| pad(content, size.bytes() - LETTER_OVERHEAD));
        let padded = padded.ok_or(SessionError::TooLong)?;
        let (chain, message_key) = chain_step(&self.chain);
        let data = letter_data(&self.id, self.next, &self.parties);
        let sealed = aead::encrypt(rng, &message_key, &data, &padded);
        let part = [&self.id.0[..], &self.next.to_be_bytes(), &sealed].concat();
        Ok((Self { chain, next: self.next + 1, ..self.clone() }, part))
    }

    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// When its letters must be on the server.
    pub fn ends_at(&self) -> UnixTime {
        self.ends_at
    }

    /// How many letters it has encrypted.
    pub fn letters(&self) -> u32 {
        self.next
    }
}

/// What a letter's seal holds, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPart<'a> {
    /// Which session.
    pub session_id: SessionId,
    /// The letter's number in it, from 0.
    pub index: u32,
    sealed: &'a [u8],
}

impl<'a> SessionPart<'a> {
    /// Takes what a letter's seal holds apart.
    ///
    /// # Errors
    /// [`SessionError::Form`].
    pub fn parse(part: &'a [u8]) -> Result<Self, SessionError> {
        let (id, rest) = part.split_first_chunk::<16>().ok_or(SessionError::Form)?;
        let (index, sealed) = rest.split_first_chunk::<4>().ok_or(SessionError::Form)?;
        Ok(Self { session_id: Bytes(*id), index: u32::from_be_bytes(*index), sealed })
    }
}

/// The receiving end of a session; a CBOR record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct InboundSession {
    #[n(0)]
    id: SessionId,
    #[n(1)]
    parties: SessionParties,
    #[n(2)]
    chain: Secret,
    #[n(3)]
    next: u32,
    #[n(4)]
    skipped: Vec<SkippedLetter>,
    #[n(5)]
    created_at: UnixTime,
    #[n(6)]
    certified_until: UnixTime,
    /// For [`crate::rekey`].
    #[n(7)]
    rekey: Option<Secret>,
    /// The hour in which the session in its place was first used.
    #[n(8)]
    closed_at: Option<UnixTime>,
}

/// The key of a letter that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct SkippedLetter {
    #[n(0)]
    index: u32,
    #[n(1)]
    key: Secret,
}

impl InboundSession {
    /// The receiving end of the session in a payload that has been checked.
    pub fn begin(payload: &SessionKeyPayload) -> Self {
        Self {
            id: payload.session_id,
            parties: parties(payload),
            chain: payload.key.clone(),
            next: 0,
            skipped: Vec::new(),
            created_at: payload.created_at,
            certified_until: payload.certificate.valid_until,
            rekey: Some(rekey_secret(&payload.key)),
            closed_at: None,
        }
    }

    /// The session that takes this one's place after a re-keying: between the same parties and
    /// within the same time, with letters counted anew.
    pub fn rekeyed(&self, id: SessionId, key: Secret) -> Self {
        let (rekey, skipped, closed_at) = (Some(rekey_secret(&key)), Vec::new(), None);
        Self { id, chain: key, next: 0, skipped, rekey, closed_at, ..self.clone() }
    }

    /// Another session is in use since the hour `stored`: letters stored later are refused here.
    pub fn close(&self, stored: UnixTime) -> Self {
        let hour = stored.hour();
        let closed_at = Some(self.closed_at.map_or(hour, |before| before.min(hour)));
        Self { closed_at, ..self.clone() }
    }

    /// The secret that a re-keying rests on; sessions of earlier versions have none.
    pub fn rekey_secret(&self) -> Option<&Secret> {
        self.rekey.as_ref()
    }

    /// Decrypts a letter that was stored in the hour `stored`: the next state and the content.
    ///
    /// Letters may come in any order; each is taken once.
    ///
    /// # Errors
    /// [`SessionError`]; the state is as it was.
    pub fn decrypt(
        &self,
        part: &SessionPart<'_>,
        stored: UnixTime,
    ) -> Result<(Self, Content), SessionError> {
        if part.session_id != self.id {
            return Err(SessionError::Mismatch);
        }
        self.check_time(stored)?;
        let (next, message_key) = self.key_for(part.index)?;
        let data = letter_data(&self.id, part.index, &self.parties);
        let padded =
            aead::decrypt(&message_key, &data, part.sealed).ok_or(SessionError::DoesNotDecrypt)?;
        let content = unpad(&padded).ok_or(SessionError::Form)?;
        let content: Content = minicbor::decode(content).map_err(|_| SessionError::Form)?;
        let sender = &self.parties.sender;
        if content.sender != sender.phone || content.sender_device != sender.device_id {
            return Err(SessionError::Sender);
        }
        Ok((next, content))
    }

    /// Whether no letter can come any more: past its 26 hours and the longest wait in a mailbox.
    pub fn is_over(&self, now: UnixTime) -> bool {
        now.since(self.created_at) > SESSION_GRACE + LETTER_AGE
    }

    /// Whether all of its letters have been taken.
    pub fn is_spent(&self) -> bool {
        self.next >= SESSION_LETTERS && self.skipped.is_empty()
    }

    /// When it began, by its sender's clock.
    pub fn created_at(&self) -> UnixTime {
        self.created_at
    }

    /// The session's id.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Whom it ties together.
    pub fn parties(&self) -> &SessionParties {
        &self.parties
    }

    fn check_time(&self, stored: UnixTime) -> Result<(), SessionError> {
        let late = stored.since(self.created_at) > SESSION_GRACE || stored >= self.certified_until;
        let early = self.created_at.since(stored) > HOUR + CLOCK_SKEW;
        let late = late || self.closed_at.is_some_and(|hour| stored.hour() > hour);
        if late || early { Err(SessionError::Time) } else { Ok(()) }
    }

    fn key_for(&self, index: u32) -> Result<(Self, Secret), SessionError> {
        if index >= SESSION_LETTERS {
            return Err(SessionError::Spent);
        }
        let mut next = self.clone();
        if index < self.next {
            let place = next.skipped.iter().position(|skipped| skipped.index == index);
            let skipped = next.skipped.remove(place.ok_or(SessionError::Repeated)?);
            return Ok((next, skipped.key));
        }
        for skipped in self.next..index {
            let (chain, key) = chain_step(&next.chain);
            next.chain = chain;
            next.skipped.push(SkippedLetter { index: skipped, key });
        }
        let (chain, message_key) = chain_step(&next.chain);
        next.chain = chain;
        next.next = index + 1;
        Ok((next, message_key))
    }
}

fn parties(payload: &SessionKeyPayload) -> SessionParties {
    SessionParties {
        sender: payload.sender.clone(),
        recipient: payload.recipient.clone(),
        recipient_identity: payload.recipient_identity,
    }
}

/// What a letter's encryption is bound to.
fn letter_data(id: &SessionId, index: u32, parties: &SessionParties) -> Vec<u8> {
    Transcript::new("letterbox/2 letter")
        .field(&id.0)
        .u64(index.into())
        .phone(&parties.sender.phone)
        .field(&parties.sender.identity_key.0)
        .field(&parties.sender.device_id.0)
        .field(&parties.recipient_identity.0)
        .phone(&parties.recipient)
        .finish()
}
