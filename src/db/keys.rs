//! A device's keys: renewed, refilled, counted.

use super::{
    CredentialRow, Db, Error, Tx, UserRow,
    columns::{Raw, Stamp},
    within,
};
use letterbox_protocol::{
    types::{DAY, Key, UnixTime},
    wire::{KeyRenewal, KeyStatus, OneTimePrekey, SignedDeviceList, SignedPrekey},
};
use sqlx::{FromRow, QueryBuilder};

/// One-time prekeys a device may have on the server.
pub const ONE_TIME_PREKEYS: i64 = 100;
/// Seconds an unused one-time prekey is kept.
const ONE_TIME_LIFETIME: i64 = 90 * DAY;
/// Seconds a retired signed prekey's row is kept: senders refuse it after 14 days.
const SIGNED_LIFETIME: i64 = 14 * DAY;
const STALE_AFTER: i64 = 7 * DAY;
const REPLENISH_UNDER: i64 = 20;

/// The list's compare-and-swap, for the account that the given SQL finds by `$1`.
macro_rules! swap_list {
    ($owner:literal) => {
        concat!(
            "UPDATE users SET device_list_version = $2, device_list_signed_at = $3, \
             device_list_signature = $4 WHERE device_list_version = $2 - 1 AND id = ",
            $owner
        )
    };
}

/// What became of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// All of it was written.
    Done,
    /// A version or key id is not the last one + 1. Nothing was written.
    Stale,
}

/// What became of a refill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddPrekeys {
    /// All were added.
    Added,
    /// An id is not above every earlier one, or stands twice. Nothing was written.
    Stale,
    /// The device would hold more than a hundred. Nothing was written.
    TooMany,
}

#[derive(FromRow)]
struct StatusColumns {
    available: i64,
    key_version: i32,
    #[sqlx(try_from = "Stamp")]
    device_list_signed_at: UnixTime,
    device_list_version: i64,
    key_id: i64,
    #[sqlx(try_from = "Stamp")]
    created_at: UnixTime,
    last_one_time_key_id: i64,
    registration_id: i32,
    key_rotation_counter: i64,
    has_recovery_capsule: bool,
}

