//! `letterbox demo`, as a newcomer runs it.

use std::process::{Command, Output};

const LETTERS: [&str; 5] = [
    "Shall we meet on Friday?",
    "Gladly, at eight.",
    "Can you bring the maps?",
    "Hello Ben, it is Chloe.",
    "Hello Chloe! Good to hear from you.",
];

fn demo(width: &str, temporary: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_letterbox"));
    command.args(["demo", "--width", width]);
    if let Some(folder) = temporary {
        command.env("TMPDIR", folder);
    }
    command.output().expect("the binary was built")
}

#[test]
fn the_demo_shows_what_each_saw_beside_the_rows_in_the_width_it_is_given() {
    for width in [44, 72] {
        let output = demo(&width.to_string(), None);
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        for letter in LETTERS {
            assert_eq!(text.matches(letter).count(), 2, "written and read: {letter}");
        }
        let phones: Vec<&str> = text.lines().filter(|line| line.contains("_phone ")).collect();
        assert!(!phones.is_empty(), "the waiting letters are shown");
        for line in phones {
            let numbers: Vec<&str> = line.split_whitespace().skip(1).collect();
            assert!(numbers.iter().all(|number| *number == "+33612345602"), "only Ben's: {line}");
        }
    }
}

#[test]
fn a_demo_that_cannot_run_says_so_and_fails() {
    let output = demo("72", Some("/nowhere/at/all"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("letterbox: "));
}
