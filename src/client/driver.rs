//! The host of one engine: carries what it asks for, and hands it what comes back.

use super::http::Link;
use super::line::{Line, Ring};
use super::vault::{LettersRead, Vault, VaultError};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use letterbox_protocol::engine::{Engine, Event, Input, Millis, OpenError, Output};
use rand::rngs::StdRng;
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Where a client gets the time and its randomness from.
pub struct Surroundings {
    /// Milliseconds since 1970.
    pub now: Arc<dyn Fn() -> Millis + Send + Sync>,
    /// Keys are drawn from it: seeded by the operating system, unless a test must be repeatable.
    pub rng: StdRng,
    /// How long notes wait in the delayed pool on average, in milliseconds; `None` leaves it to the
    /// engine. A shorter time hides less: for the demo and for tests.
    pub pool_mean: Option<Millis>,
}

impl Surroundings {
    /// The machine's clock and randomness.
    #[allow(clippy::disallowed_methods, reason = "the native host's edge: time comes in here")]
    pub fn real() -> Self {
        let now = || (time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as Millis;
        let rng = rand::make_rng();
        Self { now: Arc::new(now), rng, pool_mean: None }
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
    /// What the engine asked of the vault.
    read: VecDeque<Input>,
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
        let mut engine = Engine::open(link.server().host(), vault.records()?)?;
        if let Some(mean) = surroundings.pool_mean {
            engine = engine.with_pool_mean(mean);
        }
        Ok(Self {
            engine,
            vault,
            link,
            surroundings,
            requests: FuturesUnordered::new(),
            line: Line::default(),
            frames: Vec::new(),
            read: VecDeque::new(),
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
                ring = self.line.ring(&self.link, &mut self.surroundings.rng) => self.hear(ring),
                () = pause => Input::Tick,
            };
            self.step(input)?;
            self.send_frames().await?;
            while let Some(read) = self.read.pop_front() {
                self.step(read)?;
                self.send_frames().await?;
            }
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
            self.follow(&event)?;
            // Nobody listens any more: the inputs have ended too, and the run with them.
            let _ = self.events.send(event);
        }
        Ok(())
    }

    /// What events mean to the host.
    fn follow(&mut self, event: &Event) -> Result<(), VaultError> {
        match event {
            Event::DeviceReady => self.line.want(&self.link),
            Event::SignInNeeded | Event::DeviceUnknown => self.line.hang_up(),
            Event::LettersWanted { job, query } => {
                let LettersRead { letters, next } = self.vault.read(query)?;
                self.read.push_back(Input::LettersRead { job: *job, letters, next });
            }
            _ => {}
        }
        Ok(())
    }

    /// What rings on the line, for the engine; of a revocation the person hears at once.
    fn hear(&self, ring: Ring) -> Input {
        match ring {
            Ring::Opened => Input::LiveOpened,
            Ring::Frame(text) => Input::LiveFrame { text },
            Ring::Closed => Input::LiveClosed,
            Ring::Revoked => {
                let _ = self.events.send(Event::DeviceUnknown);
                Input::LiveClosed
            }
        }
    }

    async fn send_frames(&mut self) -> Result<(), VaultError> {
        for frame in std::mem::take(&mut self.frames) {
            if let Some(ring) = self.line.send(frame, &mut self.surroundings.rng).await {
                let input = self.hear(ring);
                self.step(input)?;
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
