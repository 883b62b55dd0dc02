//! What a database is made of, as its engine tells: tables, columns, keys, indexes, and everything
//! that runs or shows by itself. Reads the catalogues only, which any role may.

use super::{Db, Error, read};
use sqlx::FromRow;
use std::collections::BTreeMap;

/// A database's shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// Tables by name.
    pub tables: BTreeMap<String, TableShape>,
    /// Views, triggers, functions and the like.
    pub objects: Vec<Object>,
}

/// A table's shape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableShape {
    /// Columns, in order.
    pub columns: Vec<ColumnShape>,
    /// Indexes by name, but for those of keys.
    pub indexes: BTreeMap<String, IndexShape>,
}

/// A column's shape.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ColumnShape {
    /// The table.
    pub table_name: String,
    /// The column.
    pub column_name: String,
    /// The type, as this engine names it.
    pub kind: String,
    /// Whether it may be empty.
    pub nullable: bool,
    /// `primary` or `unique`.
    pub key: Option<String>,
    /// The tables that it points to, with what happens to it if not deleted with their row.
    pub refers: Option<String>,
}

/// An index's shape.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct IndexShape {
    /// The table.
    pub table_name: String,
    /// The index.
    pub index_name: String,
    /// Whether it refuses a second row of the same values.
    pub is_unique: bool,
    /// Which rows it has, where not all.
    pub predicate: Option<String>,
    /// Its columns, in order, separated by commas.
    pub columns: String,
}

/// Something that runs or shows by itself.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Object {
    /// What it is: `view`, `trigger`, `function` …
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table that it stands on, where there is one.
    pub stands_on: Option<String>,
}

impl Db {
    /// The database's shape.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn schema(&self) -> Result<Schema, Error> {
        let (columns, indexes, objects) = match self {
            Self::Sqlite { .. } => (sqlite::COLUMNS, sqlite::INDEXES, sqlite::OBJECTS),
            Self::Postgres(_) => (postgres::COLUMNS, postgres::INDEXES, postgres::OBJECTS),
        };
        let mut schema = Schema::default();
        let columns: Vec<ColumnShape> =
            read!(self, pool => sqlx::query_as(columns).fetch_all(pool).await?);
        for column in columns {
            let table = schema.tables.entry(column.table_name.clone()).or_default();
            table.columns.push(column);
        }
        let indexes: Vec<IndexShape> =
            read!(self, pool => sqlx::query_as(indexes).fetch_all(pool).await?);
        for index in indexes {
            let table = schema.tables.entry(index.table_name.clone()).or_default();
            table.indexes.insert(index.index_name.clone(), index);
        }
        schema.objects = read!(self, pool => sqlx::query_as(objects).fetch_all(pool).await?);
        Ok(schema)
    }

    /// What PostgreSQL is set to write into its own log, or to keep of each write; none of SQLite, which has no log.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn engine_log_settings(&self) -> Result<Vec<(String, String)>, Error> {
        const SETTINGS: &str = "SELECT name::text, setting::text FROM pg_settings WHERE name IN \
             ('log_statement', 'log_min_duration_statement', 'log_min_duration_sample', \
             'log_transaction_sample_rate', 'log_parameter_max_length_on_error', \
             'track_commit_timestamp')";
        Ok(match self {
            Self::Sqlite { .. } => Vec::new(),
            Self::Postgres(pool) => sqlx::query_as(SETTINGS).fetch_all(pool).await?,
        })
    }
}

mod sqlite {
    /// Tables of the engine's own are tables as well, and may be written to: but for what ANALYZE leaves,
    /// none belongs there.
    pub(super) const COLUMNS: &str = r#"
        SELECT t.name AS table_name, c.name AS column_name, upper(c.type) AS kind,
            c."notnull" = 0 AND c.pk = 0 AS nullable,
            CASE WHEN c.pk > 0 THEN 'primary' WHEN EXISTS (
                SELECT 1 FROM pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i
                WHERE l.origin = 'u' AND i.name = c.name) THEN 'unique' END AS key,
            (SELECT group_concat(f."table" || CASE f.on_delete WHEN 'CASCADE' THEN ''
                ELSE ' on delete ' || lower(f.on_delete) END, ', ')
                FROM pragma_foreign_key_list(t.name) f WHERE f."from" = c.name) AS refers
        FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c
        WHERE t.type = 'table' AND t.name <> 'sqlite_stat1' ORDER BY t.name, c.cid"#;

