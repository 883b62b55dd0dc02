//! What a step asks of the host.

#[cfg(doc)]
use super::Input;
use super::{Event, Millis, RequestId};
use serde::Serialize;

/// What one step asks of the host, to be done in this order: commit `writes` in one transaction;
/// then send `requests` and `frames`; then show `events`.
///
/// If the commit fails, nothing may leave: the host drops the engine and opens it anew from the
/// vault.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Records to put or delete, in order.
    pub writes: Vec<Write>,
    /// Requests to send. Those that change something at the server are in `writes` as well, so
    /// that [`Input::Resume`] brings the same bytes out again after a crash.
    pub requests: Vec<Request>,
    /// Text frames for the live socket. Dropped where none is open.
    pub frames: Vec<String>,
    /// For the person.
    pub events: Vec<Event>,
    /// When to step with [`Input::Tick`] at the latest.
    pub wake_at: Option<Millis>,
}

/// A change to one record; or, where the key ends in `/` and there is no value, the deletion of
/// every record whose key begins with it (see [`Write::is_prefix`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    /// The record's key: a path like `session/…` without any phone number or name in it.
    pub key: String,
    /// What to put there; `None` deletes.
    pub value: Option<Vec<u8>>,
}

impl Write {
    /// Whether this deletes every record whose key begins with `key`. Only letters are ever
    /// deleted so (`letter/<contact>/`), because only the host knows all of their keys.
    pub fn is_prefix(&self) -> bool {
        self.value.is_none() && self.key.ends_with('/')
    }
}

/// The prefix of letter records: `letter/<contact>/<time>-<sealed time>-<letter id>`, the times
/// (held within the hour of storing, and as it was sealed) as 16 hex digits each, so
/// that key order within a contact is the thread's order. The engine only ever writes them; the
/// host reads them by page and must not hand them to [`Engine::open`](crate::engine::Engine::open).
pub const LETTER_PREFIX: &str = "letter/";

/// An HTTP request to send.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Comes back with the answer.
    pub id: RequestId,
    /// With the session's cookie, or without anything that identifies.
    pub half: Half,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: &'static str,
    /// Path and query, beginning with `/v1/`.
    pub path: String,
    /// The `Authorization` header of a sealed request.
    pub authorization: Option<String>,
    /// The JSON body, byte for byte.
    pub body: Option<String>,
    /// The person has to touch the passkey for this very request: the host asks `POST /v1/touch` with
    /// [`crate::touch::touch_digest`] of it, and sends the assertion in
    /// [`crate::wire::TOUCH_HEADER`]. A touch that is declined is [`Input::TouchDeclined`]. Requests
    /// that come out at [`Input::Resume`] may be asked for again.
    pub touch: bool,
}

/// Which half of the server a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// With the session cookie.
    Account,
    /// Without cookie and referrer, on a connection of its own.
    Sealed,
}
