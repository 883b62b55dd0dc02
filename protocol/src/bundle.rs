//! A person's public keys as a look-up brings them, checked before any of them is used.

use crate::device_list::{self, ListError, VerifiedList};
use crate::keys::{verify_messaging_key, verify_prekey};
use crate::limits::{CLOCK_SKEW, SIGNED_PREKEY_REFUSED};
use crate::types::{Key, Phone, UnixTime};
use crate::wire::{
    DevicePrekeys, KeyBundle, ListedDevice, OneTimePrekey, SignedMessagingKey, SignedPrekey,
};

/// A bundle in which everything holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBundle {
    /// The identity key that signed it all.
    pub identity_key: Key,
    /// Letters are sealed to it.
    pub messaging_key: SignedMessagingKey,
    /// The device list.
    pub list: VerifiedList,
    /// One entry a listed device, in the list's order.
    pub devices: Vec<BundleDevice>,
}

/// A listed device and whether a channel can be opened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleDevice {
    /// The device.
    pub device: ListedDevice,
    /// What it offers.
    pub prekeys: Prekeys,
}

/// What a device offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prekeys {
    /// A signed prekey young enough to open a channel with.
    Active {
        /// The signed prekey.
        signed: SignedPrekey,
        /// A one-time prekey, where one was asked for and left.
        one_time: Option<OneTimePrekey>,
    },
    /// The signed prekey is over 14 days old: no new channel can be opened.
    Dormant,
}

/// Checks a bundle for `phone`.
///
/// `pinned_identity` is the key that the contact was first seen with; `at_least_version` is the
/// highest list version seen under it.
///
/// # Errors
/// The first check that fails, in the order of [`BundleError`].
pub fn check_bundle(
    bundle: &KeyBundle,
    phone: &Phone,
    pinned_identity: Option<&Key>,
    now: UnixTime,
    at_least_version: u64,
) -> Result<VerifiedBundle, BundleError> {
    let identity = &bundle.identity_key;
    if pinned_identity.is_some_and(|pinned| pinned != identity) {
        return Err(BundleError::IdentityChanged);
    }
    let list = device_list::check(&bundle.device_list, identity, phone, now, at_least_version)?;
    check_messaging_key(bundle, phone, now)?;
    let devices = check_devices(bundle, &list, now)?;
    let messaging_key = bundle.messaging_key.clone();
    Ok(VerifiedBundle { identity_key: *identity, messaging_key, list, devices })
}

fn check_messaging_key(
    bundle: &KeyBundle,
    phone: &Phone,
    now: UnixTime,
) -> Result<(), BundleError> {
    let key = &bundle.messaging_key;
    verify_messaging_key(&bundle.identity_key, phone, key)
        .map_err(|_| BundleError::MessagingKey)?;
    let listed = key.public_key == bundle.device_list.messaging_key;
    let dated = key.created_at == key.created_at.hour() && key.created_at.since(now) <= CLOCK_SKEW;
    if listed && dated { Ok(()) } else { Err(BundleError::MessagingKey) }
}

fn check_devices(
    bundle: &KeyBundle,
    list: &VerifiedList,
    now: UnixTime,
) -> Result<Vec<BundleDevice>, BundleError> {
    if bundle.prekeys.len() != list.devices().len() {
        return Err(BundleError::Devices);
    }
    let entry = |device: &ListedDevice| {
        let theirs = |prekeys: &&DevicePrekeys| prekeys.device_id == device.device_id;
        let prekeys = bundle.prekeys.iter().find(theirs).ok_or(BundleError::Devices)?;
        check_prekeys(&bundle.identity_key, device, prekeys, now)
    };
    list.devices().iter().map(entry).collect()
}

fn check_prekeys(
    identity: &Key,
    device: &ListedDevice,
    prekeys: &DevicePrekeys,
    now: UnixTime,
) -> Result<BundleDevice, BundleError> {
    let signed = &prekeys.signed_prekey;
    verify_prekey(identity, &device.device_id, signed).map_err(|_| BundleError::Prekey)?;
    if signed.created_at != signed.created_at.hour() || signed.created_at.since(now) > CLOCK_SKEW {
        return Err(BundleError::Prekey);
    }
    let dormant = now.since(signed.created_at) > SIGNED_PREKEY_REFUSED;
    let prekeys = if dormant {
        Prekeys::Dormant
    } else {
        let one_time = prekeys.one_time_prekey.clone();
        Prekeys::Active { signed: signed.clone(), one_time }
    };
    Ok(BundleDevice { device: device.clone(), prekeys })
}

/// Why a bundle was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The identity key is not the pinned one.
    #[error("the identity key is not the one seen before")]
    IdentityChanged,
    /// The device list does not hold.
    #[error(transparent)]
    List(#[from] ListError),
    /// The messaging key's signature or time does not hold, or the list names another key.
    #[error("the messaging key does not hold")]
    MessagingKey,
    /// The prekeys are not one entry for each listed device.
    #[error("the prekeys are not those of the listed devices")]
    Devices,
    /// A signed prekey's signature or time does not hold.
    #[error("a signed prekey does not hold")]
    Prekey,
}
