//! The end of an account: nothing of it stays, in any table.

use super::{CredentialRow, Db, Error, Tx, UserRow, within};
use letterbox_protocol::types::Phone;

/// What is kept under the phone and not under the user.
const OF_PHONE: [&str; 3] = [
    "DELETE FROM messages WHERE destination_phone = $1",
    "DELETE FROM ephemeral_keys WHERE destination_phone = $1",
    "DELETE FROM phone_verifications WHERE phone = $1",
];

impl Db {
    /// Deletes an account: everything that belongs to the user or stands under the phone, and the
    /// sessions in which somebody has lately proved it. Answers the devices that it had; none once
    /// `by`, which asks for it, was revoked or the account has gone, perhaps for another one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn delete_account(
        &self,
        by: CredentialRow,
        user: UserRow,
        phone: &Phone,
    ) -> Result<Option<Vec<CredentialRow>>, Error> {
        // A phone is a plus sign and digits: nothing that LIKE reads as a pattern.
        const SESSIONS: &str = "DELETE FROM sessions WHERE webauthn_credential_id IS NULL \
             AND data LIKE '%\"' || $1 || '\"%'";
        let mut tx = self.begin().await?;
        tx.lock_phone(phone).await?;
        let devices = tx.lock_devices(user).await?;
        if tx.hold(by).await?.is_none() {
            return Ok(None);
        }
        tx.remove_account(user, phone).await?;
        within!(&mut tx, c => {
            sqlx::query(SESSIONS).bind(phone.as_str()).execute(c).await?;
        });
        tx.commit().await?;
        Ok(Some(devices))
    }
}

impl Tx {
    /// Removes what [`Db::delete_account`] does, but for sessions before sign-in. Phone and devices
    /// are locked.
    pub(super) async fn remove_account(
        &mut self,
        user: UserRow,
        phone: &Phone,
    ) -> Result<(), Error> {
        // Letters before their deliveries, which go with the devices.
        for delete in OF_PHONE {
            within!(&mut *self, c => {
                sqlx::query(delete).bind(phone.as_str()).execute(c).await?;
            });
        }
        within!(self, c => {
            sqlx::query("DELETE FROM users WHERE id = $1").bind(user.0).execute(c).await?;
        });
        Ok(())
    }

    /// All devices of a user. On PostgreSQL this waits for the sends that are under way to them, and
    /// later ones wait for this transaction: no letter comes in behind the removal.
    pub(super) async fn lock_devices(
        &mut self,
        user: UserRow,
    ) -> Result<Vec<CredentialRow>, Error> {
        if let Self::Postgres(tx) = self {
            const LOCK: &str = "SELECT id FROM users WHERE id = $1 FOR UPDATE";
            sqlx::query(LOCK).bind(user.0).execute(&mut **tx).await?;
        }
        Ok(within!(self, c => {
            sqlx::query_scalar("SELECT id FROM webauthn_credentials WHERE user_id = $1")
                .bind(user.0).fetch_all(c).await?
        }))
    }
}
