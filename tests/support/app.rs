//! The real server on a free port, and a client that can say anything to it.

use super::mint::Mint;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, body::Bytes, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use letterbox::{
    clock::Clock,
    config::{Config, Flags},
    db::Db,
    serve::{Running, Server},
    sms::{Gateway, TextMessage},
};
use letterbox_protocol::{tokens::Token, types::Phone};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};

/// A running server.
pub(crate) struct TestApp {
    pub(crate) running: Running,
    messages: Mutex<mpsc::UnboundedReceiver<TextMessage>>,
    client: Client<HttpConnector, Full<Bytes>>,
    database: String,
    clock: Clock,
}

impl TestApp {
    /// A server on this database, with these settings beside the defaults.
    pub(crate) async fn start(database: &str, settings: &[(&str, &str)]) -> Self {
        Self::start_with_clock(database, settings, Clock::System).await
    }

    /// The same, by a clock that the test may bend.
    pub(crate) async fn start_with_clock(
        database: &str,
        settings: &[(&str, &str)],
        clock: Clock,
    ) -> Self {
        let given = [("listen", "127.0.0.1:0"), ("database", database)];
        let flags = Flags::from_pairs(given.into_iter().chain(settings.iter().copied()));
        let config = Config::load(&flags, []).unwrap();
        let (sender, messages) = mpsc::unbounded_channel();
        let gateway = Some(Gateway::Handed(sender));
        let server = Server::bind(config, clock.clone(), gateway).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (messages, database) = (Mutex::new(messages), database.to_owned());
        Self { running: server.start(), messages, client, database, clock }
    }

    /// This week's issuer key.
    pub(crate) async fn mint(&self) -> Mint {
        let db = Db::open(&self.database, &mut StdRng::seed_from_u64(0)).await.unwrap();
        let mint = Mint::open(&db, self.clock.now()).await;
        db.close().await;
        mint
    }

    /// The good token that this number stands for.
    pub(crate) async fn token(&self, n: u8) -> Token {
        self.mint().await.token(n.into())
    }

    /// The origin as browsers write it.
    pub(crate) fn origin(&self) -> String {
        self.running.origin.header()
    }

    /// The next code that goes out; it is for this phone.
    pub(crate) async fn code(&self, phone: &Phone) -> String {
        let message = self.messages.lock().await.recv().await.unwrap();
        assert!(message.phone == *phone);
        message.code
    }

    /// A request as the page would send it: JSON, from our own origin.
    pub(crate) fn request(&self, method: Method, path: &str) -> Asking<'_> {
        let address = self.running.address;
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        Asking { app: self, request, origin: Some(self.origin()), body: None }
    }

    pub(crate) fn get(&self, path: &str) -> Asking<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Asking<'_> {
        self.request(Method::POST, path)
    }
}

/// A request in the making.
pub(crate) struct Asking<'a> {
    app: &'a TestApp,
    request: hyper::http::request::Builder,
    origin: Option<String>,
    body: Option<Vec<u8>>,
}

impl Asking<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn origin(mut self, origin: Option<&str>) -> Self {
        self.origin = origin.map(str::to_owned);
        self
    }

    pub(crate) fn cookie(self, cookie: Option<&str>) -> Self {
        match cookie {
            Some(cookie) => self.header("cookie", cookie),
            None => self,
        }
    }

    pub(crate) fn token(self, token: &Token) -> Self {
        self.header("authorization", &token.to_header())
    }

    pub(crate) fn json(self, body: &impl Serialize) -> Self {
        self.header("content-type", "application/json").bytes(serde_json::to_vec(body).unwrap())
    }

    pub(crate) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request = match &self.origin {
            Some(origin) => self.request.header(header::ORIGIN, origin),
            None => self.request,
        };
        let request = request.body(Full::from(self.body.unwrap_or_default())).unwrap();
        let (parts, body) = self.app.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn read<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The session's cookie, where one was set.
    pub(crate) fn cookie(&self) -> Option<String> {
        let set = self.headers.get("set-cookie")?.to_str().unwrap();
        set.split(';').next().map(str::to_owned)
    }

    /// Asserts that this is a whole problem, and returns its type.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["status"], self.status);
        assert!(body["title"].as_str().unwrap().ends_with('.'), "{body}");
        body["type"].as_str().unwrap().to_owned()
    }

    /// Status and type of a problem.
    #[track_caller]
    pub(crate) fn refused(&self) -> (u16, String) {
        (self.status, self.problem())
    }

    /// Asserts a problem with a field.
    #[track_caller]
    pub(crate) fn bad_field(&self) -> String {
        assert_eq!(self.refused(), (422, "/problems/bad-request".to_owned()), "{self:?}");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["field"].as_str().unwrap().to_owned()
    }
}
