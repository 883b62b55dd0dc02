//! The privacy manifest, as types: `manifest.toml` beside this file, compiled into the program.

use figment::providers::{Format as _, Toml};
use serde::Deserialize;

/// The manifest's text.
const TEXT: &str = include_str!("manifest.toml");

/// The manifest does not read. A test makes sure that the one in the program does.
#[derive(Debug, thiserror::Error)]
#[error("the privacy manifest in this program does not read: {0}")]
pub struct Unreadable(String);

/// Everything that the server stores, logs, counts, reads, says, or can be asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of the file's form.
    pub version: u32,
    /// What no schema may hold.
    pub forbidden: Forbidden,
    /// Tables.
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
    /// Routes.
    #[serde(rename = "endpoint")]
    pub endpoints: Vec<Endpoint>,
    /// Headers.
    #[serde(rename = "header")]
    pub headers: Vec<Header>,
    /// Fields of log lines.
    #[serde(rename = "log_field")]
    pub log_fields: Vec<LogField>,
    /// Metrics.
    #[serde(rename = "metric")]
    pub metrics: Vec<Metric>,
}

/// What no schema may hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// Parts of names that say who did something.
    pub words: Vec<String>,
    /// Tables that no foreign key may lead out of.
    pub apart: Vec<String>,
}

/// A table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The heading that it stands under.
    pub area: String,
    /// Why it is there.
    pub purpose: String,
    /// How long a row stays.
    pub retention: String,
    /// Who gets to see rows.
    pub readers: String,
    /// What all rows together tell.
    pub infer: String,
    /// Whose row it is; nobody's where there is none.
    pub of: Option<Of>,
    /// The column that is false once a row has ended: nothing points to it any more.
    pub ends: Option<String>,
    /// When rows must be gone.
    #[serde(default)]
    pub expiry: Vec<Expiry>,
    /// Columns, in order.
    pub columns: Vec<Column>,
    /// Indexes, but for those of keys.
    #[serde(default)]
    pub indexes: Vec<Index>,
}

/// Whose a row is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// The column that says so.
    pub column: String,
    /// What the column holds.
    pub holds: Holds,
    /// Whether the row goes with the account, where the column holds a phone.
    #[serde(default)]
    pub account: bool,
}

/// What a column that says whose a row is holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holds {
    /// A phone number.
    Phone,
    /// A row of `users`.
    User,
    /// A row of `webauthn_credentials`.
    Device,
}

/// When a row must be gone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expiry {
    /// The time that it goes by.
    pub column: String,
    /// Minutes after it.
    pub minutes: i64,
    /// As long after it again as this column's time lies before it.
    pub as_long_again_as_since: Option<String>,
    /// Only rows where this is false.
    pub where_false: Option<String>,
    /// Only rows where this is set.
    pub where_set: Option<String>,
    /// Only rows where this is empty.
    pub where_empty: Option<String>,
    /// How far ahead the time may lie, in days.
    pub at_most_days: Option<i64>,
    /// The same in minutes.
    pub at_most_minutes: Option<i64>,
}

impl Expiry {
    /// How far ahead the time may lie, in seconds.
    pub fn at_most(&self) -> Option<i64> {
        let days = self.at_most_days.map(|days| days * 86_400);
        days.or(self.at_most_minutes.map(|minutes| minutes * 60))
    }
}

/// A column. Retention, readers and inference are the table's.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// PostgreSQL's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Why it is there.
    pub purpose: String,
    /// Whether it may be empty.
    #[serde(default)]
    pub null: bool,
    /// Part of the primary key, or unique by itself.
    pub key: Option<Key>,
    /// The table whose row it points to.
    pub references: Option<String>,
    /// The table whose row it names without a key, for as long as its own row may stay.
    pub leads: Option<String>,
    /// What a stored time is rounded to.
    pub time: Option<Bucket>,
    /// How far back the time may lie, in days; it does not lie ahead.
    pub days_ago: Option<i64>,
    /// The lengths that it may have, in bytes.
    pub size: Option<Vec<i64>>,
    /// The texts that it may hold.
    pub values: Option<Vec<String>>,
    /// The numbers that it may hold.
    pub numbers: Option<Vec<i64>>,
    /// What its texts look like.
    pub form: Option<Form>,
    /// The first keys that its JSON may have.
    pub keys: Option<Vec<String>>,
    /// Whether it counts: from 0, and never as far as where random ids begin.
    #[serde(default)]
    pub counter: bool,
    /// The table in which the same column of the owner's rows counts at least as far.
    pub up_to: Option<String>,
    /// How a row id is made.
    pub id: Option<IdScheme>,
    /// Its values stand in one mailbox only.
    pub once: Option<Once>,
    /// Why the owner's page shows only its length.
    pub withheld: Option<String>,
}

