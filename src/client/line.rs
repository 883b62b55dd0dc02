//! Keeps the live socket open for as long as the session is good.

use super::http::Link;
use super::live::{Closed, LiveSocket};
use futures_util::future::BoxFuture;
use rand::{Rng, RngExt as _};
use std::{future::pending, time::Duration};
use tokio::time::{Instant, sleep_until};

/// The live socket, wherever it is between closed and open.
#[derive(Default)]
pub(super) struct Line {
    state: State,
    failures: u32,
}

#[derive(Default)]
enum State {
    /// No session that could open it.
    #[default]
    Idle,
    Opening(BoxFuture<'static, Option<LiveSocket>>),
    Open(Box<LiveSocket>),
    Pausing(Instant),
}

/// What happened on the line.
pub(super) enum Ring {
    Opened,
    Frame(String),
    Closed,
    /// Closed, and it stays so: this device was revoked.
    Revoked,
}

/// The pause after the first failure, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

impl Line {
    /// The session is good: opens the socket if none is open.
    pub(super) fn want(&mut self, link: &Link) {
        if !matches!(self.state, State::Open(_)) {
            self.open(link);
        }
    }

    /// The session is gone: closes the socket.
    pub(super) fn hang_up(&mut self) {
        *self = Self::default();
    }

    /// Waits for the next thing to happen. Nothing is lost when the future is dropped.
    pub(super) async fn ring(&mut self, link: &Link, rng: &mut impl Rng) -> Ring {
        loop {
            match &mut self.state {
                State::Idle => pending().await,
                State::Pausing(until) => {
                    sleep_until(*until).await;
                    self.open(link);
                }
                State::Opening(opening) => match opening.await {
                    Some(socket) => {
                        self.state = State::Open(Box::new(socket));
                        return Ring::Opened;
                    }
                    None => self.pause(rng),
                },
                State::Open(socket) => match socket.receive().await {
                    Ok(frame) => {
                        self.failures = 0;
                        return Ring::Frame(frame);
                    }
                    Err(Closed::Broken) => {
                        self.pause(rng);
                        return Ring::Closed;
                    }
                    Err(Closed::Revoked) => {
                        self.hang_up();
                        return Ring::Revoked;
                    }
                },
            }
        }
    }

    /// Sends a frame where a socket is open. Says whether the socket has closed over it.
    pub(super) async fn send(&mut self, frame: String, rng: &mut impl Rng) -> Option<Ring> {
        let State::Open(socket) = &mut self.state else { return None };
        if socket.send(frame).await.is_ok() {
            return None;
        }
        self.pause(rng);
        Some(Ring::Closed)
    }

    fn open(&mut self, link: &Link) {
        let opening = LiveSocket::open(link.clone());
        self.state = State::Opening(Box::pin(async { opening.await.ok() }));
    }

    /// Twice as long after every failure, and never the same for two clients: a server that comes
    /// back is not met by all at once.
    fn pause(&mut self, rng: &mut impl Rng) {
        let (first, longest) = PAUSES;
        let pause = longest.min(first.saturating_mul(1 << self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Pausing(Instant::now() + pause.mul_f64(rng.random_range(0.5..1.5)));
    }
}
