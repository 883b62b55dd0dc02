//! The real server without a network: its router is called directly, its database is a file, its
//! clock stands where the simulation puts it.

use axum::{Router, body::Body};
use http_body_util::BodyExt as _;
use hyper::{HeaderMap, Request, header};
use letterbox::{
    app::App,
    client::passkey::Authenticator,
    clock::Clock,
    config::{Config, Flags},
    randomness::Randomness,
    router,
    serve::Server,
    sms::{Gateway, TextMessage},
};
use letterbox_protocol::{
    engine::Millis,
    types::{Phone, UnixTime},
};
use std::{path::Path, sync::atomic::Ordering};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

/// What a request is made of.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Header names with their values.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// What came back.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    /// The session's cookie, where one was set.
    pub(crate) cookie: Option<String>,
    pub(crate) body: String,
}

/// The server.
pub(crate) struct InProcess {
    pub(crate) app: App,
    router: Router,
    codes: mpsc::UnboundedReceiver<TextMessage>,
    _server: Server,
    _folder: TempDir,
}

/// Limits that count in the machine's time mean nothing where days pass in seconds.
const UNLIMITED: &str = "4000000";

impl InProcess {
    /// A server whose clock shows `now`. What it draws comes from the seed.
    pub(crate) async fn start(now: Millis, seed: u64) -> Self {
        let folder = folder();
        let database = format!("sqlite:{}", folder.path().join("letterbox.db").display());
        let flags = Flags::from_pairs([
            ("listen", "127.0.0.1:0"),
            ("database", &database),
            ("sign_ins_per_minute", UNLIMITED),
            ("links_per_minute", UNLIMITED),
            ("prekey_claims_per_hour", UNLIMITED),
            ("sms_daily_cap", UNLIMITED),
            ("tokens_per_day", "1000"),
        ]);
        let config = Config::load(&flags, []).unwrap();
        let (sender, codes) = mpsc::unbounded_channel();
        let clock = Clock::manual(UnixTime(now.div_euclid(1_000)));
        let gateway = Some(Gateway::Handed(sender));
        let randomness = Randomness::seeded(seed);
        let server = Server::bind_with(config, clock, randomness, gateway).await.unwrap();
        let app = server.app().clone();
        let router = router::router(app.clone());
        Self { app, router, codes, _server: server, _folder: folder }
    }

    /// The server's clock shows this moment from here on.
    pub(crate) fn set_clock(&self, now: Millis) {
        let Clock::Manual(seconds) = &self.app.clock else { unreachable!("it was made so") };
        seconds.store(now.div_euclid(1_000), Ordering::Relaxed);
    }

    /// A passkey's authenticator in a browser that shows this server's page.
    pub(crate) fn authenticator(&self) -> Authenticator {
        Authenticator::new(self.app.origin.url()).unwrap()
    }

    /// The code that was sent to this phone last.
    pub(crate) async fn code(&mut self, phone: &Phone) -> String {
        let message = self.codes.recv().await.unwrap();
        assert!(message.phone == *phone, "one sign-up at a time");
        message.code
    }

    /// Hands a request to the router.
    pub(crate) async fn call(&self, asked: &Asked) -> Answered {
        let mut request = Request::builder().method(asked.method.as_str()).uri(&asked.path);
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        if !asked.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Body::from(asked.body.clone())).unwrap();
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answered {
            status: head.status.as_u16(),
            retry_after: text(&head.headers, "retry-after").and_then(|after| after.parse().ok()),
            cookie: text(&head.headers, "set-cookie")
                .and_then(|set| set.split(';').next().map(str::to_owned)),
            body: String::from_utf8(body.into()).unwrap(),
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// In memory where the machine has such a file system: a simulated day waits for no disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.unwrap()
}
