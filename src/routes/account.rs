//! The session's account, and its end.

use super::{
    body::{Json, NO_CONTENT},
    session::{self, SignedIn},
    touch::Touched,
};
use crate::{
    app::App,
    audit::{self, Detail, Manifest},
    db::{CREDENTIAL_KEY, CredentialRow, UserRow},
    error::Error,
    mailbox::Call,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::wire::{Account, Disclosure};
use tower_sessions::Session;

/// Whose session this is.
#[utoipa::path(
    get, path = "/v1/account", tag = "account", responses((status = 200, body = Account)),
)]
pub async fn account(signed_in: SignedIn) -> Json<Account> {
    let SignedIn { device, proved, .. } = signed_in;
    Json(Account { phone: device.phone, device_id: device.device_id, device_session: proved })
}

/// Everything that the database holds on this account, table by table. Of values that whoever holds a
/// stolen session could use, and of sealed content, only the length.
#[utoipa::path(
    get, path = "/v1/account/disclosure", tag = "account", responses((status = 200, body = Disclosure)),
)]
pub async fn disclosure(
    State(app): State<App>,
    signed_in: SignedIn,
) -> Result<Json<Disclosure>, Error> {
    let manifest = Manifest::load().map_err(|_| Error::internal("the privacy manifest"))?;
    let (device, now) = (signed_in.device, app.clock.now());
    let held = audit::disclosure(&app.db, &manifest, &device.phone, Detail::ForOwner, now).await?;
    session::still(&app, &device, held).await.map(Json)
}

/// End this session and its live sockets. There need not be one.
#[utoipa::path(
    post, path = "/v1/logout", tag = "account",
    responses((status = 204, description = "There is no session any more.")),
)]
pub async fn logout(State(app): State<App>, session: Session) -> Result<StatusCode, Error> {
    let device = session.get(CREDENTIAL_KEY).await.map_err(|_| Error::internal("session"))?;
    session.flush().await.map_err(|_| Error::internal("session"))?;
    if let Some(device) = device {
        app.wake.call(device, Call::Over);
    }
    Ok(NO_CONTENT)
}

/// Delete the account, all that waits in its mailbox, and every session. Needs a touch.
#[utoipa::path(
    delete, path = "/v1/account", tag = "account",
    responses((status = 204, description = "Nothing of it is left.")),
)]
pub async fn delete(
    State(app): State<App>,
    signed_in: SignedIn,
    Touched(()): Touched<()>,
) -> Result<StatusCode, Error> {
    let SignedIn { device, session, .. } = signed_in;
    let devices = app.db.delete_account(device.row, device.user, &device.phone).await?;
    end_devices(&app, devices.ok_or(Error::SignInRequired)?);
    session.flush().await.map_err(|_| Error::internal("session"))?;
    Ok(NO_CONTENT)
}

/// Ends the live sockets of devices that are none any more.
pub(crate) fn end_devices(app: &App, devices: Vec<CredentialRow>) {
    devices.into_iter().for_each(|device| app.wake.call(device, Call::Revoked));
}

/// Tells the live devices of an account that its keys, devices or waiting period have changed. Where
/// storage fails, they learn it when they next ask: the change itself is durable.
pub(crate) async fn tell_devices(app: &App, user: UserRow) {
    match app.db.active_devices(user).await {
        Ok(devices) => {
            devices.into_iter().for_each(|device| app.wake.call(device, Call::Changed));
        }
        Err(error) => tracing::error!(%error, "the devices were not told of a change"),
    }
}
