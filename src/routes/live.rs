//! The live socket: carries bytes between a client and the delivery state machine.

use super::session::DeviceSession;
use crate::{
    app::App,
    db::{Credential, Sessions},
    error::Error,
    mailbox::{Call, Feed, FeedError, delivery::Happened, wake::Listener},
    net::accept::Peer,
};
use axum::{
    extract::{
        ConnectInfo, State,
        ws::{
            CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection,
        },
    },
    http::Extensions,
    response::Response,
};
use letterbox_protocol::wire::{ClientFrame, ServerFrame};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tower_sessions::{Session, SessionStore as _};

/// The largest frame that a client may send.
const CLIENT_FRAME: usize = 16 * 1024;
/// An idle socket keeps its buffers: small ones make 50,000 of them affordable.
const BUFFER: usize = 1024;

/// Close codes (RFC 6455 section 7.4).
mod codes {
    /// The server stops: connect again.
    pub(super) const GOING_AWAY: u16 = 1001;
    /// The frame is not one that a client sends.
    pub(super) const POLICY: u16 = 1008;
    /// The server failed: connect again.
    pub(super) const INTERNAL: u16 = 1011;
    /// The session has ended: sign in.
    pub(super) const SESSION_OVER: u16 = 4401;
    /// The device was revoked.
    pub(super) const REVOKED: u16 = 4403;
    /// No sign of life for two pings.
    pub(super) const SILENT: u16 = 4408;
}

/// Pending letters at once, then new ones as they land. A WebSocket; its frames are described in
/// `docs/protocol.md`.
#[utoipa::path(
    get, path = "/v1/inbox/live", tag = "account",
    responses((status = 101, description = "The connection is a WebSocket from here on.")),
)]
pub async fn live(
    State(app): State<App>,
    session: DeviceSession,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    let upgrade = upgrade.map_err(|_| Error::Malformed {
        field: None,
        why: "This address takes WebSockets only.".into(),
    })?;
    // Whoever ends the session from here on rings the bell; who ended it before did not.
    let listener = app.wake.listen(session.device.row);
    still_stands(&app, &session.session).await?;
    let age = session.session.expiry_age();
    let until = Instant::now() + Duration::try_from(age).unwrap_or_default();
    // The connection counts until its socket is closed.
    let peer = extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.permit.clone());
    let upgrade = upgrade
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(CLIENT_FRAME)
        .max_frame_size(CLIENT_FRAME);
    Ok(upgrade.on_upgrade(move |socket| async move {
        Live::new(app, session.device, socket, listener, until).run().await;
        drop(peer);
    }))
}

async fn still_stands(app: &App, session: &Session) -> Result<(), Error> {
    let id = session.id().ok_or(Error::SignInRequired)?;
    let stored = Sessions::new(app.db.clone(), app.clock.clone()).load(&id).await;
    match stored {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err(Error::SignInRequired),
        Err(_) => Err(Error::internal("session")),
    }
}

struct Live {
    app: App,
    feed: Feed,
    socket: WebSocket,
    listener: Listener,
    until: Instant,
    heard: Instant,
}

/// Why a socket ends: to be told with this code, or silently, where the other end is gone.
#[derive(Debug)]
enum End {
    Close(u16),
    Gone,
}

impl From<FeedError> for End {
    fn from(error: FeedError) -> Self {
        match error {
            FeedError::Refused => Self::Close(codes::POLICY),
            FeedError::Storage(error) => {
                tracing::error!(%error, "storage failed under a live socket");
                Self::Close(codes::INTERNAL)
            }
        }
    }
}

impl From<axum::Error> for End {
    fn from(_: axum::Error) -> Self {
        Self::Gone
    }
}

impl Live {
    fn new(
        app: App,
        device: Credential,
        socket: WebSocket,
        listener: Listener,
        until: Instant,
    ) -> Self {
        let feed = Feed::new(app.db.clone(), device);
        Self { app, feed, socket, listener, until, heard: Instant::now() }
    }

    async fn run(mut self) {
        metrics::gauge!("letterbox_live_sockets").increment(1);
        self.feed.tell(Happened::Opened);
        let Err(end) = self.exchange().await;
        if let End::Close(code) = end {
            let close = CloseFrame { code, reason: Default::default() };
            let _ = self.socket.send(Message::Close(Some(close))).await;
        }
        metrics::gauge!("letterbox_live_sockets").decrement(1);
    }

    async fn exchange(&mut self) -> Result<std::convert::Infallible, End> {
        let period = Duration::from_secs(self.app.config.ping_seconds.into());
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.app.stop.clone();
        loop {
            while let Some(frame) = self.feed.next_frame(self.app.clock.now()).await? {
                self.send(&frame).await?;
            }
            tokio::select! {
                message = self.socket.recv() => self.received(message)?,
                call = self.listener.called() => match call {
                    Call::Look => self.feed.tell(Happened::Woken),
                    Call::Changed => self.feed.tell(Happened::AccountChanged),
                    Call::Revoked => return Err(End::Close(codes::REVOKED)),
                    Call::Over => return Err(End::Close(codes::SESSION_OVER)),
                },
                _ = pings.tick() => self.ping(2 * period).await?,
                () = sleep_until(self.until) => return Err(End::Close(codes::SESSION_OVER)),
                () = stop.given() => return Err(End::Close(codes::GOING_AWAY)),
            }
        }
    }

    async fn ping(&mut self, patience: Duration) -> Result<(), End> {
        if self.heard.elapsed() > patience {
            return Err(End::Close(codes::SILENT));
        }
        Ok(self.socket.send(Message::Ping(Default::default())).await?)
    }

    fn received(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard = Instant::now();
        match message.ok_or(End::Gone)?? {
            Message::Text(text) => {
                let frame: ClientFrame =
                    serde_json::from_str(&text).map_err(|_| End::Close(codes::POLICY))?;
                self.feed.tell(Happened::Frame(frame));
                Ok(())
            }
            Message::Binary(_) => Err(End::Close(codes::POLICY)),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Gone),
        }
    }

    /// Sends a frame, and waits until the connection has taken it: one batch is all that ever lies
    /// in memory. A client that stops reading is ended by the connection's own patience.
    async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Close(codes::INTERNAL))?;
        Ok(self.socket.send(Message::Text(text.into())).await?)
    }
}
