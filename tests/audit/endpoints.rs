//! The manifest's endpoints are the router's: those of the OpenAPI document, which another test holds
//! to the router, and the few that are in none.

use super::sources::sources;
use letterbox::{audit::Manifest, router::openapi};
use std::collections::BTreeSet;

#[test]
fn every_endpoint_is_in_the_manifest_and_nothing_else_is() {
    let manifest = Manifest::load().unwrap();
    let named: BTreeSet<(String, String)> =
        manifest.endpoints.iter().map(|e| (e.call.clone(), e.half.clone())).collect();
    let document = serde_json::to_value(openapi()).unwrap();
    let mut served = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let half = operation["tags"][0].as_str().unwrap();
            served.insert((format!("{} {path}", method.to_uppercase()), half.to_owned()));
        }
    }
    for path in plain_routes() {
        served.insert((format!("GET {path}"), "open".to_owned()));
    }
    served.insert(("GET /{file}".to_owned(), "open".to_owned()));
    let missing: Vec<_> = served.difference(&named).collect();
    let invented: Vec<_> = named.difference(&served).collect();
    assert!(missing.is_empty(), "not in src/audit/manifest.toml: {missing:?}");
    assert!(invented.is_empty(), "in src/audit/manifest.toml and nowhere else: {invented:?}");
}

/// Paths of `.route("…", get(…))`, which the document does not know.
fn plain_routes() -> Vec<String> {
    let mut paths = Vec::new();
    for (file, text) in sources() {
        for rest in text.split(".route(\"").skip(1) {
            let (path, handler) = rest.split_once('"').unwrap();
            assert!(handler.starts_with(", get("), "{file}: {path} is for more than GET");
            paths.push(path.to_owned());
        }
        assert_eq!(text.matches(".route(").count(), text.matches(".route(\"").count(), "{file}");
    }
    assert!(!paths.is_empty());
    paths
}

/// A sealed request leaves no trace in a table of people, and its token is always spent.
#[test]
fn sealed_calls_write_to_the_mailbox_and_spend_a_token() {
    let people = ["users", "webauthn_credentials", "sessions", "identity_keys", "device_keys"];
    for endpoint in Manifest::load().unwrap().endpoints.iter().filter(|e| e.half == "sealed") {
        assert!(endpoint.writes.iter().any(|table| table == "spent_tokens"), "{}", endpoint.call);
        let touched = endpoint.writes.iter().find(|table| people.contains(&table.as_str()));
        assert_eq!(touched, None, "{}", endpoint.call);
    }
}
