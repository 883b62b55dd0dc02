//! The token issuer: this week's keys in memory, tokens checked under them, batches issued.

use crate::{
    clock::Clock,
    db::{self, Credential, Db, Issuance, IssuerKey},
    error::Error,
    randomness::Randomness,
};
use letterbox_protocol::{
    tokens::{BatchRequest, BatchResponse, KeyWeek, Token, TokenError, directory_of},
    types::{Bytes, UnixTime},
    wire::IssuerDirectory,
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::{sync::Semaphore, task};

/// Batches evaluated at once: each takes milliseconds of a processor.
const AT_ONCE: usize = 2;

/// The issuer.
pub struct Issuers {
    db: Db,
    clock: Clock,
    randomness: Randomness,
    challenge_digest: Bytes<32>,
    held: RwLock<Option<Held>>,
    issuing: Semaphore,
}

/// The keys of a day: they change at midnight only.
#[derive(Clone)]
struct Held {
    day: UnixTime,
    keys: Arc<[IssuerKey]>,
}

/// A token that holds: which key issued it, and until when it would be taken.
pub(crate) struct Checked {
    pub(crate) issuer_key_id: i64,
    pub(crate) expires_on: UnixTime,
}

impl Issuers {
    /// An issuer whose tokens are bound to this challenge. Keys are read, or drawn, when they are
    /// needed.
    pub fn new(db: Db, clock: Clock, randomness: Randomness, challenge_digest: Bytes<32>) -> Self {
        let (held, issuing) = (RwLock::new(None), Semaphore::new(AT_ONCE));
        Self { db, clock, randomness, challenge_digest, held, issuing }
    }

    /// The keys of today, drawn a day before their week.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn keys(&self) -> Result<Arc<[IssuerKey]>, db::Error> {
        let now = self.clock.now();
        // A poisoned lock holds whole keys all the same.
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(held) = held.filter(|held| held.day == now.day()) {
            return Ok(held.keys);
        }
        let keys: Arc<[IssuerKey]> =
            self.db.issuer_keys(now, &mut self.randomness.rng()).await?.into();
        let held = Held { day: now.day(), keys: Arc::clone(&keys) };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(keys)
    }

    /// The directory as it is now.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn directory(&self) -> Result<IssuerDirectory, Error> {
        let keys = self.keys().await?;
        Ok(directory_of(keys.iter().map(|key| (key.week, *key.issuer.public_key()))))
    }

    /// Whether a token was issued here, and is not too old. Nothing is spent by this.
    pub(crate) async fn check(&self, token: &Token) -> Result<Checked, Error> {
        if token.challenge_digest() != self.challenge_digest {
            return Err(Error::TokenRefused);
        }
        let (keys, id) = (self.keys().await?, token.token_key_id());
        let key = keys.iter().find(|key| *key.issuer.token_key_id() == id);
        let key = key.ok_or(Error::TokenRefused)?;
        key.issuer.check(token).map_err(|_| Error::TokenRefused)?;
        Ok(Checked { issuer_key_id: key.id, expires_on: key.week.expires() })
    }

    /// Issues a device's tokens of the day, if a batch more is `allowed`. The same batch again gets the
    /// same response, also on the next day.
    pub(crate) async fn issue(
        &self,
        device: &Credential,
        request: BatchRequest,
        allowed: impl FnOnce() -> Result<(), Error>,
    ) -> Result<BatchResponse, Error> {
        let now = self.clock.now();
        let batch = Bytes(Sha256::digest(request.to_bytes()).into());
        let known = self.db.issuance(device.row, batch, now).await?;
        match known {
            Issuance::Used => return Err(Error::TokensIssued),
            Issuance::Open => allowed()?,
            Issuance::Repeated => {}
        }
        let response = self.evaluate(request, known, now).await?;
        if known == Issuance::Repeated {
            return Ok(response);
        }
        let beginning = device.registration_id;
        match self.db.note_issuance(device.row, beginning, batch, now).await? {
            Some(Issuance::Used) => Err(Error::TokensIssued),
            Some(Issuance::Open | Issuance::Repeated) => Ok(response),
            None => Err(Error::SignInRequired),
        }
    }

    async fn evaluate(
        &self,
        request: BatchRequest,
        known: Issuance,
        now: UnixTime,
    ) -> Result<BatchResponse, Error> {
        let keys = self.keys().await?;
        let place = keys.iter().position(|key| {
            let issues = key.week == KeyWeek::of(now) || known == Issuance::Repeated;
            issues && key.issuer.is_meant_by(&request)
        });
        let place = place.ok_or(Error::UnknownIssuerKey)?;
        let _permit = self.issuing.acquire().await.map_err(|_| Error::internal("semaphore"))?;
        let issued = task::spawn_blocking(move || {
            keys.get(place).ok_or(TokenError::Key).and_then(|key| key.issuer.issue(&request))
        });
        let issued = issued.await.map_err(|_| Error::internal("issuing panicked"))?;
        issued.map_err(|_| Error::field("token_request", "A blinded message is no element."))
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuers(…)")
    }
}
