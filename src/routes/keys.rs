//! A device's keys after their publication: refill, status, check, and the sender certificate.

use super::{
    body::{Json, NO_CONTENT},
    publish::{check_one_time, served},
    session::{DeviceSession, SignedIn},
};
use crate::{app::App, db::AddPrekeys, error::Error};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    certificate::SenderCertificate,
    key_check::key_check_digest,
    types::Blob,
    wire::{AddOneTimePrekeys, Certificate, CheckKeys, KeyStatus, KeysChecked, ResetState},
};

/// Add one-time prekeys.
#[utoipa::path(
    post, path = "/v1/keys/one-time", tag = "account", request_body = AddOneTimePrekeys,
    responses((status = 204, description = "All were added.")),
)]
pub async fn refill(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<AddOneTimePrekeys>,
) -> Result<StatusCode, Error> {
    let prekeys = body.one_time_prekeys;
    check_one_time(&app, &prekeys)?;
    match app.db.add_one_time_prekeys(session.device.row, &prekeys, app.clock.now()).await? {
        AddPrekeys::Added => Ok(NO_CONTENT),
        AddPrekeys::Stale => Err(Error::StaleKeys),
        AddPrekeys::TooMany => Err(Error::field("one_time_prekeys", "A device has at most 100.")),
    }
}

/// What the server holds of this device's keys.
#[utoipa::path(
    get, path = "/v1/keys/status", tag = "account", responses((status = 200, body = KeyStatus)),
)]
pub async fn status(State(app): State<App>, signed_in: SignedIn) -> Result<Json<KeyStatus>, Error> {
    let (device, now) = (signed_in.device, app.clock.now());
    // By the phone first: it is this account's, where the device is there afterwards.
    let reset = app.db.reset_of(&device.phone, now).await?;
    let mut status = app.db.key_status(device.row, now).await?.ok_or(Error::SignInRequired)?;
    status.reset = reset.filter(|reset| reset.state != ResetState::Blocked);
    Ok(Json(status))
}

/// Compare what the server serves of this device with what the device published.
#[utoipa::path(
    post, path = "/v1/keys/check", tag = "account", request_body = CheckKeys,
    responses((status = 200, body = KeysChecked)),
)]
pub async fn check(
    State(app): State<App>,
    signed_in: SignedIn,
    Json(body): Json<CheckKeys>,
) -> Result<Json<KeysChecked>, Error> {
    let device = signed_in.device;
    let bundle = served(&app, &device).await?;
    let prekeys = bundle.prekeys.iter().find(|prekeys| prekeys.device_id == device.device_id);
    let matches = prekeys.is_some_and(|prekeys| {
        body.digest
            == key_check_digest(
                &bundle.identity_key,
                &bundle.device_list,
                &bundle.messaging_key,
                &device.device_id,
                &prekeys.signed_prekey,
            )
    });
    Ok(Json(KeysChecked { matches }))
}

/// The server's word on who this device is, for session-key envelopes.
#[utoipa::path(
    post, path = "/v1/sender-certificate", tag = "account",
    responses((status = 200, body = Certificate)),
)]
pub async fn sender_certificate(
    State(app): State<App>,
    session: DeviceSession,
) -> Result<Json<Certificate>, Error> {
    let device = session.device;
    let bundle = served(&app, &device).await?;
    let server = app.certificate_keys.first().ok_or_else(|| Error::internal("no server key"))?;
    let certificate = SenderCertificate::issue(
        server,
        &device.phone,
        &bundle.identity_key,
        &device.device_id,
        &device.device_key,
        app.clock.now(),
    );
    Ok(Json(Certificate { certificate: Blob(certificate.to_cbor()) }))
}
