//! Linking a browser to an account: the offer, the tries at the digits, the approval, and the new
//! device in one transaction. Whoever does not know the id, which is drawn at random, finds nothing.

use super::{
    CredentialRow, Db, Error, NewCredential, Tx, UserRow,
    columns::{Raw, Stamp},
    ids, read, within, write,
};
use letterbox_protocol::{
    types::{Blob, Bytes, DeviceId, Key, Phone, UnixTime},
    wire::{CompleteLink, LINK_TRIES, Link, LinkId, ListedDevice, SignedDeviceList, SignedPrekey},
};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

/// Seconds an offer lives, at most: its end is a whole minute.
const LIFETIME: i64 = 600;

/// What the signed-in device signed for the new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The next version of the list, which names the new device as well.
    pub device_list: SignedDeviceList,
    /// The new device's first signed prekey.
    pub signed_prekey: SignedPrekey,
}

impl Approval {
    /// The listed device whose prekey it is.
    fn device(&self, known: &[DeviceId]) -> Option<&ListedDevice> {
        self.device_list.devices.iter().find(|device| !known.contains(&device.device_id))
    }
}

/// What became of a completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkDevice {
    /// The device is one of the account's.
    Linked,
    /// No approved offer has this id, or none any more. Nothing was written.
    Ended,
    /// The account's list has moved on since the approval. Nothing was written.
    Stale,
    /// The passkey or the device id is in use. Nothing was written.
    CredentialTaken,
}

#[derive(FromRow)]
struct LinkColumns {
    offer: Vec<u8>,
    proofs: Vec<u8>,
    answer: Option<Vec<u8>>,
    #[sqlx(try_from = "Stamp")]
    expires_at: UnixTime,
}

const SELECT: &str =
    "SELECT offer, proofs, answer, expires_at FROM device_links WHERE id = $1 AND expires_at > $2";

impl Db {
    /// Takes an offer; the same offer again is answered again. None where the id stands for another
    /// one, or for one that has ended.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn offer_link(
        &self,
        id: &LinkId,
        offer: &[u8],
        now: UnixTime,
    ) -> Result<Option<Link>, Error> {
        const INSERT: &str = "INSERT INTO device_links (id, offer, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO NOTHING";
        write!(self, pool => {
            sqlx::query(INSERT).bind(Raw(*id)).bind(offer.to_vec())
                .bind(Stamp(now.plus(LIFETIME).minute())).execute(pool).await?;
        });
        Ok(self.link(id, now).await?.filter(|link| link.offer.0 == offer))
    }

    /// How an offer stands; none where it has ended or never was.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn link(&self, id: &LinkId, now: UnixTime) -> Result<Option<Link>, Error> {
        let row: Option<LinkColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(Raw(*id)).bind(Stamp(now)).fetch_optional(pool).await?
        });
        row.map(Link::try_from).transpose()
    }

    /// Notes a try at the digits; the latest one again is no second try. False where the tries are
    /// used up, the offer was approved, or it has ended.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn try_digits(&self, id: &LinkId, proof: &Key, now: UnixTime) -> Result<bool, Error> {
        let mut tx = self.begin().await?;
        let Some(link) = tx.lock_link(id, now).await? else { return Ok(false) };
        if link.proofs.ends_with(&proof.0) {
            return Ok(true);
        }
        if link.answer.is_some() || link.proofs.len() >= 32 * LINK_TRIES {
            return Ok(false);
        }
        let proofs = [link.proofs.as_slice(), &proof.0].concat();
        within!(&mut tx, c => {
            sqlx::query("UPDATE device_links SET proofs = $2 WHERE id = $1")
                .bind(Raw(*id)).bind(proofs).execute(c).await?;
        });
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps what a device approved, in the place of what one of its account approved before. False
    /// where the offer has ended, or another account has approved it; none once `by` was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn approve_link(
        &self,
        id: &LinkId,
        by: CredentialRow,
        approval: &Approval,
        answer: &[u8],
        now: UnixTime,
    ) -> Result<Option<bool>, Error> {
        const UPDATE: &str = "UPDATE device_links SET user_id = $2, approval = $3, answer = $4 \
             WHERE id = $1 AND expires_at > $5 AND (user_id IS NULL OR user_id = $2)";
        let approval =
            serde_json::to_string(approval).map_err(|_| Error::corrupt("device_links.approval"))?;
        let mut tx = self.begin().await?;
        let Some(user) = tx.hold(by).await? else { return Ok(None) };
        let approved = within!(&mut tx, c => {
            sqlx::query(UPDATE).bind(Raw(*id)).bind(user.0).bind(approval).bind(answer.to_vec())
                .bind(Stamp(now)).execute(c).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(Some(approved == 1))
    }

    /// Whose account an approved offer leads into.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn approved_by(&self, id: &LinkId, now: UnixTime) -> Result<Option<Phone>, Error> {
        const SELECT: &str = "SELECT u.phone FROM device_links l JOIN users u ON u.id = l.user_id \
             WHERE l.id = $1 AND l.expires_at > $2";
        let phone: Option<String> = read!(self, pool => {
            sqlx::query_scalar(SELECT).bind(Raw(*id)).bind(Stamp(now)).fetch_optional(pool).await?
        });
        phone.map(|phone| phone.parse().map_err(|_| Error::corrupt("users.phone"))).transpose()
    }

    /// Makes the new browser a device: credential, keys and list, and the offer is gone.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn complete_link(
        &self,
        id: &LinkId,
        credential: &NewCredential,
        body: &CompleteLink,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<LinkDevice, Error> {
        let row = CredentialRow(ids::random(rng));
        let mut tx = self.begin().await?;
        // On PostgreSQL the account is locked before its link, as by whoever else changes both.
        let Some(user) = tx.lock_approver(id).await? else { return Ok(LinkDevice::Ended) };
        let Some(approval) = tx.take_approval(id, now).await? else {
            return Ok(LinkDevice::Ended);
        };
        if !tx.replace_list_of(user, &approval.device_list).await? {
            return Ok(LinkDevice::Stale);
        }
        let known = tx.active_device_ids(user).await?;
        let Some(device) = approval.device(&known) else {
            return Ok(LinkDevice::CredentialTaken);
        };
        let name = &body.encrypted_name.0;
        if !tx.insert_credential(row, user, device, credential, name, now).await? {
            return Ok(LinkDevice::CredentialTaken);
        }
        tx.insert_device_keys(row, device, &body.one_time_prekeys).await?;
        tx.insert_signed_prekey(row, &approval.signed_prekey).await?;
        tx.insert_one_time_prekeys(row, &body.one_time_prekeys, now).await?;
        tx.commit().await?;
        Ok(LinkDevice::Linked)
    }
}