/// A key that a column belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// The primary key, or a part of it.
    Primary,
    /// Unique by itself.
    Unique,
}

/// What a stored time is rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bucket {
    /// As the engine has it.
    Exact,
    /// Whole seconds.
    Second,
    /// Whole minutes.
    Minute,
    /// Whole hours.
    Hour,
    /// Whole days.
    Day,
}

impl Bucket {
    /// Its length, where there is one.
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::Exact => None,
            Self::Second => Some(1),
            Self::Minute => Some(60),
            Self::Hour => Some(3_600),
            Self::Day => Some(86_400),
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// How a row id is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdScheme {
    /// The hour in the high bits, random below.
    Hour,
    /// Random.
    Random,
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// 16 bytes in base64url, without padding.
    Identifier,
    /// E.164.
    Phone,
}

/// Which values are compared across mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Once {
    /// Ids and labels, as text.
    Identifier,
    /// Ciphertexts, as bytes.
    Ciphertext,
    /// Public keys, as bytes.
    Key,
}

/// An index.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<String>,
    /// Why it is there.
    pub purpose: String,
    /// Whether it refuses a second row of the same values.
    #[serde(default)]
    pub unique: bool,
    /// Whether it has only some rows.
    #[serde(default)]
    pub partial: bool,
}

/// A route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Method and path, as in the OpenAPI document.
    pub call: String,
    /// Account, sealed or open.
    pub half: String,
    /// Why it is there.
    pub purpose: String,
    /// Whose call it is.
    pub readers: String,
    /// What somebody who sees the call learns.
    pub infer: String,
    /// Tables whose rows it adds, changes or deletes: what it leaves behind stays as long as these.
    #[serde(default)]
    pub writes: Vec<String>,
}

/// A header.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name, in small letters.
    pub name: String,
    /// Read from requests, answered, or sent to the SMS webhook.
    pub way: Way,
    /// The library that does so, where letterbox's own code does not.
    pub with: Option<String>,
    /// Why it is there.
    pub purpose: String,
    /// How long its value stays.
    pub retention: String,
    /// Who gets to see it.
    pub readers: String,
    /// What it tells.
    pub infer: String,
}

/// Which way a header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// Read from requests.
    Read,
    /// Set in answers.
    Answered,
    /// Set in requests to the SMS webhook.
    Sent,
}

/// A field of log lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogField {
    /// Its name.
    pub name: String,
    /// The most quiet level at which it is written.
    pub level: String,
    /// Why it is there.
    pub purpose: String,
    /// How long it stays.
    pub retention: String,
    /// Who gets to see it.
    pub readers: String,
    /// What it tells.
    pub infer: String,
}

/// A metric.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// Counter, gauge or histogram.
    pub kind: String,
    /// Its labels' names.
    pub labels: Vec<String>,
    /// Why it is there.
    pub purpose: String,
    /// How long it stays.
    pub retention: String,
    /// Who gets to see it.
    pub readers: String,
    /// What it tells.
    pub infer: String,
}

impl Column {
    /// The one length that its bytes have, where there is one.
    pub fn only_size(&self) -> Option<i64> {
        let bytes = self.kind == "BYTEA";
        match self.size.as_deref() {
            Some(&[size]) if bytes => Some(size),
            _ => (self.kind == "UUID").then_some(16),
        }
    }
}

impl Manifest {
    /// The one that this program was built with.
    ///
    /// # Errors
    /// Never in a program whose tests have passed.
    pub fn load() -> Result<Self, Unreadable> {
        Self::parse(TEXT)
    }

    /// Reads another one.
    ///
    /// # Errors
    /// It is not TOML, or not of this form.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        Toml::from_str(text).map_err(|error| Unreadable(error.to_string()))
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

impl Table {
    /// Whether a library made it, under other names for its types.
    pub fn is_bookkeeping(&self) -> bool {
        self.name.starts_with('_')
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

#[cfg(test)]
mod tests;
