//! Randomness in the form that the `voprf` crate takes it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand_core::{CryptoRng, RngCore, impls};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The caller's random source.
pub(super) struct Drawn<'a>(pub(super) &'a mut dyn rand::CryptoRng);

impl RngCore for Drawn<'_> {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        self.0.fill_bytes(destination);
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(destination);
        Ok(())
    }
}

impl CryptoRng for Drawn<'_> {}

/// What only the holder of a key can foretell, and always the same for the same message: HMAC-SHA-512
/// under the key over a counter and the message. A nonce that is derived so is never used for two
/// different messages, as in RFC 6979.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct Derived {
    key: [u8; 32],
    message: Vec<u8>,
    counter: u32,
}

impl Derived {
    pub(super) fn new(key: [u8; 32], label: &[u8], message: &[u8]) -> Self {
        Self { key, message: [label, message].concat(), counter: 0 }
    }

    fn block(&mut self) -> [u8; 64] {
        let mut block = [0; 64];
        if let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(&self.key) {
            mac.update(&self.counter.to_be_bytes());
            mac.update(&self.message);
            block.copy_from_slice(&mac.finalize().into_bytes());
        }
        self.counter += 1;
        block
    }
}

impl RngCore for Derived {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, destination: &mut [u8]) {
        for part in destination.chunks_mut(64) {
            let block = zeroize::Zeroizing::new(self.block());
            part.copy_from_slice(block.get(..part.len()).unwrap_or_default());
        }
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(destination);
        Ok(())
    }
}

impl CryptoRng for Derived {}
