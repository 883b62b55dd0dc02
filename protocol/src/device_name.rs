//! The device's name as the server keeps it: readable for the account's own devices only.
//!
//! AES-256-GCM under a key that only holders of the identity secret can derive, bound to the device
//! id, padded to one length: nonce (12 bytes), ciphertext and tag (16).

use crate::aead;
use crate::encoding::Transcript;
use crate::kdf::hkdf;
use crate::keys::IdentitySecret;
use crate::secret::Secret;
use crate::types::{DeviceId, Phone};
use rand::CryptoRng;

/// The length that every name is padded to, with zeros.
pub const NAME_BYTES: usize = 128;

/// Seals a name, or as many whole characters of it as fit into 128 bytes: 156 bytes.
pub fn seal_name(
    rng: &mut dyn CryptoRng,
    identity: &IdentitySecret,
    phone: &Phone,
    device_id: &DeviceId,
    name: &str,
) -> Vec<u8> {
    let key = name_key(identity, phone);
    let mut padded = cut(name).as_bytes().to_vec();
    padded.resize(NAME_BYTES, 0);
    aead::encrypt(rng, &key, &device_id.0, &padded)
}

/// Opens a sealed name; `None` where it was not sealed under this identity for this device.
pub fn open_name(
    identity: &IdentitySecret,
    phone: &Phone,
    device_id: &DeviceId,
    sealed: &[u8],
) -> Option<String> {
    let padded = aead::decrypt(&name_key(identity, phone), &device_id.0, sealed)?;
    let name = padded.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(name.to_vec()).ok()
}

fn name_key(identity: &IdentitySecret, phone: &Phone) -> Secret {
    let info = Transcript::new("letterbox/2 device name").phone(phone).finish();
    Secret::from_bytes(*hkdf::<32>(&[], identity.expose(), &info))
}

/// The name as far as it fits, whole characters only.
fn cut(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= NAME_BYTES).last().unwrap_or(0);
    &name[..end]
}
