//! The threat model says of every adversary what they can and cannot do, and which tests show it. The
//! tests that it names are there.

use super::files;
use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Where tests stand, in Rust and of the page.
const TESTS: [&str; 6] =
    ["tests", "src", "protocol/src", "protocol/tests", "web/test", "web/wasm/src"];

fn threat_model() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md")).unwrap()
}

/// All code in these folders.
fn code() -> String {
    let all =
        TESTS.iter().flat_map(|folder| files(&Path::new(ROOT).join(folder), &["node_modules"]));
    let is_code = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ["rs", "mjs", "ts"].contains(&ending))
    };
    all.filter(is_code).map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// What stands between pairs of this mark.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

#[test]
fn every_adversary_can_and_cannot_and_tests_show_it() {
    let text = threat_model();
    let adversaries = text.split("\n## ").find(|part| part.starts_with("By adversary")).unwrap();
    let code = code();
    let mut named = 0;
    for adversary in adversaries.split("\n### ").skip(1) {
        let title = adversary.lines().next().unwrap();
        for part in ["\nCan", "\nCannot\n", "\n*Shown by* "] {
            assert_eq!(
                adversary.matches(part).count(),
                1 + usize::from(part == "\nCan"),
                "{title}: {part}"
            );
        }
        let (_, shown) = adversary.split_once("\n*Shown by* ").unwrap();
        let shown = &shown.split_whitespace().collect::<Vec<_>>().join(" ");
        let in_rust = between(shown, '`').filter(|name| name.matches('_').count() > 2);
        for name in in_rust.filter(|name| !name.starts_with('_')) {
            assert!(code.contains(&format!("fn {name}(")), "{title}: there is no test {name}");
            named += 1;
        }
        for name in between(shown, '"') {
            assert!(
                code.contains(&format!("test('{name}'")),
                "{title}: there is no test \"{name}\""
            );
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}
