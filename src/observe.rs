//! Logs and metrics.
//!
//! The rule: a log line or a metric holds fixed words, counts, durations, statuses, methods, route
//! templates, error kinds and the server's own addresses. It holds no phone number, no id, no key,
//! no token, no client's address and no content, at any level. Libraries follow rules of their own
//! (some log values), so they log nothing at all: what they report comes back as errors, and is
//! logged here as a kind.
//!
//! The one exception prints codes on a developer's terminal: `sms::Gateway::Console`.

use crate::config::LogFormat;
use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::{io::IsTerminal as _, time::Instant};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The crates whose log lines are written.
const OURS: [&str; 2] = ["letterbox", "letterbox_protocol"];

/// The directives are not ones that can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "setting `log`: a level, or directives for modules of this program such as \
         letterbox::routes=debug"
)]
pub struct BadDirectives;

/// What is logged for the setting `log`: nothing of libraries, whatever it says.
///
/// # Errors
/// A directive that is neither a level nor for a module of this program.
pub fn filter(directives: &str) -> Result<EnvFilter, BadDirectives> {
    let mut filter = EnvFilter::new("off");
    for directive in directives.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let targeted: Vec<String> = match directive.split_once('=') {
            None => OURS.iter().map(|ours| format!("{ours}={directive}")).collect(),
            Some((target, _)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                let ours = OURS.contains(&target.split("::").next().unwrap_or_default());
                if !ours || !target.chars().all(plain) {
                    return Err(BadDirectives);
                }
                vec![directive.to_owned()]
            }
        };
        for directive in targeted {
            let level = directive.split_once('=').map_or("", |(_, level)| level);
            level.parse::<tracing::level_filters::LevelFilter>().map_err(|_| BadDirectives)?;
            filter = filter.add_directive(directive.parse().map_err(|_| BadDirectives)?);
        }
    }
    Ok(filter)
}

/// Starts logging to standard error. From then on a panic is logged with its place in the source
/// and without its message, which could hold a value.
///
/// # Errors
/// As [`filter`].
pub fn start_logging(directives: &str, format: LogFormat) -> Result<(), BadDirectives> {
    let registry = tracing_subscriber::registry().with(filter(directives)?);
    let terminal = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic");
    }));
    // A program that has its own subscriber keeps it.
    let _ = match format {
        LogFormat::Text => registry.with(lines).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    Ok(())
}

/// Starts counting; none where something else in the process counts already.
pub fn start_metrics() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}

/// The layer that counts and logs requests, by route and never by path.
pub async fn request(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().as_str().to_owned();
    let method = if KNOWN_METHODS.contains(&method.as_str()) { method } else { "other".into() };
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), began.elapsed());
    tracing::debug!(method, route, status, micros = took.as_micros() as u64, "request");
    let labels = [("method", method), ("route", route), ("status", status.to_string())];
    metrics::counter!("letterbox_requests_total", &labels).increment(1);
    metrics::histogram!("letterbox_request_seconds", &labels[..2]).record(took);
    response
}

/// A method is the client's text: only known ones become labels.
const KNOWN_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_silent_whatever_is_asked() {
        for directives in ["trace", "letterbox::routes=trace,debug", "error"] {
            let text = filter(directives).unwrap().to_string();
            assert!(
                text.split(',').all(|one| one.starts_with("letterbox") || one == "off"),
                "{text}"
            );
        }
        for directives in
            ["sqlx=trace", "everything", "letterbox[{phone}]=trace", "letterboxes=info"]
        {
            assert!(filter(directives).is_err(), "{directives}");
        }
    }
}
