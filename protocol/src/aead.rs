//! AES-256-GCM (NIST SP 800-38D) with a random nonce carried in front of the ciphertext.
//!
//! Every key here encrypts one message. The nonce is random all the same, so that a profile
//! restored from a backup, which takes the same key again, does not take the same nonce again.

use crate::secret::Secret;
use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use rand::CryptoRng;
use zeroize::Zeroizing;

/// Nonce and tag: what encryption adds.
pub(crate) const OVERHEAD: usize = 28;
const NONCE: usize = 12;

/// Encrypts: nonce (12 bytes, drawn), ciphertext, tag (16 bytes).
#[allow(clippy::expect_used, reason = "AES-GCM only fails beyond 64 GiB")]
pub(crate) fn encrypt(
    rng: &mut dyn CryptoRng,
    key: &Secret,
    aad: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut nonce = [0; NONCE];
    rng.fill_bytes(&mut nonce);
    let payload = Payload { msg: plaintext, aad };
    let sealed =
        cipher(key).encrypt(&nonce.into(), payload).expect("a message is far below 64 GiB");
    [&nonce[..], &sealed].concat()
}

/// Decrypts; `None` when anything was changed.
pub(crate) fn decrypt(key: &Secret, aad: &[u8], message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = message.split_first_chunk::<NONCE>()?;
    let payload = Payload { msg: sealed, aad };
    cipher(key).decrypt(&(*nonce).into(), payload).ok().map(Zeroizing::new)
}

fn cipher(key: &Secret) -> Aes256Gcm {
    Aes256Gcm::new(key.expose().into())
}
