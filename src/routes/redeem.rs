//! The one place where a sealed request's token is taken.

use super::body;
use crate::{app::App, db::SpentToken, error::Error};
use axum::{
    body::Bytes as Body,
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, Method, header},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox_protocol::{tokens::Token, types::Bytes};
use serde::de::DeserializeOwned;
use sha2::Sha256;

/// A sealed request: its token, which holds and is ready to be spent together with what the request
/// does, and its parsed body.
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
        // Before the body is read: who has no token can make the server keep nothing.
        let checked = app.issuers.check(&token).await?;
        if !body::is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let body = body::read(request, &app).await?;
        let token = SpentToken {
            nullifier: token.nullifier(),
            request_digest: request_digest(&token, &method, &path, &body),
            issuer_key_id: checked.issuer_key_id,
            expires_on: checked.expires_on,
        };
        Ok(Self { token, body: body::parse(&body)? })
    }
}

/// The token in `Authorization: PrivateToken token="…"` (RFC 9577 section 2.2), of which there is one.
fn token(headers: &HeaderMap) -> Result<Token, Error> {
    let mut headers = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return Err(Error::TokenRefused);
    };
    let token = header.to_str().ok().and_then(|header| Token::from_header(header).ok());
    token.ok_or(Error::TokenRefused)
}

/// Binds a token to this one request: HMAC-SHA256 under its authenticator over method, path and body,
/// with a zero byte after the first two.
fn request_digest(token: &Token, method: &Method, path: &str, body: &Body) -> Bytes<32> {
    let mut digest = [0; 32];
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(token.authenticator()) {
        for part in [method.as_str().as_bytes(), b"\0", path.as_bytes(), b"\0", body] {
            mac.update(part);
        }
        digest.copy_from_slice(&mac.finalize().into_bytes());
    }
    Bytes(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn made(n: u8) -> Token {
        (Bytes([n; 32]), Bytes([2; 32]), Bytes([3; 32]), [n; 64]).into()
    }

    #[test]
    fn exactly_one_token_comes_with_a_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(token(&headers), Err(Error::TokenRefused));
        let header = |n| HeaderValue::from_str(&made(n).to_header()).unwrap();
        headers.append(header::AUTHORIZATION, header(1));
        assert_eq!(token(&headers), Ok(made(1)));
        headers.append(header::AUTHORIZATION, header(2));
        assert_eq!(token(&headers), Err(Error::TokenRefused));
    }

    #[test]
    fn the_digest_binds_method_path_and_body() {
        let digest = |token, method, path, body: &'static [u8]| {
            request_digest(&made(token), &method, path, &Body::from_static(body))
        };
        let one = digest(1, Method::POST, "/a", b"b");
        assert_eq!(one, digest(1, Method::POST, "/a", b"b"));
        assert_ne!(one, digest(2, Method::POST, "/a", b"b"));
        assert_ne!(one, digest(1, Method::PUT, "/a", b"b"));
        assert_ne!(one, digest(1, Method::POST, "/ab", b""));
        assert_ne!(one, digest(1, Method::POST, "/a", b"c"));
    }
}
