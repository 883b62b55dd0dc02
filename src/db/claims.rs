//! A lookup: one token spent, one one-time prekey claimed a device, in one transaction.

use super::{
    Db, Error, SpentToken, Tx,
    bundles::ServedBundle,
    columns::{Raw, Stamp},
    tokens::Standing,
};
use letterbox_protocol::{
    types::UnixTime,
    wire::{KeyBundle, Lookup, OneTimePrekey, WantedPrekeys},
};
use sqlx::{FromRow, QueryBuilder};

/// The answer to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// The person's keys; without one-time prekeys where the request was repeated.
    Found(Box<KeyBundle>),
    /// No such mailbox. The token is spent.
    NoSuchMailbox,
    /// The token was spent on another request.
    TokenReused,
}

#[derive(FromRow)]
struct ClaimedColumns {
    webauthn_credential_id: i64,
    key_id: i64,
    public_key: Raw<32>,
}

impl Db {
    /// Spends the token and hands out a person's keys. Where `may_claim` (the mailbox's hourly cap
    /// is not reached; asked of a fresh token only), each wanted device's oldest one-time prekey is deleted and handed out: two
    /// lookups never get the same one, and nothing says who claimed it.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn lookup(
        &self,
        token: &SpentToken,
        lookup: &Lookup,
        may_claim: impl FnOnce() -> bool,
        now: UnixTime,
    ) -> Result<LookedUp, Error> {
        let mut tx = self.begin().await?;
        let served = tx.served_bundle(&lookup.phone).await?;
        let status = if served.is_some() { 200 } else { 404 };
        let fresh = match tx.spend(token, status).await? {
            Standing::Reused => return Ok(LookedUp::TokenReused),
            Standing::Repeated(404) => return Ok(LookedUp::NoSuchMailbox),
            Standing::Repeated(_) => false,
            Standing::Fresh => true,
        };
        let answer = match served {
            None => LookedUp::NoSuchMailbox,
            Some(mut served) => {
                if fresh && may_claim() {
                    tx.claim(&mut served, &lookup.prekeys, now).await?;
                }
                LookedUp::Found(Box::new(served.bundle))
            }
        };
        tx.commit().await?;
        Ok(answer)
    }
}

impl Tx {
    /// Moves the oldest one-time prekey of every wanted device into the bundle.
    async fn claim(
        &mut self,
        served: &mut ServedBundle,
        wanted: &WantedPrekeys,
        now: UnixTime,
    ) -> Result<(), Error> {
        let wants = |device| match wanted {
            WantedPrekeys::All => true,
            WantedPrekeys::Devices(devices) => devices.contains(device),
        };
        let rows: Vec<i64> = (served.bundle.prekeys.iter().zip(&served.rows))
            .filter(|(prekeys, _)| wants(&prekeys.device_id))
            .map(|(_, row)| *row)
            .collect();
        if rows.is_empty() {
            return Ok(());
        }
        for claimed in self.claim_one_time_prekeys(&rows, now).await? {
            let key_id = u32::try_from(claimed.key_id).map_err(|_| Error::corrupt("key_id"))?;
            let key = OneTimePrekey { key_id, public_key: claimed.public_key.0 };
            let at = served.rows.iter().position(|row| *row == claimed.webauthn_credential_id);
            if let Some(prekeys) = at.and_then(|at| served.bundle.prekeys.get_mut(at)) {
                prekeys.one_time_prekey = Some(key);
            }
        }
        Ok(())
    }

    /// Deletes and returns the oldest unexpired one-time prekey of each device, in one statement.
    async fn claim_one_time_prekeys(
        &mut self,
        devices: &[i64],
        now: UnixTime,
    ) -> Result<Vec<ClaimedColumns>, Error> {
        match self {
            Self::Sqlite(tx) => {
                let mut claim = QueryBuilder::new("WITH device (id) AS (");
                claim.push_values(devices, |mut row, device| {
                    row.push_bind(*device);
                });
                claim.push(
                    ") DELETE FROM one_time_prekeys WHERE (webauthn_credential_id, key_id) IN ( \
                     SELECT id, (SELECT k.key_id FROM one_time_prekeys k \
                     WHERE k.webauthn_credential_id = device.id AND k.expires_at > ",
                );
                claim.push_bind(Stamp(now)).push(
                    " ORDER BY k.key_id LIMIT 1) FROM device) \
                     RETURNING webauthn_credential_id, key_id, public_key",
                );
                Ok(claim.build_query_as().fetch_all(&mut **tx).await?)
            }
            // A key that another lookup is about to delete is passed over, not waited for.
            Self::Postgres(tx) => {
                const CLAIM: &str = "WITH oldest AS MATERIALIZED ( \
                     SELECT k.webauthn_credential_id, k.key_id FROM unnest($1::bigint[]) AS device (id) \
                     CROSS JOIN LATERAL (SELECT webauthn_credential_id, key_id FROM one_time_prekeys \
                     WHERE webauthn_credential_id = device.id AND expires_at > $2 \
                     ORDER BY key_id LIMIT 1 FOR UPDATE SKIP LOCKED) k) \
                     DELETE FROM one_time_prekeys p USING oldest \
                     WHERE p.webauthn_credential_id = oldest.webauthn_credential_id AND p.key_id = oldest.key_id \
                     RETURNING p.webauthn_credential_id, p.key_id, p.public_key";
                Ok(sqlx::query_as(CLAIM)
                    .bind(devices.to_vec())
                    .bind(Stamp(now))
                    .fetch_all(&mut **tx)
                    .await?)
            }
        }
    }
}
