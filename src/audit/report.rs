//! What the audit found, for people and for programs.

use letterbox_protocol::types::UnixTime;
use serde::Serialize;
use std::fmt::{self, Display};

/// What no look at a database can tell. Said in every report.
const UNSEEN: &[&str] = &[
    "what a server's log, a proxy's log or the engine's own log holds: read the settings, and the logs",
    "the engine's write-ahead log, free pages, replicas and backups, which keep what was deleted for a while",
    "the order of rows on disk (the heap, by ctid) and of the transactions that wrote them (xmin, on PostgreSQL), which can be finer than their stored hour",
    "whether what looks random is: an altered server can hide a sender in an id, a digest or a ciphertext of the right form",
    "what lies below the first keys of JSON (sessions.data, webauthn_credentials.passkey, device_links.approval)",
    "which binary runs: compare its digest, and the page's digest in GET /v1/server, with a build of your own",
    "the server's memory, and what an altered server would do with a request before it stores anything",
    "who can read this database: its roles, its file's rights, its host",
    "addresses and times of connections, which the network sees and the database does not",
];

/// The outcome of one look at a database.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The engine.
    pub engine: &'static str,
    /// When it was looked at: retention is judged by this time.
    pub at: UnixTime,
    /// The verdict.
    pub verdict: Verdict,
    /// The checks, in order.
    pub checks: Vec<Check>,
    /// What this could not see.
    pub unseen: &'static [&'static str],
}

/// What an audit comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything was checked, and is as the manifest says.
    Passed,
    /// Something is not as the manifest says.
    Violated,
    /// Nothing was found, and not everything could be checked.
    Incomplete,
}

/// One question to the database.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What holds where it is ok.
    pub claim: &'static str,
    /// What does not hold.
    pub findings: Vec<Finding>,
    /// What could not be asked, and why.
    pub unchecked: Vec<String>,
}

/// Something that is not as the manifest says. Holds names and counts, never a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The table, where there is one.
    pub table: Option<String>,
    /// The column, index or object.
    pub name: Option<String>,
    /// How many rows, where rows were counted.
    pub rows: Option<i64>,
    /// What it means.
    pub meaning: String,
}

impl Check {
    pub(super) fn new(name: &'static str, claim: &'static str) -> Self {
        Self { name, claim, findings: Vec::new(), unchecked: Vec::new() }
    }

    /// Notes something about the schema.
    pub(super) fn found(&mut self, table: &str, name: &str, meaning: impl Into<String>) {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (table, name) = (some(table), some(name));
        self.findings.push(Finding { table, name, rows: None, meaning: meaning.into() });
    }

    /// Notes rows.
    pub(super) fn counted(&mut self, table: &str, name: &str, rows: i64, meaning: String) {
        let (table, name) = (Some(table.to_owned()), Some(name.to_owned()));
        self.findings.push(Finding { table, name, rows: Some(rows), meaning });
    }
}

impl Report {
    pub(super) fn new(engine: &'static str, at: UnixTime, checks: Vec<Check>) -> Self {
        let verdict = if checks.iter().any(|check| !check.findings.is_empty()) {
            Verdict::Violated
        } else if checks.iter().any(|check| !check.unchecked.is_empty()) {
            Verdict::Incomplete
        } else {
            Verdict::Passed
        };
        Self { engine, at, verdict, checks, unseen: UNSEEN }
    }

    /// All findings with the name of the check that made them.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.checks.iter().flat_map(|check| check.findings.iter().map(|one| (check.name, one)))
    }
}

/// A text of the database's on one line of a terminal: whatever would move the cursor, or is not seen,
/// is written out.
pub(super) fn plain(text: &str) -> String {
    let quote = |letter: char| matches!(letter, '"' | '\'');
    let escaped = |letter: char| match quote(letter) {
        true => letter.to_string(),
        false => letter.escape_debug().to_string(),
    };
    text.chars().map(escaped).collect()
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.table, &self.name) {
            (Some(table), Some(name)) => write!(f, "{}.{}", plain(table), plain(name))?,
            (Some(one), None) | (None, Some(one)) => f.write_str(&plain(one))?,
            (None, None) => f.write_str("the database")?,
        }
        match self.rows {
            Some(1) => f.write_str(", 1 row")?,
            Some(rows) => write!(f, ", {rows} rows")?,
            None => {}
        }
        write!(f, ": {}", plain(&self.meaning))
    }
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match (self.findings.is_empty(), self.unchecked.is_empty()) {
            (false, _) => "FAILED   ",
            (true, false) => "UNCHECKED",
            (true, true) => "ok       ",
        };
        writeln!(f, "{word} {:<16} {}", self.name, self.claim)?;
        for finding in &self.findings {
            writeln!(f, "            - {finding}")?;
        }
        for gap in &self.unchecked {
            writeln!(f, "            ? could not be checked: {}", plain(gap))?;
        }
        Ok(())
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "letterbox audit of a {} database, read only\n", self.engine)?;
        for check in &self.checks {
            write!(f, "{check}")?;
        }
        writeln!(f, "\nNot to be seen in a database, and so not checked:")?;
        for unseen in self.unseen {
            writeln!(f, "  - {unseen}")?;
        }
        let findings = self.findings().count();
        writeln!(f)?;
        match self.verdict {
            Verdict::Passed => writeln!(f, "PASSED: the database is as the privacy manifest says."),
            Verdict::Violated => writeln!(f, "FAILED: {findings} finding(s)."),
            Verdict::Incomplete => {
                writeln!(f, "INCOMPLETE: nothing was found, and not everything could be checked.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_forge_a_line_stays_on_its_own() {
        let forged = "x\nPASSED: \u{1b}[2J\u{202e}";
        let mut check = Check::new("schema", "claim");
        check.found(forged, forged, format!("a key to {forged}, \"quoted\""));
        check.unchecked.push(forged.to_owned());
        let report = Report::new("SQLite", UnixTime(0), vec![check]).to_string();
        assert!(!report.contains(['\u{1b}', '\u{202e}']), "{report}");
        assert!(report.lines().all(|line| !line.starts_with("PASSED")), "{report}");
        assert!(report.contains("\"quoted\""), "{report}");
    }
}
