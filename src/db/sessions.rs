//! Where tower-sessions keeps its records: ids as SHA-256, a device's sessions ending with it.

use super::{
    CredentialRow, Db, Error, Tx,
    columns::{Raw, Stamp},
    read, within, write,
};
use crate::clock::Clock;
use async_trait::async_trait;
use letterbox_protocol::types::{Bytes, DAY, HOUR, UnixTime};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::FromRow;
use std::{collections::HashMap, fmt};
use time::OffsetDateTime;
pub(super) use tower_sessions::session::Id as SessionId;
use tower_sessions::{SessionStore, session::Record, session_store};

/// The key under which a session's data names its device, as a [`CredentialRow`]: the row then
/// refers to the credential and goes with it.
pub const CREDENTIAL_KEY: &str = "credential";

/// Seconds a session lives after its last change.
const LIFETIME: i64 = DAY;

/// tower-sessions' store over [`Db`].
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    clock: Clock,
}

impl Sessions {
    /// Sessions in this database, whose age this clock tells.
    pub fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Writes a record, unless it is of a device that was revoked.
    async fn write(&self, statement: &'static str, record: &Record) -> session_store::Result<()> {
        let stored = Stored::of(record, self.clock.now())?;
        self.db.write_session(statement, stored).await.map_err(backend)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

#[derive(FromRow)]
struct SessionColumns {
    data: String,
    #[sqlx(try_from = "Stamp")]
    expiry_date: UnixTime,
}

/// A record as it is stored.
struct Stored {
    id: Raw<32>,
    credential: Option<CredentialRow>,
    data: String,
    expiry_date: Stamp,
}

impl Stored {
    /// A record that was used now. The time comes from the server's clock, and not from the record,
    /// which has it from the machine's.
    fn of(record: &Record, now: UnixTime) -> session_store::Result<Self> {
        let encode = |error: serde_json::Error| session_store::Error::Encode(error.to_string());
        let credential = record.data.get(CREDENTIAL_KEY).cloned();
        Ok(Self {
            id: hashed(&record.id),
            credential: credential.map(serde_json::from_value).transpose().map_err(encode)?,
            data: serde_json::to_string(&remembered(record, now)).map_err(encode)?,
            // The second would tell when somebody signed in.
            expiry_date: Stamp(now.plus(LIFETIME + HOUR - 1).hour()),
        })
    }
}

/// What a record is to go on holding: a value that has an `until` goes once that is past, so that
/// nothing tells of what was begun or done earlier.
fn remembered(record: &Record, now: UnixTime) -> HashMap<&String, &Value> {
    let over = |value: &Value| value["until"].as_i64().is_some_and(|until| until < now.0);
    record.data.iter().filter(|(_, value)| !over(value)).collect()
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        // 128 random bits do not collide; if they did, the primary key refuses the second.
        const INSERT: &str = "INSERT INTO sessions (id, webauthn_credential_id, data, expiry_date) \
             VALUES ($1, $2, $3, $4)";
        self.write(INSERT, record).await
    }

    /// A session that was ended meanwhile (signed out, its device revoked) stays ended.
    async fn save(&self, record: &Record) -> session_store::Result<()> {
        const UPDATE: &str = "UPDATE sessions SET webauthn_credential_id = $2, data = $3, expiry_date = $4 \
             WHERE id = $1";
        self.write(UPDATE, record).await
    }

    async fn load(&self, id: &SessionId) -> session_store::Result<Option<Record>> {
        const SELECT: &str =
            "SELECT data, expiry_date FROM sessions WHERE id = $1 AND expiry_date > $2";
        let row: Option<SessionColumns> = read!(&self.db, pool => {
            sqlx::query_as(SELECT).bind(hashed(id)).bind(Stamp(self.clock.now()))
                .fetch_optional(pool).await.map_err(backend)?
        });
        row.map(|row| row.record(*id)).transpose()
    }

    async fn delete(&self, id: &SessionId) -> session_store::Result<()> {
        write!(&self.db, pool => {
            sqlx::query("DELETE FROM sessions WHERE id = $1").bind(hashed(id))
                .execute(pool).await.map_err(backend)?;
        });
        Ok(())
    }
}

impl SessionColumns {
    fn record(self, id: SessionId) -> session_store::Result<Record> {
        let decode = |error: String| session_store::Error::Decode(error);
        let data: HashMap<String, Value> =
            serde_json::from_str(&self.data).map_err(|error| decode(error.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(self.expiry_date.0)
            .map_err(|error| decode(error.to_string()))?;
        Ok(Record { id, data, expiry_date })
    }
}

impl Db {
    async fn write_session(&self, statement: &'static str, stored: Stored) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        if let Some(device) = stored.credential
            && tx.hold(device).await?.is_none()
        {
            return Ok(());
        }
        within!(&mut tx, c => {
            sqlx::query(statement).bind(stored.id).bind(stored.credential).bind(stored.data)
                .bind(stored.expiry_date).execute(c).await?;
        });
        tx.commit().await
    }

    /// Takes a value out of a session's record, in one transaction: of requests that race for it,
    /// one gets it. None where there is no such session or value.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn take_from_session(
        &self,
        id: &SessionId,
        name: &str,
        now: UnixTime,
    ) -> Result<Option<Value>, Error> {
        const UPDATE: &str = "UPDATE sessions SET data = $2 WHERE id = $1";
        let mut tx = self.begin().await?;
        let Some(data) = tx.session_data(id, now).await? else { return Ok(None) };
        let corrupt = |_| Error::corrupt("sessions.data");
        let mut data: HashMap<String, Value> = serde_json::from_str(&data).map_err(corrupt)?;
        let Some(taken) = data.remove(name) else { return Ok(None) };
        let data = serde_json::to_string(&data).map_err(corrupt)?;
        within!(&mut tx, c => {
            sqlx::query(UPDATE).bind(hashed(id)).bind(data).execute(c).await?;
        });
        tx.commit().await?;
        Ok(Some(taken))
    }
}

impl Tx {
    /// A session's record, locked until the transaction ends.
    async fn session_data(
        &mut self,
        id: &SessionId,
        now: UnixTime,
    ) -> Result<Option<String>, Error> {
        const SELECT: &str = "SELECT data FROM sessions WHERE id = $1 AND expiry_date > $2";
        const LOCKING: &str =
            "SELECT data FROM sessions WHERE id = $1 AND expiry_date > $2 FOR UPDATE";
        Ok(match self {
            // There is one writer, and this transaction is it.
            Self::Sqlite(tx) => {
                let select = sqlx::query_scalar(SELECT).bind(hashed(id)).bind(Stamp(now));
                select.fetch_optional(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                let select = sqlx::query_scalar(LOCKING).bind(hashed(id)).bind(Stamp(now));
                select.fetch_optional(&mut **tx).await?
            }
        })
    }
}

/// Whoever reads the table cannot take over a session.
pub(super) fn hashed(id: &SessionId) -> Raw<32> {
    Raw(Bytes(Sha256::digest(id.0.to_be_bytes()).into()))
}

fn backend(error: impl Into<Error>) -> session_store::Error {
    session_store::Error::Backend(error.into().to_string())
}
