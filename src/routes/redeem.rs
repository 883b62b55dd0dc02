//! The one place where a sealed request's token is taken. Until issuers sign them, a token is 32
//! bytes that the client draws: it proves nothing, and already makes every retry safe.

use super::body;
use crate::{app::App, db::SpentToken, error::Error};
use axum::{
    body::Bytes as Body,
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, Method, header},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox_protocol::{
    types::{Bytes, DAY, UnixTime},
    wire::TOKEN_SCHEME,
};
use serde::de::DeserializeOwned;
use sha2::Sha256;

/// Days for which a spent token is remembered: longer than any client tries the same request.
const REMEMBERED: i64 = 32 * DAY;

/// A sealed request: its token, ready to be spent together with what the request does, and its
/// parsed body.
#[derive(Debug)]
pub struct Sealed<T> {
    /// The token.
    pub token: SpentToken,
    /// The body.
    pub body: T,
}

impl<S, T> FromRequest<S> for Sealed<T>
where
    S: Send + Sync,
    App: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let app = App::from_ref(state);
        let token = token(request.headers())?;
        if !body::is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = body::read(request, &app).await?;
        let token = redeem(&token, &method, &path, &body, app.clock.now());
        Ok(Self { token, body: body::parse(&body)? })
    }
}

/// The token in `Authorization: PrivateToken token="…"` (RFC 9577 section 2.2).
fn token(headers: &HeaderMap) -> Result<Bytes<32>, Error> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, parameters) =
        header.and_then(|header| header.split_once(' ')).ok_or(Error::TokenRefused)?;
    let value = parameters
        .trim()
        .strip_prefix("token=")
        .map(|value| value.trim_matches('"'))
        .filter(|_| scheme.eq_ignore_ascii_case(TOKEN_SCHEME));
    value.and_then(|value| value.parse().ok()).ok_or(Error::TokenRefused)
}

/// Binds a token to this one request: the digest is HMAC-SHA256 under the token over method, path
/// and body, with a zero byte after the first two.
fn redeem(
    token: &Bytes<32>,
    method: &Method,
    path: &str,
    body: &Body,
    now: UnixTime,
) -> SpentToken {
    let mut digest = [0; 32];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&token.0) {
        for part in [method.as_str().as_bytes(), b"\0", path.as_bytes(), b"\0", body] {
            mac.update(part);
        }
        digest.copy_from_slice(&mac.finalize().into_bytes());
    }
    SpentToken {
        nullifier: *token,
        request_digest: Bytes(digest),
        issuer_key_id: None,
        expires_on: now.plus(REMEMBERED).day_up(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_the_scheme_with_32_bytes_is_a_token() {
        let parse = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
            token(&headers).map(|token| token.0)
        };
        let good = Bytes([7; 32]);
        let text = good.to_text();
        assert_eq!(parse(&format!("PrivateToken token=\"{text}\"")), Ok(good.0));
        assert_eq!(parse(&format!("privatetoken token={text}")), Ok(good.0));
        let short = Bytes([7; 31]).to_text();
        for bad in [
            format!("Bearer {text}"),
            format!("Bearer token=\"{text}\""),
            format!("PrivateToken {text}"),
            format!("PrivateToken token=\"{short}\""),
            "PrivateToken".to_owned(),
        ] {
            assert_eq!(parse(&bad), Err(Error::TokenRefused), "{bad}");
        }
        assert_eq!(token(&HeaderMap::new()), Err(Error::TokenRefused));
    }

    #[test]
    fn the_digest_binds_method_path_and_body() {
        let digest = |token: u8, method, path, body: &'static [u8]| {
            let body = Body::from_static(body);
            redeem(&Bytes([token; 32]), &method, path, &body, UnixTime(0)).request_digest
        };
        let one = digest(1, Method::POST, "/a", b"b");
        assert_eq!(one, digest(1, Method::POST, "/a", b"b"));
        assert_ne!(one, digest(2, Method::POST, "/a", b"b"));
        assert_ne!(one, digest(1, Method::PUT, "/a", b"b"));
        assert_ne!(one, digest(1, Method::POST, "/ab", b""));
        assert_ne!(one, digest(1, Method::POST, "/a", b"c"));
    }
}
