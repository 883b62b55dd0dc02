//! One error type for every answer that is not a success, sent as `application/problem+json`
//! (RFC 9457). What goes wrong inside is logged as a kind and never sent.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use letterbox_protocol::wire::{Problem, problems};

/// What a handler answers when it does not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header, a query or a body that does not have its form. `field` is a name from the
    /// interface, never the client's text.
    #[error("malformed")]
    Malformed {
        /// The field at fault.
        field: Option<String>,
        /// What is wrong with it, without its value.
        why: String,
    },
    /// The account half without a passkey session.
    #[error("sign-in required")]
    SignInRequired,
    /// A passkey session that has not proved the device key.
    #[error("device session required")]
    DeviceSessionRequired,
    /// A change or a socket asked for from a page of another origin, or from no page at all.
    #[error("foreign origin")]
    ForeignOrigin,
    /// A sealed request that says who sends it.
    #[error("identity on a sealed request")]
    IdentityOnSealedRequest,
    /// A sealed request whose token is missing, malformed, not issued here, too old, or spent on another
    /// request.
    #[error("token refused")]
    TokenRefused,
    /// A body with a PRF result in it.
    #[error("secret in the request")]
    SecretInRequest,
    /// The code is wrong, void or too old.
    #[error("code refused")]
    CodeRefused,
    /// No text message can be sent now.
    #[error("no text messages")]
    SmsUnavailable,
    /// An answer to a challenge that this session does not hold (any more).
    #[error("no challenge")]
    NoChallenge,
    /// The passkey's answer does not hold.
    #[error("passkey refused")]
    PasskeyRefused,
    /// The request needs a passkey touch of its own, and has none that holds.
    #[error("touch required")]
    TouchRequired,
    /// The number has an account by now.
    #[error("phone taken")]
    PhoneTaken,
    /// A write of keys that does not follow on what the server holds.
    #[error("stale keys")]
    StaleKeys,
    /// A send for another device list than the current one.
    #[error("stale device list")]
    StaleDeviceList,
    /// Nobody has this number.
    #[error("no such mailbox")]
    NoSuchMailbox,
    /// The mailbox holds as much as it may.
    #[error("mailbox full")]
    MailboxFull,
    /// The device had its tokens today, in another batch.
    #[error("tokens issued")]
    TokensIssued,
    /// A batch for a key that does not issue now.
    #[error("unknown issuer key")]
    UnknownIssuerKey,
    /// Another device of the account has this re-keying.
    #[error("already claimed")]
    AlreadyClaimed,
    /// The re-keying's id is in use with another key or mailbox.
    #[error("exchange taken")]
    ExchangeTaken,
    /// No offer to link has this id, or none any more.
    #[error("link ended")]
    LinkEnded,
    /// The account would have more devices than it may.
    #[error("too many devices")]
    TooManyDevices,
    /// Asked too often.
    #[error("too many requests")]
    TooManyRequests {
        /// Seconds until it is worth another try.
        retry_after: u64,
    },
    /// No route has this path.
    #[error("not found")]
    NotFound,
    /// The path does not take this method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The body did not come in time.
    #[error("body too slow")]
    TooSlow,
    /// The body is larger than `body_bytes`.
    #[error("body too large")]
    TooLarge,
    /// The body is not `application/json`.
    #[error("not JSON")]
    NotJson,
    /// Something inside failed. The cause was logged where it became this.
    #[error("internal error")]
    Internal,
}

impl Error {
    /// A field of the interface that does not hold, and why; the answer is `422`.
    pub fn field(name: &str, why: &str) -> Self {
        Self::Malformed { field: Some(name.to_owned()), why: why.to_owned() }
    }

    /// The same, where the field is a member of another one.
    pub fn within(self, outer: &str) -> Self {
        match self {
            Self::Malformed { field: Some(inner), why } => {
                Self::Malformed { field: Some(format!("{outer}.{inner}")), why }
            }
            other => other,
        }
    }

    /// Something inside failed: logs what kind of thing, and nothing that it held.
    pub fn internal(what: &'static str) -> Self {
        tracing::error!(what, "internal error");
        Self::Internal
    }

    /// Status, stable type and title.
    fn facts(&self) -> (StatusCode, &'static str, &str) {
        use StatusCode as S;
        match self {
            Self::Malformed { field: None, why } => (S::BAD_REQUEST, problems::BAD_REQUEST, why),
            Self::Malformed { field: Some(_), why } => {
                (S::UNPROCESSABLE_ENTITY, problems::BAD_REQUEST, why)
            }
            Self::SignInRequired => {
                (S::UNAUTHORIZED, problems::SIGN_IN_REQUIRED, "Sign in with your passkey.")
            }
            Self::DeviceSessionRequired => (
                S::FORBIDDEN,
                problems::DEVICE_SESSION_REQUIRED,
                "This browser has yet to prove that it is the device.",
            ),
            Self::ForeignOrigin => (
                S::FORBIDDEN,
                problems::FOREIGN_ORIGIN,
                "This is only taken from the page itself. Open the page at its own address.",
            ),
            Self::IdentityOnSealedRequest => (
                S::BAD_REQUEST,
                problems::IDENTITY_ON_SEALED_REQUEST,
                "Sealed requests must not carry a cookie. Send them without credentials.",
            ),
            Self::TokenRefused => (
                S::UNAUTHORIZED,
                problems::TOKEN_REFUSED,
                "The token is not good for this request. Use a fresh one.",
            ),
            Self::SecretInRequest => (
                S::BAD_REQUEST,
                problems::SECRET_IN_REQUEST,
                "The body holds the passkey's PRF result, a secret of the device. Remove it.",
            ),
            Self::NoChallenge => (
                S::BAD_REQUEST,
                problems::NO_CHALLENGE,
                "Nothing was begun here that this could finish. Start again.",
            ),
            Self::PasskeyRefused => (
                S::UNAUTHORIZED,
                problems::PASSKEY_REFUSED,
                "The passkey was not accepted. Start again, or use another one.",
            ),
            Self::AlreadyClaimed
            | Self::ExchangeTaken
            | Self::LinkEnded
            | Self::TooManyDevices
            | Self::TokensIssued
            | Self::UnknownIssuerKey => self.device_facts(),
            _ => self.further_facts(),
        }
    }

