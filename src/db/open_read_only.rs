//! Opening a database to look at it: nothing is made, migrated or written, and the engine itself
//! refuses to.

use super::{Db, OpenError};
use sqlx::{
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use std::{path::Path, str::FromStr, time::Duration};

const BUSY: Duration = Duration::from_secs(10);
const ACQUIRE: Duration = Duration::from_secs(20);

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` for reading only. On PostgreSQL a role is enough that may
    /// connect, use the schema and select; a server may be writing all the while.
    ///
    /// # Errors
    /// A URL of another kind, no such file, a file or server out of reach.
    pub async fn open_read_only(url: &str) -> Result<Self, OpenError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::look_at_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::look_at_postgres(url).await
        } else {
            Err(OpenError::Url)
        }
    }

    /// Where a log stands beside the file, a server writes or has crashed: the log is read as well,
    /// which takes the files beside it. Without one nobody writes, and the file alone is read, so that
    /// not even a lock file is made.
    async fn look_at_sqlite(path: &Path) -> Result<Self, OpenError> {
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err(OpenError::Url);
        }
        if !path.is_file() {
            return Err(OpenError::NoFile);
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let logged = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(!logged)
            .busy_timeout(BUSY)
            .pragma("query_only", "ON");
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        let pool = pool.connect_with(options).await.map_err(|error| match error {
            sqlx::Error::Database(_) if logged => OpenError::Log,
            other => other.into(),
        })?;
        Ok(Self::Sqlite { writer: pool.clone(), readers: pool })
    }

    /// Rows that a policy would hide make a statement fail, so that nothing is taken for empty.
    async fn look_at_postgres(url: &str) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
        let options =
            options.options([("default_transaction_read_only", "on"), ("row_security", "off")]);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE);
        Ok(Self::Postgres(pool.connect_with(options).await?))
    }
}
