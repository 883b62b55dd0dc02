//! Request bodies: read whole within a size and a time, then parsed into a type that cannot be
//! wrong. A field that does not hold is named, and its value is not repeated.

use crate::{app::App, error::Error};
use axum::{
    body::Bytes,
    extract::{FromRef, FromRequest, OptionalFromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// A JSON body, in a request or in an answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    App: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            return Err(Error::NotJson);
        }
        let body = read(request, &App::from_ref(state)).await?;
        parse(&body).map(Self)
    }
}

/// A body that may be left out, content type and all.
impl<S, T> OptionalFromRequest<S> for Json<T>
where
    S: Send + Sync,
    App: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Error> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

/// A success without a body.
pub(crate) const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

/// Reads the whole body, no larger and no slower than the settings allow.
pub(crate) async fn read(request: Request, app: &App) -> Result<Bytes, Error> {
    let limit = usize::try_from(app.config.body_bytes).unwrap_or(usize::MAX);
    let whole = Limited::new(request.into_body(), limit).collect();
    let time = Duration::from_secs(app.config.body_seconds.into());
    match tokio::time::timeout(time, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
        Ok(Err(_)) => Err(Error::Malformed { field: None, why: "The body broke off.".into() }),
        Err(_) => Err(Error::TooSlow),
    }
}

/// Whether the content type is JSON, whatever its parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Parses a body. The error names the field by its path in the interface.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(refused)?;
    deserializer.end().map_err(|_| not_json())?;
    Ok(parsed)
}

/// Parses a body that was read as any JSON before.
pub(crate) fn from_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(refused)
}

fn refused(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().to_string();
    let inner = error.into_inner();
    if inner.is_data() {
        Error::Malformed { field: named(&path, &inner), why: reason(&inner).to_owned() }
    } else {
        not_json()
    }
}

fn not_json() -> Error {
    Error::Malformed { field: None, why: "The body is not JSON.".into() }
}

/// The name of the field at fault. A missing field stands in the message and not in the path. What
/// does not look like a name of the interface is the client's own text and is not repeated.
fn named(path: &str, error: &serde_json::Error) -> Option<String> {
    let message = error.to_string();
    if message.starts_with("unknown field") {
        return Some("body".into());
    }
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let path = match (path, missing) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (".", None) => "body".to_owned(),
        (path, None) => path.to_owned(),
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.[]".contains(&b);
    (path.len() <= 80 && path.bytes().all(plain)).then_some(path).or(Some("body".into()))
}

/// Why, in words that hold no value: serde's own messages repeat what they found.
fn reason(error: &serde_json::Error) -> &'static str {
    let message = error.to_string();
    if message.starts_with("missing field") {
        "This field is missing."
    } else if message.starts_with("unknown field") {
        "The body has a field that does not belong there."
    } else if message.starts_with("a phone number") {
        "A phone number is written like +4915112345678: a plus sign, then 7 to 15 digits."
    } else if message.contains("base64url") {
        "This field is unpadded base64url of a fixed length."
    } else {
        "This field does not have the form that the interface describes."
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use letterbox_protocol::wire::{CheckKeys, EnvelopeAcks, Lookup};

    fn problem<T: DeserializeOwned + std::fmt::Debug>(body: &str) -> (String, u16) {
        let problem = parse::<T>(body.as_bytes()).unwrap_err().problem();
        assert!(!problem.title.contains("7773"), "{}", problem.title);
        (problem.field.unwrap_or_default(), problem.status)
    }

    #[test]
    fn names_the_field_and_not_its_value() {
        assert_eq!(
            problem::<Lookup>(r#"{"phone":"7773337","prekeys":"all"}"#),
            ("phone".into(), 422)
        );
        assert_eq!(
            problem::<Lookup>(r#"{"phone":7773337,"prekeys":"all"}"#),
            ("phone".into(), 422)
        );
        assert_eq!(problem::<Lookup>(r#"{"prekeys":"all"}"#), ("phone".into(), 422));
        assert_eq!(
            problem::<Lookup>(r#"{"phone":"+7773337773","prekeys":{"devices":["7773"]}}"#).1,
            422
        );
        assert_eq!(
            problem::<EnvelopeAcks>(r#"{"session_key_ids":["7773"]}"#),
            ("session_key_ids[0]".into(), 422)
        );
        let (field, status) = problem::<CheckKeys>(r#"{"+7773337773":1}"#);
        assert_eq!((field.as_str(), status), ("body", 422));
    }

    #[test]
    fn text_that_is_not_json_has_no_field() {
        for body in ["", "{", "[1] 2", "\u{feff}{}"] {
            let error = parse::<serde_json::Value>(body.as_bytes()).unwrap_err();
            assert_eq!(error.problem().field, None, "{body}");
            assert_eq!(error.problem().status, 400);
        }
    }
}
