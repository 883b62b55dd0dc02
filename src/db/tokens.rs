//! Spent tokens: one token, one request, and the same answer to the same request.

use super::{
    Error, Tx,
    columns::{Raw, Stamp},
    within,
};
use letterbox_protocol::types::{Bytes, UnixTime};
use sqlx::FromRow;
use std::fmt;

/// A token that came with a request, ready to be spent.
#[derive(Clone)]
pub struct SpentToken {
    /// What stands for the token: a hash of all of it but its authenticator.
    pub nullifier: Bytes<32>,
    /// HMAC of method, path and body under the token's authenticator.
    pub request_digest: Bytes<32>,
    /// Which key issued it.
    pub issuer_key_id: i64,
    /// The day on which its key expires, and from which it need not be remembered.
    pub expires_on: UnixTime,
}

impl fmt::Debug for SpentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpentToken(…)")
    }
}

/// How a token stands before its request is looked at.
pub(super) enum Standing {
    /// Never seen, and now spent, with this status for the time being.
    Fresh,
    /// Spent on this very request, which was answered so.
    Repeated(i16),
    /// Spent on another request.
    Reused,
}

#[derive(FromRow)]
struct SpentColumns {
    request_digest: Raw<32>,
    status: i16,
}

impl Tx {
    /// Spends a token. On PostgreSQL a racing transaction with the same token waits here for the
    /// first one's end.
    pub(super) async fn spend(
        &mut self,
        token: &SpentToken,
        status: i16,
    ) -> Result<Standing, Error> {
        const INSERT: &str = "INSERT INTO spent_tokens (nullifier, issuer_key_id, request_digest, status, \
             expires_on) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (nullifier) DO NOTHING";
        let fresh = within!(self, c => {
            sqlx::query(INSERT).bind(Raw(token.nullifier)).bind(token.issuer_key_id)
                .bind(Raw(token.request_digest)).bind(status).bind(Stamp(token.expires_on.day_up()))
                .execute(c).await?.rows_affected()
        });
        if fresh == 1 {
            return Ok(Standing::Fresh);
        }
        let spent: SpentColumns = within!(self, c => {
            sqlx::query_as("SELECT request_digest, status FROM spent_tokens WHERE nullifier = $1")
                .bind(Raw(token.nullifier)).fetch_one(c).await?
        });
        Ok(if spent.request_digest.0 == token.request_digest {
            Standing::Repeated(spent.status)
        } else {
            Standing::Reused
        })
    }

    /// Notes another answer than the one that a fresh token was spent with.
    pub(super) async fn answered(&mut self, token: &SpentToken, status: i16) -> Result<(), Error> {
        within!(self, c => {
            sqlx::query("UPDATE spent_tokens SET status = $2 WHERE nullifier = $1")
                .bind(Raw(token.nullifier)).bind(status).execute(c).await?;
        });
        Ok(())
    }
}
