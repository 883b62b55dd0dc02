//! The envelopes that wait for a device, each sealed to its key; and those that a device wraps for
//! its siblings.

use super::{
    body::{Json, NO_CONTENT},
    inbox::{Asked, Page, at_most_acks, next},
    session::DeviceSession,
};
use crate::{
    app::App,
    db::{BadWraps, Position, Wrap, Wraps},
    error::Error,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    types::DeviceId,
    wire::{EnvelopeAcks, EnvelopePage, SiblingKeys},
};

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
    let positions: Vec<Position> = pending.iter().map(|pending| pending.position).collect();
    let envelopes = pending.into_iter().map(|pending| pending.envelope).collect();
    Ok(Json(EnvelopePage {
        envelopes,
        next: next(&positions, limit).map(|next| next.0.to_string()),
    }))
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

/// Wrap something for this device's siblings.
///
/// The counter is the device's last one + 1: of a stale or rolled-back state nothing is taken. The
/// same upload again gets the same answer.
#[utoipa::path(
    put, path = "/v1/session-keys", tag = "account", request_body = SiblingKeys,
    responses((status = 204, description = "The envelopes wait for the siblings.")),
)]
pub async fn wrap(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<SiblingKeys>,
) -> Result<StatusCode, Error> {
    let device = session.device;
    let wraps = parse("envelopes", "key_rotation_counter", &device.device_id, body)?;
    let (limit, now) = (envelope_limit(&app), app.clock.now());
    let rng = &mut app.rng();
    match app.db.wrap_for_siblings(device.row, device.user, &wraps, limit, now, rng).await? {
        Wrap::Done(siblings) => app.wake.look(siblings),
        Wrap::Stale if app.db.holds_wraps(device.row, &wraps).await? => {}
        Wrap::Stale => return Err(Error::StaleKeys),
        Wrap::MailboxFull => return Err(Error::MailboxFull),
    }
    Ok(NO_CONTENT)
}

/// Takes the envelopes for siblings apart that come with another change, as its field `wraps`.
pub(crate) fn parse_wraps(
    from: &DeviceId,
    wraps: Option<SiblingKeys>,
) -> Result<Option<Wraps>, Error> {
    wraps
        .map(|wraps| parse("wraps.envelopes", "wraps.key_rotation_counter", from, wraps))
        .transpose()
}

fn parse(
    envelopes: &str,
    counter: &str,
    from: &DeviceId,
    body: SiblingKeys,
) -> Result<Wraps, Error> {
    Wraps::parse(from, body).map_err(|bad| match bad {
        BadWraps::Envelopes => Error::field(
            envelopes,
            "An upload has one envelope of 2 KiB for each of one to seven siblings.",
        ),
        BadWraps::Counter => Error::field(counter, "No upload has this counter."),
    })
}

/// Envelopes that may wait in a mailbox.
pub(crate) fn envelope_limit(app: &App) -> i64 {
    app.config.mailbox_envelopes.into()
}
