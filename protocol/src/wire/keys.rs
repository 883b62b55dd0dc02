//! A device's keys: published, renewed, rotated, counted.

use super::account::Reset;
use crate::types::{Blob, DeviceId, Key, Phone, Signature, UnixTime};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// One device in a signed list.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ListedDevice {
    /// The device's public name.
    #[n(0)]
    pub device_id: DeviceId,
    /// New whenever the device's local state begins anew; below 2^31.
    #[n(1)]
    pub registration_id: u32,
    /// The device's X25519 key.
    #[n(2)]
    pub device_key: Key,
}

impl std::fmt::Debug for ListedDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ListedDevice(…)")
    }
}

/// A person's devices, signed with the identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct SignedDeviceList {
    /// The suite of all keys in it.
    #[n(0)]
    pub suite: u16,
    /// Whose devices.
    #[n(1)]
    pub phone: Phone,
    /// Counts up by one with every change and every weekly renewal.
    #[n(2)]
    pub version: u64,
    /// When it was signed, a whole hour.
    #[n(3)]
    pub signed_at: UnixTime,
    /// The active messaging key (X25519).
    #[n(4)]
    pub messaging_key: Key,
    /// The devices, ordered by `device_id`, at least one, at most eight.
    #[n(5)]
    pub devices: Vec<ListedDevice>,
    /// Ed25519, by the identity key.
    #[n(6)]
    pub signature: Signature,
}

impl SignedDeviceList {
    /// Whether it has a device of this name.
    pub fn names(&self, device_id: &DeviceId) -> bool {
        self.devices.iter().any(|device| device.device_id == *device_id)
    }
}

wire! {
    /// The messaging key: letters are sealed to it.
    answer struct SignedMessagingKey {
        /// X25519.
        public_key: Key,
        /// Counts up by one with every rotation.
        key_version: u32,
        /// A whole hour.
        created_at: UnixTime,
        /// Ed25519, by the identity key.
        signature: Signature,
    }
}

wire! {
    /// A device's signed prekey.
    answer struct SignedPrekey {
        /// Counts up by one, by the device.
        key_id: u32,
        /// X25519.
        public_key: Key,
        /// A whole hour.
        created_at: UnixTime,
        /// Ed25519, by the identity key, over device id, key id, key and time.
        signature: Signature,
    }
}

wire! {
    /// A prekey that is used once.
    answer struct OneTimePrekey {
        /// Counts up, by the device.
        key_id: u32,
        /// X25519.
        public_key: Key,
    }
}

/// `PUT /v1/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PublishKeys {
    /// The first publication: user, credential, keys and list come to be in one transaction.
    Account(NewAccount),
    /// A later one, by a device of the account.
    Renewal(KeyRenewal),
}

wire! {
    /// Everything a new account publishes.
    request struct NewAccount {
        /// Ed25519.
        identity_key: Key,
        /// Version 1, naming one device.
        device_list: SignedDeviceList,
        /// Key version 1.
        messaging_key: SignedMessagingKey,
        /// Key id 1.
        signed_prekey: SignedPrekey,
        /// At most 100.
        one_time_prekeys: Vec<OneTimePrekey>,
        /// The device's name, sealed to the account's own devices.
        encrypted_name: Blob,
    }
}

wire! {
    /// What a device renews by itself; at least one of the two.
    request struct KeyRenewal {
        /// The list under the next version.
        device_list: Option<SignedDeviceList>,
        /// The prekey under the next key id; it retires the one before.
        signed_prekey: Option<SignedPrekey>,
    }
}

wire! {
    /// `POST /v1/keys/one-time`: more one-time prekeys.
    request struct AddOneTimePrekeys {
        /// With ids above every earlier one.
        one_time_prekeys: Vec<OneTimePrekey>,
    }
}

wire! {
    /// `GET /v1/keys/status` for this session's device.
    unprinted answer struct KeyStatus {
        /// One-time prekeys left.
        available_prekeys: u32,
        /// Fewer than 20 are left.
        needs_replenish: bool,
        /// The signed prekey is older than 7 days.
        signed_prekey_stale: bool,
        /// Whether the device has published its keys.
        has_key_bundle: bool,
        /// The active messaging key's version.
        key_version: u32,
        /// The device list's version.
        device_list_version: u64,
        /// When the device list was signed.
        device_list_signed_at: UnixTime,
        /// The newest signed prekey's id.
        signed_prekey_id: u32,
        /// The highest one-time prekey id ever published.
        last_one_time_key_id: u32,
        /// The device's registration id.
        registration_id: u32,
        /// The counter of what the device last wrapped for its siblings.
        key_rotation_counter: u64,
        /// Whether a recovery capsule lies on the server for this device.
        has_recovery_capsule: bool,
        /// A waiting period that would take the account away from its devices.
        reset: Option<Reset>,
    }
}

wire! {
    /// `POST /v1/keys/check`: does the server serve what this device published?
    request struct CheckKeys {
        /// SHA-256 over what the device believes is served, in the encoding of `docs/protocol.md`.
        digest: Key,
    }
}

wire! {
    /// The answer to a check.
    answer struct KeysChecked {
        /// Whether the digests are equal.
        matches: bool,
    }
}

wire! {
    /// `POST /v1/sender-certificate`: the server's word on who this device is.
    answer struct Certificate {
        /// The certificate in CBOR, as it goes into envelopes.
        certificate: Blob,
    }
}
