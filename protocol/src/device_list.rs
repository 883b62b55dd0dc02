//! The signed device list: which devices a person has, and nothing slipped in or taken back.

use crate::encoding::Transcript;
use crate::keys::{BadSignature, IdentitySecret, verify};
use crate::limits::{CLOCK_SKEW, DEVICES, LIST_REFUSED};
use crate::order::put_in_order;
use crate::types::{DeviceId, Key, Phone, UnixTime};
use crate::wire::{ListedDevice, SUITE, SignedDeviceList};
use sha2::{Digest, Sha256};

/// Makes device lists.
pub struct DeviceList;

impl DeviceList {
    /// Signs a list. The devices are put in the order of their ids, the time is held to its hour.
    pub fn sign(
        identity: &IdentitySecret,
        phone: &Phone,
        version: u64,
        signed_at: UnixTime,
        messaging_key: &Key,
        mut devices: Vec<ListedDevice>,
    ) -> SignedDeviceList {
        put_in_order(&mut devices, |device| device.device_id);
        let mut list = SignedDeviceList {
            suite: SUITE,
            phone: phone.clone(),
            version,
            signed_at: signed_at.hour(),
            messaging_key: *messaging_key,
            devices,
            signature: crate::types::Bytes([0; 64]),
        };
        list.signature = identity.sign(&transcript(&list));
        list
    }
}

/// A list that held at the moment it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedList(SignedDeviceList);

impl VerifiedList {
    /// The version.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// SHA-256 of the signed transcript.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }

    /// All devices, ordered by id.
    pub fn devices(&self) -> &[ListedDevice] {
        &self.0.devices
    }

    /// One device.
    pub fn device(&self, id: &DeviceId) -> Option<&ListedDevice> {
        self.0.devices.iter().find(|device| device.device_id == *id)
    }

    /// The list as it was signed.
    pub fn signed(&self) -> &SignedDeviceList {
        &self.0
    }
}

/// Checks a list that is `phone`'s word at the time `now`.
///
/// `at_least_version` is the highest version seen under this identity so far, or 0.
///
/// # Errors
/// The first check that fails, in the order of [`ListError`].
pub fn check(
    list: &SignedDeviceList,
    identity: &Key,
    phone: &Phone,
    now: UnixTime,
    at_least_version: u64,
) -> Result<VerifiedList, ListError> {
    let list = check_undated(list, identity, phone)?;
    if now.since(list.0.signed_at) > LIST_REFUSED {
        return Err(ListError::Old);
    }
    if list.0.signed_at.since(now) > CLOCK_SKEW {
        return Err(ListError::Ahead);
    }
    if list.0.version < at_least_version {
        return Err(ListError::RolledBack);
    }
    Ok(list)
}

/// Checks everything but age and version: for a list that was fresh when it was first seen.
///
/// # Errors
/// The first check that fails, in the order of [`ListError`].
pub fn check_undated(
    list: &SignedDeviceList,
    identity: &Key,
    phone: &Phone,
) -> Result<VerifiedList, ListError> {
    if list.suite != SUITE {
        return Err(ListError::Suite(list.suite));
    }
    verify(identity, &transcript(list), &list.signature)
        .map_err(|BadSignature| ListError::Signature)?;
    if list.phone != *phone {
        return Err(ListError::Owner);
    }
    let ordered = list.devices.is_sorted_by(|a, b| a.device_id < b.device_id);
    if list.devices.is_empty() || list.devices.len() > DEVICES || !ordered {
        return Err(ListError::Devices);
    }
    if list.version == 0 || list.signed_at != list.signed_at.hour() {
        return Err(ListError::Form);
    }
    if list.devices.iter().any(|device| device.registration_id >= 1 << 31) {
        return Err(ListError::Form);
    }
    Ok(VerifiedList(list.clone()))
}

/// Why a device list was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Another suite: 1 is the legacy X448 suite, 3 is kept for a post-quantum one.
    #[error("the device list is of suite {0}, and only suite 2 is spoken here")]
    Suite(u16),
    /// Not signed by this identity.
    #[error("the device list's signature does not hold")]
    Signature,
    /// Somebody else's list.
    #[error("the device list is another phone's")]
    Owner,
    /// No device, more than eight, twice the same, or out of order.
    #[error("the device list does not name one to eight devices in order")]
    Devices,
    /// Version 0, a time that is not a whole hour, or a registration id of 2^31 or more.
    #[error("the device list is not of the right form")]
    Form,
    /// Over 14 days old.
    #[error("the device list is too old")]
    Old,
    /// More than an hour ahead of the clock.
    #[error("the device list's time is ahead")]
    Ahead,
    /// Below a version seen before.
    #[error("the device list is older than one seen before")]
    RolledBack,
}

/// SHA-256 of what a list's signature is over.
pub fn hash(list: &SignedDeviceList) -> [u8; 32] {
    Sha256::digest(transcript(list)).into()
}

/// What a list's signature is over.
pub fn transcript(list: &SignedDeviceList) -> Vec<u8> {
    let head = Transcript::new("letterbox/2 device list")
        .u64(list.suite.into())
        .phone(&list.phone)
        .u64(list.version)
        .time(list.signed_at)
        .field(&list.messaging_key.0)
        .u64(list.devices.len() as u64);
    let whole = list.devices.iter().fold(head, |transcript, device| {
        transcript
            .field(&device.device_id.0)
            .u64(device.registration_id.into())
            .field(&device.device_key.0)
    });
    whole.finish()
}
