//! Errors, and the stable names of those that a client acts upon.

use serde::{Deserialize, Serialize};

/// An error body, `application/problem+json` (RFC 9457). `kind` is the stable `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable name like `/problems/stale-device-list`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a person can do about it.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The field at fault, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// The `type` of every problem that a client acts upon.
pub mod problems {
    /// `409` on a send: look up again and make a new session.
    pub const STALE_DEVICE_LIST: &str = "/problems/stale-device-list";
    /// `401`: no passkey session.
    pub const SIGN_IN_REQUIRED: &str = "/problems/sign-in-required";
    /// `403`: the session has not proved the device key.
    pub const DEVICE_SESSION_REQUIRED: &str = "/problems/device-session-required";
    /// `401` on the sealed half: the token is not good.
    pub const TOKEN_REFUSED: &str = "/problems/token-refused";
    /// `404` on the sealed half: no such mailbox.
    pub const NO_SUCH_MAILBOX: &str = "/problems/no-such-mailbox";
    /// `507`: the mailbox is full.
    pub const MAILBOX_FULL: &str = "/problems/mailbox-full";
    /// `429`: too many tries; `Retry-After` says when.
    pub const TOO_MANY_REQUESTS: &str = "/problems/too-many-requests";
    /// `409` on a write of keys: the server holds a newer state.
    pub const STALE_KEYS: &str = "/problems/stale-keys";
    /// `409`: the number has an account by now.
    pub const PHONE_TAKEN: &str = "/problems/phone-taken";
    /// `400` or `422`: the body is not what the endpoint takes.
    pub const BAD_REQUEST: &str = "/problems/bad-request";
    /// `400` on the sealed half: the request carries a cookie or a session.
    pub const IDENTITY_ON_SEALED_REQUEST: &str = "/problems/identity-on-sealed-request";
    /// `422`: the code is wrong, or void after its time or too many tries: ask for a new one.
    pub const CODE_REFUSED: &str = "/problems/code-refused";
    /// `503`: no text message can be sent now: the day's are used up, or the gateway is behind.
    pub const SMS_UNAVAILABLE: &str = "/problems/sms-unavailable";
    /// `400`: the session holds no challenge, or an older one: start again.
    pub const NO_CHALLENGE: &str = "/problems/no-challenge";
    /// `401`: the passkey's answer does not hold, or its credential is not known here.
    pub const PASSKEY_REFUSED: &str = "/problems/passkey-refused";
    /// `400`: the body holds a PRF result, which must never leave the device.
    pub const SECRET_IN_REQUEST: &str = "/problems/secret-in-request";
    /// `403`: the request comes from another origin, or from none.
    pub const FOREIGN_ORIGIN: &str = "/problems/foreign-origin";
    /// `403`: this needs a passkey touch for this very request.
    pub const TOUCH_REQUIRED: &str = "/problems/touch-required";
    /// `409`: another device has claimed this re-keying.
    pub const ALREADY_CLAIMED: &str = "/problems/already-claimed";
    /// `409` on the sealed half: another re-keying has this id: draw another.
    pub const EXCHANGE_TAKEN: &str = "/problems/exchange-taken";
    /// `410`: the offer to link has ended, or its tries are used up.
    pub const LINK_ENDED: &str = "/problems/link-ended";
    /// `409`: the account has as many devices as it may.
    pub const TOO_MANY_DEVICES: &str = "/problems/too-many-devices";
    /// `409`: the device had its tokens today, in another batch.
    pub const TOKENS_ISSUED: &str = "/problems/tokens-issued";
    /// `422`: the batch is blinded for an issuer key that does not issue now.
    pub const UNKNOWN_ISSUER_KEY: &str = "/problems/unknown-issuer-key";
    /// `404`: there is nothing at this path.
    pub const NOT_FOUND: &str = "/problems/not-found";
    /// `405`: the path does not take this method.
    pub const METHOD_NOT_ALLOWED: &str = "/problems/method-not-allowed";
    /// `408`: the body did not come in time.
    pub const TOO_SLOW: &str = "/problems/too-slow";
    /// `413`: the body is larger than the server takes.
    pub const TOO_LARGE: &str = "/problems/too-large";
    /// `415`: the body is not `application/json`.
    pub const NOT_JSON: &str = "/problems/not-json";
    /// `500` or `503`: not the client's fault; the same request may succeed later.
    pub const SERVER_TROUBLE: &str = "/problems/server-trouble";
}
