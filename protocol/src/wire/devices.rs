//! An account's devices: listed, renamed, revoked; the touches that such things ask for; and what a
//! device wraps for its siblings.

use super::keys::{SignedDeviceList, SignedMessagingKey, SignedPrekey};
use super::sealed::Envelope;
use crate::types::{Blob, DeviceId, Key, SessionLabel, UnixTime};
use serde::{Deserialize, Serialize};

/// The header of a request that needs a passkey touch: the WebAuthn assertion as JSON, without
/// client extension results, in unpadded base64url.
pub const TOUCH_HEADER: &str = "letterbox-touch";

wire! {
    /// `POST /v1/touch`: asks for the options of a passkey touch for one request. The touch is good
    /// for that request only, once, and for ten minutes.
    request struct StartTouch {
        /// [`crate::touch::touch_digest`] of the request that is to follow.
        digest: Key,
    }
}

wire! {
    /// `GET /v1/devices`: the account's keys as senders see them, and what only its owner sees.
    answer struct Devices {
        /// Ed25519.
        identity_key: Key,
        /// The active messaging key.
        messaging_key: SignedMessagingKey,
        /// The signed list.
        device_list: SignedDeviceList,
        /// One entry a listed device, in the list's order.
        devices: Vec<DeviceInfo>,
    }
}

wire! {
    /// What an owner sees of a device besides the signed list.
    answer struct DeviceInfo {
        /// Which.
        device_id: DeviceId,
        /// Its name, sealed to the account's devices.
        encrypted_name: Blob,
        /// The day on which it was added.
        created_on: UnixTime,
        /// The day on which it last signed in.
        last_used_on: UnixTime,
        /// Its active signed prekey.
        signed_prekey: SignedPrekey,
        /// Whether a recovery capsule lies on the server for it.
        has_recovery_capsule: bool,
    }
}

wire! {
    /// `PATCH /v1/devices/{device_id}`.
    request struct RenameDevice {
        /// The new name, sealed to the account's devices.
        encrypted_name: Blob,
    }
}

wire! {
    /// `PUT /v1/session-keys`, and part of what changes keys: envelopes that a device wraps for its
    /// siblings.
    request struct SiblingKeys {
        /// A random label.
        session_key_id: SessionLabel,
        /// The sending device's last counter + 1.
        key_rotation_counter: u64,
        /// At most one a sibling; none to itself.
        envelopes: Vec<Envelope>,
    }
}

wire! {
    /// `PUT /v1/keys/messaging`: the next messaging key, the list that names it, and its secret
    /// wrapped for the siblings, in one transaction.
    request struct RotateMessagingKey {
        /// Under the next key version.
        messaging_key: SignedMessagingKey,
        /// Under the next version; the same devices.
        device_list: SignedDeviceList,
        /// Absent where there are no siblings to wrap for.
        wraps: Option<SiblingKeys>,
    }
}

wire! {
    /// `DELETE /v1/devices/{device_id}`: the device ends, and what it knew is replaced.
    request struct RevokeDevice {
        /// A new messaging key, and a list without the device.
        rotation: RotateMessagingKey,
        /// Where the device is not in the owner's hands: another identity.
        identity: Option<ReplaceIdentity>,
    }
}

wire! {
    /// Another identity key. List and messaging key of the same request are signed with it.
    request struct ReplaceIdentity {
        /// Ed25519.
        identity_key: Key,
        /// The active signed prekey of every device that stays, signed anew: id, key and time as
        /// they were.
        signed_prekeys: Vec<ResignedPrekey>,
    }
}

wire! {
    /// A signed prekey under another identity key.
    request struct ResignedPrekey {
        /// Whose.
        device_id: DeviceId,
        /// The prekey.
        signed_prekey: SignedPrekey,
    }
}
