//! What can go wrong in storage, without a word of what was stored.

use std::fmt;

/// A statement failed. Neither `Display` nor `Debug` repeats values: PostgreSQL's own error holds
/// the offending row.
#[derive(thiserror::Error)]
#[error("the database refused or was out of reach ({})", kind(.0))]
pub struct Error(#[from] sqlx::Error);

impl Error {
    /// Whether the same transaction, begun anew, may succeed: a deadlock, a serialisation failure,
    /// a busy file, two rows that drew the same random id, or a row that went meanwhile.
    pub(super) fn is_worth_retrying(&self) -> bool {
        let sqlx::Error::Database(error) = &self.0 else { return false };
        // PostgreSQL: serialization_failure, deadlock_detected. SQLite: SQLITE_BUSY(_SNAPSHOT).
        let transient = matches!(error.code().as_deref(), Some("40001" | "40P01" | "5" | "517"));
        transient || error.is_unique_violation() || error.is_foreign_key_violation()
    }

    /// Whether the role that asks may not read what it asked for.
    pub(crate) fn is_forbidden(&self) -> bool {
        let sqlx::Error::Database(error) = &self.0 else { return false };
        // PostgreSQL: insufficient_privilege.
        error.code().as_deref() == Some("42501")
    }

    /// A stored value that this version does not understand.
    pub(super) fn corrupt(column: &'static str) -> Self {
        let source = "not in the form that was written".into();
        Self(sqlx::Error::ColumnDecode { index: column.to_owned(), source })
    }
}

/// A word for logs: what kind of failure, never with what values.
fn kind(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            format!("code {}", error.code().as_deref().unwrap_or("unknown"))
        }
        sqlx::Error::Io(error) => format!("i/o: {}", error.kind()),
        sqlx::Error::PoolTimedOut => "no connection was free in time".to_owned(),
        sqlx::Error::PoolClosed => "closed".to_owned(),
        sqlx::Error::ColumnDecode { index, .. } => format!("unreadable value in {index}"),
        _ => "protocol".to_owned(),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "db::Error({})", kind(&self.0))
    }
}

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither `sqlite:PATH` nor `postgres://…`.
    #[error("a database is named sqlite:PATH or postgres://user@host/name")]
    Url,
    /// The file could not be made.
    #[error("the database file could not be opened: {0}")]
    File(#[from] std::io::Error),
    /// There is no such file.
    #[error("there is no such database file")]
    NoFile,
    /// A log without the right to read it.
    #[error(
        "the database file has a write-ahead log beside it, which cannot be read with the rights of \
         this user: give it the right to write to `-wal` and `-shm`, or copy all three files to a \
         folder of its own and name the copy"
    )]
    Log,
    /// A newer letterbox has written this database.
    #[error(
        "this database was written by a newer letterbox (its migration {0} is unknown here): \
         run that version or a later one"
    )]
    Newer(i64),
    /// A migration was changed after it ran, or stopped half way.
    #[error("this database does not match migration {0} as this letterbox knows it")]
    Foreign(i64),
    /// Everything else.
    #[error(transparent)]
    Database(#[from] Error),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}
