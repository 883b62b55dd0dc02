//! A channel between two devices: X3DH, then the Double Ratchet. It carries session keys.
//!
//! Until the other side has answered, every message carries the handshake's header, so that any of
//! them can be the first to arrive. Two devices may begin channels to each other at the same time;
//! each is whole in itself, and a device sends on the one that it last received on (Sesame §3).

use crate::handshake::{self, HandshakeHeader, Party};
use crate::keys::{ExchangeSecret, LowOrder};
use crate::ratchet::{Ratchet, RatchetError};
use crate::record::to_cbor;
use crate::types::{Bytes, UnixTime};
use crate::wire::{OneTimePrekey, SignedPrekey};
use minicbor::{Decode, Encode};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// The random name of a channel, drawn by its initiator.
pub type ChannelId = Bytes<16>;

/// One end of a channel; a CBOR record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Channel {
    #[n(0)]
    id: ChannelId,
    #[n(1)]
    handshake: HandshakeHeader,
    #[n(2)]
    responder: Party,
    #[n(3)]
    initiated_here: bool,
    #[n(4)]
    answered: bool,
    #[n(5)]
    ratchet: Ratchet,
}

/// What an envelope's seal holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ChannelMessage {
    /// On which channel.
    #[n(0)]
    pub channel_id: ChannelId,
    /// How the channel came to be; absent once it was answered.
    #[n(1)]
    pub handshake: Option<HandshakeHeader>,
    /// The ratchet's message.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub message: Vec<u8>,
}

impl ChannelMessage {
    /// Reads what was in an envelope's seal.
    ///
    /// # Errors
    /// [`ChannelError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, ChannelError> {
        minicbor::decode(bytes).map_err(|_| ChannelError::Form)
    }

    /// What goes into an envelope's seal.
    pub fn to_cbor(&self) -> Vec<u8> {
        to_cbor(self)
    }
}

/// This device, with its secret.
#[derive(Debug, Clone)]
pub struct OwnDevice<'a> {
    /// What others know of it.
    pub party: &'a Party,
    /// Its device secret.
    pub secret: &'a ExchangeSecret,
}

/// The secrets of the prekeys that a handshake's header names.
#[derive(Debug, Clone)]
pub struct PrekeySecrets<'a> {
    /// The signed prekey's id and secret.
    pub signed: (u32, &'a ExchangeSecret),
    /// The one-time prekey's id and secret, where the header names one. It is destroyed once the
    /// channel has been accepted.
    pub one_time: Option<(u32, &'a ExchangeSecret)>,
}

/// Why a channel message was refused. The state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// Not a channel message.
    #[error("not a channel message")]
    Form,
    /// A public key is of low order.
    #[error("a public key is of low order")]
    LowOrder,
    /// The channel, its handshake or its prekeys are not those that the message names.
    #[error("a channel message is of another channel")]
    Mismatch,
    /// The ratchet refused it.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
}

impl From<LowOrder> for ChannelError {
    fn from(_: LowOrder) -> Self {
        Self::LowOrder
    }
}

impl Channel {
    /// Begins a channel to a device, with prekeys that were checked before.
    ///
    /// # Errors
    /// [`LowOrder`].
    pub fn initiate(
        rng: &mut dyn CryptoRng,
        own: &OwnDevice<'_>,
        peer: &Party,
        signed_prekey: &SignedPrekey,
        one_time_prekey: Option<&OneTimePrekey>,
    ) -> Result<Self, LowOrder> {
        let mut id = Bytes([0; 16]);
        rng.fill_bytes(&mut id.0);
        let (root, handshake) =
            handshake::initiate(rng, own.party, own.secret, peer, signed_prekey, one_time_prekey)?;
        let ratchet = Ratchet::initiate(rng, &root, &signed_prekey.public_key)?;
        let responder = peer.clone();
        Ok(Self { id, handshake, responder, initiated_here: true, answered: false, ratchet })
    }

    /// Takes up a channel that another device began. The caller has made sure that no handshake with
    /// this base key was taken for this signed prekey before, and remembers it from here on.
    ///
    /// Who is at the other end is proved by what the message holds: a session key with the sender's
    /// certificate and list, see [`crate::session_key::SessionKeyPayload::check`].
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn accept(
        rng: &mut dyn CryptoRng,
        own: &OwnDevice<'_>,
        prekeys: &PrekeySecrets<'_>,
        message: &ChannelMessage,
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), ChannelError> {
        let header = message.handshake.as_ref().ok_or(ChannelError::Form)?;
        let (signed_id, signed) = prekeys.signed;
        let one_time_id = prekeys.one_time.map(|(id, _)| id);
        if header.signed_prekey_id != signed_id || header.one_time_prekey_id != one_time_id {
            return Err(ChannelError::Mismatch);
        }
        let one_time = prekeys.one_time.map(|(_, secret)| secret);
        let root = handshake::respond(own.secret, signed, one_time, header)?;
        let ad = handshake::associated_data(&message.channel_id, header, own.party);
        let (ratchet, payload) = Ratchet::accept(rng, &root, signed, &message.message, &ad, now)?;
        let (id, handshake) = (message.channel_id, header.clone());
        let responder = own.party.clone();
        let channel =
            Self { id, handshake, responder, initiated_here: false, answered: true, ratchet };
        Ok((channel, payload))
    }

    /// Encrypts a payload: the next state, and what goes into the envelope's seal.
    pub fn encrypt(&self, rng: &mut dyn CryptoRng, payload: &[u8]) -> (Self, ChannelMessage) {
        let (ratchet, message) = self.ratchet.encrypt(rng, payload, &self.associated_data());
        let handshake = (!self.answered).then(|| self.handshake.clone());
        let message = ChannelMessage { channel_id: self.id, handshake, message };
        (Self { ratchet, ..self.clone() }, message)
    }

    /// Decrypts a message of this channel: the next state, which counts as answered, and the
    /// payload.
    ///
    /// # Errors
    /// [`ChannelError`]; the state is as it was.
    pub fn decrypt(
        &self,
        rng: &mut dyn CryptoRng,
        message: &ChannelMessage,
        now: UnixTime,
    ) -> Result<(Self, Zeroizing<Vec<u8>>), ChannelError> {
        let other_handshake = message
            .handshake
            .as_ref()
            .is_some_and(|header| self.initiated_here || *header != self.handshake);
        if message.channel_id != self.id || other_handshake {
            return Err(ChannelError::Mismatch);
        }
        let ad = self.associated_data();
        let (ratchet, payload) = self.ratchet.decrypt(rng, &message.message, &ad, now)?;
        Ok((Self { ratchet, answered: true, ..self.clone() }, payload))
    }

    /// The channel's name.
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// The device at the other end.
    pub fn peer(&self) -> &Party {
        if self.initiated_here { &self.responder } else { &self.handshake.initiator }
    }

    /// The device at this end, as the channel knows it.
    pub fn own(&self) -> &Party {
        if self.initiated_here { &self.handshake.initiator } else { &self.responder }
    }

    /// Whether the other end has been heard on it.
    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// How it came to be.
    pub fn handshake(&self) -> &HandshakeHeader {
        &self.handshake
    }

    fn associated_data(&self) -> Vec<u8> {
        handshake::associated_data(&self.id, &self.handshake, &self.responder)
    }
}
