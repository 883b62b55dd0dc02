//! How a database's tables and indexes are defined, and how the migrations define them.

use super::{Db, Error, OpenError, read};
use sqlx::FromRow;
use std::collections::BTreeMap;

/// What is defined, by table and name, as the engine tells.
pub type Definitions = BTreeMap<(String, String), String>;

/// What the migrations make on PostgreSQL, by table and name. A test keeps it current.
const POSTGRES: &str = include_str!("definitions.json");

#[derive(FromRow)]
struct Definition {
    table_name: String,
    name: String,
    definition: String,
}

impl Db {
    /// How everything in this database is defined, but for what sqlx made.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn definitions(&self) -> Result<Definitions, Error> {
        let select = match self {
            Self::Sqlite { .. } => SELECT_SQLITE,
            Self::Postgres(_) => SELECT_POSTGRES,
        };
        let rows: Vec<Definition> =
            read!(self, pool => sqlx::query_as(select).fetch_all(pool).await?);
        Ok(rows.into_iter().map(|row| ((row.table_name, row.name), row.definition)).collect())
    }
}

/// What the migrations make on this database's engine: on SQLite in memory, now.
///
/// # Errors
/// SQLite has no memory left.
pub async fn expected_definitions(db: &Db) -> Result<Definitions, OpenError> {
    match db {
        Db::Sqlite { .. } => {
            let fresh = Db::in_memory().await?;
            let definitions = fresh.definitions().await;
            fresh.close().await;
            Ok(definitions?)
        }
        Db::Postgres(_) => {
            let known: BTreeMap<String, BTreeMap<String, String>> =
                serde_json::from_str(POSTGRES).map_err(|_| Error::corrupt("definitions.json"))?;
            let named = known.into_iter().flat_map(|(table, names)| {
                names.into_iter().map(move |(name, text)| ((table.clone(), name), text))
            });
            Ok(named.collect())
        }
    }
}

/// SQLite keeps the statements. They are those of the migrations, comments and all, since a migration
/// whose text has changed does not run.
const SELECT_SQLITE: &str = r"
    SELECT tbl_name AS table_name, CASE type WHEN 'index' THEN name ELSE '' END AS name,
        sql AS definition
    FROM sqlite_schema WHERE type IN ('table', 'index') AND sql IS NOT NULL
        AND substr(tbl_name, 1, 1) <> '_'
    UNION ALL SELECT name, 'rowid', CASE wr WHEN 0 THEN 'yes' ELSE 'no' END
    FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND substr(name, 1, 1) <> '_'
    UNION ALL SELECT name, 'strict', CASE strict WHEN 0 THEN 'no' ELSE 'yes' END
    FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND substr(name, 1, 1) <> '_'";

const SELECT_POSTGRES: &str = r"
    WITH ours AS (
        SELECT c.oid, c.relname::text AS table_name FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
            AND left(c.relname, 1) <> '_')
    SELECT table_name, a.attname::text AS name,
        'DEFAULT ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
            || a.attidentity::text || a.attgenerated::text AS definition
    FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE d.oid IS NOT NULL OR a.attidentity::text <> ''
    UNION ALL SELECT table_name, k.conname::text, pg_get_constraintdef(k.oid)
    FROM ours JOIN pg_constraint k ON k.conrelid = ours.oid
    WHERE k.contype IN ('c', 'p', 'u', 'f', 'x')
    UNION ALL SELECT table_name, x.relname::text,
        replace(pg_get_indexdef(i.indexrelid), quote_ident(current_schema()) || '.', '')
    FROM ours JOIN pg_index i ON i.indrelid = ours.oid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid
        AND k.contype IN ('p', 'u', 'x'))";
