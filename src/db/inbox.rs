//! A device's pending letters: handed out, acknowledged, read, deleted.

use super::{CredentialRow, Db, Error, Tx, columns::Stamp, read, within};
use letterbox_protocol::{
    types::{Blob, Bytes, MessageId, Phone, SessionLabel, UnixTime},
    wire::{AckStatus, InboxAck, InboxEnvelope, InboxLetter},
};
use sqlx::{FromRow, QueryBuilder};
use std::{collections::HashMap, fmt};

/// Where something stands in a pass over what is pending: the id of its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Position(pub i64);

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Position(…)")
    }
}

/// A pending letter and where it stands in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingLetter {
    /// What `after` takes to go on behind this letter. Good for one pass: letters that land
    /// meanwhile may stand before it.
    pub position: Position,
    /// The letter.
    pub letter: InboxLetter,
}

/// A pending letter without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingHeader {
    /// What `after` takes to go on behind this letter. Good for one pass.
    pub position: Position,
    /// Which letter.
    pub message_id: MessageId,
    /// Its content's size.
    pub bytes: usize,
}

/// A pending envelope and where it stands in this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEnvelope {
    /// What `after` takes to go on behind this envelope. Good for one pass.
    pub position: Position,
    /// The envelope.
    pub envelope: InboxEnvelope,
}

#[derive(FromRow)]
struct LetterColumns {
    id: i64,
    message_id: String,
    #[sqlx(try_from = "Stamp")]
    timestamp: UnixTime,
    #[sqlx(try_from = "Stamp")]
    expires_at: UnixTime,
    read: bool,
    encrypted_content: Vec<u8>,
}

#[derive(FromRow)]
struct HeaderColumns {
    id: i64,
    message_id: String,
    bytes: i64,
}

#[derive(FromRow)]
struct EnvelopeColumns {
    id: i64,
    session_key_id: String,
    #[sqlx(try_from = "Stamp")]
    created_at: UnixTime,
    encrypted_session_key: Vec<u8>,
}

macro_rules! letters {
    () => {
        "SELECT d.id, m.message_id, m.timestamp, m.expires_at, m.encrypted_content, \
         EXISTS (SELECT 1 FROM message_deliveries r WHERE r.message_id = m.id AND r.read_at IS NOT NULL) AS read \
         FROM message_deliveries d JOIN messages m ON m.id = d.message_id WHERE "
    };
}
const LETTERS: &str = letters!();

impl Db {
    /// A device's pending letters behind `after`, at most `limit`. Goes by the device's pending
    /// delivery rows and touches no others.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn inbox_page(
        &self,
        device: CredentialRow,
        after: Option<Position>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<PendingLetter>, Error> {
        const SELECT: &str = concat!(
            letters!(),
            "d.webauthn_credential_id = $1 AND d.delivery_status = 'pending' AND d.id > $2 ",
            "AND m.expires_at > $3 ORDER BY d.id LIMIT $4"
        );
        let rows: Vec<LetterColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(device.0).bind(after.unwrap_or(Position(i64::MIN))).bind(Stamp(now))
                .bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(PendingLetter::try_from).collect()
    }

    /// Which letters are pending for a device behind `after`, at most `limit`, without reading
    /// their contents.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn pending_letters(
        &self,
        device: CredentialRow,
        after: Option<Position>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<PendingHeader>, Error> {
        const SELECT: &str = "SELECT d.id, m.message_id, CAST(length(m.encrypted_content) AS BIGINT) AS bytes \
             FROM message_deliveries d JOIN messages m ON m.id = d.message_id \
             WHERE d.webauthn_credential_id = $1 AND d.delivery_status = 'pending' AND d.id > $2 \
             AND m.expires_at > $3 ORDER BY d.id LIMIT $4";
        let rows: Vec<HeaderColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(device.0).bind(after.unwrap_or(Position(i64::MIN))).bind(Stamp(now))
                .bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(PendingHeader::try_from).collect()
    }

