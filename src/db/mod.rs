//! Storage: every statement of the server, written once for SQLite and PostgreSQL.
//!
//! One public method of [`Db`] is one atomic operation with a domain name. Statements use what both
//! engines speak (`$1`, `ON CONFLICT`, `RETURNING`); where they must differ, the two arms stand side
//! by side in one function. Times and randomness come in as parameters.

mod accounts;
mod bundles;
mod claims;
mod columns;
mod credentials;
mod definitions;
mod devices;
mod disclosure;
mod dump;
mod ephemeral;
mod error;
mod ids;
mod inbox;
mod inspect;
mod issuers;
mod keys;
mod letters;
mod links;
mod migrate;
mod open;
mod open_read_only;
mod recovery;
mod removal;
mod resets;
mod rotation;
mod rules;
mod sends;
mod server_keys;
mod sessions;
mod sweep;
mod tokens;
mod verifications;
mod wraps;

pub use accounts::{CreateAccount, NewCredential};
pub use claims::LookedUp;
pub use credentials::{Credential, CredentialRow, UserRow};
pub use definitions::{Definitions, expected_definitions};
pub use devices::Revocation;
pub(crate) use disclosure::{Owner, Part};
pub use dump::{Cell, Dump, MAILBOX};
pub use ephemeral::{ClaimExchange, OpenExchange};
pub use error::{Error, OpenError};
pub use inbox::{PendingEnvelope, PendingHeader, PendingLetter, Position};
pub use inspect::{ColumnShape, IndexShape, Object, Schema, TableShape};
pub use issuers::{Issuance, IssuerKey};
pub use keys::{AddPrekeys, ONE_TIME_PREKEYS, Publish};
pub use letters::{LetterStore, Limits, Stored};
pub use links::{Approval, LinkDevice};
pub use recovery::NewBeginning;
pub use resets::BegunReset;
pub use rotation::{Rotate, Rotation};
pub(crate) use rules::{Form, Held, Only, Rule, Value, Whose};
pub use sends::{BadSend, SealedSend, SendOutcome};
pub use server_keys::ServerKey;
pub use sessions::{CREDENTIAL_KEY, Sessions};
#[cfg(test)]
pub(crate) use sweep::SWEEPS;
pub use sweep::Swept;
pub use tokens::SpentToken;
pub use verifications::{CodeLimits, StartVerification, Verification};
pub use wraps::{BadWraps, Wrap, Wraps};

use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use std::fmt;

/// The open database.
#[derive(Clone)]
pub enum Db {
    /// A file, in WAL mode: one connection writes, several read.
    Sqlite {
        /// A pool of one connection, so that writers queue here and not on the file's lock.
        writer: SqlitePool,
        /// Connections that only read.
        readers: SqlitePool,
    },
    /// A PostgreSQL database.
    Postgres(PgPool),
}

/// A transaction on whichever engine is open. Dropped without a commit, it is rolled back.
enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one statement inside a [`Tx`]: `$connection` is the open engine's.
macro_rules! within {
    ($tx:expr, $connection:ident => $body:expr) => {
        match $tx {
            $crate::db::Tx::Sqlite(tx) => {
                let $connection = &mut **tx;
                $body
            }
            $crate::db::Tx::Postgres(tx) => {
                let $connection = &mut **tx;
                $body
            }
        }
    };
}
use within;

/// Runs one statement of its own that writes: `$pool` is the open engine's.
macro_rules! write {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { writer: $pool, .. } => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}
use write;

/// Runs one statement of its own that only reads: `$pool` is the open engine's.
macro_rules! read {
    ($db:expr, $pool:ident => $body:expr) => {
        match $db {
            $crate::db::Db::Sqlite { readers: $pool, .. } => $body,
            $crate::db::Db::Postgres($pool) => $body,
        }
    };
}
use read;

impl Db {
    /// Begins a transaction that may write. On SQLite it takes the write lock at once: a
    /// transaction that read first and asked for the lock later could be refused it.
    async fn begin(&self) -> Result<Tx, Error> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(begun(pool, None).await?),
        })
    }

    /// Begins a transaction whose statements all see one state of the database.
    async fn snapshot(&self) -> Result<Tx, Error> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";
        Ok(match self {
            Self::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(begun(pool, Some(SNAPSHOT)).await?),
        })
    }
}

/// Begins on PostgreSQL, to the end even where whoever asked goes away: sqlx gives a connection whose
/// `BEGIN` was sent and not awaited back to the pool inside that transaction, where the next one's
/// writes would be refused, or never committed.
async fn begun(
    pool: &PgPool,
    statement: Option<&'static str>,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let pool = pool.clone();
    let begin = tokio::spawn(async move {
        match statement {
            Some(statement) => pool.begin_with(statement).await,
            None => pool.begin().await,
        }
    });
    begin.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

impl Tx {
    /// Makes it durable.
    async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite { .. } => "Db(SQLite)",
            Self::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}
