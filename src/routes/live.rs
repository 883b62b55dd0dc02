//! The live socket: carries bytes between a client and the delivery state machine.

use super::session::DeviceSession;
use crate::{
    app::App,
    db::{self, Credential, PendingHeader, Sessions},
    error::Error,
    mailbox::{
        Call, Delivery,
        delivery::{Do, Happened},
        wake::Listener,
    },
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
use letterbox_protocol::{
    types::MessageId,
    wire::{ClientFrame, ServerFrame},
};
use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tower_sessions::{Session, SessionStore as _};

/// Letters or envelopes in one frame at most.
const BATCH: u32 = 16;
/// Bytes of letters in one frame, where it holds more than one. A socket's write buffer keeps the
/// size of the largest frame it ever held.
const FRAME: usize = 32 * 1024;
/// Pending letters that are looked at for a frame, by their headers.
const SCAN: u32 = 1_000;
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
    device: Credential,
    socket: WebSocket,
    listener: Listener,
    until: Instant,
    delivery: Delivery,
    todo: VecDeque<Do>,
    heard: Instant,
}

/// Why a socket ends: to be told with this code, or silently, where the other end is gone.
#[derive(Debug)]
enum End {
    Close(u16),
    Gone,
}

impl From<db::Error> for End {
    fn from(error: db::Error) -> Self {
        tracing::error!(%error, "storage failed under a live socket");
        Self::Close(codes::INTERNAL)
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
        let (delivery, todo) = (Delivery::default(), VecDeque::new());
        Self { app, device, socket, listener, until, delivery, todo, heard: Instant::now() }
    }

    async fn run(mut self) {
        metrics::gauge!("letterbox_live_sockets").increment(1);
        self.tell(Happened::Opened);
        let Err(end) = self.exchange().await;
        if let End::Close(code) = end {
            let close = CloseFrame { code, reason: Default::default() };
            let _ = self.socket.send(Message::Close(Some(close))).await;
        }
        metrics::gauge!("letterbox_live_sockets").decrement(1);
    }

    fn tell(&mut self, happened: Happened) {
        self.todo.extend(self.delivery.step(happened));
    }

    async fn exchange(&mut self) -> Result<std::convert::Infallible, End> {
        let period = Duration::from_secs(self.app.config.ping_seconds.into());
        let mut pings = interval_at(Instant::now() + period, period);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.app.stop.clone();
        loop {
            while let Some(next) = self.todo.pop_front() {
                self.perform(next).await?;
            }
            tokio::select! {
                message = self.socket.recv() => self.received(message)?,
                call = self.listener.called() => match call {
                    Call::Look => self.tell(Happened::Woken),
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
                self.tell(Happened::Frame(frame));
                Ok(())
            }
            Message::Binary(_) => Err(End::Close(codes::POLICY)),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::Gone),
        }
    }

    async fn perform(&mut self, todo: Do) -> Result<(), End> {
        let (db, device, now) = (&self.app.db, self.device.row, self.app.clock.now());
        match todo {
            Do::AcknowledgeLetters(acks) => {
                db.ack_letters(device, &self.device.phone, &acks, now).await?;
            }
            Do::AcknowledgeEnvelopes(labels) => db.ack_envelopes(device, &labels).await?,
            Do::ReadLetters(after) => {
                let headers = db.pending_letters(device, after, SCAN, now).await?;
                let (chosen, next) = one_frame(&headers, |letter| self.delivery.has_sent(letter));
                let rows = db.letters_at(device, &chosen, now).await?;
                let page = rows.into_iter().map(|row| row.letter).collect();
                self.tell(Happened::Letters { page, next });
            }
            Do::ReadEnvelopes(after) => {
                let rows = db.envelopes_page(device, after, BATCH, now).await?;
                let next = more(rows.len(), rows.last().map(|row| row.position));
                let page = rows.into_iter().map(|row| row.envelope).collect();
                self.tell(Happened::Envelopes { page, next });
            }
            Do::Send(frame) => self.send(&frame).await?,
            Do::Refuse => return Err(End::Close(codes::POLICY)),
        }
        Ok(())
    }

    /// Sends a frame, and waits until the connection has taken it: one batch is all that ever lies
    /// in memory. A client that stops reading is ended by the connection's own patience.
    async fn send(&mut self, frame: &ServerFrame) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| End::Close(codes::INTERNAL))?;
        Ok(self.socket.send(Message::Text(text.into())).await?)
    }
}

/// The positions of the first letters that were not sent yet, as many as one frame takes, and where
/// the search goes on, if there may be more.
fn one_frame(
    headers: &[PendingHeader],
    is_sent: impl Fn(&MessageId) -> bool,
) -> (Vec<i64>, Option<i64>) {
    let (mut chosen, mut bytes, mut looked_at) = (Vec::new(), 0, None);
    for header in headers {
        if !is_sent(&header.message_id) {
            bytes += header.bytes;
            if chosen.len() == BATCH as usize || (bytes > FRAME && !chosen.is_empty()) {
                return (chosen, looked_at);
            }
            chosen.push(header.position);
        }
        looked_at = Some(header.position);
    }
    (chosen, looked_at.filter(|_| headers.len() >= SCAN as usize))
}

/// Where the next page begins, if this one was full.
fn more(count: usize, last: Option<i64>) -> Option<i64> {
    last.filter(|_| count >= BATCH as usize)
}