impl Tx {
    /// An offer that has not ended, locked until the transaction ends.
    async fn lock_link(
        &mut self,
        id: &LinkId,
        now: UnixTime,
    ) -> Result<Option<LinkColumns>, Error> {
        const LOCKING: &str = "SELECT offer, proofs, answer, expires_at FROM device_links \
             WHERE id = $1 AND expires_at > $2 FOR UPDATE";
        Ok(match self {
            // There is one writer, and this transaction is it.
            Self::Sqlite(tx) => {
                let select = sqlx::query_as(SELECT).bind(Raw(*id)).bind(Stamp(now));
                select.fetch_optional(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                let select = sqlx::query_as(LOCKING).bind(Raw(*id)).bind(Stamp(now));
                select.fetch_optional(&mut **tx).await?
            }
        })
    }

    /// Whose account an approved offer leads into: no other one approves it any more.
    async fn lock_approver(&mut self, id: &LinkId) -> Result<Option<UserRow>, Error> {
        const SELECT: &str =
            "SELECT user_id FROM device_links WHERE id = $1 AND user_id IS NOT NULL";
        const LOCKING: &str = "SELECT id FROM users WHERE id = \
             (SELECT user_id FROM device_links WHERE id = $1) FOR NO KEY UPDATE";
        Ok(match self {
            // There is one writer, and this transaction is it.
            Self::Sqlite(tx) => {
                sqlx::query_scalar(SELECT).bind(Raw(*id)).fetch_optional(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                sqlx::query_scalar(LOCKING).bind(Raw(*id)).fetch_optional(&mut **tx).await?
            }
        })
    }

    /// Deletes an approved offer, and answers what was approved: of racing completions one gets it.
    async fn take_approval(
        &mut self,
        id: &LinkId,
        now: UnixTime,
    ) -> Result<Option<Approval>, Error> {
        const TAKE: &str = "DELETE FROM device_links WHERE id = $1 AND expires_at > $2 \
             AND approval IS NOT NULL RETURNING approval";
        let approval: Option<String> = within!(self, c => {
            sqlx::query_scalar(TAKE).bind(Raw(*id)).bind(Stamp(now)).fetch_optional(c).await?
        });
        let approval = approval.map(|approval| serde_json::from_str(&approval));
        approval.transpose().map_err(|_| Error::corrupt("device_links.approval"))
    }

    async fn active_device_ids(&mut self, user: UserRow) -> Result<Vec<DeviceId>, Error> {
        let ids: Vec<Raw<16>> = within!(self, c => {
            sqlx::query_scalar("SELECT device_id FROM webauthn_credentials WHERE user_id = $1 AND is_active")
                .bind(user.0).fetch_all(c).await?
        });
        Ok(ids.into_iter().map(Bytes::from).collect())
    }
}

impl TryFrom<LinkColumns> for Link {
    type Error = Error;

    fn try_from(row: LinkColumns) -> Result<Self, Error> {
        let corrupt = |_| Error::corrupt("device_links.proofs");
        let proofs = row.proofs.chunks(32).map(|proof| Bytes::try_from(proof).map_err(corrupt));
        Ok(Self {
            offer: Blob(row.offer),
            proofs: proofs.collect::<Result<_, _>>()?,
            answer: row.answer.map(Blob),
            expires_at: row.expires_at,
        })
    }
}
