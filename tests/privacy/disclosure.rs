//! What is held on one person names nobody else: not in the owner's own view, and not in what an
//! operator would hand over.

use super::{
    identity,
    mailbox::distinct,
    search::{Needle, Search},
};
use crate::support::{databases::on_both_engines, person::Person, process::ServerProcess};
use hyper::Method;
use letterbox::db::Db;
use serde_json::Value;
use std::process::Command;

on_both_engines! {
    async fn neither_disclosure_names_the_other(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let contact = ann_device.find(&bob.phone).await.expect("found");
        ann_device.write(contact, "the question").await.expect("written");
        let question = bob_device.received("the question").await.expect("received");
        bob_device.write(question.contact, "the answer").await.expect("written");
        ann_device.received("the answer").await.expect("received");
        // Letters wait for Bob, so that there is something of Ann's making in his mailbox.
        drop(bob_device);
        for words in ["are you there?", "it is me"] {
            let letter = ann_device.write(contact, words).await.expect("written");
            ann_device.sent(letter).await.expect("sent");
        }
        let (of_ann, of_bob) =
            (identity::of(&db, "Ann", &ann).await, identity::of(&db, "Bob", &bob).await);
        for (person, theirs, others) in [(&ann, &of_ann, &of_bob), (&bob, &of_bob, &of_ann)] {
            let handed_over = handed_over(&db.url, person);
            let shown = shown(person).await;
            let search = |needles: &[Needle], text: &str| Search::new(needles).find(text.as_bytes());
            for text in [&handed_over, &shown] {
                assert_eq!(search(&distinct(others, theirs), text), Vec::<String>::new());
                let phone = [Needle::phone("the owner's phone", person.phone.as_str())];
                assert!(!search(&phone, text).is_empty(), "the search is not blind");
            }
            assert_is_whole(&db, person, &handed_over).await;
            assert_withholds(&shown);
        }
    }

    /// Somebody who was sent a code and never signed up is in no other table.
    async fn a_number_without_an_account_has_its_code(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let mut person = Person::new(&server, "+4915112345601", 1);
        let phone = person.phone.clone();
        person.open().ask_for_code(&phone).await.expect("a code is on its way");
        server.code(&phone).await;
        let held: Value = serde_json::from_str(&handed_over(&db.url, &person)).expect("JSON");
        let tables = held["tables"].as_array().expect("tables").iter();
        let found: Vec<&Value> = tables.filter(|t| t["rows"] != Value::Array(vec![])).collect();
        assert_eq!(found.len(), 1, "{held}");
        assert_eq!(found[0]["table"], "phone_verifications");
    }
}

/// `letterbox disclose --json`.
fn handed_over(url: &str, person: &Person) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_letterbox"));
    command.args(["disclose", "--json", "--database", url, person.phone.as_str()]);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("JSON is text")
}

/// The owner's own view.
async fn shown(person: &Person) -> String {
    let answer = person.link.call(Method::GET, "/v1/account/disclosure", &Value::Null).await;
    answer.expect("a session").to_string()
}

/// Every row of the person's that is known to be there is in it.
async fn assert_is_whole(db: &Db, person: &Person, text: &str) {
    let held: Value = serde_json::from_str(text).expect("JSON");
    let rows = |name: &str| {
        let tables = held["tables"].as_array().expect("tables").iter();
        let table = tables.into_iter().find(|table| table["table"] == name).expect("the table");
        table["rows"].as_array().expect("rows").clone()
    };
    for (table, least) in [
        ("users", 1),
        ("webauthn_credentials", 1),
        ("identity_keys", 1),
        ("sessions", 1),
        ("device_keys", 1),
        ("one_time_prekeys", 50),
        ("messaging_public_keys", 1),
        ("signed_prekeys", 1),
    ] {
        assert!(rows(table).len() >= least, "{table}");
    }
    let dump = db.dump("messages").await.expect("readable");
    let phone = letterbox::db::Cell::Text(person.phone.as_str().to_owned());
    let mine = dump.rows.iter().filter(|row| row.contains(&phone)).count();
    assert_eq!(rows("messages").len(), mine);
    assert!(
        rows("messages")
            .iter()
            .all(|row| row["encrypted_content"].as_str().is_some_and(|c| c.len() > 1_000))
    );
    let named = held["tables"].as_array().expect("tables").len()
        + held["nobodys"].as_array().expect("tables").len();
    assert_eq!(named, db.tables().await.expect("readable").len() + 1, "and the migrations' own");
}

/// What a stolen session could use is told by its length only.
fn assert_withholds(text: &str) {
    let held: Value = serde_json::from_str(text).expect("JSON");
    let mut withheld = 0;
    for table in held["tables"].as_array().expect("tables") {
        for column in table["columns"]
            .as_array()
            .expect("columns")
            .iter()
            .filter(|c| c["withheld"].is_string())
        {
            let name = column["name"].as_str().expect("a name");
            for row in table["rows"].as_array().expect("rows") {
                let value = &row[name];
                assert!(
                    value.is_null() || value.as_str().is_some_and(|v| v.ends_with(" bytes")),
                    "{name}: {value}"
                );
                withheld += 1;
            }
        }
    }
    assert!(withheld > 1, "sessions at least");
    for secret in ["sessions.data", "phone_verifications.code_hash"] {
        let (table, column) = secret.split_once('.').expect("a dot");
        let tables = held["tables"].as_array().expect("tables").iter();
        let columns = tables
            .filter(|t| t["table"] == table)
            .flat_map(|t| t["columns"].as_array().expect("columns"));
        assert!(
            columns.into_iter().any(|c| c["name"] == column && c["withheld"].is_string()),
            "{secret}"
        );
    }
}
