//! The keys that sign sender certificates.

use super::{
    Db, Error,
    columns::{Raw, Stamp},
    read, within,
};
use letterbox_protocol::{
    types::{Bytes, UnixTime},
    wire::SUITE,
};
use rand::CryptoRng;
use sqlx::FromRow;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// An Ed25519 signing key (RFC 8032) of the server.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ServerKey {
    /// The seed.
    pub secret: [u8; 32],
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(…)")
    }
}

#[derive(FromRow)]
struct KeyColumns {
    secret_key: Raw<32>,
}

impl Db {
    /// The certificate-signing keys, newest first, at least one: drawn now if there was none. Two
    /// nodes that start at once agree on one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn certificate_keys(
        &self,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<ServerKey>, Error> {
        const INSERT: &str = "INSERT INTO server_keys (id, suite, secret_key, created_on) \
             VALUES (1, $1, $2, $3) ON CONFLICT DO NOTHING";
        let held = self.held_certificate_keys().await?;
        if !held.is_empty() {
            return Ok(held);
        }
        let mut tx = self.begin().await?;
        within!(&mut tx, c => {
            sqlx::query(INSERT).bind(SUITE as i16).bind(Raw(Bytes::<32>::random(rng))).bind(Stamp(now.day()))
                .execute(c).await?;
        });
        tx.commit().await?;
        self.held_certificate_keys().await
    }

    async fn held_certificate_keys(&self) -> Result<Vec<ServerKey>, Error> {
        let rows: Vec<KeyColumns> = read!(self, pool => {
            sqlx::query_as("SELECT secret_key FROM server_keys ORDER BY id DESC").fetch_all(pool).await?
        });
        Ok(rows.into_iter().map(|row| ServerKey { secret: row.secret_key.0.0 }).collect())
    }
}
