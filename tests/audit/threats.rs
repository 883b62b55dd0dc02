//! The threat model says of every adversary what they can and cannot do, and which tests show it. The
//! tests that it names are there.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Where tests stand, in Rust and of the page.
const TESTS: [&str; 6] =
    ["tests", "src", "protocol/src", "protocol/tests", "web/test", "web/wasm/src"];

fn threat_model() -> String {
    fs::read_to_string(Path::new(ROOT).join("docs/threat-model.md")).unwrap()
}

/// All code in a folder.
fn gather(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "node_modules" {
                gather(&path, code);
            }
        } else if [".rs", ".mjs", ".ts"].iter().any(|ending| name.ends_with(ending)) {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// What stands between pairs of this mark.
fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

#[test]
fn every_adversary_can_and_cannot_and_tests_show_it() {
    let text = threat_model();
    let adversaries = text.split("\n## ").find(|part| part.starts_with("By adversary")).unwrap();
    let mut code = String::new();
    TESTS.iter().for_each(|folder| gather(&Path::new(ROOT).join(folder), &mut code));
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
