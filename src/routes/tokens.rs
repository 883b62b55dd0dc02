//! Blind tokens: the issuer directory, and the day's batch.

use super::{body::Json, session::SignedIn};
use crate::{app::App, error::Error};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use letterbox_protocol::{
    tokens::BatchRequest,
    types::Blob,
    wire::{IssueTokens, IssuedTokens, IssuerDirectory},
};

/// The directory's media type (RFC 9578 section 8.3.1).
const DIRECTORY: &str = "application/private-token-issuer-directory";

/// The keys under which blind tokens are issued.
#[utoipa::path(
    get, path = "/.well-known/private-token-issuer-directory", tag = "open",
    responses((
        status = 200, body = IssuerDirectory,
        content_type = "application/private-token-issuer-directory",
    )),
)]
pub async fn directory(State(app): State<App>) -> Result<Response, Error> {
    let directory = app.issuers.directory().await?;
    Ok(([(header::CONTENT_TYPE, DIRECTORY)], axum::Json(directory)).into_response())
}

/// Issue the day's blind tokens.
///
/// Each device gets one batch a day (UTC), of the size that `limits.tokens` says, and one more when it
/// has begun anew; each account so many as the server's settings allow. The same batch again gets the
/// same answer.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "account", request_body = IssueTokens,
    responses((status = 200, body = IssuedTokens)),
)]
pub async fn issue(
    State(app): State<App>,
    signed_in: SignedIn,
    Json(body): Json<IssueTokens>,
) -> Result<Json<IssuedTokens>, Error> {
    let request = BatchRequest::from_bytes(&body.token_request.0)
        .map_err(|_| Error::field("token_request", "This is no batch of blinded messages."))?;
    if request.blinded.len() != usize::from(app.config.tokens_per_day) {
        let why = "A batch has exactly as many tokens as the server's limits say.";
        return Err(Error::field("token_request", why));
    }
    let device = &signed_in.device;
    let allowed = || app.rates.token_batch(&device.phone);
    let response = app.issuers.issue(device, request, allowed).await?;
    Ok(Json(IssuedTokens { token_response: Blob(response.to_bytes()) }))
}
