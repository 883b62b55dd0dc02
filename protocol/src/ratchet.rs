//! The Double Ratchet ("The Double Ratchet Algorithm", revision 1, §3), over X25519.
//!
//! Nothing here changes a state: each step gives a new one, and a step that fails gives none.

use crate::aead;
use crate::encoding::Transcript;
use crate::kdf::{chain_step, root_step};
use crate::keys::{ExchangeSecret, LowOrder};
use crate::limits::{SKIPPED_KEY_AGE, SKIPPED_KEYS};
use crate::secret::Secret;
use crate::types::{Bytes, Key, UnixTime};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// One end of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ratchet {
    #[n(0)]
    own: ExchangeSecret,
    #[n(1)]
    peer: Key,
    #[n(2)]
    root: Secret,
    #[n(3)]
    sending: Secret,
    #[n(4)]
    receiving: Option<Secret>,
    #[n(5)]
    sent: u32,
    #[n(6)]
    received: u32,
    #[n(7)]
    sent_before: u32,
    #[n(8)]
    skipped: Vec<Skipped>,
    /// The first bytes of the peer's ratchet keys before the one of now, the newest last: what comes
    /// under one of them and has no key kept came before, or far too late.
    #[n(9)]
    #[cbor(default)]
    former: Vec<Bytes<8>>,
}

/// The most former keys that are remembered: more than a year of turning daily.
const FORMER_KEYS: usize = 400;

/// The key of a message that has not arrived.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Skipped {
    #[n(0)]
    peer: Key,
    #[n(1)]
    number: u32,
    #[n(2)]
    key: Secret,
    #[n(3)]
    since: UnixTime,
}

/// Why a message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RatchetError {
    /// Too short to be a message.
    #[error("not a ratchet message")]
    Form,
    /// Its ratchet key is of low order.
    #[error("a ratchet key is of low order")]
    LowOrder,
    /// Its key was used already, or has aged out.
    #[error("a ratchet message came again, or far too late")]
    Repeated,
    /// More than 1,000 messages before it are missing.
    #[error("a ratchet message is too far ahead")]
    TooFarAhead,
    /// Changed on the way, or not for this ratchet.
    #[error("a ratchet message does not decrypt")]
    DoesNotDecrypt,
}

impl From<LowOrder> for RatchetError {
    fn from(_: LowOrder) -> Self {
        Self::LowOrder
    }
}

impl Ratchet {
    /// The initiator's state after X3DH (`RatchetInitAlice`): the peer's key is its signed prekey.
    ///
    /// # Errors
    /// [`LowOrder`] when the peer's key is of low order.
    pub fn initiate(
        rng: &mut dyn CryptoRng,
        root: &Secret,
        signed_prekey: &Key,
    ) -> Result<Self, LowOrder> {
        let own = ExchangeSecret::generate(rng);
        let (root, sending) = root_step(root, &own.agree(signed_prekey)?);
        let (receiving, skipped) = (None, Vec::new());
        let peer = *signed_prekey;
        Ok(Self {
            own,
            peer,
            root,
            sending,
            receiving,
            sent: 0,
            received: 0,
            sent_before: 0,
            skipped,
            former: Vec::new(),
        })
    }

    /// The responder's state after X3DH and its first message (`RatchetInitBob`, then
    /// `RatchetDecrypt`): a responder has nothing to send with before that.
    ///
    /// # Errors
    /// As for [`Ratchet::decrypt`].
    pub fn accept(
        rng: &mut dyn CryptoRng,
        root: &Secret,
        signed_prekey: &ExchangeSecret,
        message: &[u8],
        ad: &[u8],
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), RatchetError> {
        let (header, _) = Header::split(message)?;
        Self::turn(rng, root, signed_prekey, &header.key)?.receive(message, ad, now)
    }

    /// `RatchetEncrypt`: the next state, and the message: ratchet key (32), length of the previous
    /// sending chain (4, big-endian), number (4, big-endian), nonce (12), ciphertext, tag (16).
    pub fn encrypt(&self, rng: &mut dyn CryptoRng, plaintext: &[u8], ad: &[u8]) -> (Self, Vec<u8>) {
        let header = Header { key: self.own.public(), before: self.sent_before, number: self.sent }
            .to_bytes();
        let (sending, message_key) = chain_step(&self.sending);
        let sealed = aead::encrypt(rng, &message_key, &message_data(ad, &header), plaintext);
        let sent = self.sent.saturating_add(1);
        (Self { sending, sent, ..self.clone() }, [&header[..], &sealed].concat())
    }

    /// `RatchetDecrypt`: the next state and the plaintext.
    ///
    /// # Errors
    /// [`RatchetError`]; the state is as it was.
    pub fn decrypt(
        &self,
        rng: &mut dyn CryptoRng,
        message: &[u8],
        ad: &[u8],
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), RatchetError> {
        let (header, _) = Header::split(message)?;
        if let Some(place) = self.skipped_place(&header) {
            return self.receive_skipped(place, message, ad, now);
        }
        if header.key == self.peer {
            return self.clone().receive(message, ad, now);
        }
        if self.former.contains(&start_of(&header.key)) {
            return Err(RatchetError::Repeated);
        }
        let closed = self.clone().skip_to(header.before, now)?;
        let turned = Self::turn(rng, &closed.root, &closed.own, &header.key)?;
        let (skipped, former) = (closed.skipped.clone(), closed.former_with_its_peer());
        let next = Self { sent_before: closed.sent, skipped, former, ..turned };
        next.receive(message, ad, now)
    }

