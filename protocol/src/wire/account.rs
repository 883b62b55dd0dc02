//! The account as a whole: recovery, the waiting period, and what a device is told of both.

use super::devices::SiblingKeys;
use super::keys::{OneTimePrekey, SignedDeviceList, SignedMessagingKey, SignedPrekey};
use super::sealed::KeyBundle;
use crate::types::{Blob, DeviceId, Phone, UnixTime};
use serde::{Deserialize, Serialize};

/// A recovery capsule's size in bytes.
pub const CAPSULE_SIZE: usize = 1_024;

wire! {
    /// `GET /v1/recovery-capsule`, in a passkey session: what a browser whose storage is gone needs.
    answer struct RecoveryInfo {
        /// The account's number.
        phone: Phone,
        /// The device whose passkey signed in.
        device_id: DeviceId,
        /// Its capsule, exactly [`CAPSULE_SIZE`] bytes.
        capsule: Option<Blob>,
        /// Its sealed name.
        encrypted_name: Blob,
        /// The account's keys as senders see them, without one-time prekeys.
        bundle: KeyBundle,
        /// The highest one-time prekey id that this device ever published.
        last_one_time_key_id: u32,
        /// This device's counter.
        key_rotation_counter: u64,
    }
}

wire! {
    /// `PUT /v1/recovery-capsule`.
    request struct PutCapsule {
        /// Exactly [`CAPSULE_SIZE`] bytes.
        capsule: Blob,
    }
}

wire! {
    /// `POST /v1/recovery`, in a passkey session, with a touch: the device begins anew under its
    /// name. Its old prekeys and envelopes go.
    request struct RecoverDevice {
        /// The next version: the same devices, this one with another registration id and device
        /// key.
        device_list: SignedDeviceList,
        /// Under the next key version.
        messaging_key: SignedMessagingKey,
        /// Under the next key id.
        signed_prekey: SignedPrekey,
        /// At most 100, with ids above every earlier one.
        one_time_prekeys: Vec<OneTimePrekey>,
        /// The messaging secret for the siblings.
        wraps: Option<SiblingKeys>,
    }
}

wire! {
    /// A waiting period, before an account begins anew without any of its passkeys.
    answer struct Reset {
        /// How it stands.
        state: ResetState,
        /// An hour.
        begun_at: UnixTime,
        /// An hour: when the account can begin anew, or another try becomes possible.
        ends_at: UnixTime,
    }
}

/// How a waiting period stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResetState {
    /// The devices are told, and can cancel it.
    Waiting,
    /// A device cancelled it; no other can begin before its end.
    Blocked,
    /// Over: the account can begin anew.
    Ready,
}