impl Db {
    /// Takes the next device list (version last + 1) or the next signed prekey (id last + 1, which
    /// retires the one before), or both, or neither, where the account's identity key still is the
    /// one under which the caller has checked the signatures.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn publish_renewal(
        &self,
        device: CredentialRow,
        renewal: &KeyRenewal,
        identity: &Key,
    ) -> Result<Publish, Error> {
        let mut tx = self.begin().await?;
        if let Some(list) = &renewal.device_list
            && !tx.replace_list(device, list).await?
        {
            return Ok(Publish::Stale);
        }
        let Some(user) = tx.hold(device).await? else { return Ok(Publish::Stale) };
        if tx.identity_of(user).await? != *identity {
            return Ok(Publish::Stale);
        }
        if let Some(prekey) = &renewal.signed_prekey
            && !tx.replace_signed_prekey(device, prekey).await?
        {
            return Ok(Publish::Stale);
        }
        tx.commit().await?;
        Ok(Publish::Done)
    }

    /// Adds one-time prekeys, whose ids must rise above every earlier one, claimed ones included.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn add_one_time_prekeys(
        &self,
        device: CredentialRow,
        prekeys: &[OneTimePrekey],
        now: UnixTime,
    ) -> Result<AddPrekeys, Error> {
        const RAISE: &str = "UPDATE device_keys SET last_one_time_key_id = $3 \
             WHERE webauthn_credential_id = $1 AND last_one_time_key_id < $2";
        let rising = prekeys.windows(2).all(|pair| matches!(pair, [a, b] if a.key_id < b.key_id));
        let (Some(first), Some(last), true) = (prekeys.first(), prekeys.last(), rising) else {
            return Ok(if prekeys.is_empty() { AddPrekeys::Added } else { AddPrekeys::Stale });
        };
        let mut tx = self.begin().await?;
        if tx.hold(device).await?.is_none() {
            return Ok(AddPrekeys::Stale);
        }
        let raised = within!(&mut tx, c => {
            sqlx::query(RAISE).bind(device.0).bind(i64::from(first.key_id)).bind(i64::from(last.key_id))
                .execute(c).await?.rows_affected()
        });
        if raised == 0 {
            return Ok(AddPrekeys::Stale);
        }
        tx.insert_one_time_prekeys(device, prekeys, now).await?;
        let held: i64 = within!(&mut tx, c => {
            sqlx::query_scalar("SELECT count(*) FROM one_time_prekeys WHERE webauthn_credential_id = $1 AND expires_at > $2")
                .bind(device.0).bind(Stamp(now)).fetch_one(c).await?
        });
        if held > ONE_TIME_PREKEYS {
            return Ok(AddPrekeys::TooMany);
        }
        tx.commit().await?;
        Ok(AddPrekeys::Added)
    }

    /// What the server holds for a device; none once it was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn key_status(
        &self,
        device: CredentialRow,
        now: UnixTime,
    ) -> Result<Option<KeyStatus>, Error> {
        const SELECT: &str = "SELECT (SELECT count(*) FROM one_time_prekeys o \
                 WHERE o.webauthn_credential_id = c.id AND o.expires_at > $2) AS available, \
             m.key_version, u.device_list_signed_at, u.device_list_version, s.key_id, s.created_at, \
             d.last_one_time_key_id, d.registration_id, c.key_rotation_counter, \
             c.recovery_capsule IS NOT NULL AS has_recovery_capsule \
             FROM webauthn_credentials c JOIN users u ON u.id = c.user_id \
             JOIN device_keys d ON d.webauthn_credential_id = c.id \
             JOIN messaging_public_keys m ON m.user_id = u.id AND m.is_active \
             JOIN signed_prekeys s ON s.webauthn_credential_id = c.id AND s.is_active \
             WHERE c.id = $1 AND c.is_active";
        let row: Option<StatusColumns> = super::read!(self, pool => {
            sqlx::query_as(SELECT).bind(device.0).bind(Stamp(now)).fetch_optional(pool).await?
        });
        row.map(|row| status(row, now)).transpose()
    }
}

fn status(row: StatusColumns, now: UnixTime) -> Result<KeyStatus, Error> {
    let corrupt = |column| move |_| Error::corrupt(column);
    Ok(KeyStatus {
        available_prekeys: u32::try_from(row.available).map_err(corrupt("available"))?,
        needs_replenish: row.available < REPLENISH_UNDER,
        signed_prekey_stale: now.since(row.created_at) > STALE_AFTER,
        has_key_bundle: true,
        key_version: u32::try_from(row.key_version).map_err(corrupt("key_version"))?,
        device_list_version: u64::try_from(row.device_list_version)
            .map_err(corrupt("device_list_version"))?,
        device_list_signed_at: row.device_list_signed_at,
        signed_prekey_id: u32::try_from(row.key_id).map_err(corrupt("key_id"))?,
        last_one_time_key_id: u32::try_from(row.last_one_time_key_id)
            .map_err(corrupt("last_one_time_key_id"))?,
        registration_id: u32::try_from(row.registration_id).map_err(corrupt("registration_id"))?,
        key_rotation_counter: u64::try_from(row.key_rotation_counter)
            .map_err(corrupt("key_rotation_counter"))?,
        has_recovery_capsule: row.has_recovery_capsule,
        reset: None,
    })
}

