//! Live re-keyings: opened by whoever has a token, claimed by one device of the mailbox.

use super::{
    CredentialRow, Db, Error, SpentToken, Tx,
    columns::{Raw, Stamp},
    ids, read,
    tokens::Standing,
    within,
};
use letterbox_protocol::{
    types::{Bytes, Phone, UnixTime},
    wire::{EphemeralKey, KeyExchangeId, SealedEphemeralKey},
};
use rand::CryptoRng;
use sqlx::FromRow;

/// Seconds for which one can be claimed, at most: the end is a whole minute.
const WINDOW: i64 = 300;
/// Re-keyings that a mailbox holds at once.
const MAILBOX: i64 = 32;

/// What became of an opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenExchange {
    /// It can be claimed, now or since the same request came before.
    Open,
    /// No such mailbox. The token is spent.
    NoSuchMailbox,
    /// The id stands for another key or mailbox. The token is spent.
    IdTaken,
    /// The token was spent on another request.
    TokenReused,
    /// The mailbox holds as many as it may. Nothing was written, and the token is good.
    MailboxFull,
}

impl OpenExchange {
    fn status(self) -> i16 {
        match self {
            Self::NoSuchMailbox => 404,
            Self::IdTaken => 409,
            Self::Open | Self::TokenReused | Self::MailboxFull => 202,
        }
    }

    fn of_spent(status: i16) -> Self {
        match status {
            202 => Self::Open,
            404 => Self::NoSuchMailbox,
            409 => Self::IdTaken,
            _ => Self::TokenReused,
        }
    }
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimExchange {
    /// The caller has it.
    Claimed,
    /// It was claimed before.
    AlreadyClaimed,
    /// This mailbox has none of this id, or it has expired.
    Unknown,
}

#[derive(FromRow)]
struct ExchangeColumns {
    destination_phone: String,
    key_exchange_id: String,
    ephemeral_public_key: Raw<32>,
    used: bool,
}

impl Db {
    /// Spends the token and opens a re-keying. The same request again gets the same answer.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn open_exchange(
        &self,
        token: &SpentToken,
        key: &SealedEphemeralKey,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<OpenExchange, Error> {
        let id = ids::hourly(now, rng);
        let mut tx = self.begin().await?;
        match tx.spend(token, OpenExchange::Open.status()).await? {
            Standing::Reused => return Ok(OpenExchange::TokenReused),
            Standing::Repeated(status) => return Ok(OpenExchange::of_spent(status)),
            Standing::Fresh => {}
        }
        tx.lock_phone(&key.destination).await?;
        let outcome = tx.insert_exchange(id, key, now).await?;
        match outcome {
            OpenExchange::MailboxFull => return Ok(outcome),
            OpenExchange::Open => {}
            _ => tx.answered(token, outcome.status()).await?,
        }
        tx.commit().await?;
        Ok(outcome)
    }

