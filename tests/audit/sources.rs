//! The manifest's log fields, metrics and headers are those that the sources of the server write and
//! read, whichever lines a test happens to run.

use super::files;
use letterbox::audit::{Manifest, manifest::Way};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The server's sources without their tests, and without the native client and the demo, which are no
/// part of it.
pub(super) fn sources() -> Vec<(String, String)> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut files = files(folder, &["client", "demo", "tests.rs"]);
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        let plain = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        (path.display().to_string(), plain.collect::<Vec<_>>().join("\n"))
    };
    let found: Vec<_> = files.into_iter().map(source).collect();
    assert!(found.len() > 60, "the sources are there");
    found
}

/// What stands between the parentheses that this begins after, split at its own commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut quoted) = (Vec::new(), String::new(), 0, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if quoted => {
                letters.next();
            }
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.push(part.trim().to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Every field with the most quiet level at which some line has it.
fn logged() -> BTreeMap<String, usize> {
    let mut fields = BTreeMap::new();
    for (file, text) in sources() {
        for (rank, level) in LEVELS.iter().enumerate() {
            for rest in text.split(&format!("tracing::{level}!(")).skip(1) {
                for argument in arguments(rest) {
                    if argument.starts_with('"') {
                        assert!(
                            !argument.contains('{'),
                            "{file}: a log line's words are fixed: {argument}"
                        );
                        continue;
                    }
                    let name = argument.split('=').next().unwrap().trim();
                    assert!(!argument.contains('?'), "{file}: Debug in a log line: {argument}");
                    let name = name.trim_start_matches('%').to_owned();
                    let least = fields.entry(name).or_insert(rank);
                    *least = (*least).min(rank);
                }
            }
        }
        let all =
            text.matches("tracing::").count() - text.matches("tracing::level_filters").count();
        let known: usize =
            LEVELS.iter().map(|level| text.matches(&format!("tracing::{level}!(")).count()).sum();
        assert_eq!(all, known, "{file} logs in a way that this test does not read");
        assert!(!text.contains("#[instrument"), "{file}: spans have fields, too");
    }
    fields
}

#[test]
fn every_log_field_is_in_the_manifest_and_nothing_else_is() {
    let named: BTreeMap<String, usize> = Manifest::load()
        .unwrap()
        .log_fields
        .into_iter()
        .map(|field| (field.name, LEVELS.iter().position(|level| *level == field.level).unwrap()))
        .collect();
    assert_eq!(logged(), named, "found in the sources, and named in src/audit/manifest.toml");
}

#[test]
fn every_metric_is_in_the_manifest_and_nothing_else_is() {
    let mut counted = BTreeSet::new();
    for (file, text) in sources() {
        let mut known = 0;
        for kind in ["counter", "gauge", "histogram"] {
            for rest in text.split(&format!("metrics::{kind}!(")).skip(1) {
                let name = arguments(rest).remove(0);
                assert!(name.starts_with('"'), "{file}: a metric's name is fixed: {name}");
                counted.insert((name.trim_matches('"').to_owned(), kind.to_owned()));
                known += 1;
            }
        }
        assert_eq!(
            text.matches("metrics::").count(),
            known,
            "{file} counts in a way that this test does not read"
        );
    }
    let named = Manifest::load().unwrap().metrics.into_iter().map(|m| (m.name, m.kind)).collect();
    assert_eq!(counted, named);
}

/// Names of headers in the sources, however they are written.
fn headers() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources() {
        for rest in text.split("header::").skip(1) {
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
            if name.len() > 1 && !name.starts_with(|c: char| c.is_lowercase()) {
                names.insert(name.to_lowercase().replace('_', "-"));
            }
        }
        for way in ["HeaderName::from_static(\"", ".get_all(\"", ".header(\"", "headers.get(\""] {
            names.extend(
                text.split(way).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()),
            );
        }
        if text.contains("TOUCH_HEADER)") {
            names.insert(letterbox_protocol::wire::TOUCH_HEADER.to_owned());
        }
    }
    // Types of the same module.
    names.retain(|name| !["header-name", "header-value"].contains(&name.as_str()));
    names
}

#[test]
fn every_header_is_in_the_manifest_and_nothing_else_is() {
    let manifest = Manifest::load().unwrap();
    let own = manifest.headers.iter().filter(|header| header.with.is_none());
    let named: BTreeSet<String> = own.map(|header| header.name.clone()).collect();
    assert_eq!(headers(), named);
    let forbidden = ["user-agent", "referer", "accept-language", "x-real-ip", "forwarded", "dnt"];
    let read = manifest.headers.iter().filter(|header| header.way == Way::Read);
    assert!(read.clone().all(|header| !forbidden.contains(&header.name.as_str())));
}

#[test]
fn statements_stand_in_the_storage_only() {
    for (file, text) in sources().into_iter().filter(|(file, _)| !file.contains("/src/db/")) {
        for words in ["SELECT ", "INSERT INTO", "DELETE FROM", "sqlx::"] {
            let told =
                text.lines().filter(|line| line.contains(words) && !line.contains("needs CONNECT"));
            let told = told.filter(|line| !line.contains("USAGE on the schema and SELECT")).count();
            assert_eq!(told, 0, "{file} has a statement: {words}");
        }
    }
}

/// What a session's record may hold is what the sources put there.
#[test]
fn every_value_of_a_session_is_in_the_manifest_and_nothing_else_is() {
    let mut kept = BTreeSet::from([letterbox::db::CREDENTIAL_KEY.to_owned()]);
    for (_, text) in sources().into_iter().filter(|(file, _)| file.contains("/src/routes/")) {
        for way in ["const NAME: &'static str = \"", "const PROVED: &str = \""] {
            let names =
                text.split(way).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
            kept.extend(names);
        }
    }
    let manifest = Manifest::load().unwrap();
    let data = manifest.table("sessions").unwrap().column("data").unwrap().clone();
    assert_eq!(kept, data.keys.unwrap().into_iter().collect());
}
