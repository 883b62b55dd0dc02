//! Whoever asks about a number learns nothing before they have proved it: the same status, headers,
//! body and statements, whether or not it has an account.
//!
//! Statements are caught as the storage library logs them. Its log is the whole process's, so each case
//! runs in a process of its own: this binary again, with the one ignored test below.

use crate::support::{
    app::{Answer, TestApp},
    databases::{Engine, TestDb},
    member::Member,
};
use serde_json::json;
use std::{
    fmt::{self, Write as _},
    process::Command,
    sync::{Arc, Mutex},
};
use tracing::{Event, Metadata, Subscriber, field, span};

const KNOWN: &str = "+4915112345678";
const UNKNOWN: &str = "+4915112345679";
const ENGINE: &str = "LETTERBOX_TEST_STATEMENTS_ON";

/// Statements with how many rows each changed and returned.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        let mut told = Told(String::new());
        event.record(&mut told);
        self.0.lock().unwrap().push(told.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Told(String);

impl field::Visit for Told {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        let timing = ["elapsed", "elapsed_secs", "slow_threshold", "message"];
        if !timing.contains(&field.name()) {
            write!(self.0, "{}={value:?} ", field.name()).unwrap();
        }
    }
}

fn statements_are_the_same(engine: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let test = "api::enumeration::statements_for_a_known_and_an_unknown_number";
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(ENGINE, engine);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
}

#[test]
fn registration_does_the_same_work_for_known_and_unknown_numbers_on_sqlite() {
    statements_are_the_same("sqlite");
}

#[test]
fn registration_does_the_same_work_for_known_and_unknown_numbers_on_postgres() {
    statements_are_the_same("postgres");
}

#[tokio::test]
#[ignore = "runs in a process of its own, which the tests above start"]
async fn statements_for_a_known_and_an_unknown_number() {
    let engine = match std::env::var(ENGINE).as_deref() {
        Ok("postgres") => Engine::Postgres,
        _ => Engine::Sqlite,
    };
    let db = TestDb::open(engine).await;
    let app = TestApp::start(&db.url, &[]).await;
    Member::signed_up(&app, KNOWN).await;
    // A code of its own was sent to the known number when it signed up, an hour ago and swept by now.
    for table in ["phone_verifications", "sessions WHERE webauthn_credential_id IS NULL"] {
        crate::db::world::run(&db, format!("DELETE FROM {table}")).await;
    }
    let statements = Statements::default();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    // A connection's first statement of a kind is prepared, which is no statement but may be logged.
    ask(&app, "+4915112345670").await;
    statements.take();
    let known = (ask(&app, KNOWN).await, statements.take());
    let unknown = (ask(&app, UNKNOWN).await, statements.take());
    assert_eq!(known, unknown);
    assert!(known.1.iter().any(|sql| sql.contains("phone_verifications")), "{known:?}");
    assert!(known.1.len() >= 6, "{known:?}");
}

/// A code is asked for, then tried wrongly, once in a form that no code has.
async fn ask(app: &TestApp, phone: &str) -> Vec<String> {
    let asked = app.post("/v1/registration").json(&json!({ "phone": phone })).send().await;
    let code = app.code(&phone.parse().unwrap()).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let mut answers = vec![told(asked)];
    for code in ["x", wrong] {
        let proof = json!({ "phone": phone, "code": code });
        answers.push(told(app.post("/v1/registration/verify").json(&proof).send().await));
    }
    answers
}

fn told(mut answer: Answer) -> String {
    answer.headers.remove("date");
    format!("{answer:?}")
}
