//! What a client must know of the server before it does anything.

use super::{body::Json, page};
use crate::app::App;
use axum::extract::State;
use letterbox_protocol::{
    limits::{DEVICES, ONE_TIME_PREKEYS},
    wire::{Limits, SUITE, ServerInfo},
};

/// The server's version, epoch, suites, certificate keys and limits.
#[utoipa::path(
    get, path = "/v1/server", tag = "open", responses((status = 200, body = ServerInfo)),
)]
pub async fn server(State(app): State<App>) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: app.epoch.clone(),
        suites: vec![SUITE],
        certificate_keys: app.certificate_keys.iter().map(|key| key.public()).collect(),
        limits: Limits {
            body: app.config.body_bytes.into(),
            letter: 64 * 1024,
            devices: DEVICES as u32,
            one_time_prekeys: ONE_TIME_PREKEYS as u32,
            tokens: app.config.tokens_per_day.into(),
        },
        page: page::digest(),
    })
}
