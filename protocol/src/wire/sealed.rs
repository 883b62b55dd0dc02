//! The sealed half: look-ups, letters, ephemeral keys.

use super::keys::{OneTimePrekey, SignedDeviceList, SignedMessagingKey, SignedPrekey};
use crate::types::{Blob, Bytes, DeviceId, Key, MessageId, Phone, SessionLabel};
use serde::{Deserialize, Serialize};

wire! {
    /// `POST /v1/sealed/lookup`.
    request struct Lookup {
        /// Whose keys.
        phone: Phone,
        /// For which devices one-time prekeys are wanted.
        prekeys: WantedPrekeys,
    }
}

/// For which devices one-time prekeys are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WantedPrekeys {
    /// For all of them.
    All,
    /// For these only; may be empty.
    Devices(Vec<DeviceId>),
}

wire! {
    /// A person's public keys.
    answer struct KeyBundle {
        /// Ed25519.
        identity_key: Key,
        /// Letters are sealed to it.
        messaging_key: SignedMessagingKey,
        /// Whose `devices` name every device below.
        device_list: SignedDeviceList,
        /// One entry a listed device.
        prekeys: Vec<DevicePrekeys>,
    }
}

wire! {
    /// One device's prekeys.
    answer struct DevicePrekeys {
        /// Whose.
        device_id: DeviceId,
        /// Its active signed prekey.
        signed_prekey: SignedPrekey,
        /// One, where it was asked for and one was left.
        one_time_prekey: Option<OneTimePrekey>,
    }
}

wire! {
    /// `POST /v1/sealed/messages`: one letter for one mailbox.
    request struct SealedMessage {
        /// Whose mailbox.
        destination: Phone,
        /// The version of the device list that the letter was made for.
        list_version: u64,
        /// Drawn by the sender.
        message_id: MessageId,
        /// Days until the letter expires: 1, 7 or 30.
        expiry_days: u8,
        /// Exactly 1, 2, 4, 8, 16, 32 or 64 KiB.
        encrypted_content: Blob,
        /// The session's envelopes, when the session is new.
        session_keys: Option<SessionKeyUpload>,
    }
}

wire! {
    /// One session key for every device that is not dormant.
    request struct SessionKeyUpload {
        /// A random label.
        session_key_id: SessionLabel,
        /// One a device.
        envelopes: Vec<Envelope>,
    }
}

wire! {
    /// A session key for one device.
    request struct Envelope {
        /// Whose.
        device_id: DeviceId,
        /// Exactly 2 KiB.
        encrypted_session_key: Blob,
    }
}

wire! {
    /// `POST /v1/sealed/ephemeral-keys`: opens a live re-keying. The row names no session and no
    /// peer, and goes after five minutes at most.
    request struct SealedEphemeralKey {
        /// Whose mailbox.
        destination: Phone,
        /// Drawn by the sender.
        key_exchange_id: KeyExchangeId,
        /// X25519, not of low order.
        ephemeral_public_key: Key,
    }
}

/// A live re-keying's random id.
pub type KeyExchangeId = Bytes<16>;

wire! {
    /// `GET /v1/ephemeral-keys`.
    answer struct EphemeralKeys {
        /// Those of this mailbox that have not expired.
        keys: Vec<EphemeralKey>,
    }
}

wire! {
    /// A live re-keying that waits for one of the mailbox's devices. The one that gets `204` from
    /// `POST /v1/ephemeral-keys/{key_exchange_id}/claim` has it.
    answer struct EphemeralKey {
        /// Which.
        key_exchange_id: KeyExchangeId,
        /// X25519.
        ephemeral_public_key: Key,
        /// Whether a device has claimed it.
        used: bool,
    }
}
