//! The checks of rows: each asks the database for the number of rows that break a rule, and for
//! nothing else.

mod definitions;
mod owners;
mod values;

pub(super) use owners::owner;

use super::{
    manifest::{Bucket, Column, Expiry, IdScheme, Manifest, Table},
    report::Check,
    shape::{self, Engine},
};
use crate::db::{Db, Error, Only, Rule, Schema};
use letterbox_protocol::types::UnixTime;

/// One look at a database.
pub(super) struct Look<'a> {
    pub(super) db: &'a Db,
    pub(super) manifest: &'a Manifest,
    pub(super) engine: Engine,
    pub(super) now: UnixTime,
    /// Seconds that a sweep may be late, and clocks apart.
    pub(super) grace: i64,
    schema: Schema,
}

impl<'a> Look<'a> {
    pub(super) async fn new(
        db: &'a Db,
        manifest: &'a Manifest,
        now: UnixTime,
        grace: i64,
    ) -> Result<Self, Error> {
        let schema = db.schema().await?;
        Ok(Self { db, manifest, engine: Engine::of(db), now, grace, schema })
    }

    /// Every check, in the order of the report.
    pub(super) async fn checks(&self) -> Vec<Check> {
        let mut checks = shape::shape(self.manifest, &self.schema, self.engine).to_vec();
        checks.push(self.definitions().await);
        checks.push(self.times().await);
        checks.push(self.retention().await);
        checks.push(self.sizes().await);
        checks.push(self.values().await);
        checks.push(self.ids().await);
        checks.push(self.mailboxes().await);
        checks.push(self.apart().await);
        checks.push(self.owners().await);
        checks.push(self.orphans().await);
        checks.push(self.engine_log().await);
        checks
    }

    /// Counts the rows that break a rule. A column that is not there is the schema check's to tell.
    async fn count(
        &self,
        check: &mut Check,
        table: &Table,
        column: &str,
        rule: Rule<'_>,
        meaning: &str,
    ) {
        let live = self.schema.tables.get(&table.name);
        if !live.is_some_and(|live| live.columns.iter().any(|c| c.column_name == column)) {
            return check.unchecked.push(format!("{}.{column} is not there", table.name));
        }
        match self.db.count_breaking(&table.name, &rule).await {
            Ok(0) => {}
            Ok(rows) => check.counted(&table.name, column, rows, meaning.to_owned()),
            Err(error) if error.is_forbidden() => {
                check.unchecked.push(format!("this role may not read all of {}", table.name));
            }
            Err(error) => check.unchecked.push(format!("{}.{column}: {error}", table.name)),
        }
    }