    fn device_facts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::AlreadyClaimed => (
                S::CONFLICT,
                problems::ALREADY_CLAIMED,
                "Another device of this account has this re-keying. Leave it to that one.",
            ),
            Self::ExchangeTaken => (
                S::CONFLICT,
                problems::EXCHANGE_TAKEN,
                "Another re-keying has this id. Begin one under another id.",
            ),
            Self::TokensIssued => (
                S::CONFLICT,
                problems::TOKENS_ISSUED,
                "This device had its tokens today. There are more tomorrow.",
            ),
            Self::UnknownIssuerKey => (
                S::UNPROCESSABLE_ENTITY,
                problems::UNKNOWN_ISSUER_KEY,
                "No key that issues now is meant. Take this week's from the directory.",
            ),
            Self::LinkEnded => (
                S::GONE,
                problems::LINK_ENDED,
                "There is no such offer, or it has ended. Make a new code in the new browser.",
            ),
            _ => (
                S::CONFLICT,
                problems::TOO_MANY_DEVICES,
                "The account has eight devices, which is the most. Remove one first.",
            ),
        }
    }

    fn further_facts(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::TouchRequired => (
                S::FORBIDDEN,
                problems::TOUCH_REQUIRED,
                "This needs a touch of this device's passkey, made for this very request.",
            ),
            Self::CodeRefused => (
                S::UNPROCESSABLE_ENTITY,
                problems::CODE_REFUSED,
                "The code is wrong or no longer good. Check it, or ask for a new one.",
            ),
            Self::SmsUnavailable => (
                S::SERVICE_UNAVAILABLE,
                problems::SMS_UNAVAILABLE,
                "No text messages can be sent at the moment. Try again later.",
            ),
            Self::PhoneTaken => (
                S::CONFLICT,
                problems::PHONE_TAKEN,
                "This number has an account by now. Sign in with its passkey.",
            ),
            Self::StaleKeys => (
                S::CONFLICT,
                problems::STALE_KEYS,
                "The server holds newer keys than these follow on. Ask for the status first.",
            ),
            Self::StaleDeviceList => (
                S::CONFLICT,
                problems::STALE_DEVICE_LIST,
                "The recipient's devices have changed. Look them up again.",
            ),
            Self::NoSuchMailbox => {
                (S::NOT_FOUND, problems::NO_SUCH_MAILBOX, "Nobody has this number here.")
            }
            Self::MailboxFull => (
                S::INSUFFICIENT_STORAGE,
                problems::MAILBOX_FULL,
                "The recipient's mailbox is full. Try again later.",
            ),
            Self::TooManyRequests { .. } => {
                (S::TOO_MANY_REQUESTS, problems::TOO_MANY_REQUESTS, "Too many tries. Wait a while.")
            }
            Self::NotFound => (S::NOT_FOUND, problems::NOT_FOUND, "There is nothing here."),
            Self::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                problems::METHOD_NOT_ALLOWED,
                "This address does not take this method.",
            ),
            Self::TooSlow => {
                (S::REQUEST_TIMEOUT, problems::TOO_SLOW, "The body did not come in time.")
            }
            Self::TooLarge => (
                S::PAYLOAD_TOO_LARGE,
                problems::TOO_LARGE,
                "The body is larger than this server takes.",
            ),
            Self::NotJson => (
                S::UNSUPPORTED_MEDIA_TYPE,
                problems::NOT_JSON,
                "Send JSON, with the content type application/json.",
            ),
            _ => (
                S::INTERNAL_SERVER_ERROR,
                problems::SERVER_TROUBLE,
                "The server failed at this. Try again later.",
            ),
        }
    }

    /// The body of the answer.
    pub fn problem(&self) -> Problem {
        let (status, kind, title) = self.facts();
        let field = match self {
            Self::Malformed { field, .. } => field.clone(),
            Self::CodeRefused => Some("code".to_owned()),
            _ => None,
        };
        Problem { kind: kind.to_owned(), title: title.to_owned(), status: status.as_u16(), field }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, ..) = self.facts();
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        let headers = response.headers_mut();
        match self {
            Self::TooManyRequests { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            Self::SmsUnavailable | Self::MailboxFull => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(3_600));
            }
            // RFC 9110 section 11.6.1: a 401 says how to authenticate. There is no registered
            // scheme for a passkey session, so only the token's answer has one.
            Self::TokenRefused => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("PrivateToken"));
            }
            _ => {}
        }
        response
    }
}
