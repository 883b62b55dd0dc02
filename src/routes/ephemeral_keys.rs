//! Live re-keyings that wait for one of the mailbox's devices.

use super::{
    body::{Json, NO_CONTENT},
    session::{self, DeviceSession},
};
use crate::{app::App, db::ClaimExchange, error::Error};
use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use letterbox_protocol::wire::{EphemeralKeys, KeyExchangeId};

/// The mailbox's re-keyings that have not expired, claimed ones included.
#[utoipa::path(
    get, path = "/v1/ephemeral-keys", tag = "account",
    responses((status = 200, body = EphemeralKeys)),
)]
pub async fn open_now(
    State(app): State<App>,
    session: DeviceSession,
) -> Result<Json<EphemeralKeys>, Error> {
    let device = session.device;
    let keys = app.db.open_exchanges(&device.phone, app.clock.now()).await?;
    let keys = session::still(&app, &device, keys).await?;
    Ok(Json(EphemeralKeys { keys }))
}

/// Claim a re-keying for this device. One of the account's devices gets it, once: who has it is not
/// stored, so the same request again is told that it is claimed.
#[utoipa::path(
    post, path = "/v1/ephemeral-keys/{key_exchange_id}/claim", tag = "account",
    params(("key_exchange_id" = KeyExchangeId, Path, description = "Which re-keying.")),
    responses((status = 204, description = "This device has it.")),
)]
pub async fn claim(
    State(app): State<App>,
    session: DeviceSession,
    id: Result<Path<KeyExchangeId>, PathRejection>,
) -> Result<StatusCode, Error> {
    let Path(id) = id.map_err(|_| Error::NotFound)?;
    let device = session.device;
    let claim = app.db.claim_exchange(device.row, &device.phone, &id, app.clock.now()).await?;
    match claim.ok_or(Error::SignInRequired)? {
        ClaimExchange::Claimed => Ok(NO_CONTENT),
        ClaimExchange::AlreadyClaimed => Err(Error::AlreadyClaimed),
        ClaimExchange::Unknown => Err(Error::NotFound),
    }
}