    /// The letters at these positions that are still pending for a device, in order.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn letters_at(
        &self,
        device: CredentialRow,
        positions: &[Position],
        now: UnixTime,
    ) -> Result<Vec<PendingLetter>, Error> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<LetterColumns> = read!(self, pool => {
            let mut select = QueryBuilder::new(LETTERS);
            select.push("d.webauthn_credential_id = ").push_bind(device.0)
                .push(" AND d.delivery_status = 'pending' AND m.expires_at > ").push_bind(Stamp(now))
                .push(" AND d.id IN (");
            let mut ids = select.separated(", ");
            for position in positions {
                ids.push_bind(*position);
            }
            select.push(") ORDER BY d.id");
            select.build_query_as().persistent(false).fetch_all(pool).await?
        });
        rows.into_iter().map(PendingLetter::try_from).collect()
    }

    /// A device's envelopes behind `after`, at most `limit`.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn envelopes_page(
        &self,
        device: CredentialRow,
        after: Option<Position>,
        limit: u32,
        now: UnixTime,
    ) -> Result<Vec<PendingEnvelope>, Error> {
        const SELECT: &str = "SELECT id, session_key_id, created_at, encrypted_session_key \
             FROM device_session_keys WHERE webauthn_credential_id = $1 AND id > $2 AND expires_at > $3 \
             ORDER BY id LIMIT $4";
        let rows: Vec<EnvelopeColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(device.0).bind(after.unwrap_or(Position(i64::MIN))).bind(Stamp(now))
                .bind(i64::from(limit)).fetch_all(pool).await?
        });
        rows.into_iter().map(PendingEnvelope::try_from).collect()
    }

    /// Notes what became of letters on a device. 'Delivered' is final; 'failed' never counts as
    /// having a letter. A letter goes once every device that was active when it was stored, and
    /// still is, has it. Unknown ids are passed over, so that a repeated acknowledgement is fine; so is
    /// all that comes of a device that was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn ack_letters(
        &self,
        device: CredentialRow,
        mailbox: &Phone,
        acks: &[InboxAck],
        now: UnixTime,
    ) -> Result<(), Error> {
        if acks.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        if tx.hold(device).await?.is_none() {
            return Ok(());
        }
        let letters = tx.lock_letters(mailbox, acks.iter().map(|ack| &ack.message_id)).await?;
        let of = |status| -> Vec<i64> {
            let acks = acks.iter().filter(|ack| ack.status == status);
            acks.filter_map(|ack| letters.get(&ack.message_id.to_text()).copied()).collect()
        };
        let (failed, delivered) = (of(AckStatus::Failed), of(AckStatus::Delivered));
        tx.set_status(device, &failed, "failed", None).await?;
        tx.set_status(device, &delivered, "delivered", Some(now.hour())).await?;
        tx.delete_letters_that_all_have(&delivered).await?;
        tx.commit().await
    }

    /// Marks letters as read on a device, for the devices that have yet to fetch them.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn mark_read(
        &self,
        device: CredentialRow,
        mailbox: &Phone,
        letters: &[MessageId],
        now: UnixTime,
    ) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        if tx.hold(device).await?.is_none() {
            return Ok(());
        }
        let letters = tx.lock_letters(mailbox, letters.iter()).await?;
        if letters.is_empty() {
            return Ok(());
        }
        within!(&mut tx, c => {
            let mut update = QueryBuilder::new("UPDATE message_deliveries SET read_at = ");
            update.push_bind(Stamp(now.hour())).push(" WHERE webauthn_credential_id = ").push_bind(device.0)
                .push(" AND read_at IS NULL AND message_id IN (");
            let mut ids = update.separated(", ");
            for letter in letters.into_values() {
                ids.push_bind(letter);
            }
            update.push(")");
            update.build().persistent(false).execute(c).await?;
        });
        tx.commit().await
    }

    /// Deletes a letter for all its owner's devices. False where there is none; none once `by`, which
    /// asks for it, was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn delete_letter(
        &self,
        by: CredentialRow,
        mailbox: &Phone,
        letter: &MessageId,
    ) -> Result<Option<bool>, Error> {
        let mut tx = self.begin().await?;
        if tx.hold(by).await?.is_none() {
            return Ok(None);
        }
        let deleted = within!(&mut tx, c => {
            sqlx::query("DELETE FROM messages WHERE destination_phone = $1 AND message_id = $2")
                .bind(mailbox.as_str()).bind(letter.to_text()).execute(c).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(Some(deleted == 1))
    }

    /// Deletes envelopes that a device has in its vault: each can be opened only once.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn ack_envelopes(
        &self,
        device: CredentialRow,
        labels: &[SessionLabel],
    ) -> Result<(), Error> {
        if labels.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        let Some(user) = tx.hold(device).await? else { return Ok(()) };
        within!(&mut tx, c => {
            let mut delete = QueryBuilder::new("DELETE FROM device_session_keys WHERE user_id = ");
            delete.push_bind(user.0).push(" AND webauthn_credential_id = ").push_bind(device.0)
                .push(" AND session_key_id IN (");
            let mut ids = delete.separated(", ");
            for label in labels {
                ids.push_bind(label.to_text());
            }
            delete.push(")");
            delete.build().persistent(false).execute(c).await?;
        });
        tx.commit().await
    }
}

