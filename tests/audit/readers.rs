//! The manifest's readers of an endpoint are those whom the server answers: every endpoint is asked
//! without a session, in one that a passkey has signed in, and in one that has proved the device key
//! as well.

use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    member::Member,
};
use hyper::Method;
use letterbox::audit::{Manifest, manifest::Endpoint};
use serde_json::{Value, json};

/// An id as paths have it; nothing has it.
const ID: &str = "AQIDBAUGBwgJCgsMDQ4PEA";

const SIGN_IN: Refusal = (401, "/problems/sign-in-required");
const DEVICE_SESSION: Refusal = (403, "/problems/device-session-required");
const TOUCH: Refusal = (403, "/problems/touch-required");
const TOKEN: Refusal = (401, "/problems/token-refused");
const IDENTITY: Refusal = (400, "/problems/identity-on-sealed-request");

/// Status and type of a problem.
type Refusal = (u16, &'static str);

/// What whoever asks has, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Session {
    None,
    Passkey,
    Device,
}

/// What an endpoint asks for, by the manifest's words on who reads it.
#[derive(Debug, Clone, Copy)]
enum Asks {
    Token,
    Session { least: Session, touch: bool },
}

impl Asks {
    fn of(endpoint: &Endpoint) -> Self {
        let readers = endpoint.readers.as_str();
        if readers == "Whoever has a token; nobody is asked who they are." {
            return Self::Token;
        }
        let (who, touch) = match readers.strip_suffix(", and a touch for this very request.") {
            Some(who) => (who, true),
            None => (readers.trim_end_matches('.'), false),
        };
        let least = match who.rsplit_once("he account's own devices: ") {
            Some((_, "a passkey session")) => Session::Passkey,
            Some((_, "a session that has proved the device key")) => Session::Device,
            None if !touch && !readers.contains("own devices") => Session::None,
            _ => panic!("{}: this test does not know who \"{readers}\" are", endpoint.call),
        };
        Self::Session { least, touch }
    }

    /// The refusal that is due to whoever asks in this session, without a token and without a touch.
    fn refusal(self, session: Session) -> Option<Refusal> {
        match self {
            Self::Token if session == Session::None => Some(TOKEN),
            Self::Token => Some(IDENTITY),
            Self::Session { least, .. } if session < least => {
                Some(if session == Session::None { SIGN_IN } else { DEVICE_SESSION })
            }
            Self::Session { touch, .. } => touch.then_some(TOUCH),
        }
    }
}

/// A request to the endpoint with a body that is JSON, and no more than that.
async fn ask(app: &TestApp, endpoint: &Endpoint, cookie: Option<&str>) -> Answer {
    let (method, path) = endpoint.call.split_once(' ').unwrap();
    let path = match path.split_once('{') {
        Some((before, rest)) => format!("{before}{ID}{}", rest.split_once('}').unwrap().1),
        None => path.to_owned(),
    };
    let asking = app.request(method.parse::<Method>().unwrap(), &path).cookie(cookie);
    match endpoint.call.as_str() {
        // What a session has to be for this one hangs on the body's kind.
        "PUT /v1/keys" => asking.json(&json!({ "kind": "renewal" })).send().await,
        call if call.starts_with("GET ") => asking.send().await,
        _ => asking.json(&json!({})).send().await,
    }
}

/// The type of the problem that was answered; empty for any other answer.
fn problem(answer: &Answer) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["type"].as_str().unwrap_or_default().to_owned()
}

on_both_engines! {
    async fn every_endpoint_answers_its_readers_and_nobody_else(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "1000")]).await;
        let mut member = Member::signed_up(&app, "+4915112345678").await;
        let device = member.cookie.clone();
        member.sign_in().await;
        let sessions = [
            (Session::None, None),
            (Session::Passkey, member.cookie.as_deref()),
            (Session::Device, device.as_deref()),
        ];
        let mut endpoints = Manifest::load().unwrap().endpoints;
        // It ends the session that it is asked in.
        endpoints.sort_by_key(|endpoint| endpoint.call == "POST /v1/logout");
        let mut refused = [0; 5];
        for endpoint in &endpoints {
            let asks = Asks::of(endpoint);
            for (session, cookie) in sessions {
                let answer = ask(&app, endpoint, cookie).await;
                let (due, got) = (asks.refusal(session), (answer.status, problem(&answer)));
                let what = format!("{} in the session {session:?}: {answer:?}", endpoint.call);
                for (refusal, count) in
                    [SIGN_IN, DEVICE_SESSION, TOUCH, TOKEN, IDENTITY].into_iter().zip(&mut refused)
                {
                    let is = got == (refusal.0, refusal.1.to_owned());
                    assert_eq!(is, due == Some(refusal), "{what}");
                    *count += usize::from(is);
                }
            }
        }
        assert!(refused.iter().all(|count| *count >= 3), "{refused:?}");
    }
}
