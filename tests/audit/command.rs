//! The command itself, on databases that a real server wrote.

use crate::{
    db::world::count,
    support::{
        databases::{Engine, TestDb, on_both_engines},
        person::{Device, Person},
        process::ServerProcess,
    },
    talk::devices::{id_of, revoke},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::{Command, Output},
};

fn letterbox(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_letterbox")).args(args).output().unwrap()
}

fn audit(url: &str) -> Output {
    letterbox(&["audit", "--database", url])
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn assert_passes(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", said(output));
    assert!(said(output).contains("PASSED"), "{}", said(output));
}

/// Two people, one on two devices, who have written to each other; letters wait for one of them.
async fn conversation(server: &ServerProcess) -> (Person, Device) {
    let (ann, mut ann_device) = Person::sign_up(server, "+4915112345601", 1).await;
    let (bob, mut bob_device) = Person::sign_up(server, "+33612345602", 2).await;
    let (_other, other_device) = bob.link(&mut bob_device, 3).await;
    let contact = ann_device.find(&bob.phone).await.expect("found");
    ann_device.write(contact, "the question").await.expect("written");
    let question = bob_device.received("the question").await.expect("received");
    bob_device.write(question.contact, "the answer").await.expect("written");
    ann_device.received("the answer").await.expect("received");
    drop((bob_device, other_device));
    for words in ["are you there?", &"long ".repeat(2_000)] {
        let letter = ann_device.write(contact, words).await.expect("written");
        ann_device.sent(letter).await.expect("sent");
    }
    (ann, ann_device)
}

on_both_engines! {
    async fn a_real_conversation_passes_while_the_server_runs_and_after(db) {
        let mut server = ServerProcess::start(&db.url, &[]).await;
        let (_ann, device) = conversation(&server).await;
        assert_passes(&audit(&db.url));
        drop(device);
        server.kill().await;
        let tables = db.dump("messages").await.unwrap();
        db.close().await;
        assert_passes(&audit(&db.url));
        let json = letterbox(&["audit", "--json", "--database", &db.url]);
        let report: Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(report["verdict"], "passed");
        assert!(report["checks"].as_array().unwrap().len() >= 13);
        assert!(tables.rows.len() >= 2, "letters wait, so that there was something to look at");
    }

    /// A device that was revoked has left nothing, and what was wrapped for one that is away waits.
    async fn an_account_that_revoked_a_device_passes(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (_away, tablet) = ann.link(&mut first, 2).await;
        let (_gone, mut laptop) = ann.link(&mut first, 3).await;
        drop(tablet);
        let gone = id_of(&mut laptop).await;
        revoke(&mut first, gone, true).await;
        let wrapped = "device_session_keys WHERE key_rotation_counter > 0";
        assert!(count(&db, wrapped).await > 0, "something was wrapped for the one that is away");
        assert_passes(&audit(&db.url));
    }

    async fn a_disclosure_says_first_that_it_may_not_be_all(db) {
        let disclose = |json: bool| {
            let mut args = vec!["disclose", "--database", &db.url, "+4915112345601"];
            args.extend(json.then_some("--json"));
            letterbox(&args)
        };
        let whole = disclose(true);
        assert!(whole.status.success() && whole.stderr.is_empty(), "{}", said(&whole));
        assert!(!said(&whole).contains("warning"), "{}", said(&whole));
        crate::db::world::run(&db, "CREATE TABLE notes (phone TEXT)".to_owned()).await;
        let words = "may be incomplete";
        let drifted = disclose(true);
        assert!(String::from_utf8_lossy(&drifted.stderr).contains(words), "{}", said(&drifted));
        let json: Value = serde_json::from_slice(&drifted.stdout).unwrap();
        assert!(json["warning"].as_str().unwrap().contains(words), "{json}");
        assert!(json["tables"].is_array(), "{json}");
        assert!(String::from_utf8_lossy(&disclose(false).stderr).contains(words));
    }

    async fn the_exit_code_tells_what_came_of_it(db) {
        crate::db::world::run(&db, "CREATE TABLE notes (sender TEXT)".to_owned()).await;
        let found = audit(&db.url);
        assert_eq!(found.status.code(), Some(1), "{}", said(&found));
        assert!(said(&found).contains("FAILED"), "{}", said(&found));
        for table in ["message_deliveries", "messages"] {
            crate::db::world::run(&db, format!("DROP TABLE {table}")).await;
        }
        let none = audit(&db.url);
        assert_eq!(none.status.code(), Some(2), "{}", said(&none));
    }
}

#[test]
fn a_database_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nothing.db");
    let url = format!("sqlite:{}", path.display());
    assert_eq!(audit(&url).status.code(), Some(2));
    assert!(!path.exists());
    assert_eq!(audit("postgres://nobody@localhost:1/nothing").status.code(), Some(2));
    assert_eq!(audit("mysql://localhost/x").status.code(), Some(2));
}

