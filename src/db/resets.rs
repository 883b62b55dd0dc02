//! The waiting period, before an account begins anew without any of its passkeys. It can be begun
//! by whoever proves the number, is told to the devices, and is cancelled by any of them.

use super::{CredentialRow, Db, Error, Tx, UserRow, columns::Stamp, read, within};
use letterbox_protocol::{
    types::{HOUR, Phone, UnixTime},
    wire::{Reset, ResetState},
};
use sqlx::FromRow;

/// What became of a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunReset {
    /// Whose account it is.
    pub user: UserRow,
    /// How it stands.
    pub reset: Reset,
    /// Whether it began now.
    pub new: bool,
}

#[derive(FromRow)]
struct WaitColumns {
    #[sqlx(try_from = "Stamp")]
    begun_at: UnixTime,
    #[sqlx(try_from = "Stamp")]
    ends_at: UnixTime,
    cancelled: bool,
}

const SELECT: &str = "SELECT begun_at, ends_at, cancelled_at IS NOT NULL AS cancelled \
     FROM registration_waits WHERE phone = $1";

impl Db {
    /// Begins a waiting period of so many seconds, or tells how the one that is there stands. None
    /// where the phone has no account.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn begin_reset(
        &self,
        phone: &Phone,
        wait: i64,
        now: UnixTime,
    ) -> Result<Option<BegunReset>, Error> {
        const INSERT: &str =
            "INSERT INTO registration_waits (phone, begun_at, ends_at) VALUES ($1, $2, $3)";
        let mut tx = self.begin().await?;
        tx.lock_phone(phone).await?;
        let user: Option<i64> = within!(&mut tx, c => {
            sqlx::query_scalar("SELECT id FROM users WHERE phone = $1").bind(phone.as_str())
                .fetch_optional(c).await?
        });
        let Some(user) = user.map(UserRow) else { return Ok(None) };
        if let Some(reset) = tx.lock_reset(phone, now).await? {
            return Ok(Some(BegunReset { user, reset, new: false }));
        }
        let ends_at = hour_up(now.plus(wait));
        within!(&mut tx, c => {
            // One that is over and was not swept yet.
            sqlx::query("DELETE FROM registration_waits WHERE phone = $1").bind(phone.as_str())
                .execute(&mut *c).await?;
            sqlx::query(INSERT).bind(phone.as_str()).bind(Stamp(now.hour())).bind(Stamp(ends_at))
                .execute(c).await?;
        });
        tx.commit().await?;
        let reset = Reset { state: ResetState::Waiting, begun_at: now.hour(), ends_at };
        Ok(Some(BegunReset { user, reset, new: true }))
    }

    /// Cancels a waiting period, also one that is over and was not used, and blocks another one for
    /// so many seconds. False where there was none to cancel; none once `by`, which asks for it, was
    /// revoked or the account was begun anew.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn cancel_reset(
        &self,
        by: CredentialRow,
        phone: &Phone,
        block: i64,
        now: UnixTime,
    ) -> Result<Option<bool>, Error> {
        const CANCEL: &str = "UPDATE registration_waits SET cancelled_at = $2, ends_at = $3 \
             WHERE phone = $1 AND cancelled_at IS NULL";
        let mut tx = self.begin().await?;
        tx.lock_phone(phone).await?;
        if tx.hold(by).await?.is_none() {
            return Ok(None);
        }
        let cancelled = within!(&mut tx, c => {
            sqlx::query(CANCEL).bind(phone.as_str()).bind(Stamp(now.hour()))
                .bind(Stamp(hour_up(now.plus(block)))).execute(c).await?.rows_affected()
        });
        tx.commit().await?;
        Ok(Some(cancelled == 1))
    }

    /// How a phone's waiting period stands, where there is one.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn reset_of(&self, phone: &Phone, now: UnixTime) -> Result<Option<Reset>, Error> {
        let row: Option<WaitColumns> = read!(self, pool => {
            sqlx::query_as(SELECT).bind(phone.as_str()).fetch_optional(pool).await?
        });
        Ok(row.and_then(|row| row.standing(now)))
    }

    /// Whether whoever has proved this phone may begin an account: it has none, or its waiting
    /// period is over.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn may_begin_account(&self, phone: &Phone, now: UnixTime) -> Result<bool, Error> {
        let mut tx = self.snapshot().await?;
        let taken = tx.has_account(phone).await?;
        tx.commit().await?;
        Ok(!taken || self.reset_of(phone, now).await?.is_some_and(is_ready))
    }
}

impl Tx {
    /// How a phone's waiting period stands; it stands so until the transaction ends.
    pub(super) async fn lock_reset(
        &mut self,
        phone: &Phone,
        now: UnixTime,
    ) -> Result<Option<Reset>, Error> {
        const LOCKING: &str = "SELECT begun_at, ends_at, cancelled_at IS NOT NULL AS cancelled \
             FROM registration_waits WHERE phone = $1 FOR UPDATE";
        let row: Option<WaitColumns> = match self {
            // There is one writer, and this transaction is it.
            Self::Sqlite(tx) => {
                sqlx::query_as(SELECT).bind(phone.as_str()).fetch_optional(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                sqlx::query_as(LOCKING).bind(phone.as_str()).fetch_optional(&mut **tx).await?
            }
        };
        Ok(row.and_then(|row| row.standing(now)))
    }
}

impl WaitColumns {
    /// None once it means nothing any more: a block is over, or the account was not begun anew for
    /// as long again as the wait had taken.
    fn standing(self, now: UnixTime) -> Option<Reset> {
        let Self { begun_at, ends_at, cancelled } = self;
        let lapses_at = ends_at.plus(ends_at.since(begun_at));
        let state = match (cancelled, now < ends_at) {
            (true, true) => ResetState::Blocked,
            (true, false) => return None,
            (false, true) => ResetState::Waiting,
            (false, false) if now < lapses_at => ResetState::Ready,
            (false, false) => return None,
        };
        Some(Reset { state, begun_at, ends_at })
    }
}

/// Whether the account can begin anew.
pub(super) fn is_ready(reset: Reset) -> bool {
    reset.state == ResetState::Ready
}

fn hour_up(at: UnixTime) -> UnixTime {
    at.plus(HOUR - 1).hour()
}
