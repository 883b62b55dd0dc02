//! New accounts: everything in one transaction, so that a sign-up cut short locks no phone out.

use super::{
    CredentialRow, Db, Error, Tx, UserRow,
    columns::{Raw, Stamp},
    ids,
    resets::is_ready,
    within,
};
use letterbox_protocol::{
    types::{Phone, UnixTime},
    wire::{ListedDevice, NewAccount, OneTimePrekey, SUITE},
};
use rand::CryptoRng;
use std::fmt;
use uuid::Uuid;

/// A passkey that was registered in this session.
#[derive(Clone)]
pub struct NewCredential {
    /// What WebAuthn sees as the user; random.
    pub user_handle: Uuid,
    /// WebAuthn's credential id.
    pub credential_id: Vec<u8>,
    /// webauthn-rs' state as JSON.
    pub passkey: String,
}

impl fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewCredential(…)")
    }
}

/// What became of a sign-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateAccount {
    /// It is there, with this first device.
    Created(CredentialRow),
    /// It is there, with the first device, in the place of an earlier one, whose waiting period was
    /// over and whose devices these were.
    Replaced(CredentialRow, Vec<CredentialRow>),
    /// The number has an account by now. Nothing was written.
    PhoneTaken,
    /// The passkey or the device id is in use. Nothing was written.
    CredentialTaken,
    /// The list names not exactly one device. Nothing was written.
    Malformed,
}

impl Db {
    /// Writes user, credential, identity, messaging key, device list and prekeys. Signatures are
    /// the caller's to check. An account whose waiting period is over goes for it, with all that it
    /// has; any other stays.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn create_account(
        &self,
        phone: &Phone,
        credential: &NewCredential,
        account: &NewAccount,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<CreateAccount, Error> {
        let [device] = account.device_list.devices.as_slice() else {
            return Ok(CreateAccount::Malformed);
        };
        let (user, row) = (UserRow(ids::random(rng)), CredentialRow(ids::random(rng)));
        let messaging_key_row = ids::random(rng);
        let mut tx = self.begin().await?;
        let before = tx.remove_account_that_waited(phone, now).await?;
        if !tx.insert_user(user, phone, account, now).await? {
            return Ok(CreateAccount::PhoneTaken);
        }
        let name = &account.encrypted_name.0;
        if !tx.insert_credential(row, user, device, credential, name, now).await? {
            return Ok(CreateAccount::CredentialTaken);
        }
        let replaced_on = before.as_ref().map(|_| now.day());
        tx.insert_identity(user, messaging_key_row, account, now, replaced_on).await?;
        tx.insert_device_keys(row, device, &account.one_time_prekeys).await?;
        tx.insert_signed_prekey(row, &account.signed_prekey).await?;
        tx.insert_one_time_prekeys(row, &account.one_time_prekeys, now).await?;
        tx.commit().await?;
        Ok(match before {
            None => CreateAccount::Created(row),
            Some(devices) => CreateAccount::Replaced(row, devices),
        })
    }
}

impl Tx {
    /// Removes the phone's account if its waiting period is over, and answers its devices.
    async fn remove_account_that_waited(
        &mut self,
        phone: &Phone,
        now: UnixTime,
    ) -> Result<Option<Vec<CredentialRow>>, Error> {
        self.lock_phone(phone).await?;
        if !self.lock_reset(phone, now).await?.is_some_and(is_ready) {
            return Ok(None);
        }
        let user = within!(self, c => {
            sqlx::query_scalar("SELECT id FROM users WHERE phone = $1").bind(phone.as_str()).fetch_one(c).await?
        });
        let devices = self.lock_devices(user).await?;
        self.remove_account(user, phone).await?;
        Ok(Some(devices))
    }

    /// False where the phone is taken.
    async fn insert_user(
        &mut self,
        user: UserRow,
        phone: &Phone,
        account: &NewAccount,
        now: UnixTime,
    ) -> Result<bool, Error> {
        const INSERT: &str = "INSERT INTO users (id, phone, device_list_version, device_list_signed_at, \
             device_list_signature, created_on) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (phone) DO NOTHING";
        let list = &account.device_list;
        let version = i64::try_from(list.version).unwrap_or(i64::MAX);
        Ok(within!(self, c => {
            sqlx::query(INSERT).bind(user.0).bind(phone.as_str()).bind(version)
                .bind(Stamp(list.signed_at)).bind(Raw(list.signature)).bind(Stamp(now.day()))
                .execute(c).await?.rows_affected()
        }) == 1)
    }

    /// False where the passkey, its handle or the device id is taken.
    pub(super) async fn insert_credential(
        &mut self,
        row: CredentialRow,
        user: UserRow,
        device: &ListedDevice,
        credential: &NewCredential,
        encrypted_name: &[u8],
        now: UnixTime,
    ) -> Result<bool, Error> {
        const INSERT: &str = "INSERT INTO webauthn_credentials (id, user_id, user_handle, device_id, \
             credential_id, passkey, encrypted_name, created_on, last_used_on) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING";
        Ok(within!(self, c => {
            sqlx::query(INSERT).bind(row.0).bind(user.0).bind(credential.user_handle)
                .bind(Raw(device.device_id)).bind(credential.credential_id.clone())
                .bind(credential.passkey.clone()).bind(encrypted_name.to_vec()).bind(Stamp(now.day()))
                .execute(c).await?.rows_affected()
        }) == 1)
    }

    /// A device's own key, and the highest id of its first one-time prekeys.
    pub(super) async fn insert_device_keys(
        &mut self,
        row: CredentialRow,
        device: &ListedDevice,
        one_time: &[OneTimePrekey],
    ) -> Result<(), Error> {
        const INSERT: &str = "INSERT INTO device_keys (webauthn_credential_id, registration_id, suite, \
             device_key, last_one_time_key_id) VALUES ($1, $2, $3, $4, $5)";
        // Below 2^31 in every list that was checked.
        let registration_id = i32::try_from(device.registration_id).unwrap_or(i32::MAX);
        let last_id = one_time.iter().map(|key| i64::from(key.key_id)).max().unwrap_or(0);
        within!(self, c => {
            sqlx::query(INSERT).bind(row.0).bind(registration_id).bind(SUITE as i16)
                .bind(Raw(device.device_key)).bind(last_id).execute(c).await?;
        });
        Ok(())
    }

    async fn insert_identity(
        &mut self,
        user: UserRow,
        messaging_key_row: i64,
        account: &NewAccount,
        now: UnixTime,
        replaced_on: Option<UnixTime>,
    ) -> Result<(), Error> {
        const IDENTITY: &str = "INSERT INTO identity_keys (user_id, suite, identity_key, created_on, replaced_on) \
             VALUES ($1, $2, $3, $4, $5)";
        const MESSAGING: &str = "INSERT INTO messaging_public_keys (id, user_id, suite, x25519_public_key, \
             ed25519_signature, ed25519_public_key, key_version, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let key = &account.messaging_key;
        let version = i32::try_from(key.key_version).unwrap_or(i32::MAX);
        within!(self, c => {
            sqlx::query(IDENTITY).bind(user.0).bind(SUITE as i16).bind(Raw(account.identity_key))
                .bind(Stamp(now.day())).bind(replaced_on.map(Stamp)).execute(&mut *c).await?;
            sqlx::query(MESSAGING).bind(messaging_key_row).bind(user.0).bind(SUITE as i16)
                .bind(Raw(key.public_key)).bind(Raw(key.signature)).bind(Raw(account.identity_key))
                .bind(version).bind(Stamp(key.created_at)).execute(c).await?;
        });
        Ok(())
    }
}
