//! Every row of a table as it stands: for the demo, which shows them, and for the privacy tests,
//! which search them.

use super::{Db, Error, columns::Stamp};
use letterbox_protocol::types::UnixTime;
use sqlx::{
    AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgColumn, PgRow},
    sqlite::SqliteRow,
};

/// The tables of the mailbox: what is kept of letters and of those who send them.
pub const MAILBOX: &[&str] =
    &["messages", "message_deliveries", "device_session_keys", "ephemeral_keys", "spent_tokens"];

/// A table's rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Dump {
    /// The table.
    pub table: String,
    /// Its columns' names, in order; none where there are no rows.
    pub columns: Vec<String>,
    /// The rows, in no order that means anything; a cell a column.
    pub rows: Vec<Vec<Cell>>,
}

/// A stored value. Both engines' types come down to these; booleans are 0 and 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// Nothing.
    Null,
    /// A number.
    Integer(i64),
    /// A moment, rounded as its column is.
    Time(UnixTime),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Db {
    /// The names of all tables but the one in which migrations are counted, in alphabetic order.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn tables(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = match self {
            Self::Sqlite { readers, .. } => {
                let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
                sqlx::query_scalar(sql).fetch_all(readers).await?
            }
            Self::Postgres(pool) => {
                let sql = "SELECT tablename::text FROM pg_tables \
                           WHERE schemaname = current_schema()";
                sqlx::query_scalar(sql).fetch_all(pool).await?
            }
        };
        names.retain(|name| !name.starts_with("sqlite_") && !name.starts_with('_'));
        names.sort();
        Ok(names)
    }

    /// Everything in one table.
    ///
    /// # Errors
    /// There is no such table, or the database is out of reach.
    pub async fn dump(&self, table: &str) -> Result<Dump, Error> {
        let known = self.tables().await?.into_iter().find(|name| name == table);
        let table = known.ok_or(sqlx::Error::RowNotFound)?;
        // Safe: the name is one that the database has just told.
        let sql = AssertSqlSafe(format!("SELECT * FROM {table}"));
        let rows: Vec<Vec<(String, Cell)>> = match self {
            Self::Sqlite { readers, .. } => {
                let rows = sqlx::query(sql).fetch_all(readers).await?;
                rows.iter().map(sqlite_cells).collect::<Result<_, _>>()?
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await?;
                rows.iter().map(postgres_cells).collect::<Result<_, _>>()?
            }
        };
        let columns = rows.first().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let cells = |row: Vec<(String, Cell)>| row.into_iter().map(|(_, cell)| cell).collect();
        Ok(Dump { table, columns, rows: rows.into_iter().map(cells).collect() })
    }
}

pub(super) type NamedCells = Vec<(String, Cell)>;

pub(super) fn sqlite_cells(row: &SqliteRow) -> Result<NamedCells, sqlx::Error> {
    let columns = row.columns().iter().enumerate();
    columns.map(|(at, c)| Ok((c.name().to_owned(), sqlite_cell(row, at, c.name())?))).collect()
}

fn sqlite_cell(row: &SqliteRow, at: usize, column: &str) -> Result<Cell, sqlx::Error> {
    let raw = row.try_get_raw(at)?;
    Ok(match raw.type_info().name() {
        _ if raw.is_null() => Cell::Null,
        "INTEGER" if is_time(column) => Cell::Time(row.try_get::<Stamp, _>(at)?.into()),
        "INTEGER" => Cell::Integer(row.try_get(at)?),
        "TEXT" => Cell::Text(row.try_get(at)?),
        _ => Cell::Bytes(row.try_get(at)?),
    })
}

pub(super) fn postgres_cells(row: &PgRow) -> Result<NamedCells, sqlx::Error> {
    let columns = row.columns().iter().enumerate();
    let cell = |(at, c): (usize, &PgColumn)| {
        Ok((c.name().to_owned(), postgres_cell(row, at, c.type_info().name())?))
    };
    columns.map(cell).collect()
}

fn postgres_cell(row: &PgRow, at: usize, kind: &str) -> Result<Cell, sqlx::Error> {
    if row.try_get_raw(at)?.is_null() {
        return Ok(Cell::Null);
    }
    Ok(match kind {
        "INT8" => Cell::Integer(row.try_get(at)?),
        "INT4" => Cell::Integer(row.try_get::<i32, _>(at)?.into()),
        "INT2" => Cell::Integer(row.try_get::<i16, _>(at)?.into()),
        "BOOL" => Cell::Integer(row.try_get::<bool, _>(at)?.into()),
        "TIMESTAMPTZ" | "DATE" => Cell::Time(row.try_get::<Stamp, _>(at)?.into()),
        "UUID" => Cell::Bytes(row.try_get::<uuid::Uuid, _>(at)?.into_bytes().into()),
        "BYTEA" => Cell::Bytes(row.try_get(at)?),
        _ => Cell::Text(row.try_get(at)?),
    })
}

/// SQLite has no type for times: they are integers in columns that are named so.
fn is_time(column: &str) -> bool {
    column.ends_with("_at")
        || column.ends_with("_on")
        || matches!(column, "timestamp" | "day" | "expiry_date" | "valid_from")
}
