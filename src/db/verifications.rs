//! Proving a phone number: codes, stored hashed, few and short-lived.

use super::{Db, Error, Tx, columns::Stamp, within};
use letterbox_protocol::types::{HOUR, Phone, UnixTime};
use rand::CryptoRng;
use sha2::{Digest, Sha256};

/// How far codes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeLimits {
    /// Tries a code is good for.
    pub tries: i16,
    /// Seconds a code lives, at most an hour.
    pub lifetime: i64,
    /// Codes a phone may ask for in an hour.
    pub an_hour: i64,
}

impl Default for CodeLimits {
    fn default() -> Self {
        Self { tries: 5, lifetime: 600, an_hour: 3 }
    }
}

/// Attempts that no code is good for: it was spent, or another one took its place.
const VOID: i16 = i16::MAX;
const SALT: usize = 16;

/// Whether a code may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartVerification {
    /// The code is stored: send it.
    Send,
    /// This phone has had its codes for this hour.
    TooMany,
}

/// What a code proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Nothing: a wrong code, an old one, or one tried too often.
    Refused,
    /// The phone is theirs, and free.
    Free,
    /// The phone is theirs, and has an account, which stays as it is.
    HasAccount,
}

impl Db {
    /// Stores a code for a phone, hashed, for its lifetime, in the older one's place; the same work
    /// whether or not the number has an account.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn start_verification(
        &self,
        phone: &Phone,
        code: &str,
        limits: CodeLimits,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<StartVerification, Error> {
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        let mut tx = self.begin().await?;
        tx.lock_phone(phone).await?;
        let lately: i64 = within!(&mut tx, c => {
            sqlx::query_scalar("SELECT count(*) FROM phone_verifications WHERE phone = $1 AND expires_at > $2")
                .bind(phone.as_str()).bind(Stamp(now.plus(limits.lifetime - HOUR))).fetch_one(c).await?
        });
        if lately >= limits.an_hour {
            return Ok(StartVerification::TooMany);
        }
        within!(&mut tx, c => {
            sqlx::query("UPDATE phone_verifications SET attempts = $2 WHERE phone = $1")
                .bind(phone.as_str()).bind(VOID).execute(&mut *c).await?;
            sqlx::query("INSERT INTO phone_verifications (phone, code_hash, attempts, expires_at) VALUES ($1, $2, 0, $3)")
                .bind(phone.as_str()).bind(hash(&salt, phone, code)).bind(Stamp(now.plus(limits.lifetime)))
                .execute(c).await?;
        });
        tx.commit().await?;
        Ok(StartVerification::Send)
    }

    /// Tries a code. The try is counted before the code is compared, so that racing tries cannot
    /// exceed their number; a right code is spent. The work is the same whatever the outcome.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn check_verification(
        &self,
        phone: &Phone,
        code: &str,
        limits: CodeLimits,
        now: UnixTime,
    ) -> Result<Verification, Error> {
        const TRY: &str = "UPDATE phone_verifications SET attempts = attempts + 1 \
             WHERE phone = $1 AND attempts < $2 AND expires_at > $3 RETURNING code_hash";
        const SPEND: &str =
            "UPDATE phone_verifications SET attempts = $2 WHERE phone = $1 AND code_hash = $3";
        let mut tx = self.begin().await?;
        let stored: Option<Vec<u8>> = within!(&mut tx, c => {
            sqlx::query_scalar(TRY).bind(phone.as_str()).bind(limits.tries).bind(Stamp(now)).fetch_optional(c).await?
        });
        let stored = stored.unwrap_or_else(|| vec![0; SALT + 32]);
        let right = equal(&stored, &hash(stored.get(..SALT).unwrap_or(&[]), phone, code));
        // A wrong code spends nothing: no row has an empty hash.
        let spent = if right { stored } else { Vec::new() };
        let accounts: i64 = within!(&mut tx, c => {
            sqlx::query(SPEND).bind(phone.as_str()).bind(VOID).bind(spent).execute(&mut *c).await?;
            sqlx::query_scalar("SELECT count(*) FROM users WHERE phone = $1").bind(phone.as_str()).fetch_one(c).await?
        });
        tx.commit().await?;
        Ok(match (right, accounts) {
            (false, _) => Verification::Refused,
            (true, 0) => Verification::Free,
            (true, _) => Verification::HasAccount,
        })
    }
}

impl Tx {
    /// Lets one transaction at a time deal with a phone that may have no row to lock yet.
    pub(super) async fn lock_phone(&mut self, phone: &Phone) -> Result<(), Error> {
        match self {
            Self::Sqlite(_) => {} // there is one writer
            Self::Postgres(tx) => {
                sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                    .bind(phone.as_str())
                    .execute(&mut **tx)
                    .await?;
            }
        }
        Ok(())
    }
}

/// The salt, then SHA-256 over label, salt, phone and code, each after its length (4 bytes).
fn hash(salt: &[u8], phone: &Phone, code: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [b"letterbox/2 phone code", salt, phone.as_str().as_bytes(), code.as_bytes()] {
        hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        hash.update(part);
    }
    [salt, hash.finalize().as_slice()].concat()
}

/// Compares without telling by its time where the first difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && std::hint::black_box(a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b))) == 0
}