    /// `DHRatchet`: both chains anew, for a new key of the peer and a new one of one's own.
    fn turn(
        rng: &mut dyn CryptoRng,
        root: &Secret,
        own: &ExchangeSecret,
        peer: &Key,
    ) -> Result<Self, LowOrder> {
        let (root, receiving) = root_step(root, &own.agree(peer)?);
        let own = ExchangeSecret::generate(rng);
        let (root, sending) = root_step(&root, &own.agree(peer)?);
        let (peer, receiving, skipped) = (*peer, Some(receiving), Vec::new());
        Ok(Self {
            own,
            peer,
            root,
            sending,
            receiving,
            sent: 0,
            received: 0,
            sent_before: 0,
            skipped,
            former: Vec::new(),
        })
    }

    fn former_with_its_peer(&self) -> Vec<Bytes<8>> {
        let first = (self.former.len() + 1).saturating_sub(FORMER_KEYS);
        let kept = self.former.iter().skip(first).copied();
        kept.chain([start_of(&self.peer)]).collect()
    }

    /// A message of the current receiving chain.
    fn receive(
        self,
        message: &[u8],
        ad: &[u8],
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), RatchetError> {
        let (header, sealed) = Header::split(message)?;
        if header.number < self.received {
            return Err(RatchetError::Repeated);
        }
        let mut next = self.skip_to(header.number, now)?;
        let chain = next.receiving.as_ref().ok_or(RatchetError::DoesNotDecrypt)?;
        let (chain, message_key) = chain_step(chain);
        let plaintext = aead::decrypt(&message_key, &message_data(ad, &header.to_bytes()), sealed)
            .ok_or(RatchetError::DoesNotDecrypt)?;
        next.receiving = Some(chain);
        next.received = header.number.checked_add(1).ok_or(RatchetError::TooFarAhead)?;
        next.forget_old(now);
        Ok((next, plaintext))
    }

    /// `TrySkippedMessageKeys`.
    fn receive_skipped(
        &self,
        place: usize,
        message: &[u8],
        ad: &[u8],
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), RatchetError> {
        let (header, sealed) = Header::split(message)?;
        let mut next = self.clone();
        let skipped = next.skipped.remove(place);
        let plaintext = aead::decrypt(&skipped.key, &message_data(ad, &header.to_bytes()), sealed)
            .ok_or(RatchetError::DoesNotDecrypt)?;
        next.forget_old(now);
        Ok((next, plaintext))
    }

    /// `SkipMessageKeys`: keeps the keys of the receiving chain below `until`.
    fn skip_to(mut self, until: u32, now: UnixTime) -> Result<Self, RatchetError> {
        let Some(mut chain) = self.receiving.take() else { return Ok(self) };
        if until.saturating_sub(self.received) as usize > SKIPPED_KEYS {
            return Err(RatchetError::TooFarAhead);
        }
        for number in self.received..until {
            let (next, key) = chain_step(&chain);
            chain = next;
            self.skipped.push(Skipped { peer: self.peer, number, key, since: now });
        }
        self.received = self.received.max(until);
        self.receiving = Some(chain);
        Ok(self)
    }

    fn skipped_place(&self, header: &Header) -> Option<usize> {
        self.skipped.iter().position(|key| key.peer == header.key && key.number == header.number)
    }

    /// Drops the keys that have waited too long, then the oldest beyond 1,000.
    fn forget_old(&mut self, now: UnixTime) {
        self.skipped.retain(|key| now.since(key.since) <= SKIPPED_KEY_AGE);
        let beyond = self.skipped.len().saturating_sub(SKIPPED_KEYS);
        self.skipped.drain(..beyond);
    }
}

fn start_of(key: &Key) -> Bytes<8> {
    let mut start = Bytes([0; 8]);
    start.0.copy_from_slice(&key.0[..8]);
    start
}

/// What precedes the ciphertext, in the clear within the envelope's seal.
struct Header {
    key: Key,
    before: u32,
    number: u32,
}

impl Header {
    fn split(message: &[u8]) -> Result<(Self, &[u8]), RatchetError> {
        let parts = || {
            let (key, rest) = message.split_first_chunk::<32>()?;
            let (before, rest) = rest.split_first_chunk::<4>()?;
            let (number, sealed) = rest.split_first_chunk::<4>()?;
            let (before, number) = (u32::from_be_bytes(*before), u32::from_be_bytes(*number));
            Some((Self { key: Bytes(*key), before, number }, sealed))
        };
        parts().ok_or(RatchetError::Form)
    }

    fn to_bytes(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(&self.key.0);
        bytes[32..36].copy_from_slice(&self.before.to_be_bytes());
        bytes[36..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }
}

/// `CONCAT(AD, header)`.
fn message_data(ad: &[u8], header: &[u8; 40]) -> Vec<u8> {
    Transcript::new("letterbox/2 channel message").field(ad).field(header).finish()
}
