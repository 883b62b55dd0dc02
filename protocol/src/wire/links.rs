//! Linking a new browser to an account.

use super::keys::{OneTimePrekey, SignedDeviceList, SignedPrekey};
use crate::types::{Blob, Bytes, Key, UnixTime};
use serde::{Deserialize, Serialize};

/// An offer's id, derived from the code that the new browser shows.
pub type LinkId = Bytes<16>;
/// How often the digits may be tried.
pub const LINK_TRIES: usize = 3;
/// The longest offer, in bytes.
pub const LINK_OFFER_LIMIT: usize = 512;
/// The longest sealed answer, in bytes.
pub const LINK_ANSWER_LIMIT: usize = 4_096;

wire! {
    /// `POST /v1/device-links`: the new browser offers itself. No session.
    request struct OfferLink {
        /// Derived from the code.
        id: LinkId,
        /// The new device's keys under a MAC, at most [`LINK_OFFER_LIMIT`] bytes.
        offer: Blob,
    }
}

wire! {
    /// `GET /v1/device-links/{id}`, which both browsers ask again and again, and the answer to an
    /// offer.
    answer struct Link {
        /// As it was offered.
        offer: Blob,
        /// What the new browser answered to the digits so far, oldest first; at most
        /// [`LINK_TRIES`].
        proofs: Vec<Key>,
        /// The signed-in device's sealed answer.
        answer: Option<Blob>,
        /// When the offer ends, a whole minute.
        expires_at: UnixTime,
    }
}

wire! {
    /// `POST /v1/device-links/{id}/digits`, by the new browser.
    request struct LinkProof {
        /// A MAC over the offer and the digits that were typed.
        proof: Key,
    }
}

wire! {
    /// `PUT /v1/device-links/{id}`, by the signed-in device, with a touch. Nothing changes yet.
    request struct ApproveLink {
        /// SHA-256 of the offer that is meant.
        offer_hash: Key,
        /// The next version, which names the new device as well.
        device_list: SignedDeviceList,
        /// The new device's first signed prekey.
        signed_prekey: SignedPrekey,
        /// Sealed to the new device, at most [`LINK_ANSWER_LIMIT`] bytes.
        answer: Blob,
    }
}

wire! {
    /// `POST /v1/device-links/{id}/complete`, in the session that registered the new passkey:
    /// credential, keys and list in one transaction.
    request struct CompleteLink {
        /// At most 100.
        one_time_prekeys: Vec<OneTimePrekey>,
        /// The device's name, sealed to the account's devices.
        encrypted_name: Blob,
    }
}

wire! {
    /// `POST /v1/passkeys/register/start`.
    request struct RegisterPasskey {
        /// The approved link that the passkey is for; absent for a new account.
        link: Option<LinkId>,
    }
}
