//! `letterbox demo`, as a newcomer runs it.

use std::process::{Command, Output};

/// What is written, and how often it is shown: once as written, and once by each device that reads it
/// or shows it too.
const LETTERS: [(&str, usize); 9] = [
    ("Shall we meet on Friday?", 2),
    ("Gladly, at eight.", 2),
    ("Can you bring the maps?", 2),
    ("Hello Ben, it is Chloe.", 2),
    ("Hello Chloe! Good to hear from you.", 2),
    ("Do you get this twice?", 3),
    ("On both, and once on each.", 3),
    ("Bring a coat.", 3),
    ("I will, thank you.", 3),
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
        for (letter, times) in LETTERS {
            assert_eq!(text.matches(letter).count(), times, "written and shown: {letter}");
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
