//! The device's name as the server keeps it: readable for the account's own devices only.
//!
//! AES-256-GCM under a key that only holders of the identity secret can derive, bound to the device
//! id, padded to one length: nonce (12 bytes), ciphertext and tag.

use super::account::Account;
use super::turn::Turn;
use crate::encoding::Transcript;
use crate::types::Blob;
use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

/// The length that every name is padded to, with zeros.
const NAME_BYTES: usize = 128;

impl Turn<'_> {
    pub(super) fn seal_name(&mut self, account: &Account) -> Blob {
        let mut nonce = [0; 12];
        self.rng.fill_bytes(&mut nonce);
        let mut name = cut(&account.device_name).as_bytes().to_vec();
        name.resize(NAME_BYTES, 0);
        let aad = account.device_id.0;
        let sealed = cipher(account).and_then(|cipher| {
            cipher.encrypt(&nonce.into(), Payload { msg: &name, aad: &aad }).ok()
        });
        // Neither step can fail for these lengths; an empty name would be the outcome.
        Blob(sealed.map(|sealed| [&nonce[..], &sealed].concat()).unwrap_or_default())
    }
}

fn cipher(account: &Account) -> Option<Aes256Gcm> {
    let info = Transcript::new("letterbox/2 device name").phone(&account.phone).finish();
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha512>::new(None, account.identity.expose()).expand(&info, key.as_mut()).ok()?;
    Aes256Gcm::new_from_slice(key.as_ref()).ok()
}

/// The name as far as it fits, whole characters only.
fn cut(name: &str) -> &str {
    let ends = name.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= NAME_BYTES).last().unwrap_or(0);
    &name[..end]
}
