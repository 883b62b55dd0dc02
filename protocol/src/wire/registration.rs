//! Registration and sign-in.

use super::account::Reset;
use crate::types::{Blob, DeviceId, Key, Phone};
use serde::{Deserialize, Serialize};

wire! {
    /// `POST /v1/registration`: ask for a code. The phone as a person typed it, spaces and all;
    /// numbers without a country code are refused.
    unprinted request struct StartRegistration {
        /// The phone number, `+` first.
        phone: String,
    }
}

wire! {
    /// `POST /v1/registration/verify`: prove the phone.
    unprinted request struct VerifyRegistration {
        /// The phone number, as before.
        phone: String,
        /// The six digits that were sent.
        code: String,
    }
}

wire! {
    /// What follows a proved phone number.
    answer struct Verified {
        /// The number in E.164 form.
        phone: Phone,
        /// What to do now.
        next: AfterVerification,
        /// The number's waiting period, where one was begun.
        reset: Option<Reset>,
    }
}

/// What follows a proved phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AfterVerification {
    /// The number is free, or its waiting period is over: make a passkey.
    RegisterPasskey,
    /// The number has an account, and nothing was replaced: sign in with its passkey.
    SignIn,
}

wire! {
    /// The session's account, `GET /v1/account` and the answer to a finished sign-in.
    answer struct Account {
        /// The account's phone number.
        phone: Phone,
        /// The device whose passkey signed in.
        device_id: DeviceId,
        /// Whether this session has proved the device key as well.
        device_session: bool,
    }
}

wire! {
    /// `POST /v1/device-session/start`: a challenge that only the device key opens.
    answer struct DeviceChallenge {
        /// HPKE ciphertext (RFC 9180 base mode) of 32 bytes: encapsulated key, then ciphertext.
        sealed: Blob,
    }
}

wire! {
    /// `POST /v1/device-session/finish`: the opened challenge.
    request struct DeviceAnswer {
        /// The 32 bytes that were sealed.
        opened: Key,
    }
}
