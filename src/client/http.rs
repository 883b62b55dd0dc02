//! HTTP as a client of this server speaks it: the account half with a session's cookie, the sealed
//! half with nothing that identifies, on a new connection for every request.
//!
//! Plain HTTP/1.1, because native clients talk to a server on their own machine.

use super::passkey::{Authenticator, PasskeyError};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
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
    touch::touch_digest,
    wire::{Problem, StartTouch, TOUCH_HEADER},
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

    /// Its name, without the port.
    pub fn host(&self) -> &str {
        self.origin.host_str().unwrap_or_default()
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
    passkey: Arc<Mutex<Option<Authenticator>>>,
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
        Self { server, account, sealed, cookie: Arc::default(), passkey: Arc::default() }
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

    /// The passkey with which the person touches when a request asks for it; without one, every
    /// touch is declined.
    pub fn touch_with(&self, passkey: Option<Authenticator>) {
        *self.passkey.lock().unwrap_or_else(PoisonError::into_inner) = passkey;
    }

    /// Sends one of the engine's requests. What comes back is the engine's next input.
    pub(super) async fn carry(self, request: engine::Request) -> Input {
        let id = request.id;
        match self.answer(&request).await {
            Ok(Answer { status, retry_after, body }) => {
                Input::Response { request: id, status: status.as_u16(), retry_after, body }
            }
            Err(CallError::TouchDeclined) => Input::TouchDeclined { request: id },
            Err(_) => Input::NoAnswer { request: id },
        }
    }

    async fn answer(&self, request: &engine::Request) -> Result<Answer, CallError> {
        let method: Method = request.method.parse().map_err(|_| CallError::NoAnswer)?;
        let body = request.body.clone().unwrap_or_default();
        match request.half {
            Half::Account if request.touch => self.touched(method, &request.path, body).await,
            Half::Account => self.account(method, &request.path, body, None).await,
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
        let answer = self.account(method, path, body, None).await?;
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

    /// A request of the account half for which the passkey is touched: the ceremony first, then the
    /// request with its assertion. A ceremony that the server refuses is the answer.
    ///
    /// # Errors
    /// No answer, or no passkey here that fits.
    pub async fn touched(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Answer, CallError> {
        let digest = touch_digest(method.as_str(), path, body.as_bytes());
        let start =
            serde_json::to_string(&StartTouch { digest }).map_err(|_| CallError::NotJson)?;
        let options = self.account(Method::POST, "/v1/touch", start, None).await?;
        if !options.status.is_success() {
            return Ok(options);
        }
        let options = serde_json::from_str(&options.body).map_err(|_| CallError::NotJson)?;
        let passkey = self.passkey.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let assertion = passkey.ok_or(PasskeyError::NoPasskey).and_then(|key| key.get(&options));
        let mut assertion = assertion.map_err(|_| CallError::TouchDeclined)?;
        // A browser's holds the PRF result, which never leaves it.
        assertion.as_object_mut().map(|assertion| assertion.remove("clientExtensionResults"));
        let touch = URL_SAFE_NO_PAD.encode(assertion.to_string());
        self.account(method, path, body, Some(&touch)).await
    }

    /// A request of the account half: with the cookie, and with the origin that a browser would
    /// name. `touch` is the value of that header.
    async fn account(
        &self,
        method: Method,
        path: &str,
        body: String,
        touch: Option<&str>,
    ) -> Result<Answer, CallError> {
        let mut request = self.request(method, path, body)?;
        if let Some(touch) = touch {
            let touch = HeaderValue::from_str(touch).map_err(|_| CallError::NoAnswer)?;
            request.headers_mut().insert(TOUCH_HEADER, touch);
        }
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
    /// The passkey was not touched.
    #[error("the passkey was not touched")]
    TouchDeclined,
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