    pub(super) const INDEXES: &str = r#"
        SELECT t.name AS table_name, l.name AS index_name, l."unique" = 1 AS is_unique,
            CASE WHEN l.partial THEN substr(x.sql, instr(upper(x.sql), ' WHERE ') + 7) END AS predicate,
            (SELECT group_concat(coalesce(i.name, '(expression)'), ', ')
                FROM pragma_index_info(l.name) i) AS columns
        FROM sqlite_schema t JOIN pragma_index_list(t.name) l
        JOIN sqlite_schema x ON x.type = 'index' AND x.name = l.name
        WHERE t.type = 'table' AND l.origin = 'c' ORDER BY t.name, l.name"#;

    pub(super) const OBJECTS: &str = r"
        SELECT CASE type WHEN 'table' THEN 'virtual table' ELSE type END AS kind, name,
            CASE WHEN type = 'trigger' THEN tbl_name END AS stands_on
        FROM sqlite_schema WHERE type IN ('view', 'trigger')
            OR (type = 'table' AND upper(sql) LIKE 'CREATE VIRTUAL%') ORDER BY kind, name";
}

mod postgres {
    pub(super) const COLUMNS: &str = r"
        SELECT c.relname::text AS table_name, a.attname::text AS column_name,
            upper(format_type(a.atttypid, a.atttypmod)) AS kind, NOT a.attnotnull AS nullable,
            CASE WHEN EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
                AND a.attnum = ANY (i.indkey)) THEN 'primary'
            WHEN EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'u'
                AND a.attnum = ANY (k.conkey)) THEN 'unique' END AS key,
            (SELECT string_agg(p.relname::text || CASE k.confdeltype WHEN 'c' THEN ''
                WHEN 'n' THEN ' on delete set null' WHEN 'd' THEN ' on delete set default'
                WHEN 'r' THEN ' on delete restrict' ELSE ' on delete no action' END, ', ')
                FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid
                WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey)) AS refers
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
            AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum";

    pub(super) const INDEXES: &str = r"
        SELECT t.relname::text AS table_name, x.relname::text AS index_name, i.indisunique AS is_unique,
            pg_get_expr(i.indpred, i.indrelid) AS predicate,
            array_to_string(ARRAY(SELECT coalesce(a.attname::text, '(expression)')
                FROM unnest(i.indkey) WITH ORDINALITY AS k (n, place)
                LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.n
                ORDER BY k.place), ', ') AS columns
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = current_schema() AND t.relkind IN ('r', 'p') AND NOT EXISTS (
            SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
        ORDER BY t.relname, x.relname";

    /// Everything in schemas that are not the engine's own, but for what an extension brought, which
    /// the extension stands for; and the tables outside the schema that the server uses.
    pub(super) const OBJECTS: &str = r"
        WITH ours AS (
            SELECT oid, nspname FROM pg_namespace
            WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'),
        brought AS (SELECT objid FROM pg_depend WHERE deptype = 'e')
        SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
                ELSE 'table in another schema' END AS kind,
            c.relname::text AS name, NULL::text AS stands_on
        FROM pg_class c JOIN ours ON ours.oid = c.relnamespace
        WHERE c.oid NOT IN (SELECT objid FROM brought) AND (c.relkind IN ('v', 'm', 'f', 'S')
            OR (c.relkind IN ('r', 'p') AND ours.nspname <> current_schema()))
        UNION ALL SELECT 'trigger', t.tgname::text, c.relname::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
        UNION ALL SELECT 'function', p.proname::text, NULL
        FROM pg_proc p JOIN ours ON ours.oid = p.pronamespace WHERE p.oid NOT IN (SELECT objid FROM brought)
        UNION ALL SELECT 'rule', r.rulename::text, c.relname::text
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN ours ON ours.oid = c.relnamespace
        WHERE r.rulename <> '_RETURN'
        UNION ALL SELECT 'row-level policy', p.polname::text, c.relname::text
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        UNION ALL SELECT 'event trigger', evtname::text, NULL FROM pg_event_trigger
        UNION ALL SELECT 'publication', pubname::text, NULL FROM pg_publication
        UNION ALL SELECT 'extension', extname::text, NULL FROM pg_extension WHERE extname <> 'plpgsql'
        ORDER BY 1, 2";
}
