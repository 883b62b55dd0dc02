//! HTTP as a client of this server speaks it: the account half with a session's cookie, the sealed
//! half with nothing that identifies, on a new connection for every request.
//!
//! Plain HTTP/1.1, because native clients talk to a server on their own machine.

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    header::{
        AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER,
        SET_COOKIE,
    },
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use letterbox_protocol::{
    engine::{self, Half, Input},
    wire::Problem,
};
use serde_json::Value;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use url::Url;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// An inbox page of 64 KiB letters stays far below this.
const LONGEST_ANSWER: usize = 64 << 20;

type Plain = Client<HttpConnector, Full<Bytes>>;

/// Where a server is.
#[derive(Debug, Clone)]
pub struct Server {
    origin: Url,
}

impl Server {
    /// The server of this origin (`http://host:port`).
    ///
    /// # Errors
    /// Anything but a plain `http` origin.
    pub fn new(origin: Url) -> Result<Self, NotPlainHttp> {
        if origin.scheme() != "http" || !origin.has_host() {
            return Err(NotPlainHttp);
        }
        Ok(Self { origin })
    }

    /// Where it is.
    pub fn origin(&self) -> &Url {
        &self.origin
    }
}

/// The origin is not one that the native client can talk to.
#[derive(Debug, thiserror::Error)]
#[error("the native client speaks plain http only")]
pub struct NotPlainHttp;

/// One browser's link to a server: its connections, which nobody else uses, and the session's
/// cookie. Clones are the same link.
#[derive(Clone)]
pub struct Link {
    server: Server,
    account: Plain,
    sealed: Plain,
    cookie: Arc<Mutex<Option<HeaderValue>>>,
}

/// An answer in full.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// `Retry-After` in seconds, where there was one.
    pub retry_after: Option<u32>,
    /// The body; empty where there was none.
    pub body: String,
}

impl Link {
    /// A browser that has no cookie yet.
    pub fn new(server: Server) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new());
        let account = builder.build_http();
        let sealed = builder.pool_max_idle_per_host(0).build_http();
        Self { server, account, sealed, cookie: Arc::default() }
    }

    /// The server at the other end.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Forgets the session, as a browser does whose cookies were cleared.
    pub fn forget_session(&self) {
        *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The session's cookie, as it is sent.
    pub fn cookie(&self) -> Option<HeaderValue> {
        self.cookie.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends one of the engine's requests. What comes back is the engine's next input.
    pub(super) async fn carry(self, request: engine::Request) -> Input {
        let id = request.id;
        match self.answer(&request).await {
            Ok(Answer { status, retry_after, body }) => {
                Input::Response { request: id, status: status.as_u16(), retry_after, body }
            }
            Err(_) => Input::NoAnswer { request: id },
        }
    }

    async fn answer(&self, request: &engine::Request) -> Result<Answer, CallError> {
        let method = request.method.parse().map_err(|_| CallError::NoAnswer)?;
        let body = request.body.clone().unwrap_or_default();
        match request.half {
            Half::Account => self.account(method, &request.path, body).await,
            Half::Sealed => {
                let authorization = request.authorization.as_deref();
                self.sealed(method, &request.path, authorization, body).await
            }
        }
    }

    /// Calls the account half and reads the answer.
    ///
    /// # Errors
    /// No answer, a problem, or a body that is not JSON. An empty body reads as `null`.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Value, CallError> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.account(method, path, body).await?;
        if !answer.status.is_success() {
            let problem = serde_json::from_str::<Problem>(&answer.body);
            let kind = problem.map(|problem| problem.kind).unwrap_or_default();
            return Err(CallError::Problem { status: answer.status.as_u16(), kind });
        }
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer.body).map_err(|_| CallError::NotJson)
    }

    /// A request of the account half: with the cookie, and with the origin that a browser would
    /// name.
    async fn account(&self, method: Method, path: &str, body: String) -> Result<Answer, CallError> {
        let mut request = self.request(method, path, body)?;
        let origin = self.server.origin.origin().ascii_serialization();
        let origin = HeaderValue::try_from(origin).map_err(|_| CallError::NoAnswer)?;
        request.headers_mut().insert(ORIGIN, origin);
        if let Some(cookie) = self.cookie() {
            request.headers_mut().insert(COOKIE, cookie);
        }
        let (answer, headers) = exchange(&self.account, request).await?;
        self.keep_cookie(&headers);
        Ok(answer)
    }

    /// A request of the sealed half: on a connection of its own, without cookie and origin.
    /// `authorization` is the value of that header.
    ///
    /// # Errors
    /// No answer. Any status is an answer.
    pub async fn sealed(
        &self,
        method: Method,
        path: &str,
        authorization: Option<&str>,
        body: String,
    ) -> Result<Answer, CallError> {
        let mut request = self.request(method, path, body)?;
        if let Some(authorization) = authorization {
            let value = HeaderValue::from_str(authorization).map_err(|_| CallError::NoAnswer)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        Ok(exchange(&self.sealed, request).await?.0)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let url = self.server.origin.join(path).map_err(|_| CallError::NoAnswer)?;
        let uri: Uri = url.as_str().parse().map_err(|_| CallError::NoAnswer)?;
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::from(body)).map_err(|_| CallError::NoAnswer)
    }

    /// Keeps what the server set, without its attributes; an empty value forgets it.
    fn keep_cookie(&self, headers: &HeaderMap) {
        for set in headers.get_all(SET_COOKIE) {
            let Ok(text) = set.to_str() else { continue };
            let pair = text.split(';').next().unwrap_or_default().trim();
            let cookie = if pair.ends_with('=') { None } else { HeaderValue::from_str(pair).ok() };
            *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = cookie;
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({})", self.status.as_u16())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Why a call to the account half did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing came back.
    #[error("the server did not answer")]
    NoAnswer,
    /// The server said no.
    #[error("the server answered {status} {kind}")]
    Problem {
        /// The HTTP status.
        status: u16,
        /// The problem's `type`; empty where the body was none.
        kind: String,
    },
    /// The answer is not JSON.
    #[error("the server's answer is not JSON")]
    NotJson,
}

async fn exchange(
    client: &Plain,
    request: Request<Full<Bytes>>,
) -> Result<(Answer, HeaderMap), CallError> {
    let exchange = async {
        let (head, body) = client.request(request).await.ok()?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await.ok()?.to_bytes();
        let body = String::from_utf8(body.into()).ok()?;
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        Some((Answer { status: head.status, retry_after, body }, head.headers))
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten().ok_or(CallError::NoAnswer)
}

#[cfg(test)]
mod tests;
