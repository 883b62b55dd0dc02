//! An account's devices: listed, renamed, revoked.

use super::{
    CredentialRow, Db, Error, Tx, UserRow,
    columns::{Raw, Stamp},
    rotation::{Rotate, Rotation},
    within,
};
use letterbox_protocol::{
    types::{Blob, DeviceId, Phone, UnixTime},
    wire::{DeviceInfo, DevicePrekeys, Devices, ReplaceIdentity},
};
use rand::CryptoRng;
use sqlx::FromRow;

/// Letters that are looked at in one statement when a device goes.
const GROUP: usize = 500;

/// A device's end. Signatures are the caller's to check.
#[derive(Debug, Clone, Copy)]
pub struct Revocation<'a> {
    /// The device that goes: another than the one that asks.
    pub device: CredentialRow,
    /// A new messaging key, and a list without the device.
    pub rotation: Rotation<'a>,
    /// Another identity key, which signed list and messaging key, and the prekeys under it.
    pub identity: Option<&'a ReplaceIdentity>,
}

#[derive(FromRow)]
struct InfoColumns {
    device_id: Raw<16>,
    encrypted_name: Vec<u8>,
    #[sqlx(try_from = "Stamp")]
    created_on: UnixTime,
    #[sqlx(try_from = "Stamp")]
    last_used_on: UnixTime,
    has_recovery_capsule: bool,
}

