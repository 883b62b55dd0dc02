//! The digest by which a device learns whether the server serves what the device published.

use crate::device_list;
use crate::encoding::Transcript;
use crate::types::{Bytes, DeviceId, Key};
use crate::wire::{SignedDeviceList, SignedMessagingKey, SignedPrekey};
use sha2::{Digest, Sha256};

/// SHA-256 over what a look-up would be answered for this device, one-time prekeys excepted: they
/// are handed out one by one.
pub fn key_check_digest(
    identity_key: &Key,
    list: &SignedDeviceList,
    messaging_key: &SignedMessagingKey,
    device_id: &DeviceId,
    prekey: &SignedPrekey,
) -> Key {
    let transcript = Transcript::new("letterbox/2 key check")
        .field(&identity_key.0)
        .field(&device_list::transcript(list))
        .field(&list.signature.0)
        .field(&messaging_key.public_key.0)
        .u64(messaging_key.key_version.into())
        .time(messaging_key.created_at)
        .field(&messaging_key.signature.0)
        .field(&device_id.0)
        .u64(prekey.key_id.into())
        .field(&prekey.public_key.0)
        .time(prekey.created_at)
        .field(&prekey.signature.0)
        .finish();
    Bytes(Sha256::digest(transcript).into())
}