impl Tx {
    /// The rows of a mailbox's letters, by the letters' names; at least one is given. On PostgreSQL
    /// they stay locked, so that of two devices that acknowledge the last two deliveries at once, the
    /// second sees the first. A letter's deliveries are written by whoever has locked it.
    async fn lock_letters(
        &mut self,
        mailbox: &Phone,
        letters: impl Iterator<Item = &MessageId>,
    ) -> Result<HashMap<String, i64>, Error> {
        let letters: Vec<String> = letters.map(MessageId::to_text).collect();
        let rows: Vec<(String, i64)> = match self {
            Self::Sqlite(tx) => {
                let mut select = QueryBuilder::new(
                    "SELECT message_id, id FROM messages WHERE destination_phone = ",
                );
                select.push_bind(mailbox.as_str().to_owned()).push(" AND message_id IN (");
                let mut ids = select.separated(", ");
                for letter in letters {
                    ids.push_bind(letter);
                }
                select.push(")");
                select.build_query_as().persistent(false).fetch_all(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                const SELECT: &str = "SELECT message_id, id FROM messages WHERE destination_phone = $1 \
                     AND message_id = ANY ($2) ORDER BY id FOR UPDATE";
                let select = sqlx::query_as(SELECT).bind(mailbox.as_str()).bind(letters);
                select.fetch_all(&mut **tx).await?
            }
        };
        Ok(rows.into_iter().collect())
    }

    async fn set_status(
        &mut self,
        device: CredentialRow,
        letters: &[i64],
        status: &'static str,
        delivered_at: Option<UnixTime>,
    ) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        // 'failed' may become 'delivered' (a heal), 'delivered' stays.
        within!(self, c => {
            let mut update = QueryBuilder::new("UPDATE message_deliveries SET delivery_status = ");
            update.push_bind(status).push(", delivered_at = ").push_bind(delivered_at.map(Stamp))
                .push(" WHERE webauthn_credential_id = ").push_bind(device.0)
                .push(" AND delivery_status <> 'delivered' AND message_id IN (");
            let mut ids = update.separated(", ");
            for letter in letters {
                ids.push_bind(*letter);
            }
            update.push(")");
            update.build().persistent(false).execute(c).await?;
        });
        Ok(())
    }

    /// Letters that no active device has yet to fetch.
    pub(super) async fn delete_letters_that_all_have(
        &mut self,
        letters: &[i64],
    ) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        within!(self, c => {
            let mut delete = QueryBuilder::new(
                "DELETE FROM messages WHERE NOT EXISTS (SELECT 1 FROM message_deliveries d \
                 JOIN webauthn_credentials c ON c.id = d.webauthn_credential_id \
                 WHERE d.message_id = messages.id AND d.delivery_status <> 'delivered' AND c.is_active) \
                 AND id IN (",
            );
            let mut ids = delete.separated(", ");
            for letter in letters {
                ids.push_bind(*letter);
            }
            delete.push(")");
            delete.build().persistent(false).execute(c).await?;
        });
        Ok(())
    }
}

impl TryFrom<HeaderColumns> for PendingHeader {
    type Error = Error;

    fn try_from(row: HeaderColumns) -> Result<Self, Error> {
        Ok(Self {
            position: Position(row.id),
            message_id: row.message_id.parse().map_err(|_| Error::corrupt("message_id"))?,
            bytes: usize::try_from(row.bytes).map_err(|_| Error::corrupt("encrypted_content"))?,
        })
    }
}

impl TryFrom<LetterColumns> for PendingLetter {
    type Error = Error;

    fn try_from(row: LetterColumns) -> Result<Self, Error> {
        let letter = InboxLetter {
            message_id: row
                .message_id
                .parse::<Bytes<16>>()
                .map_err(|_| Error::corrupt("message_id"))?,
            timestamp: row.timestamp,
            expires_at: row.expires_at,
            read: row.read,
            encrypted_content: Blob(row.encrypted_content),
        };
        Ok(Self { position: Position(row.id), letter })
    }
}

impl TryFrom<EnvelopeColumns> for PendingEnvelope {
    type Error = Error;

    fn try_from(row: EnvelopeColumns) -> Result<Self, Error> {
        let envelope = InboxEnvelope {
            session_key_id: (row.session_key_id.parse::<Bytes<16>>())
                .map_err(|_| Error::corrupt("session_key_id"))?,
            created_at: row.created_at,
            encrypted_session_key: Blob(row.encrypted_session_key),
        };
        Ok(Self { position: Position(row.id), envelope })
    }
}
