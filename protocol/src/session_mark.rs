//! Marks on session ids, by which a recipient knows whose a session is whose key never arrived.
//!
//! A letter's seal names its session and nobody. Where the session's envelope is lost, or does not
//! open, only its sender can send the letters again, and has to be asked. So half of each session id is
//! random and the other half a MAC over it, under a key that only the two identities' owners can
//! derive. To everybody else, whoever holds the messaging key included, the id is random.

use crate::encoding::Transcript;
use crate::kdf::{hkdf, mac};
use crate::keys::IdentitySecret;
use crate::secret::Secret;
use crate::session_key::SessionId;
use crate::types::{Bytes, Key};
use rand::CryptoRng;
use subtle::ConstantTimeEq;

/// The key for sessions from one identity to another: 32 bytes.
#[derive(Clone)]
pub struct SessionMark(Secret);

const HALF: usize = 8;

impl SessionMark {
    /// For sessions that this identity begins. `None` where the other key is no key, or of low order.
    pub fn to(own: &IdentitySecret, recipient: &Key) -> Option<Self> {
        Self::derive(own, recipient, &own.public(), recipient)
    }

    /// For sessions that the other identity begins. `None` as with [`Self::to`].
    pub fn from(own: &IdentitySecret, sender: &Key) -> Option<Self> {
        Self::derive(own, sender, sender, &own.public())
    }

    fn derive(own: &IdentitySecret, other: &Key, from: &Key, to: &Key) -> Option<Self> {
        let shared = own.agree(other)?;
        let info = Transcript::new("letterbox/2 session mark").field(&from.0).field(&to.0);
        Some(Self(Secret::from_bytes(*hkdf::<32>(&[], shared.expose(), &info.finish()))))
    }

    /// Draws a session id: 8 random bytes, and the first 8 of their HMAC-SHA-256.
    pub fn draw(&self, rng: &mut dyn CryptoRng) -> SessionId {
        let random: Bytes<HALF> = Bytes::random(&mut &mut *rng);
        let mut id = [0; 2 * HALF];
        id[..HALF].copy_from_slice(&random.0);
        id[HALF..].copy_from_slice(&self.half(&random.0));
        Bytes(id)
    }

    /// Whether a session id was drawn with this key.
    pub fn is_on(&self, id: &SessionId) -> bool {
        let (random, half) = id.0.split_at(HALF);
        self.half(random).ct_eq(half).into()
    }

    fn half(&self, random: &[u8]) -> [u8; HALF] {
        let mut half = [0; HALF];
        half.copy_from_slice(&mac(&self.0, random)[..HALF]);
        half
    }
}

impl std::fmt::Debug for SessionMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionMark(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    #[test]
    fn both_ends_know_a_session_by_its_mark_and_nobody_else_does() {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let [ann, bob, eve] = std::array::from_fn(|_| IdentitySecret::generate(&mut rng));
        let id = SessionMark::to(&ann, &bob.public()).unwrap().draw(&mut rng);
        assert!(SessionMark::from(&bob, &ann.public()).unwrap().is_on(&id));
        // The other direction, and other people.
        assert!(!SessionMark::to(&bob, &ann.public()).unwrap().is_on(&id));
        assert!(!SessionMark::from(&ann, &bob.public()).unwrap().is_on(&id));
        assert!(!SessionMark::from(&bob, &eve.public()).unwrap().is_on(&id));
        assert!(!SessionMark::from(&eve, &ann.public()).unwrap().is_on(&id));
    }

    #[test]
    fn ones_own_devices_mark_sessions_for_each_other() {
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let own = IdentitySecret::generate(&mut rng);
        let id = SessionMark::to(&own, &own.public()).unwrap().draw(&mut rng);
        assert!(SessionMark::from(&own, &own.public()).unwrap().is_on(&id));
    }

    #[test]
    fn a_key_of_low_order_marks_nothing() {
        let own = IdentitySecret::from_bytes([1; 32]);
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert!(SessionMark::to(&own, &Bytes(neutral)).is_none());
    }
}
