//! Expiry: what is past its time goes, a bounded number of rows at once.

use super::{Db, Error, columns::Stamp};
use letterbox_protocol::types::{DAY, HOUR, UnixTime};
use sqlx::AssertSqlSafe;

/// What a sweep removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Rows that went.
    pub rows: u64,
    /// Whether a table was not swept to the end: come again at once.
    pub more: bool,
}

/// A table's expired rows, `$2` of them at most; `$1` is the time given, less the grace in seconds.
pub(crate) const SWEEPS: [(&str, i64); 14] = [
    (
        "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM device_session_keys WHERE id IN (SELECT id FROM device_session_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM ephemeral_keys WHERE id IN (SELECT id FROM ephemeral_keys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM one_time_prekeys WHERE (webauthn_credential_id, key_id) IN (SELECT webauthn_credential_id, key_id FROM one_time_prekeys WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        0,
    ),
    // An active one stays, however old: senders judge its age by the signed time.
    (
        "DELETE FROM signed_prekeys WHERE (webauthn_credential_id, key_id) IN (SELECT webauthn_credential_id, key_id FROM signed_prekeys WHERE expires_at <= $1 AND NOT is_active ORDER BY expires_at LIMIT $2)",
        0,
    ),
    // Counted for an hour from when they were sent, which is before they expired.
    (
        "DELETE FROM phone_verifications WHERE (phone, code_hash) IN (SELECT phone, code_hash FROM phone_verifications WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        HOUR,
    ),
    // A revoked device: its passkey is known, and refused, for as long.
    (
        "DELETE FROM webauthn_credentials WHERE id IN (SELECT id FROM webauthn_credentials WHERE NOT is_active AND revoked_on <= $1 ORDER BY revoked_on LIMIT $2)",
        90 * DAY,
    ),
    (
        "DELETE FROM device_links WHERE id IN (SELECT id FROM device_links WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
        0,
    ),
    // Cancelled, until they block no more; over, until as long again as they took.
    (
        "DELETE FROM registration_waits WHERE phone IN (SELECT phone FROM registration_waits WHERE ends_at <= $1 AND cancelled_at IS NOT NULL ORDER BY ends_at LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM registration_waits WHERE phone IN (SELECT phone FROM registration_waits WHERE ends_at + (ends_at - begun_at) <= $1 AND cancelled_at IS NULL ORDER BY ends_at LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expiry_date <= $1 ORDER BY expiry_date LIMIT $2)",
        0,
    ),
    // A request whose token was good when it came may take its time.
    (
        "DELETE FROM spent_tokens WHERE nullifier IN (SELECT nullifier FROM spent_tokens WHERE expires_on <= $1 ORDER BY expires_on LIMIT $2)",
        HOUR,
    ),
    (
        "DELETE FROM token_issuer_keys WHERE id IN (SELECT id FROM token_issuer_keys WHERE expires_on <= $1 LIMIT $2)",
        0,
    ),
    (
        "DELETE FROM token_issuance WHERE (webauthn_credential_id, day) IN (SELECT webauthn_credential_id, day FROM token_issuance WHERE day <= $1 ORDER BY day LIMIT $2)",
        2 * DAY,
    ),
];

impl Db {
    /// Removes expired rows from every table, at most `batch` a table, so that no sweep holds up
    /// the writers for long. On PostgreSQL a row that somebody else has locked stays until the next
    /// sweep: this one waits for nobody who may wait for it.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn sweep(&self, now: UnixTime, batch: u32) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for (delete, grace) in SWEEPS {
            let (time, limit) = (Stamp(now.plus(-grace)), i64::from(batch));
            let rows = match self {
                Self::Sqlite { writer, .. } => {
                    let delete = sqlx::query(delete).bind(time).bind(limit);
                    delete.execute(writer).await?.rows_affected()
                }
                Self::Postgres(pool) => {
                    let skipping = delete.replace("LIMIT $2", "LIMIT $2 FOR UPDATE SKIP LOCKED");
                    let delete = sqlx::query(AssertSqlSafe(skipping)).bind(time).bind(limit);
                    delete.execute(pool).await?.rows_affected()
                }
            };
            swept.rows += rows;
            swept.more |= rows >= u64::from(batch);
        }
        Ok(swept)
    }
}
