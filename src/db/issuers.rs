//! The weekly keys under which blind tokens are issued, and which device had its tokens today.

use super::{
    CredentialRow, Db, Error,
    columns::{Raw, Stamp},
    read, within,
};
use letterbox_protocol::{
    tokens::{Issuer, KEY_ANNOUNCED, KeyWeek, TokenError},
    types::{Bytes, DAY, UnixTime},
};
use rand::CryptoRng;
use sqlx::FromRow;
use std::fmt;

/// How often keys are drawn until one has an id that no other has.
const TRIES: u32 = 64;

/// A week's key.
pub struct IssuerKey {
    /// The key id's last 63 bits, which spent tokens name.
    pub id: i64,
    /// Its week.
    pub week: KeyWeek,
    /// The key.
    pub issuer: Issuer,
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerKey(…)")
    }
}

/// What is known of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Issuance {
    /// The device has had no tokens today.
    Open,
    /// This very batch was issued, today or yesterday.
    Repeated,
    /// Another batch was issued today.
    Used,
}

#[derive(FromRow)]
struct KeyColumns {
    secret_key: Raw<32>,
    #[sqlx(try_from = "Stamp")]
    valid_from: UnixTime,
}

#[derive(FromRow)]
struct IssuanceColumns {
    #[sqlx(try_from = "Stamp")]
    day: UnixTime,
    batch_digest: Raw<32>,
}

impl Db {
    /// The issuer keys of this epoch that are announced, in use or still taken, in the order of their
    /// weeks. This week's, and from a day before it the next one's, is drawn now if there was none;
    /// nodes that do so at once agree on one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn issuer_keys(
        &self,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<IssuerKey>, Error> {
        let epoch = self.epoch().await?;
        for _ in 0..TRIES {
            let held = self.held_issuer_keys(epoch, now).await?;
            let needed = [now, now.plus(KEY_ANNOUNCED)].map(KeyWeek::of);
            let missing = needed.into_iter().find(|week| held.iter().all(|key| key.week != *week));
            let Some(week) = missing else { return Ok(held) };
            let drawn = Issuer::generate(rng).map_err(|_| Error::corrupt("secret_key"))?;
            // Requests name a key by one byte.
            let last = |issuer: &Issuer| issuer.token_key_id().0.last().copied();
            if held.iter().all(|key| last(&key.issuer) != last(&drawn)) {
                self.insert_issuer_key(epoch, week, &drawn).await?;
            }
        }
        Err(Error::corrupt("token_issuer_keys"))
    }

    async fn held_issuer_keys(
        &self,
        epoch: Bytes<16>,
        now: UnixTime,
    ) -> Result<Vec<IssuerKey>, Error> {
        const SELECT: &str = "SELECT secret_key, valid_from FROM token_issuer_keys \
             WHERE epoch = $1 AND expires_on > $2 AND valid_from <= $3 ORDER BY valid_from";
        let rows: Vec<KeyColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(Raw(epoch)).bind(Stamp(now))
                .bind(Stamp(now.plus(KEY_ANNOUNCED))).fetch_all(pool).await?
        });
        let key = |row: KeyColumns| -> Result<IssuerKey, TokenError> {
            let issuer = Issuer::from_secret(&row.secret_key.0.0)?;
            Ok(IssuerKey { id: row_id(&issuer), week: KeyWeek::of(row.valid_from), issuer })
        };
        rows.into_iter().map(|row| key(row).map_err(|_| Error::corrupt("secret_key"))).collect()
    }

    async fn insert_issuer_key(
        &self,
        epoch: Bytes<16>,
        week: KeyWeek,
        issuer: &Issuer,
    ) -> Result<(), Error> {
        const INSERT: &str = "INSERT INTO token_issuer_keys (id, epoch, secret_key, public_key, valid_from, \
             expires_on) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
        let mut tx = self.begin().await?;
        within!(&mut tx, c => {
            sqlx::query(INSERT).bind(row_id(issuer)).bind(Raw(epoch))
                .bind(Raw(Bytes(*issuer.secret().expose()))).bind(Raw(*issuer.public_key()))
                .bind(Stamp(week.begins())).bind(Stamp(week.expires())).execute(c).await?;
        });
        tx.commit().await
    }

    /// How a device stands with a batch of this digest.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn issuance(
        &self,
        device: CredentialRow,
        batch: Bytes<32>,
        now: UnixTime,
    ) -> Result<Issuance, Error> {
        const SELECT: &str = "SELECT day, batch_digest FROM token_issuance \
             WHERE webauthn_credential_id = $1 AND day >= $2";
        let (today, yesterday) = (now.day(), now.plus(-DAY).day());
        let rows: Vec<IssuanceColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(device.0).bind(Stamp(yesterday)).fetch_all(pool).await?
        });
        Ok(if rows.iter().any(|row| row.batch_digest.0 == batch) {
            Issuance::Repeated
        } else if rows.iter().any(|row| row.day >= today) {
            Issuance::Used
        } else {
            Issuance::Open
        })
    }

    /// Notes that a device has its tokens of today. Of two batches at once, one is noted. None once the
    /// device was revoked, or has begun anew under another registration id: its new beginning gets
    /// tokens of its own.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn note_issuance(
        &self,
        device: CredentialRow,
        registration_id: u32,
        batch: Bytes<32>,
        now: UnixTime,
    ) -> Result<Option<Issuance>, Error> {
        const INSERT: &str = "INSERT INTO token_issuance (webauthn_credential_id, day, batch_digest) \
             SELECT webauthn_credential_id, $2, $3 FROM device_keys \
             WHERE webauthn_credential_id = $1 AND registration_id = $4 ON CONFLICT DO NOTHING";
        let mut tx = self.begin().await?;
        if tx.hold(device).await?.is_none() {
            return Ok(None);
        }
        let noted = within!(&mut tx, c => {
            sqlx::query(INSERT).bind(device.0).bind(Stamp(now.day())).bind(Raw(batch))
                .bind(i64::from(registration_id)).execute(c).await?.rows_affected()
        });
        tx.commit().await?;
        if noted == 1 {
            return Ok(Some(Issuance::Open));
        }
        let known = self.issuance(device, batch, now).await?;
        Ok(Some(known).filter(|known| *known != Issuance::Open))
    }
}

/// The key id's last 63 bits.
fn row_id(issuer: &Issuer) -> i64 {
    let last = issuer.token_key_id().0.last_chunk().copied().unwrap_or_default();
    i64::from_be_bytes(last) & i64::MAX
}
