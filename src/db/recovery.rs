//! A device whose storage is gone: what its passkey finds on the server, and its new beginning.

use super::{
    CredentialRow, Db, Error, Rotate, Rotation, Tx, UserRow,
    columns::Raw,
    sessions::{SessionId, hashed},
    within, write,
};
use letterbox_protocol::{
    types::{Blob, Bytes, DeviceId, Phone, UnixTime},
    wire::{ListedDevice, OneTimePrekey, RecoveryInfo, SignedPrekey},
};
use rand::CryptoRng;
use sqlx::FromRow;
use std::fmt;

/// A device's new beginning. Signatures are the caller's to check.
#[derive(Clone, Copy)]
pub struct NewBeginning<'a> {
    /// A new messaging key, and the list that names the device's new key.
    pub rotation: Rotation<'a>,
    /// The device as the new list names it.
    pub listed: &'a ListedDevice,
    /// Under the next key id.
    pub signed_prekey: &'a SignedPrekey,
    /// With ids above every earlier one, rising.
    pub one_time_prekeys: &'a [OneTimePrekey],
    /// The session in which it begins; the device's others end.
    pub session: Option<SessionId>,
}

impl fmt::Debug for NewBeginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewBeginning(…)")
    }
}

#[derive(FromRow)]
struct RecoveryColumns {
    phone: String,
    device_id: Raw<16>,
    recovery_capsule: Option<Vec<u8>>,
    encrypted_name: Vec<u8>,
    last_one_time_key_id: i64,
    key_rotation_counter: i64,
}

impl Db {
    /// What a browser whose storage is gone needs; none once the device was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn recovery_info(
        &self,
        device: CredentialRow,
    ) -> Result<Option<RecoveryInfo>, Error> {
        const SELECT: &str = "SELECT u.phone, c.device_id, c.recovery_capsule, c.encrypted_name, \
             d.last_one_time_key_id, c.key_rotation_counter FROM webauthn_credentials c \
             JOIN users u ON u.id = c.user_id JOIN device_keys d ON d.webauthn_credential_id = c.id \
             WHERE c.id = $1 AND c.is_active";
        let mut tx = self.snapshot().await?;
        let row: Option<RecoveryColumns> = within!(&mut tx, c => {
            sqlx::query_as(SELECT).bind(device.0).fetch_optional(c).await?
        });
        let Some(row) = row else { return Ok(None) };
        let phone: Phone = row.phone.parse().map_err(|_| Error::corrupt("users.phone"))?;
        let Some(served) = tx.served_bundle(&phone).await? else { return Ok(None) };
        tx.commit().await?;
        Ok(Some(RecoveryInfo {
            phone,
            device_id: DeviceId::from(row.device_id),
            capsule: row.recovery_capsule.map(Blob),
            encrypted_name: Blob(row.encrypted_name),
            bundle: served.bundle,
            last_one_time_key_id: u32::try_from(row.last_one_time_key_id)
                .map_err(|_| Error::corrupt("last_one_time_key_id"))?,
            key_rotation_counter: u64::try_from(row.key_rotation_counter)
                .map_err(|_| Error::corrupt("key_rotation_counter"))?,
        }))
    }

    /// Keeps a device's recovery capsule in the place of the last one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn put_capsule(&self, device: CredentialRow, capsule: &[u8]) -> Result<(), Error> {
        const UPDATE: &str =
            "UPDATE webauthn_credentials SET recovery_capsule = $2 WHERE id = $1 AND is_active";
        write!(self, pool => {
            sqlx::query(UPDATE).bind(device.0).bind(capsule.to_vec()).execute(pool).await?;
        });
        Ok(())
    }

    /// Lets a device begin anew under its name: list, messaging key, device key and prekeys are
    /// replaced. Its old prekeys, its envelopes and its other sessions go; its deliveries stay.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn recover_device(
        &self,
        device: CredentialRow,
        user: UserRow,
        beginning: &NewBeginning<'_>,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotate, Error> {
        let mut tx = self.begin().await?;
        let done = tx.rotate(device, user, &beginning.rotation, now, rng).await?;
        if !matches!(done, Rotate::Done(_)) {
            return Ok(done);
        }
        if !tx.replace_device_key(device, beginning).await?
            || !tx.replace_signed_prekey(device, beginning.signed_prekey).await?
        {
            return Ok(Rotate::Stale);
        }
        tx.forget_old_state(device, beginning.session).await?;
        tx.insert_one_time_prekeys(device, beginning.one_time_prekeys, now).await?;
        tx.commit().await?;
        Ok(done)
    }
}

impl Tx {
    /// False unless the one-time prekeys' ids are above every earlier one.
    async fn replace_device_key(
        &mut self,
        device: CredentialRow,
        beginning: &NewBeginning<'_>,
    ) -> Result<bool, Error> {
        const UPDATE: &str = "UPDATE device_keys SET registration_id = $2, device_key = $3, \
             last_one_time_key_id = COALESCE($5, last_one_time_key_id) \
             WHERE webauthn_credential_id = $1 AND ($4 IS NULL OR last_one_time_key_id < $4)";
        let Ok(registration_id) = i32::try_from(beginning.listed.registration_id) else {
            return Ok(false);
        };
        let id = |key: Option<&OneTimePrekey>| key.map(|key| i64::from(key.key_id));
        let (first, last) =
            (id(beginning.one_time_prekeys.first()), id(beginning.one_time_prekeys.last()));
        Ok(within!(self, c => {
            sqlx::query(UPDATE).bind(device.0).bind(registration_id)
                .bind(Raw(beginning.listed.device_key)).bind(first).bind(last)
                .execute(c).await?.rows_affected()
        }) == 1)
    }

    /// What only the old local state could open or answer.
    async fn forget_old_state(
        &mut self,
        device: CredentialRow,
        session: Option<SessionId>,
    ) -> Result<(), Error> {
        const FORGET: [&str; 4] = [
            "DELETE FROM one_time_prekeys WHERE webauthn_credential_id = $1",
            "DELETE FROM signed_prekeys WHERE webauthn_credential_id = $1 AND NOT is_active",
            "DELETE FROM device_session_keys WHERE webauthn_credential_id = $1",
            // Its tokens were in its storage: it gets others, as a new device does.
            "DELETE FROM token_issuance WHERE webauthn_credential_id = $1",
        ];
        for forget in FORGET {
            within!(&mut *self, c => {
                sqlx::query(forget).bind(device.0).execute(c).await?;
            });
        }
        let kept = session.map_or(Raw(Bytes([0; 32])), |id| hashed(&id));
        within!(self, c => {
            sqlx::query("DELETE FROM sessions WHERE webauthn_credential_id = $1 AND id <> $2")
                .bind(device.0).bind(kept).execute(c).await?;
        });
        Ok(())
    }
}
