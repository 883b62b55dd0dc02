//! What a device wraps for its siblings: envelopes that come by the sender's own session, and so
//! count up. Of two uploads with one count the first is taken, and the same one again is known.

use super::{
    CredentialRow, Db, Error, Tx, UserRow,
    columns::{Raw, Stamp},
    ids, read, within,
};
use letterbox_protocol::{
    limits::{DEVICES, ENVELOPE_AGE},
    types::{Bytes, DeviceId, UnixTime},
    wire::SiblingKeys,
};
use rand::CryptoRng;
use sha2::{Digest as _, Sha256};
use sqlx::FromRow;
use std::fmt;

/// Bytes of an envelope.
const ENVELOPE: usize = 2_048;

/// What is wrong with an upload for siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWraps {
    /// Envelopes of another size than 2 KiB, none, too many, two for one device, or one for the
    /// device itself.
    #[error("an upload holds one envelope of 2 KiB for each of one to seven siblings")]
    Envelopes,
    /// The counter does not fit.
    #[error("no upload has this counter")]
    Counter,
}

/// Envelopes for siblings, ready to be stored.
#[derive(Clone)]
pub struct Wraps {
    label: String,
    counter: i64,
    envelopes: Vec<(DeviceId, Vec<u8>)>,
    digest: Bytes<32>,
}

/// What became of an upload for siblings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrap {
    /// Stored; these devices have something new.
    Done(Vec<CredentialRow>),
    /// The counter is not the last one + 1, or an envelope is for a device that is not an active
    /// sibling. Nothing was written.
    Stale,
    /// The mailbox can take no more envelopes. Nothing was written.
    MailboxFull,
}

#[derive(FromRow)]
struct Sibling {
    id: i64,
    device_id: Raw<16>,
}

impl Wraps {
    /// Takes an upload of the device `from` apart.
    ///
    /// # Errors
    /// The field that does not have the form it must have.
    pub fn parse(from: &DeviceId, upload: SiblingKeys) -> Result<Self, BadWraps> {
        let label = upload.session_key_id.to_text();
        let counter = i64::try_from(upload.key_rotation_counter).map_err(|_| BadWraps::Counter)?;
        let envelopes = upload.envelopes.into_iter();
        let mut envelopes: Vec<_> =
            envelopes.map(|e| (e.device_id, e.encrypted_session_key.0)).collect();
        envelopes.sort_by_key(|(device, _)| *device);
        let sized = envelopes.iter().all(|(_, sealed)| sealed.len() == ENVELOPE);
        let distinct = envelopes.windows(2).all(|pair| matches!(pair, [a, b] if a.0 != b.0));
        let others = envelopes.iter().all(|(device, _)| device != from);
        if !(sized && distinct && others && (1..DEVICES).contains(&envelopes.len())) {
            return Err(BadWraps::Envelopes);
        }
        let mut digest = Sha256::new_with_prefix(&label);
        for (device, sealed) in &envelopes {
            digest.update(device.0);
            digest.update(sealed);
        }
        Ok(Self { label, counter, envelopes, digest: Bytes(digest.finalize().into()) })
    }
}

impl Db {
    /// Stores envelopes for the siblings of `device`, at most so many waiting in the mailbox that
    /// it holds `limit` afterwards.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn wrap_for_siblings(
        &self,
        device: CredentialRow,
        user: UserRow,
        wraps: &Wraps,
        limit: i64,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Wrap, Error> {
        let mut tx = self.begin().await?;
        let done = tx.insert_wraps(device, user, wraps, limit, now, rng).await?;
        if matches!(done, Wrap::Done(_)) {
            tx.commit().await?;
        }
        Ok(done)
    }

    /// Whether this upload is the one that was stored last: an answer was lost.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn holds_wraps(&self, device: CredentialRow, wraps: &Wraps) -> Result<bool, Error> {
        const SELECT: &str = "SELECT count(*) FROM webauthn_credentials WHERE id = $1 \
             AND key_rotation_counter = $2 AND key_rotation_digest = $3";
        let held: i64 = read!(self, pool => {
            sqlx::query_scalar(SELECT).bind(device.0).bind(wraps.counter).bind(Raw(wraps.digest))
                .fetch_one(pool).await?
        });
        Ok(held == 1)
    }
}

impl Tx {
    /// Counts up and writes the envelopes. Whatever the answer but `Done`, the caller does not
    /// commit.
    pub(super) async fn insert_wraps(
        &mut self,
        device: CredentialRow,
        user: UserRow,
        wraps: &Wraps,
        limit: i64,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Wrap, Error> {
        const SWAP: &str = "UPDATE webauthn_credentials SET key_rotation_counter = $2, \
             key_rotation_digest = $3 WHERE id = $1 AND key_rotation_counter = $2 - 1";
        if self.hold(device).await?.is_none() {
            return Ok(Wrap::Stale);
        }
        let siblings = self.siblings(device, user).await?;
        let swapped = within!(self, c => {
            sqlx::query(SWAP).bind(device.0).bind(wraps.counter).bind(Raw(wraps.digest))
                .execute(c).await?.rows_affected()
        });
        if swapped == 0 {
            return Ok(Wrap::Stale);
        }
        let row_of = |id: &DeviceId| siblings.iter().find(|s| s.device_id.0 == *id).map(|s| s.id);
        let rows: Option<Vec<i64>> = wraps.envelopes.iter().map(|(id, _)| row_of(id)).collect();
        let Some(rows) = rows else { return Ok(Wrap::Stale) };
        let waiting: i64 = within!(self, c => {
            sqlx::query_scalar("SELECT count(*) FROM device_session_keys WHERE user_id = $1")
                .bind(user.0).fetch_one(c).await?
        });
        if waiting.saturating_add_unsigned(rows.len() as u64) > limit {
            return Ok(Wrap::MailboxFull);
        }
        for (row, (_, sealed)) in rows.iter().zip(&wraps.envelopes) {
            self.insert_wrap(user, *row, wraps, sealed, now, rng).await?;
        }
        Ok(Wrap::Done(rows.into_iter().map(CredentialRow).collect()))
    }

    /// The active siblings of a device.
    async fn siblings(
        &mut self,
        device: CredentialRow,
        user: UserRow,
    ) -> Result<Vec<Sibling>, Error> {
        const SELECT: &str = "SELECT id, device_id FROM webauthn_credentials \
             WHERE user_id = $1 AND id <> $2 AND is_active";
        Ok(within!(self, c => {
            sqlx::query_as(SELECT).bind(user.0).bind(device.0).fetch_all(c).await?
        }))
    }

    async fn insert_wrap(
        &mut self,
        user: UserRow,
        sibling: i64,
        wraps: &Wraps,
        sealed: &[u8],
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<(), Error> {
        const INSERT: &str = "INSERT INTO device_session_keys (id, user_id, webauthn_credential_id, \
             session_key_id, encrypted_session_key, key_rotation_counter, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        within!(self, c => {
            sqlx::query(INSERT).bind(ids::hourly(now, rng)).bind(user.0).bind(sibling)
                .bind(wraps.label.clone()).bind(sealed.to_vec()).bind(wraps.counter)
                .bind(Stamp(now.hour())).bind(Stamp(now.plus(ENVELOPE_AGE).day_up()))
                .execute(c).await?;
        });
        Ok(())
    }
}

impl fmt::Debug for Wraps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wraps(…)")
    }
}