    /// A mailbox's re-keyings that have not expired.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn open_exchanges(
        &self,
        mailbox: &Phone,
        now: UnixTime,
    ) -> Result<Vec<EphemeralKey>, Error> {
        const SELECT: &str = "SELECT destination_phone, key_exchange_id, ephemeral_public_key, used \
             FROM ephemeral_keys WHERE destination_phone = $1 AND expires_at > $2 ORDER BY id";
        let rows: Vec<ExchangeColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(mailbox.as_str()).bind(Stamp(now)).fetch_all(pool).await?
        });
        rows.into_iter().map(EphemeralKey::try_from).collect()
    }

    /// Claims a re-keying, in one statement: of racing claims one wins. Who it was is not stored.
    /// None once `by`, which asks for it, was revoked.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn claim_exchange(
        &self,
        by: CredentialRow,
        mailbox: &Phone,
        id: &KeyExchangeId,
        now: UnixTime,
    ) -> Result<Option<ClaimExchange>, Error> {
        const CLAIM: &str = "UPDATE ephemeral_keys SET used = TRUE WHERE destination_phone = $1 \
             AND key_exchange_id = $2 AND expires_at > $3 AND NOT used";
        const KNOWN: &str = "SELECT count(*) FROM ephemeral_keys WHERE destination_phone = $1 \
             AND key_exchange_id = $2 AND expires_at > $3";
        let mut tx = self.begin().await?;
        if tx.hold(by).await?.is_none() {
            return Ok(None);
        }
        let claimed = within!(&mut tx, c => {
            sqlx::query(CLAIM).bind(mailbox.as_str()).bind(id.to_text()).bind(Stamp(now))
                .execute(c).await?.rows_affected()
        });
        let known: i64 = within!(&mut tx, c => {
            sqlx::query_scalar(KNOWN).bind(mailbox.as_str()).bind(id.to_text()).bind(Stamp(now))
                .fetch_one(c).await?
        });
        tx.commit().await?;
        Ok(Some(match (claimed, known) {
            (1, _) => ClaimExchange::Claimed,
            (_, 0) => ClaimExchange::Unknown,
            _ => ClaimExchange::AlreadyClaimed,
        }))
    }
}

impl Tx {
    async fn insert_exchange(
        &mut self,
        id: i64,
        key: &SealedEphemeralKey,
        now: UnixTime,
    ) -> Result<OpenExchange, Error> {
        const INSERT: &str = "INSERT INTO ephemeral_keys (id, destination_phone, ephemeral_public_key, \
             key_exchange_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT DO NOTHING";
        const TAKEN: &str = "SELECT destination_phone, key_exchange_id, ephemeral_public_key, used \
             FROM ephemeral_keys WHERE key_exchange_id = $1";
        let phone = key.destination.as_str();
        if !self.has_account(&key.destination).await? {
            return Ok(OpenExchange::NoSuchMailbox);
        }
        let inserted = within!(self, c => {
            sqlx::query(INSERT).bind(id).bind(phone).bind(Raw(key.ephemeral_public_key))
                .bind(key.key_exchange_id.to_text()).bind(Stamp(now.hour()))
                .bind(Stamp(now.plus(WINDOW).minute())).execute(c).await?.rows_affected()
        });
        if inserted == 0 {
            let taken: Option<ExchangeColumns> = within!(self, c => {
                sqlx::query_as(TAKEN).bind(key.key_exchange_id.to_text()).fetch_optional(c).await?
            });
            let same = taken.is_some_and(|row| {
                row.destination_phone == phone
                    && row.ephemeral_public_key.0 == key.ephemeral_public_key
            });
            return Ok(if same { OpenExchange::Open } else { OpenExchange::IdTaken });
        }
        let held: i64 = within!(self, c => {
            sqlx::query_scalar("SELECT count(*) FROM ephemeral_keys WHERE destination_phone = $1 AND expires_at > $2")
                .bind(phone).bind(Stamp(now)).fetch_one(c).await?
        });
        Ok(if held > MAILBOX { OpenExchange::MailboxFull } else { OpenExchange::Open })
    }

    /// Whether a phone has an account.
    pub(super) async fn has_account(&mut self, phone: &Phone) -> Result<bool, Error> {
        let accounts: i64 = within!(self, c => {
            sqlx::query_scalar("SELECT count(*) FROM users WHERE phone = $1").bind(phone.as_str()).fetch_one(c).await?
        });
        Ok(accounts == 1)
    }
}

impl TryFrom<ExchangeColumns> for EphemeralKey {
    type Error = Error;

    fn try_from(row: ExchangeColumns) -> Result<Self, Error> {
        let id = row.key_exchange_id.parse::<Bytes<16>>();
        Ok(Self {
            key_exchange_id: id.map_err(|_| Error::corrupt("key_exchange_id"))?,
            ephemeral_public_key: row.ephemeral_public_key.0,
            used: row.used,
        })
    }
}
