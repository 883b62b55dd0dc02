//! The key derivations of X3DH and the Double Ratchet: HKDF (RFC 5869) and HMAC (RFC 2104).

use crate::secret::Secret;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// HKDF-SHA-512 to `N` bytes.
#[allow(clippy::expect_used, reason = "N is 32 or 64, and HKDF-SHA-512 gives up to 16,320 bytes")]
pub(crate) fn hkdf<const N: usize>(salt: &[u8], input: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    let mut output = Zeroizing::new([0; N]);
    Hkdf::<Sha512>::new(Some(salt), input).expand(info, &mut *output).expect("N is small");
    output
}

/// KDF_CK (Double Ratchet §5.2): the next chain key, and the message key.
pub(crate) fn chain_step(chain: &Secret) -> (Secret, Secret) {
    (hmac(chain, 0x02), hmac(chain, 0x01))
}

/// KDF_RK (Double Ratchet §5.2): the next root key, and a chain key.
pub(crate) fn root_step(root: &Secret, exchanged: &Secret) -> (Secret, Secret) {
    let output = hkdf::<64>(root.expose(), exchanged.expose(), b"letterbox/2 ratchet");
    let (mut next, mut chain) = ([0; 32], [0; 32]);
    next.copy_from_slice(&output[..32]);
    chain.copy_from_slice(&output[32..]);
    (Secret::from_bytes(next), Secret::from_bytes(chain))
}

fn hmac(chain: &Secret, constant: u8) -> Secret {
    Secret::from_bytes(mac(chain, &[constant]))
}

/// HMAC-SHA-256.
#[allow(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(crate) fn mac(key: &Secret, message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).expect("any length will do");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Whether `tag` is the HMAC-SHA-256, compared in constant time.
pub(crate) fn mac_holds(key: &Secret, message: &[u8], tag: &[u8; 32]) -> bool {
    mac(key, message).ct_eq(tag).into()
}
