//! The session's account, and its end.

use super::{
    body::{Json, NO_CONTENT},
    session::SignedIn,
};
use crate::{app::App, db::CREDENTIAL_KEY, error::Error};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::wire::Account;
use tower_sessions::Session;

/// Whose session this is.
#[utoipa::path(
    get, path = "/v1/account", tag = "account", responses((status = 200, body = Account)),
)]
pub async fn account(signed_in: SignedIn) -> Json<Account> {
    let SignedIn { device, proved, .. } = signed_in;
    Json(Account { phone: device.phone, device_id: device.device_id, device_session: proved })
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
        app.wake.end(device);
    }
    Ok(NO_CONTENT)
}
