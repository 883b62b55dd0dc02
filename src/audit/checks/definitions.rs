//! What a migrated database is defined as, beside what this one is: checks, defaults, the conditions
//! and orders of indexes, and on SQLite how tables are kept.

use super::{Check, Look};
use crate::db::{Db, Definitions, expected_definitions};

impl Look<'_> {
    /// Tables, columns and indexes that are missing or more are other checks' to tell.
    pub(super) async fn definitions(&self) -> Check {
        let claim = "checks, defaults and indexes are defined as the migrations define them";
        let mut check = Check::new("definitions", claim);
        match self.both().await {
            Ok((wanted, live)) => self.compare(&mut check, &wanted, &live),
            Err(error) => check.unchecked.push(error),
        }
        check
    }

    async fn both(&self) -> Result<(Definitions, Definitions), String> {
        let wanted = expected_definitions(self.db).await.map_err(|error| error.to_string())?;
        Ok((wanted, self.db.definitions().await.map_err(|error| error.to_string())?))
    }

    fn compare(&self, check: &mut Check, wanted: &Definitions, live: &Definitions) {
        for ((table, name), wanted) in wanted {
            if !self.schema.tables.contains_key(table) {
                continue;
            }
            match live.get(&(table.clone(), name.clone())) {
                Some(found) if found == wanted => {}
                Some(_) => check.found(table, name, altered(name)),
                None => check.found(table, name, "what the migrations define is missing"),
            }
        }
        // An index or column more is found by its name; a check or default more is not.
        let more = live.keys().filter(|key| !wanted.contains_key(*key));
        for (table, name) in more.filter(|(table, _)| {
            matches!(self.db, Db::Postgres(_)) && self.manifest.table(table).is_some()
        }) {
            check.found(table, name, "the migrations define no such thing");
        }
    }
}

fn altered(name: &str) -> &'static str {
    match name {
        "rowid" => "rows are kept by a number that counts up: it tells their order",
        "strict" => "values of any type fit into any column",
        _ => {
            "not as the migrations define it: a check, a default, a condition or an order is another"
        }
    }
}
