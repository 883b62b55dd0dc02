//! The next messaging key, with the list that names it and the envelopes that bring its secret to
//! the siblings: all of it or nothing.

use super::{
    CredentialRow, Db, Error, Tx, UserRow,
    columns::{Raw, Stamp},
    ids, within,
    wraps::{Wrap, Wraps},
};
use letterbox_protocol::{
    types::{Key, UnixTime},
    wire::{SUITE, SignedDeviceList, SignedMessagingKey},
};
use rand::CryptoRng;

/// A messaging key's turn. Signatures are the caller's to check.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The list under the next version, which names the key.
    pub device_list: &'a SignedDeviceList,
    /// Under the next key version.
    pub messaging_key: &'a SignedMessagingKey,
    /// The identity key that signed both.
    pub identity_key: &'a Key,
    /// The key's secret for the siblings.
    pub wraps: Option<&'a Wraps>,
    /// Envelopes that may wait in the mailbox.
    pub envelope_limit: i64,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotate {
    /// All of it was written; for these devices an envelope came.
    Done(Vec<CredentialRow>),
    /// A version or counter is not the last one + 1, or an envelope is for no active sibling.
    /// Nothing was written.
    Stale,
    /// The mailbox can take no more envelopes. Nothing was written.
    MailboxFull,
}

impl Db {
    /// Puts the next messaging key in the place of the active one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn rotate_messaging_key(
        &self,
        device: CredentialRow,
        user: UserRow,
        rotation: &Rotation<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotate, Error> {
        let mut tx = self.begin().await?;
        let done = tx.rotate(device, user, rotation, now, rng).await?;
        if matches!(done, Rotate::Done(_)) {
            tx.commit().await?;
        }
        Ok(done)
    }
}

impl Tx {
    /// The rotation within a transaction, which the caller commits only where it is `Done`.
    pub(super) async fn rotate(
        &mut self,
        device: CredentialRow,
        user: UserRow,
        rotation: &Rotation<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotate, Error> {
        // The list first: on PostgreSQL its lock keeps sends and other changes out.
        if !self.replace_list(device, rotation.device_list).await? {
            return Ok(Rotate::Stale);
        }
        self.rotate_listed(device, user, rotation, now, rng).await
    }

    /// The rest of a rotation, once its list was taken.
    pub(super) async fn rotate_listed(
        &mut self,
        device: CredentialRow,
        user: UserRow,
        rotation: &Rotation<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotate, Error> {
        if !self.replace_messaging_key(user, rotation, now, rng).await? {
            return Ok(Rotate::Stale);
        }
        let Some(wraps) = rotation.wraps else { return Ok(Rotate::Done(Vec::new())) };
        let limit = rotation.envelope_limit;
        Ok(match self.insert_wraps(device, user, wraps, limit, now, rng).await? {
            Wrap::Done(siblings) => Rotate::Done(siblings),
            Wrap::Stale => Rotate::Stale,
            Wrap::MailboxFull => Rotate::MailboxFull,
        })
    }

    /// Compare-and-swap: false unless the version is the active one's + 1.
    async fn replace_messaging_key(
        &mut self,
        user: UserRow,
        rotation: &Rotation<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<bool, Error> {
        const RETIRE: &str = "UPDATE messaging_public_keys SET is_active = FALSE, revoked_at = $3 \
             WHERE user_id = $1 AND key_version = $2 - 1 AND is_active";
        const INSERT: &str = "INSERT INTO messaging_public_keys (id, user_id, suite, x25519_public_key, \
             ed25519_signature, ed25519_public_key, key_version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let key = rotation.messaging_key;
        let Ok(version) = i32::try_from(key.key_version) else { return Ok(false) };
        let retired = within!(self, c => {
            sqlx::query(RETIRE).bind(user.0).bind(version).bind(Stamp(now.hour()))
                .execute(c).await?.rows_affected()
        });
        if retired == 1 {
            within!(self, c => {
                sqlx::query(INSERT).bind(ids::random(rng)).bind(user.0).bind(SUITE as i16)
                    .bind(Raw(key.public_key)).bind(Raw(key.signature)).bind(Raw(*rotation.identity_key))
                    .bind(version).bind(Stamp(key.created_at)).execute(c).await?;
            });
        }
        Ok(retired == 1)
    }
}