    fn columns(&self) -> impl Iterator<Item = (&'a Table, &'a Column)> + use<'a> {
        self.manifest.tables.iter().flat_map(|table| table.columns.iter().map(move |c| (table, c)))
    }

    async fn times(&self) -> Check {
        let claim =
            "no stored time is finer than the manifest says, or further off than its row can be";
        let mut check = Check::new("times", claim);
        for (table, column) in self.columns() {
            self.recent(&mut check, table, column).await;
            let Some((seconds, bucket)) = column.time.and_then(|t| Some((t.seconds()?, t))) else {
                continue;
            };
            // SQLite has whole seconds in these columns, and nothing finer.
            if self.engine == Engine::Sqlite && bucket == Bucket::Second {
                continue;
            }
            let rule = Rule::Rounded { column: &column.name, seconds };
            let meaning =
                format!("times finer than the {} tell what happened together", bucket.word());
            self.count(&mut check, table, &column.name, rule, &meaning).await;
        }
        check
    }

    /// A time that may be any number of hours off has room for somebody's id.
    async fn recent(&self, check: &mut Check, table: &Table, column: &Column) {
        let Some(days) = column.days_ago else { return };
        let name = column.name.as_str();
        let latest = self.now.plus(self.grace);
        let earliest = self.now.plus(-days * 86_400 - self.grace);
        for rule in
            [Rule::NotBefore { column: name, earliest }, Rule::NotAfter { column: name, latest }]
        {
            let meaning =
                format!("not of the last {days} days: it may be something else than a time");
            self.count(check, table, name, rule, &meaning).await;
        }
    }

    async fn retention(&self) -> Check {
        let claim = "no row has outlived its retention, and none is set to";
        let mut check = Check::new("retention", claim);
        for table in &self.manifest.tables {
            for expiry in &table.expiry {
                self.gone(&mut check, table, expiry).await;
            }
        }
        if let Some(letters) = self.manifest.table("messages") {
            let meaning = "every device that was to have the letter has it, and it is still there";
            self.count(&mut check, letters, "id", Rule::Awaited, meaning).await;
        }
        check
    }

    async fn gone(&self, check: &mut Check, table: &Table, expiry: &Expiry) {
        let column = expiry.column.as_str();
        let rule = Rule::Gone {
            column,
            seconds: expiry.minutes * 60 + self.grace,
            as_long_again_as_since: expiry.as_long_again_as_since.as_deref(),
            only: Only {
                not: expiry.where_false.as_deref(),
                set: expiry.where_set.as_deref(),
                empty: expiry.where_empty.as_deref(),
            },
            now: self.now,
        };
        let meaning = format!("past its retention, and not swept. Retention: {}", table.retention);
        self.count(check, table, column, rule, &meaning).await;
        if let Some(at_most) = expiry.at_most() {
            let latest = self.now.plus(at_most + self.grace);
            let meaning = format!("set to stay longer than may be. Retention: {}", table.retention);
            self.count(check, table, column, Rule::NotAfter { column, latest }, &meaning).await;
        }
    }

    async fn sizes(&self) -> Check {
        let claim = "letters, envelopes, capsules and keys have the lengths of their classes";
        let mut check = Check::new("sizes", claim);
        for (table, column) in self.columns() {
            let Some(sizes) = &column.size else { continue };
            let rule = Rule::Sized { column: &column.name, sizes };
            let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
            let meaning =
                format!("a length that is none of {}: it tells what is inside", sizes.join(", "));
            self.count(&mut check, table, &column.name, rule, &meaning).await;
        }
        check
    }

    async fn ids(&self) -> Check {
        let claim =
            "row ids are random, or hold the stored hour and are random below it: no order is kept";
        let mut check = Check::new("row ids", claim);
        for (table, column) in self.columns() {
            let Some(scheme) = column.id else { continue };
            let name = column.name.as_str();
            let rule = match scheme {
                IdScheme::Random => Rule::RandomId { column: name },
                IdScheme::Hour => Rule::HourId { column: name, parent: dated_by(table) },
            };
            let meaning = match scheme {
                IdScheme::Random => "an id that was counted up, and not drawn: it tells the order",
                IdScheme::Hour => {
                    "an id without the row's hour in its high bits: it may tell the order"
                }
            };
            self.count(&mut check, table, name, rule, meaning).await;
        }
        check
    }

    async fn engine_log(&self) -> Check {
        let claim = "the engine is not set to write statements with their values into its own log, or the \
                     time of each write";
        let mut check = Check::new("engine log", claim);
        match self.db.engine_log_settings().await {
            Ok(settings) => {
                for (name, value) in settings {
                    if let Some(what) = told(&name, &value) {
                        check.found("", &name, format!("set to {value}: {what}"));
                    }
                }
            }
            Err(error) => check.unchecked.push(error.to_string()),
        }
        check
    }
}

/// Whose time a row's id goes by, where it is not its own: the row that it points to first.
fn dated_by(table: &Table) -> Option<(&str, &str)> {
    if table.column("created_at").is_some() {
        return None;
    }
    table.columns.iter().find_map(|c| Some((c.references.as_deref()?, c.name.as_str())))
}

/// What a setting of PostgreSQL makes it keep: statements, which come with their parameters, or when
/// each row was written.
fn told(name: &str, value: &str) -> Option<&'static str> {
    let logs = match name {
        "log_statement" => !matches!(value, "none" | "ddl"),
        "log_min_duration_statement" | "log_min_duration_sample" => value != "-1",
        "log_transaction_sample_rate" => value.parse() != Ok(0.0),
        "log_parameter_max_length_on_error" => value != "0",
        "track_commit_timestamp" => {
            return (value != "off")
                .then_some("every row tells to the microsecond when it was written, by its xmin");
        }
        _ => false,
    };
    logs.then_some("phone numbers and ids go to the engine's log")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn settings_that_tell_are_known() {
        for (name, quiet, telling) in [
            ("log_statement", "ddl", "mod"),
            ("log_min_duration_statement", "-1", "250"),
            ("log_transaction_sample_rate", "0", "0.1"),
            ("log_parameter_max_length_on_error", "0", "-1"),
            ("track_commit_timestamp", "off", "on"),
        ] {
            assert_eq!(told(name, quiet), None, "{name}");
            assert!(told(name, telling).is_some(), "{name}");
        }
        assert_eq!(told("work_mem", "4096"), None);
    }
}
