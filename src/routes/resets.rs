//! The waiting period: how an account begins anew when all of its passkeys are lost. A text message
//! alone takes no account over: its devices are told, and have days in which to say no.

use super::{
    account::tell_devices,
    body::{Json, NO_CONTENT},
    registration::ProvedPhone,
    session::{self, SignedIn},
    touch::Touched,
};
use crate::{app::App, error::Error, net::ClientAddress};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{types::DAY, wire::Reset};
use tower_sessions::Session;

/// Begin a waiting period for the number that this session has proved, or tell how the one that is
/// there stands.
#[utoipa::path(
    post, path = "/v1/resets", tag = "account", responses((status = 200, body = Reset)),
)]
pub async fn begin(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
) -> Result<Json<Reset>, Error> {
    app.rates.sign_in(from)?;
    let now = app.clock.now();
    let ProvedPhone(phone) = session::recall(&session, now).await?;
    let begun = app.db.begin_reset(&phone, wait(&app), now).await?.ok_or(Error::NoSuchMailbox)?;
    if begun.new {
        tell_devices(&app, begun.user).await;
    }
    Ok(Json(begun.reset))
}

/// Cancel the account's waiting period, and block another one for as long. There need not be one.
/// Needs a touch.
#[utoipa::path(
    delete, path = "/v1/resets", tag = "account",
    responses((status = 204, description = "The account stays as it is.")),
)]
pub async fn cancel(
    State(app): State<App>,
    signed_in: SignedIn,
    Touched(()): Touched<()>,
) -> Result<StatusCode, Error> {
    let device = signed_in.device;
    let (block, now) = (wait(&app), app.clock.now());
    let cancelled = app.db.cancel_reset(device.row, &device.phone, block, now).await?;
    if cancelled.ok_or(Error::SignInRequired)? {
        tell_devices(&app, device.user).await;
    }
    Ok(NO_CONTENT)
}

/// Seconds that a waiting period takes, and for which a cancelled one blocks another.
fn wait(app: &App) -> i64 {
    DAY * i64::from(app.config.reset_days)
}
