//! The passkey session: what it remembers, and the two grades in which handlers ask for it.

use crate::{
    app::App,
    db::{self, CREDENTIAL_KEY, Credential, CredentialRow},
    error::Error,
};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use letterbox_protocol::types::UnixTime;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tower_sessions::Session;

/// Seconds in which a ceremony must be finished.
const CEREMONY: i64 = 600;

/// Something that a session remembers until it is used or too old. Using it takes it away: every
/// challenge is answered once.
pub(crate) trait Remembered: Serialize + DeserializeOwned + Send + Sync {
    /// Its name in the session's record.
    const NAME: &'static str;

    /// Until when it is remembered: ten minutes on, and the rest of the last. The second would tell
    /// when somebody began.
    fn until(now: UnixTime) -> UnixTime {
        now.plus(CEREMONY + 59).minute()
    }
}

#[derive(Serialize, Deserialize)]
struct Dated<T> {
    until: UnixTime,
    value: T,
}

/// Remembers a value in place of the last of its kind. It goes when the session is written after that
/// time, and with the session.
pub(crate) async fn remember<T: Remembered>(
    session: &Session,
    value: T,
    now: UnixTime,
) -> Result<(), Error> {
    let dated = Dated { until: T::until(now), value };
    session.insert(T::NAME, dated).await.map_err(|_| Error::internal("session"))
}

/// The value, which stays.
pub(crate) async fn recall<T: Remembered>(session: &Session, now: UnixTime) -> Result<T, Error> {
    let found = session.get::<Dated<T>>(T::NAME).await.map_err(|_| Error::internal("session"))?;
    fresh(found, now)
}

/// The value, which is gone afterwards, in storage as well: neither a crash nor a second request
/// that came at the same time brings it back.
pub(crate) async fn take<T: Remembered>(app: &App, session: &Session) -> Result<T, Error> {
    let (id, now) = (session.id().ok_or(Error::NoChallenge)?, app.clock.now());
    let taken = app.db.take_from_session(&id, T::NAME, now).await?;
    // The record in hand is written back after the request.
    session.remove_value(T::NAME).await.map_err(|_| Error::internal("session"))?;
    let taken = taken.map(serde_json::from_value).transpose();
    fresh(taken.map_err(|_| Error::internal("session"))?, now)
}

fn fresh<T>(found: Option<Dated<T>>, now: UnixTime) -> Result<T, Error> {
    match found {
        Some(dated) if now <= dated.until => Ok(dated.value),
        _ => Err(Error::NoChallenge),
    }
}

/// Begins the session anew under a new id, so that whoever knew the old one has nothing.
pub(crate) async fn renew(session: &Session) -> Result<(), Error> {
    session.clear().await;
    session.cycle_id().await.map_err(|_| Error::internal("session"))
}

const PROVED: &str = "device_proved";

/// Signs a device in, in a session that was begun anew.
pub(crate) async fn sign_in(session: &Session, device: CredentialRow) -> Result<(), Error> {
    session.insert(CREDENTIAL_KEY, device).await.map_err(|_| Error::internal("session"))
}

/// Notes that the session has proved the device key.
pub(crate) async fn prove_device(session: &Session) -> Result<(), Error> {
    session.insert(PROVED, true).await.map_err(|_| Error::internal("session"))
}

/// A session that a passkey has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The device whose passkey it was.
    pub device: Credential,
    /// Whether the session has proved the device key.
    pub proved: bool,
    /// The session.
    pub session: Session,
}

/// A session that has proved the device key as well.
#[derive(Debug)]
pub struct DeviceSession {
    /// The device.
    pub device: Credential,
    /// The session.
    pub session: Session,
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn
where
    App: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let app = App::from_ref(state);
        let session = own_session(parts, state).await?;
        let stored = |_| Error::internal("session");
        let row = session.get::<CredentialRow>(CREDENTIAL_KEY).await.map_err(stored)?;
        let device = match row {
            Some(row) => app.db.credential(row).await?,
            None => None,
        };
        let device = device.ok_or(Error::SignInRequired)?;
        let proved = session.get(PROVED).await.map_err(stored)?.unwrap_or(false);
        Ok(Self { device, proved, session })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for DeviceSession
where
    App: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let SignedIn { device, proved, session } =
            SignedIn::from_request_parts(parts, state).await?;
        if proved { Ok(Self { device, session }) } else { Err(Error::DeviceSessionRequired) }
    }
}

/// What was read by a device's phone, if the device is still there: the end of a device is final, so
/// it was read of its own account, and not of the number's next one.
///
/// # Errors
/// [`Error::SignInRequired`] once the device has ended.
pub(crate) async fn still<T>(app: &App, device: &Credential, read: T) -> Result<T, Error> {
    let there = app.db.credential(device.row).await?;
    there.map(|_| read).ok_or(Error::SignInRequired)
}

/// The request's session, there or not yet.
async fn own_session<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Session, Error> {
    let found = Session::from_request_parts(parts, state).await;
    found.map_err(|_| Error::internal("no session layer"))
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        // Neither form of a storage error repeats a value.
        tracing::error!(%error, "storage failed");
        Self::Internal
    }
}
