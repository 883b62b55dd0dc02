//! The device session: the browser proves that it holds the device key, by opening a challenge
//! sealed to it. Signing in with a synced passkey elsewhere does not make a browser the device.

use super::{
    body::{Json, NO_CONTENT},
    session::{self, Remembered, SignedIn},
};
use crate::{app::App, error::Error};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    sealing,
    types::{Blob, Bytes},
    wire::{DeviceAnswer, DeviceChallenge},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// SHA-256 of the 32 bytes that were sealed.
#[derive(Serialize, Deserialize)]
struct Challenge(Bytes<32>);

impl Remembered for Challenge {
    const NAME: &'static str = "device_challenge";
}

/// Ask for a challenge sealed to the device key.
#[utoipa::path(
    post, path = "/v1/device-session/start", tag = "account",
    responses((status = 200, body = DeviceChallenge)),
)]
pub async fn start(
    State(app): State<App>,
    signed_in: SignedIn,
) -> Result<Json<DeviceChallenge>, Error> {
    let SignedIn { device, session, .. } = signed_in;
    let mut rng = app.rng();
    let challenge = Bytes::<32>::random(&mut rng);
    let sealed = sealing::seal_challenge(
        &mut rng,
        &device.device_key,
        &device.phone,
        &device.device_id,
        &challenge.0,
    )
    .map_err(|_| Error::internal("stored device key"))?;
    session::remember(&session, Challenge(digest(&challenge)), app.clock.now()).await?;
    Ok(Json(DeviceChallenge { sealed: Blob(sealed) }))
}

/// Prove the device key with the opened challenge.
#[utoipa::path(
    post, path = "/v1/device-session/finish", tag = "account", request_body = DeviceAnswer,
    responses((status = 204, description = "The session may read the inbox and change keys.")),
)]
pub async fn finish(
    State(app): State<App>,
    signed_in: SignedIn,
    Json(body): Json<DeviceAnswer>,
) -> Result<StatusCode, Error> {
    let session = signed_in.session;
    let Challenge(expected) = session::take(&app, &session).await?;
    // Comparing digests tells nothing by its time about the bytes.
    if digest(&body.opened) != expected {
        return Err(Error::DeviceSessionRequired);
    }
    session::prove_device(&session).await?;
    Ok(NO_CONTENT)
}

fn digest(challenge: &Bytes<32>) -> Bytes<32> {
    Bytes(Sha256::digest(challenge.0).into())
}
