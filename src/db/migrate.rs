//! Migrations: forward only, the same file names for both engines.

use super::{Db, OpenError};
use sqlx::{
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

impl Db {
    /// A database of SQLite's that has been through all migrations, and is nowhere but in memory.
    pub(super) async fn in_memory() -> Result<Self, OpenError> {
        // One connection that stays: the database goes with it.
        let pool =
            SqlitePoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
        let pool = pool.connect_with(SqliteConnectOptions::new().in_memory(true)).await?;
        let db = Self::Sqlite { writer: pool.clone(), readers: pool };
        db.migrate().await?;
        Ok(db)
    }

    /// Brings the schema up to this version. A database that knows a migration which this binary
    /// does not is refused untouched.
    pub(super) async fn migrate(&self) -> Result<(), OpenError> {
        let done = match self {
            Self::Sqlite { writer, .. } => SQLITE.run(writer).await,
            Self::Postgres(pool) => POSTGRES.run(pool).await,
        };
        done.map_err(|error| match error {
            MigrateError::VersionMissing(version) => OpenError::Newer(version),
            MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
                OpenError::Foreign(version)
            }
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            _ => OpenError::Foreign(0),
        })
    }
}