impl Db {
    /// An account's keys as senders see them, and what only its owner sees of each device; none
    /// where there is no such account.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn devices(&self, phone: &Phone) -> Result<Option<Devices>, Error> {
        const SELECT: &str = "SELECT c.device_id, c.encrypted_name, c.created_on, c.last_used_on, \
             c.recovery_capsule IS NOT NULL AS has_recovery_capsule FROM webauthn_credentials c \
             JOIN users u ON u.id = c.user_id WHERE u.phone = $1 AND c.is_active";
        let mut tx = self.snapshot().await?;
        let Some(served) = tx.served_bundle(phone).await? else { return Ok(None) };
        let infos: Vec<InfoColumns> = within!(&mut tx, c => {
            sqlx::query_as(SELECT).bind(phone.as_str()).fetch_all(c).await?
        });
        tx.commit().await?;
        let bundle = served.bundle;
        let info = |prekeys: DevicePrekeys| {
            let info = infos.iter().find(|info| info.device_id.0 == prekeys.device_id);
            info.map(|info| info.with(prekeys)).ok_or_else(|| Error::corrupt("device_id"))
        };
        Ok(Some(Devices {
            identity_key: bundle.identity_key,
            messaging_key: bundle.messaging_key,
            device_list: bundle.device_list,
            devices: bundle.prekeys.into_iter().map(info).collect::<Result<_, _>>()?,
        }))
    }

    /// The active device of this name.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn device_named(
        &self,
        user: UserRow,
        device: &DeviceId,
    ) -> Result<Option<CredentialRow>, Error> {
        const SELECT: &str = "SELECT id FROM webauthn_credentials \
             WHERE user_id = $1 AND device_id = $2 AND is_active";
        Ok(super::read!(self, pool => {
            sqlx::query_scalar(SELECT).bind(user.0).bind(Raw(*device)).fetch_optional(pool).await?
        }))
    }

    /// Gives a device another sealed name. False where it is no active sibling of `by`, nor `by`
    /// itself; none once `by` was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn rename_device(
        &self,
        by: CredentialRow,
        device: &DeviceId,
        encrypted_name: &[u8],
    ) -> Result<Option<bool>, Error> {
        const UPDATE: &str = "UPDATE webauthn_credentials SET encrypted_name = $3 \
             WHERE user_id = $1 AND device_id = $2 AND is_active";
        let mut tx = self.begin().await?;
        let Some(user) = tx.hold(by).await? else { return Ok(None) };
        let renamed = within!(&mut tx, c => {
            sqlx::query(UPDATE).bind(user.0).bind(Raw(*device)).bind(encrypted_name.to_vec())
                .execute(c).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(Some(renamed == 1))
    }

    /// Ends a device: its sessions, keys, prekeys, envelopes and pending deliveries go, and letters
    /// that only it had yet to fetch. Its row stays, inactive, so that its passkey is known and
    /// refused. List and messaging key are replaced in the same transaction, and the identity where
    /// that is asked for.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn revoke_device(
        &self,
        by: CredentialRow,
        user: UserRow,
        revocation: &Revocation<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotate, Error> {
        const REVOKE: &str = "UPDATE webauthn_credentials SET is_active = FALSE, revoked_on = $3, \
             recovery_capsule = NULL WHERE id = $1 AND user_id = $2 AND is_active";
        let device = revocation.device;
        let mut tx = self.begin().await?;
        // Before the envelopes are written: none is for the device that goes.
        if !tx.replace_list(by, revocation.rotation.device_list).await? {
            return Ok(Rotate::Stale);
        }
        let revoked = within!(&mut tx, c => {
            sqlx::query(REVOKE).bind(device.0).bind(user.0).bind(Stamp(now.day()))
                .execute(c).await?.rows_affected()
        });
        if revoked == 0 {
            return Ok(Rotate::Stale);
        }
        let done = tx.rotate_listed(by, user, &revocation.rotation, now, rng).await?;
        if !matches!(done, Rotate::Done(_)) {
            return Ok(done);
        }
        if let Some(identity) = revocation.identity
            && !tx.replace_identity(user, identity, now).await?
        {
            return Ok(Rotate::Stale);
        }
        tx.forget_device(device).await?;
        tx.commit().await?;
        Ok(done)
    }
}

impl InfoColumns {
    fn with(&self, prekeys: DevicePrekeys) -> DeviceInfo {
        DeviceInfo {
            device_id: prekeys.device_id,
            encrypted_name: Blob(self.encrypted_name.clone()),
            created_on: self.created_on,
            last_used_on: self.last_used_on,
            signed_prekey: prekeys.signed_prekey,
            has_recovery_capsule: self.has_recovery_capsule,
        }
    }
}

impl Tx {
    /// Puts another identity key in the place of the account's, and its signatures on the active
    /// prekeys. False where a prekey is not the active one any more.
    async fn replace_identity(
        &mut self,
        user: UserRow,
        identity: &ReplaceIdentity,
        now: UnixTime,
    ) -> Result<bool, Error> {
        const REPLACE: &str =
            "UPDATE identity_keys SET identity_key = $2, replaced_on = $3 WHERE user_id = $1";
        const RESIGN: &str = "UPDATE signed_prekeys SET signature = $5 WHERE is_active AND key_id = $3 \
             AND public_key = $4 AND webauthn_credential_id = \
             (SELECT id FROM webauthn_credentials WHERE user_id = $1 AND device_id = $2 AND is_active)";
        within!(&mut *self, c => {
            sqlx::query(REPLACE).bind(user.0).bind(Raw(identity.identity_key)).bind(Stamp(now.day()))
                .execute(c).await?;
        });
        for resigned in &identity.signed_prekeys {
            let prekey = &resigned.signed_prekey;
            let done = within!(&mut *self, c => {
                sqlx::query(RESIGN).bind(user.0).bind(Raw(resigned.device_id))
                    .bind(i64::from(prekey.key_id)).bind(Raw(prekey.public_key)).bind(Raw(prekey.signature))
                    .execute(c).await?.rows_affected()
            });
            if done == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes all that a device had, which is inactive by now.
    async fn forget_device(&mut self, device: CredentialRow) -> Result<(), Error> {
        const FORGET: [&str; 7] = [
            "DELETE FROM message_deliveries WHERE webauthn_credential_id = $1",
            "DELETE FROM device_session_keys WHERE webauthn_credential_id = $1",
            "DELETE FROM one_time_prekeys WHERE webauthn_credential_id = $1",
            "DELETE FROM signed_prekeys WHERE webauthn_credential_id = $1",
            "DELETE FROM device_keys WHERE webauthn_credential_id = $1",
            "DELETE FROM token_issuance WHERE webauthn_credential_id = $1",
            "DELETE FROM sessions WHERE webauthn_credential_id = $1",
        ];
        let letters = self.letters_of(device).await?;
        for letters in letters.chunks(GROUP) {
            self.delete_letters_that_all_have(letters).await?;
        }
        for forget in FORGET {
            within!(&mut *self, c => {
                sqlx::query(forget).bind(device.0).execute(c).await?;
            });
        }
        Ok(())
    }

    /// The letters that came to a device, and are kept still. On PostgreSQL they stay locked, as they
    /// are by whoever else writes or removes their deliveries.
    async fn letters_of(&mut self, device: CredentialRow) -> Result<Vec<i64>, Error> {
        const SELECT: &str =
            "SELECT message_id FROM message_deliveries WHERE webauthn_credential_id = $1";
        const LOCKING: &str = "SELECT m.id FROM messages m WHERE m.id IN (SELECT d.message_id \
             FROM message_deliveries d WHERE d.webauthn_credential_id = $1) ORDER BY m.id FOR UPDATE";
        Ok(match self {
            Self::Sqlite(tx) => {
                sqlx::query_scalar(SELECT).bind(device.0).fetch_all(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar(LOCKING).bind(device.0).fetch_all(&mut **tx).await?
            }
        })
    }
}
