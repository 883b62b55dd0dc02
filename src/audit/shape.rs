//! The database's shape beside the manifest's: nothing missing, nothing more, nothing of another kind.

use super::{
    manifest::{Column, Key, Manifest, Table},
    names,
    report::Check,
};
use crate::db::{ColumnShape, Db, Schema, TableShape};

/// The engine that a shape comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// A file.
    Sqlite,
    /// A server.
    Postgres,
}

impl Engine {
    /// A database's.
    pub(super) fn of(db: &Db) -> Self {
        match db {
            Db::Sqlite { .. } => Self::Sqlite,
            Db::Postgres(_) => Self::Postgres,
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// What a type of the manifest, which is PostgreSQL's, is in this engine.
    pub(super) fn kind(self, kind: &str) -> &str {
        match (self, kind) {
            (Self::Postgres, kind) => kind,
            (Self::Sqlite, "TEXT" | "VARCHAR(20)") => "TEXT",
            (Self::Sqlite, "BYTEA" | "UUID") => "BLOB",
            (Self::Sqlite, _) => "INTEGER",
        }
    }
}

/// A live type under the name that the manifest gives it.
fn known_kind(kind: &str) -> String {
    let kind = kind.replace("CHARACTER VARYING", "VARCHAR");
    kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
}

/// All that can be told without a look at rows.
pub(super) fn shape(manifest: &Manifest, schema: &Schema, engine: Engine) -> [Check; 5] {
    [
        tables(manifest, schema, engine),
        indexes(manifest, schema),
        keys(manifest, schema),
        forbidden(manifest, schema),
        objects(schema),
    ]
}

/// Tables, columns and types.
fn tables(manifest: &Manifest, schema: &Schema, engine: Engine) -> Check {
    let claim = "tables and columns are those of the manifest, and of their types";
    let mut check = Check::new("schema", claim);
    for table in &manifest.tables {
        match schema.tables.get(&table.name) {
            Some(live) => columns(&mut check, table, live, engine),
            None => check.found(&table.name, "", "the table is missing"),
        }
    }
    for name in schema.tables.keys().filter(|name| manifest.table(name).is_none()) {
        check.found(
            name,
            "",
            "a table that the manifest does not name: nobody has said what it is for",
        );
    }
    check
}

fn columns(check: &mut Check, table: &Table, live: &TableShape, engine: Engine) {
    let found = |name: &str| live.columns.iter().find(|column| column.column_name == name);
    for column in &table.columns {
        match found(&column.name) {
            Some(live) => kind(check, table, column, live, engine),
            None => check.found(&table.name, &column.name, "the column is missing"),
        }
    }
    let names = live.columns.iter().map(|column| &column.column_name);
    for name in names.filter(|name| table.column(name).is_none()) {
        check.found(
            &table.name,
            name,
            "a column that the manifest does not name: nobody has said what it is for",
        );
    }
}

fn kind(check: &mut Check, table: &Table, column: &Column, live: &ColumnShape, engine: Engine) {
    // sqlx makes its own table with other names for the same types on SQLite.
    let bookkeeping = table.is_bookkeeping() && engine == Engine::Sqlite;
    let (wanted, found) = (engine.kind(&column.kind), known_kind(&live.kind));
    if wanted != found && !bookkeeping {
        check.found(&table.name, &column.name, format!("the type is {found}, and not {wanted}"));
    }
    if column.null != live.nullable {
        let word = if live.nullable { "may be empty" } else { "may not be empty" };
        check.found(&table.name, &column.name, format!("it {word}, against the manifest"));
    }
    let wanted = column.key.map(|key| match key {
        Key::Primary => "primary",
        Key::Unique => "unique",
    });
    if wanted != live.key.as_deref() {
        let word =
            |key: Option<&str>| key.map_or("no key".to_owned(), |key| format!("a {key} key"));
        let meaning = format!("it is {}, and not {}", word(live.key.as_deref()), word(wanted));
        check.found(&table.name, &column.name, meaning);
    }
}

/// Indexes.
fn indexes(manifest: &Manifest, schema: &Schema) -> Check {
    let mut check = Check::new("indexes", "indexes are those of the manifest");
    for table in &manifest.tables {
        let Some(live) = schema.tables.get(&table.name) else { continue };
        for index in &table.indexes {
            let Some(found) = live.indexes.get(&index.name) else {
                check.found(&table.name, &index.name, "the index is missing");
                continue;
            };
            let wanted = (index.columns.join(", "), index.unique, index.partial);
            if (found.columns.clone(), found.is_unique, found.predicate.is_some()) != wanted {
                check.found(
                    &table.name,
                    &index.name,
                    "the index has other columns, or is of another kind",
                );
            }
        }
        let more =
            live.indexes.keys().filter(|name| table.indexes.iter().all(|i| i.name != **name));
        for name in more {
            check.found(
                &table.name,
                name,
                "an index that the manifest does not name: it sorts rows by something",
            );
        }
    }
    check
}

/// Foreign keys.
fn keys(manifest: &Manifest, schema: &Schema) -> Check {
    let claim =
        "foreign keys are those of the manifest, and what they point to takes its rows with it";
    let mut check = Check::new("foreign keys", claim);
    for (name, live) in &schema.tables {
        for column in &live.columns {
            let wanted = manifest.table(name).and_then(|table| table.column(&column.column_name));
            let wanted = wanted.and_then(|column| column.references.as_deref());
            match (wanted, column.refers.as_deref()) {
                (wanted, found) if wanted == found => {}
                (Some(wanted), None) => {
                    let meaning =
                        format!("the key to {wanted} is missing: rows outlive what they belong to");
                    check.found(name, &column.column_name, meaning);
                }
                (_, Some(found)) => {
                    check.found(
                        name,
                        &column.column_name,
                        format!("a key to {found}, against the manifest"),
                    );
                }
                (None, None) => {}
            }
        }
    }
    check
}

/// What is forbidden, whatever the manifest says.
fn forbidden(manifest: &Manifest, schema: &Schema) -> Check {
    let claim =
        "no column says who wrote, no row names two people, no key leads from letters to people";
    let mut check = Check::new("forbidden", claim);
    for (name, live) in &schema.tables {
        let columns = live.columns.iter().map(|c| (c.column_name.as_str(), c.refers.as_deref()));
        for (column, meaning) in
            names::forbidden(&manifest.forbidden, &(name.as_str(), columns.collect()))
        {
            check.found(name, &column, meaning);
        }
    }
    check
}

/// Whatever runs or shows by itself.
fn objects(schema: &Schema) -> Check {
    let claim = "nothing in the database runs or shows by itself: no trigger, view, function, rule, publication";
    let mut check = Check::new("objects", claim);
    for object in &schema.objects {
        let meaning = match object.kind.as_str() {
            "trigger" | "rule" | "event trigger" => "it could write down what passes",
            "publication" => "it hands every change on, in its order",
            "row-level policy" => "it hides rows from some who look",
            "extension" => "it can add anything; some keep statements",
            _ => "nothing of letterbox needs it, and it could join what is kept apart",
        };
        let meaning = format!("a {}: {meaning}", object.kind);
        check.found(object.stands_on.as_deref().unwrap_or_default(), &object.name, meaning);
    }
    check
}