#[test]
fn the_help_tells_the_exit_codes_and_the_rights() {
    let help = said(&letterbox(&["audit", "--help"]));
    for words in ["read only", "SELECT", "Exit code 0", "--json", "docs/auditing.md"] {
        assert!(help.contains(words), "{words}: {help}");
    }
}

async fn execute(db: &TestDb, statements: &[String]) {
    for statement in statements {
        crate::db::world::run(db, statement.clone()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_role_is_enough_on_postgres() {
    let db = TestDb::open(Engine::Postgres).await;
    let name = db.url.split(['/', '?']).find(|part| part.starts_with("test_")).unwrap();
    let role = format!("auditor_{name}");
    execute(
        &db,
        &[
            format!("CREATE ROLE {role} LOGIN"),
            format!("GRANT CONNECT ON DATABASE {name} TO {role}"),
            format!("GRANT USAGE ON SCHEMA public TO {role}"),
            format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"),
        ],
    )
    .await;
    let url = db.url.replace("letterbox@", &format!("{role}@"));
    assert_passes(&audit(&url));
    // What the role may not see is said, and is no pass.
    execute(&db, &[format!("REVOKE SELECT ON messages FROM {role}")]).await;
    let blind = audit(&url);
    assert_eq!(blind.status.code(), Some(2), "{}", said(&blind));
    assert!(said(&blind).contains("this role may not read all of messages"), "{}", said(&blind));
    // Nor is a table of which some rows are hidden from it.
    execute(
        &db,
        &[
            format!("GRANT SELECT ON messages TO {role}"),
            "ALTER TABLE messages ENABLE ROW LEVEL SECURITY".to_owned(),
        ],
    )
    .await;
    let hidden = audit(&url);
    assert_eq!(hidden.status.code(), Some(2), "{}", said(&hidden));
    execute(&db, &["ALTER TABLE messages DISABLE ROW LEVEL SECURITY".to_owned()]).await;
    assert_passes(&audit(&url));
    execute(&db, &[format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_that_logs_statements_is_found_out() {
    let db = TestDb::open(Engine::Postgres).await;
    let name = db.url.split(['/', '?']).find(|part| part.starts_with("test_")).unwrap();
    execute(&db, &[format!("ALTER DATABASE {name} SET log_statement = 'all'")]).await;
    let found = audit(&db.url);
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains("log_statement"), "{}", said(&found));
}

/// Whoever may read the file and nothing more, in a folder that they may not write to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_the_right_to_write_is_enough_on_sqlite() {
    let db = TestDb::open(Engine::Sqlite).await;
    db.close().await;
    let path = Path::new(db.url.strip_prefix("sqlite:").unwrap());
    let folder = path.parent().unwrap();
    let binary = folder.join("letterbox");
    fs::copy(env!("CARGO_BIN_EXE_letterbox"), &binary).unwrap();
    let before = (fs::read(path).unwrap(), files(folder));
    mode(path, 0o444);
    mode(folder, 0o555);
    let mut command = Command::new(&binary);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        // Rights do not hold root back.
        command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    }
    let output = command.args(["audit", "--database", &db.url]).current_dir("/").output().unwrap();
    mode(folder, 0o755);
    assert_passes(&output);
    assert_eq!((fs::read(path).unwrap(), files(folder)), before, "nothing was written beside it");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}
