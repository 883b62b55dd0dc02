//! The host of one engine: carries what it asks for, and hands it what comes back.

use super::http::Link;
use super::line::{Line, Ring};
use super::vault::{Vault, VaultError};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use letterbox_protocol::engine::{Engine, Event, Input, Millis, OpenError, Output};
use rand::rngs::StdRng;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Where a client gets the time and its randomness from.
pub struct Surroundings {
    /// Milliseconds since 1970.
    pub now: Arc<dyn Fn() -> Millis + Send + Sync>,
    /// Keys are drawn from it: seeded by the operating system, unless a test must be repeatable.
    pub rng: StdRng,
}

impl Surroundings {
    /// The machine's clock and randomness.
    #[allow(clippy::disallowed_methods, reason = "the native host's edge: time comes in here")]
    pub fn real() -> Self {
        let now = || (time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as Millis;
        let rng = rand::make_rng();
        Self { now: Arc::new(now), rng }
    }
}

/// Why a driver stopped.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The vault's records are not such as this version can go on from.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The vault failed. The client can be opened anew.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// One running engine.
pub(super) struct Driver<V> {
    engine: Engine,
    vault: V,
    link: Link,
    surroundings: Surroundings,
    requests: FuturesUnordered<BoxFuture<'static, Input>>,
    line: Line,
    frames: Vec<String>,
    wake_at: Option<Millis>,
    events: UnboundedSender<Event>,
}

impl<V: Vault> Driver<V> {
    /// Opens the engine on a vault. Nothing leaves before [`Driver::run`].
    pub(super) fn open(
        vault: V,
        link: Link,
        surroundings: Surroundings,
        events: UnboundedSender<Event>,
    ) -> Result<Self, Stopped> {
        let engine = Engine::open(vault.records()?)?;
        Ok(Self {
            engine,
            vault,
            link,
            surroundings,
            requests: FuturesUnordered::new(),
            line: Line::default(),
            frames: Vec::new(),
            wake_at: None,
            events,
        })
    }

    /// Runs until the inputs end or the vault fails.
    pub(super) async fn run(mut self, mut inputs: UnboundedReceiver<Input>) -> Result<(), Stopped> {
        self.step(Input::Resume)?;
        loop {
            let pause = self.pause();
            let input = tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => input,
                    None => return Ok(()),
                },
                Some(answer) = self.requests.next() => answer,
                ring = self.line.ring(&self.link, &mut self.surroundings.rng) => ring.into(),
                () = pause => Input::Tick,
            };
            self.step(input)?;
            self.send_frames().await?;
        }
    }

    /// One step of the engine: commit, then send, then show.
    fn step(&mut self, input: Input) -> Result<(), VaultError> {
        let now = (self.surroundings.now)();
        let output = self.engine.step(now, &mut self.surroundings.rng, input);
        let Output { writes, requests, frames, events, wake_at } = output;
        if !writes.is_empty() {
            self.vault.commit(&writes)?;
        }
        for request in requests {
            self.requests.push(Box::pin(self.link.clone().carry(request)));
        }
        self.frames.extend(frames);
        self.wake_at = wake_at;
        for event in events {
            self.follow(&event);
            // Nobody listens any more: the inputs have ended too, and the run with them.
            let _ = self.events.send(event);
        }
        Ok(())
    }

    /// What events mean to the host.
    fn follow(&mut self, event: &Event) {
        match event {
            Event::DeviceReady => self.line.want(&self.link),
            Event::SignInNeeded | Event::DeviceUnknown => self.line.hang_up(),
            _ => {}
        }
    }

    async fn send_frames(&mut self) -> Result<(), VaultError> {
        for frame in std::mem::take(&mut self.frames) {
            if let Some(ring) = self.line.send(frame, &mut self.surroundings.rng).await {
                self.step(ring.into())?;
            }
        }
        Ok(())
    }

    /// Until the engine wants to be woken. At least a millisecond, so that a clock that stands
    /// still cannot make this spin.
    fn pause(&self) -> impl Future<Output = ()> + use<V> {
        let now = (self.surroundings.now)();
        let pause = self.wake_at.map(|at| u64::try_from(at - now).unwrap_or(0).max(1));
        async move {
            match pause {
                Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                None => std::future::pending().await,
            }
        }
    }
}

impl From<Ring> for Input {
    fn from(ring: Ring) -> Self {
        match ring {
            Ring::Opened => Self::LiveOpened,
            Ring::Frame(text) => Self::LiveFrame { text },
            Ring::Closed => Self::LiveClosed,
        }
    }
}
