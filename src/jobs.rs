//! What the server does by itself: removes what is past its time, and draws issuer keys ahead of
//! theirs.

use crate::app::App;
use std::time::Duration;

/// Rows a table that go at once: of letters, 16 MiB that are overwritten while sends wait.
const BATCH: u32 = 256;
/// Some rows live for minutes only.
const PERIOD: Duration = Duration::from_secs(60);

/// Sweeps every minute until the server stops.
pub async fn run(app: App) {
    let mut stop = app.stop.clone();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => sweep(&app).await,
            () = stop.given() => return,
        }
    }
}

/// One sweep, to the end.
async fn sweep(app: &App) {
    let mut rows = 0;
    loop {
        match app.db.sweep(app.clock.now(), BATCH).await {
            Ok(swept) => {
                rows += swept.rows;
                if !swept.more || app.stop.is_given() {
                    break;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a sweep failed");
                break;
            }
        }
    }
    if let Err(error) = app.issuers.keys().await {
        tracing::warn!(%error, "the issuer keys were not read");
    }
    app.rates.sweep();
    tracing::debug!(rows, "swept");
}
