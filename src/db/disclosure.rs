//! All rows that belong to one phone number.

use super::{
    Db, Error, Tx,
    dump::{NamedCells, postgres_cells, sqlite_cells},
};
use letterbox_protocol::types::Phone;
use sqlx::AssertSqlSafe;

/// What a column holds that says whose a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Phone,
    User,
    Device,
}

/// A table, and the column of it that says whose a row is. Names are those of the privacy manifest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) table: &'a str,
    pub(crate) column: &'a str,
    pub(crate) owner: Owner,
    /// Columns of bytes of which only the length is asked for.
    pub(crate) lengths: &'a [&'a str],
    /// All columns, in order.
    pub(crate) columns: &'a [&'a str],
}

/// What [`Owner`] a text column of JSON may name as well: a session before sign-in, or during a link.
const NAMED_IN_SESSIONS: &str =
    " OR (webauthn_credential_id IS NULL AND data LIKE '%\"' || $1 || '\"%')";

impl Db {
    /// The rows of these tables that belong to a phone number, whether or not it has an account, all
    /// as they stood at one moment.
    ///
    /// # Errors
    /// The role may not read a table, or the database is out of reach.
    pub(crate) async fn rows_of(
        &self,
        phone: &Phone,
        parts: &[Part<'_>],
    ) -> Result<Vec<Vec<NamedCells>>, Error> {
        let mut found = Vec::new();
        let mut tx = self.snapshot().await?;
        for part in parts {
            let select = AssertSqlSafe(part.select());
            found.push(match &mut tx {
                Tx::Sqlite(tx) => {
                    let select = sqlx::query(select).bind(phone.as_str()).persistent(false);
                    let rows = select.fetch_all(&mut **tx).await?;
                    rows.iter().map(sqlite_cells).collect::<Result<_, _>>()?
                }
                Tx::Postgres(tx) => {
                    let select = sqlx::query(select).bind(phone.as_str()).persistent(false);
                    let rows = select.fetch_all(&mut **tx).await?;
                    rows.iter().map(postgres_cells).collect::<Result<_, _>>()?
                }
            });
        }
        tx.commit().await?;
        Ok(found)
    }
}

impl Part<'_> {
    fn select(&self) -> String {
        const USERS: &str = "SELECT id FROM users WHERE phone = $1";
        let columns = self.columns.iter().map(|name| match self.lengths.contains(name) {
            true => format!("octet_length(\"{name}\") AS \"{name}\""),
            false => format!("\"{name}\""),
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let Self { table, column, .. } = self;
        let condition = match self.owner {
            Owner::Phone => "= $1".to_owned(),
            Owner::User => format!("IN ({USERS})"),
            Owner::Device => {
                format!("IN (SELECT id FROM webauthn_credentials WHERE user_id IN ({USERS}))")
            }
        };
        let more = if *table == "sessions" { NAMED_IN_SESSIONS } else { "" };
        format!("SELECT {columns} FROM \"{table}\" WHERE \"{column}\" {condition}{more}")
    }
}
