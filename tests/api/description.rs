//! The interface's description, held to the router, and the settings' description, held to
//! `--help`.

use crate::support::{app::TestApp, databases::on_both_engines};
use hyper::Method;
use letterbox::{config::Config, router::openapi};
use serde_json::Value;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
const OPERATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");

#[test]
fn the_committed_document_is_the_current_one() {
    let current = openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(DOCUMENT, &current).unwrap();
    }
    let committed = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json is not current: run `UPDATE_DOCS=1 cargo test description`"
    );
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = serde_json::to_value(openapi()).unwrap();
    fn check(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                members.values().for_each(|value| check(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| check(document, value)),
            _ => {}
        }
    }
    check(&document, &document);
}

/// The path with a value of 16 bytes for each of its parameters.
fn concrete(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix('{') {
        Some(_) => "AAAAAAAAAAAAAAAAAAAAAA",
        None => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_setting_stands_in_the_operations_guide() {
    let guide = std::fs::read_to_string(OPERATIONS).unwrap();
    for (name, default, _) in Config::TABLE {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let row = format!("| `{name}` | {default} |");
        assert!(guide.contains(&row), "docs/operations.md has no row that begins with {row}");
    }
}

on_both_engines! {
    /// Every operation of the document is answered by its handler, and no other method is.
    async fn the_router_serves_what_the_document_says(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let document = serde_json::to_value(openapi()).unwrap();
        let methods = ["get", "put", "post", "delete", "patch"];
        for (path, item) in document["paths"].as_object().unwrap() {
            let concrete = concrete(path);
            for name in methods {
                let method: Method = name.to_uppercase().parse().unwrap();
                let answer = app.request(method, &concrete).send().await;
                let served = answer.status != 405 && answer.status != 404;
                assert_eq!(served, item.get(name).is_some(), "{name} {path}: {}", answer.status);
            }
        }
    }

    async fn the_document_and_its_page_are_served(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let served: Value = app.get("/openapi.json").send().await.read();
        assert_eq!(served, serde_json::to_value(openapi()).unwrap());
        let page = app.get("/docs").send().await;
        let html = String::from_utf8(page.body.to_vec()).unwrap();
        for path in served["paths"].as_object().unwrap().keys() {
            assert!(html.contains(&path.replace('<', "&lt;")), "{path}");
        }
        for outside in ["http://", "https://", "<script", "style="] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
