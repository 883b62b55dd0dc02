//! A device's passkey: found at sign-in, kept current.

use super::{
    Db, Error, Tx,
    columns::{Raw, Stamp},
    read, within, write,
};
use letterbox_protocol::types::{Bytes, DeviceId, Key, Phone, UnixTime};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use std::fmt;
use uuid::Uuid;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

row_id! {
    /// The row of a person in `users`. Never leaves the server.
    UserRow
}
row_id! {
    /// The row of a device in `webauthn_credentials`. Never leaves the server; what peers see is
    /// the device id.
    CredentialRow
}

/// An active device and its passkey.
#[derive(Clone)]
pub struct Credential {
    /// The device's row.
    pub row: CredentialRow,
    /// Its owner's row.
    pub user: UserRow,
    /// Its owner's phone: the mailbox.
    pub phone: Phone,
    /// The name that peers see.
    pub device_id: DeviceId,
    /// What WebAuthn sees as the user; one a credential.
    pub user_handle: Uuid,
    /// webauthn-rs' state as JSON.
    pub passkey: String,
    /// The device's X25519 key: its device sessions are challenges sealed to this.
    pub device_key: Key,
    /// New whenever the device's local state begins anew.
    pub registration_id: u32,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

#[derive(FromRow)]
struct CredentialColumns {
    id: i64,
    user_id: i64,
    phone: String,
    device_id: Raw<16>,
    user_handle: Uuid,
    passkey: String,
    device_key: Raw<32>,
    registration_id: i32,
}

macro_rules! select_credential {
    ($condition:literal) => {
        concat!(
            "SELECT c.id, c.user_id, u.phone, c.device_id, c.user_handle, c.passkey, ",
            "k.device_key, k.registration_id FROM webauthn_credentials c ",
            "JOIN users u ON u.id = c.user_id ",
            "JOIN device_keys k ON k.webauthn_credential_id = c.id ",
            "WHERE c.is_active AND ",
            $condition
        )
    };
}

impl TryFrom<CredentialColumns> for Credential {
    type Error = Error;

    fn try_from(row: CredentialColumns) -> Result<Self, Error> {
        Ok(Self {
            row: CredentialRow(row.id),
            user: UserRow(row.user_id),
            phone: row.phone.parse().map_err(|_| Error::corrupt("users.phone"))?,
            device_id: Bytes::from(row.device_id),
            user_handle: row.user_handle,
            passkey: row.passkey,
            device_key: Bytes::from(row.device_key),
            registration_id: u32::try_from(row.registration_id)
                .map_err(|_| Error::corrupt("device_keys.registration_id"))?,
        })
    }
}

impl Db {
    /// The active device whose passkey has this WebAuthn credential id.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn credential_by_credential_id(
        &self,
        credential_id: &[u8],
    ) -> Result<Option<Credential>, Error> {
        const SELECT: &str = select_credential!("c.credential_id = $1");
        let row: Option<CredentialColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(credential_id.to_vec()).fetch_optional(pool).await?
        });
        row.map(Credential::try_from).transpose()
    }

    /// The active device of this row: gone once it was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn credential(&self, row: CredentialRow) -> Result<Option<Credential>, Error> {
        const SELECT: &str = select_credential!("c.id = $1");
        let row: Option<CredentialColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(row.0).fetch_optional(pool).await?
        });
        row.map(Credential::try_from).transpose()
    }

    /// The active devices of a person.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn active_devices(&self, user: UserRow) -> Result<Vec<CredentialRow>, Error> {
        const SELECT: &str = "SELECT id FROM webauthn_credentials WHERE user_id = $1 AND is_active";
        Ok(read!(self, pool => {
            sqlx::query_scalar(SELECT).bind(user.0).fetch_all(pool).await?
        }))
    }

    /// Notes a sign-in or a touch: the passkey's state (its counter moves) and the day. Of a device
    /// that was revoked meanwhile, nothing is noted.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn passkey_used(
        &self,
        row: CredentialRow,
        passkey: &str,
        now: UnixTime,
    ) -> Result<(), Error> {
        const UPDATE: &str = "UPDATE webauthn_credentials SET passkey = $2, last_used_on = $3 \
             WHERE id = $1 AND is_active";
        write!(self, pool => {
            sqlx::query(UPDATE).bind(row.0).bind(passkey.to_owned()).bind(Stamp(now.day()))
                .execute(pool).await?;
        });
        Ok(())
    }
}

impl Tx {
    /// The owner of an active device, before something is written for it; none once it was revoked. On
    /// PostgreSQL the account's list stays as it is until the transaction ends, as it does for a send,
    /// and is locked before anything else of the account but its number: nothing is written for a device
    /// that is being revoked, and no two changes wait for each other.
    pub(super) async fn hold(&mut self, device: CredentialRow) -> Result<Option<UserRow>, Error> {
        const SELECT: &str = "SELECT user_id FROM webauthn_credentials WHERE id = $1 AND is_active";
        if let Self::Postgres(tx) = self {
            const LOCK: &str = "SELECT id FROM users WHERE id = \
                 (SELECT user_id FROM webauthn_credentials WHERE id = $1) FOR SHARE";
            sqlx::query(LOCK).bind(device.0).execute(&mut **tx).await?;
        }
        Ok(within!(self, c => {
            sqlx::query_scalar(SELECT).bind(device.0).fetch_optional(c).await?
        }))
    }
}
