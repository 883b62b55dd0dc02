//! For whoever watches the server.

use crate::app::App;
use axum::{extract::State, http::StatusCode};

/// The process runs.
#[utoipa::path(
    get, path = "/health/live", tag = "open",
    responses((status = 200, description = "It does.")),
)]
pub async fn live() -> &'static str {
    "live\n"
}

/// The server takes requests: the database answers, and no stop is under way.
#[utoipa::path(
    get, path = "/health/ready", tag = "open",
    responses(
        (status = 200, description = "It does."),
        (status = 503, description = "Not now."),
    ),
)]
pub async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.stop.is_given() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match app.db.ping().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(error) => {
            tracing::warn!(%error, "the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
    }
}
