//! The envelopes that wait for a device: session keys, each sealed to its key.

use super::{
    body::{Json, NO_CONTENT},
    inbox::{Asked, Page, at_most_acks, next},
    session::DeviceSession,
};
use crate::{app::App, error::Error};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::wire::{EnvelopeAcks, EnvelopePage};

/// Waiting envelopes, a page at a time.
#[utoipa::path(
    get, path = "/v1/session-keys", tag = "account", params(Page),
    responses((status = 200, body = EnvelopePage)),
)]
pub async fn page(
    State(app): State<App>,
    session: DeviceSession,
    Asked(page): Asked,
) -> Result<Json<EnvelopePage>, Error> {
    let (after, limit) = (page.after()?, page.limit());
    let pending = app.db.envelopes_page(session.device.row, after, limit, app.clock.now()).await?;
    let positions: Vec<i64> = pending.iter().map(|pending| pending.position).collect();
    let envelopes = pending.into_iter().map(|pending| pending.envelope).collect();
    Ok(Json(EnvelopePage { envelopes, next: next(&positions, limit).map(|next| next.to_string()) }))
}

/// Acknowledge envelopes: each can be opened once, so they go.
#[utoipa::path(
    post, path = "/v1/session-keys/acks", tag = "account", request_body = EnvelopeAcks,
    responses((status = 204, description = "They are gone.")),
)]
pub async fn acks(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<EnvelopeAcks>,
) -> Result<StatusCode, Error> {
    at_most_acks("session_key_ids", body.session_key_ids.len())?;
    app.db.ack_envelopes(session.device.row, &body.session_key_ids).await?;
    Ok(NO_CONTENT)
}
