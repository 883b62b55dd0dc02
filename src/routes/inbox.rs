//! A device's pending letters.

use super::{
    body::{Json, NO_CONTENT},
    session::DeviceSession,
};
use crate::{app::App, db::Position, error::Error, mailbox::delivery::ACKS};
use axum::{
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
};
use letterbox_protocol::{
    types::MessageId,
    wire::{InboxAcks, InboxPage, InboxReads},
};
use serde::Deserialize;
use utoipa::IntoParams;

/// The most letters or envelopes on a page: 2 MiB of the largest letters.
const PAGE: u32 = 32;

/// Where a page begins, and how long it may be.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// `next` of the page before; good for one pass.
    after: Option<String>,
    /// At most so many; never more than 32.
    limit: Option<u32>,
}

impl Page {
    /// The position to go on behind.
    pub(crate) fn after(&self) -> Result<Option<Position>, Error> {
        let parse = |after: &String| after.parse().map(Position).map_err(|_| bad("after"));
        self.after.as_ref().map(parse).transpose()
    }

    /// How many.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(PAGE).clamp(1, PAGE)
    }
}

fn bad(field: &str) -> Error {
    Error::field(field, "This parameter does not have the form that the interface describes.")
}

/// The page that a query asks for.
#[derive(Debug)]
pub struct Asked(pub(crate) Page);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let page = Query::<Page>::from_request_parts(parts, state).await;
        page.map(|Query(page)| Self(page)).map_err(|_| bad("limit"))
    }
}

/// Where the page behind this one begins, if this one is full.
pub(crate) fn next(positions: &[Position], limit: u32) -> Option<Position> {
    positions.last().copied().filter(|_| positions.len() >= limit as usize)
}

/// Pending letters, a page at a time.
#[utoipa::path(
    get, path = "/v1/inbox", tag = "account", params(Page),
    responses((status = 200, body = InboxPage)),
)]
pub async fn page(
    State(app): State<App>,
    session: DeviceSession,
    Asked(page): Asked,
) -> Result<Json<InboxPage>, Error> {
    let (after, limit) = (page.after()?, page.limit());
    let pending = app.db.inbox_page(session.device.row, after, limit, app.clock.now()).await?;
    let positions: Vec<Position> = pending.iter().map(|pending| pending.position).collect();
    let letters = pending.into_iter().map(|pending| pending.letter).collect();
    Ok(Json(InboxPage { letters, next: next(&positions, limit).map(|next| next.0.to_string()) }))
}

/// Acknowledge letters: in the vault, or not to be opened.
#[utoipa::path(
    post, path = "/v1/inbox/acks", tag = "account", request_body = InboxAcks,
    responses((status = 204, description = "This device is not handed them again.")),
)]
pub async fn acks(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<InboxAcks>,
) -> Result<StatusCode, Error> {
    at_most_acks("acks", body.acks.len())?;
    let device = session.device;
    app.db.ack_letters(device.row, &device.phone, &body.acks, app.clock.now()).await?;
    Ok(NO_CONTENT)
}

/// Mark letters as read, for the account's other devices.
#[utoipa::path(
    post, path = "/v1/inbox/reads", tag = "account", request_body = InboxReads,
    responses((status = 204, description = "Noted.")),
)]
pub async fn reads(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<InboxReads>,
) -> Result<StatusCode, Error> {
    at_most_acks("message_ids", body.message_ids.len())?;
    let device = session.device;
    app.db.mark_read(device.row, &device.phone, &body.message_ids, app.clock.now()).await?;
    Ok(NO_CONTENT)
}

/// Delete a letter for all of the account's devices. It need not be there any more.
#[utoipa::path(
    delete, path = "/v1/inbox/{message_id}", tag = "account",
    params(("message_id" = MessageId, Path, description = "Which letter.")),
    responses((status = 204, description = "It is not there any more.")),
)]
pub async fn delete(
    State(app): State<App>,
    session: DeviceSession,
    message_id: Result<Path<MessageId>, axum::extract::rejection::PathRejection>,
) -> Result<StatusCode, Error> {
    let Path(message_id) = message_id.map_err(|_| bad("message_id"))?;
    let device = session.device;
    let deleted = app.db.delete_letter(device.row, &device.phone, &message_id).await?;
    deleted.map(|_| NO_CONTENT).ok_or(Error::SignInRequired)
}

pub(crate) fn at_most_acks(field: &str, count: usize) -> Result<(), Error> {
    if count > ACKS { Err(Error::field(field, "At most 500 at a time.")) } else { Ok(()) }
}
