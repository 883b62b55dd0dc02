//! Opening a database: the engine, its settings, its file's rights, its epoch.

use super::{Db, Error, OpenError, columns::Raw, read, write};
use letterbox_protocol::types::Bytes;
use rand::CryptoRng;
use sqlx::{
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{os::unix::fs::OpenOptionsExt, path::Path, str::FromStr, time::Duration};

/// Connections that read, beside SQLite's one writer.
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
const BUSY: Duration = Duration::from_secs(5);
/// How long a request waits for a free connection before it fails.
const ACQUIRE: Duration = Duration::from_secs(10);

impl Db {
    /// Opens `sqlite:PATH` (made with owner-only rights where missing) or `postgres://…`, brings its
    /// schema up to this version, and draws an epoch if it has none.
    ///
    /// # Errors
    /// A URL of another kind, a file or server out of reach, a database from a newer version.
    pub async fn open(url: &str, rng: &mut impl CryptoRng) -> Result<Self, OpenError> {
        let db = if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await?
        } else {
            return Err(OpenError::Url);
        };
        db.migrate().await?;
        db.draw_epoch(Bytes::random(rng)).await?;
        Ok(db)
    }

    async fn open_sqlite(path: &Path) -> Result<Self, OpenError> {
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            return Err(OpenError::Url);
        }
        // SQLite gives the files beside it (-wal, -shm) the rights of this one.
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            // Freed pages are overwritten: what was deleted is gone from the file as well.
            .pragma("secure_delete", "ON")
            .pragma("cache_size", "-16384")
            .statement_cache_capacity(256);
        let pool = || {
            // A connection to a file does not break while it lies idle: no need to try it first.
            let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE).test_before_acquire(false);
            pool.max_lifetime(None).idle_timeout(None)
        };
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        let readers = pool()
            .max_connections(SQLITE_READERS)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::Sqlite { writer, readers })
    }

    async fn open_postgres(url: &str) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Url)?;
        let pool =
            PgPoolOptions::new().max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE);
        Ok(Self::Postgres(pool.connect_with(options).await?))
    }

    /// Writes an epoch if there is none yet.
    async fn draw_epoch(&self, epoch: Bytes<16>) -> Result<(), Error> {
        write!(self, pool => {
            sqlx::query("INSERT INTO database_epoch (id, epoch) VALUES (1, $1) ON CONFLICT DO NOTHING")
                .bind(Raw(epoch)).execute(pool).await?;
        });
        Ok(())
    }

    /// The database's epoch: another one means that it was restored from a backup.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn epoch(&self) -> Result<Bytes<16>, Error> {
        let epoch: Raw<16> = read!(self, pool => {
            sqlx::query_scalar("SELECT epoch FROM database_epoch").fetch_one(pool).await?
        });
        Ok(epoch.0)
    }

    /// Draws a new epoch, after a restore: clients and tokens notice.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn renew_epoch(&self, rng: &mut impl CryptoRng) -> Result<(), Error> {
        let epoch = Raw(Bytes::<16>::random(rng));
        write!(self, pool => {
            sqlx::query("UPDATE database_epoch SET epoch = $1").bind(epoch).execute(pool).await?;
        });
        Ok(())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), Error> {
        read!(self, pool => { sqlx::query("SELECT 1").execute(pool).await?; });
        Ok(())
    }

    /// Closes every connection, after the ones in use are given back.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}