impl Tx {
    /// A person's identity key, which on PostgreSQL stays until the transaction ends.
    async fn identity_of(&mut self, user: UserRow) -> Result<Key, Error> {
        const SELECT: &str = "SELECT identity_key FROM identity_keys WHERE user_id = $1";
        const LOCKING: &str = "SELECT identity_key FROM identity_keys WHERE user_id = $1 FOR SHARE";
        let key: Raw<32> = match self {
            Self::Sqlite(tx) => {
                sqlx::query_scalar(SELECT).bind(user.0).fetch_one(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar(LOCKING).bind(user.0).fetch_one(&mut **tx).await?
            }
        };
        Ok(key.0)
    }

    /// Compare-and-swap: false unless the version is the last one + 1.
    pub(super) async fn replace_list(
        &mut self,
        device: CredentialRow,
        list: &SignedDeviceList,
    ) -> Result<bool, Error> {
        const SWAP: &str =
            swap_list!("(SELECT user_id FROM webauthn_credentials WHERE id = $1 AND is_active)");
        self.swap_list(SWAP, device.0, list).await
    }

    /// The same for a user who is known to be there.
    pub(super) async fn replace_list_of(
        &mut self,
        user: UserRow,
        list: &SignedDeviceList,
    ) -> Result<bool, Error> {
        self.swap_list(swap_list!("$1"), user.0, list).await
    }

    async fn swap_list(
        &mut self,
        swap: &'static str,
        row: i64,
        list: &SignedDeviceList,
    ) -> Result<bool, Error> {
        let Ok(version) = i64::try_from(list.version) else { return Ok(false) };
        Ok(within!(self, c => {
            sqlx::query(swap).bind(row).bind(version).bind(Stamp(list.signed_at))
                .bind(Raw(list.signature)).execute(c).await?.rows_affected()
        }) == 1)
    }

    /// Retires the active one: false unless the new id is its id + 1.
    pub(super) async fn replace_signed_prekey(
        &mut self,
        device: CredentialRow,
        prekey: &SignedPrekey,
    ) -> Result<bool, Error> {
        const RETIRE: &str = "UPDATE signed_prekeys SET is_active = FALSE \
             WHERE webauthn_credential_id = $1 AND key_id = $2 AND is_active";
        let retired = within!(self, c => {
            sqlx::query(RETIRE).bind(device.0).bind(i64::from(prekey.key_id) - 1)
                .execute(c).await?.rows_affected()
        });
        if retired == 1 {
            self.insert_signed_prekey(device, prekey).await?;
        }
        Ok(retired == 1)
    }

    pub(super) async fn insert_signed_prekey(
        &mut self,
        device: CredentialRow,
        prekey: &SignedPrekey,
    ) -> Result<(), Error> {
        const INSERT: &str = "INSERT INTO signed_prekeys (webauthn_credential_id, key_id, public_key, \
             signature, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let expires_at = prekey.created_at.plus(SIGNED_LIFETIME).day_up();
        within!(self, c => {
            sqlx::query(INSERT).bind(device.0).bind(i64::from(prekey.key_id)).bind(Raw(prekey.public_key))
                .bind(Raw(prekey.signature)).bind(Stamp(prekey.created_at)).bind(Stamp(expires_at))
                .execute(c).await?;
        });
        Ok(())
    }

    pub(super) async fn insert_one_time_prekeys(
        &mut self,
        device: CredentialRow,
        prekeys: &[OneTimePrekey],
        now: UnixTime,
    ) -> Result<(), Error> {
        if prekeys.is_empty() {
            return Ok(());
        }
        let expires_at = Stamp(now.plus(ONE_TIME_LIFETIME).day_up());
        within!(self, c => {
            let mut insert = QueryBuilder::new(
                "INSERT INTO one_time_prekeys (webauthn_credential_id, key_id, public_key, expires_at) ",
            );
            insert.push_values(prekeys, |mut row, key| {
                row.push_bind(device.0).push_bind(i64::from(key.key_id))
                    .push_bind(Raw(key.public_key)).push_bind(expires_at);
            });
            insert.build().execute(c).await?;
        });
        Ok(())
    }
}
