//! People's browsers, the server between them, and the time, which passes from one happening to the
//! next.
//!
//! Everything runs through the engine's `step` on one side and the server's router and live feed on
//! the other, one thing at a time and in an order that depends on the seed alone.

mod account;
pub(crate) mod device;
pub(crate) mod log;
pub(crate) mod server;
mod socket;
pub(crate) mod tamper;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use device::{Device, Stepped};
use letterbox_protocol::{
    engine::{Event, Half, Input, Millis, Request, RequestId},
    touch::touch_digest,
    types::Phone,
    wire::{StartTouch, TOUCH_HEADER},
};
use log::{Log, Seen, Truth, What};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use server::{Answered, Asked, InProcess};
use std::collections::BTreeMap;
use tamper::Tamper;

/// The world.
pub(crate) struct World {
    pub(crate) now: Millis,
    pub(crate) server: InProcess,
    pub(crate) phones: Vec<Phone>,
    pub(crate) devices: Vec<Device>,
    pub(crate) log: Log,
    /// What the engines have told since it was last taken.
    pub(crate) heard: Vec<Heard>,
    /// A server that alters what it hands out.
    pub(crate) tamper: Option<Tamper>,
    pool_mean: Millis,
    queue: BTreeMap<(Millis, u64), Happening>,
    scheduled: u64,
    network: StdRng,
}

/// An engine's event.
pub(crate) struct Heard {
    pub(crate) at: Millis,
    pub(crate) device: usize,
    pub(crate) event: Event,
}

/// What is going to happen.
enum Happening {
    Tick { device: usize },
    Arrives { device: usize, request: Box<Request>, is_text: bool },
    Answer { device: usize, request: RequestId, answered: Option<Answered> },
    Opens { device: usize },
    Opened { device: usize, generation: u64 },
    Frame { device: usize, generation: u64, text: String },
    Says { device: usize, generation: u64, text: String },
    SignsIn { device: usize },
    Sweep,
}

/// How often the server removes what is past its time: seldomer than it does, for speed.
const SWEEP: Millis = 600_000;
/// Rows that go in one transaction.
const SWEPT: u32 = 256;
/// Milliseconds between a client and the server.
const LATENCY: std::ops::RangeInclusive<Millis> = 15..=60;

impl World {
    /// An empty world at this moment.
    pub(crate) async fn new(now: Millis, pool_mean: Millis, seed: u64) -> Self {
        let mut world = Self {
            now,
            server: InProcess::start(now, seed).await,
            phones: Vec::new(),
            devices: Vec::new(),
            log: Log::default(),
            heard: Vec::new(),
            tamper: None,
            pool_mean,
            queue: BTreeMap::new(),
            scheduled: 0,
            network: StdRng::seed_from_u64(seed ^ 0x6e65_7477_6f72_6b00),
        };
        world.schedule(now + SWEEP, Happening::Sweep);
        world
    }

    /// A browser of this person's, with nothing in it.
    pub(crate) fn add_device(&mut self, owner: usize, seed: u64) -> usize {
        let passkey = self.server.authenticator();
        let origin = self.server.app.origin.url().clone();
        let host = origin.host_str().unwrap_or_default();
        self.devices.push(Device::new(owner, host, passkey, self.pool_mean, seed));
        self.devices.len() - 1
    }

    /// When something happens next.
    pub(crate) fn next_at(&self) -> Option<Millis> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Lets the next thing happen.
    pub(crate) async fn advance(&mut self) {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return };
        self.set_now(at);
        match happening {
            Happening::Tick { device } => {
                let due = self.devices[device].wake_at.is_some_and(|wake| wake <= at);
                if due && self.devices[device].awake {
                    self.tell(device, Input::Tick);
                }
            }
            Happening::Arrives { device, request, is_text } => {
                self.arrives(device, *request, is_text).await;
            }
            Happening::Answer { device, request, answered } => {
                self.answer(device, request, answered);
            }
            Happening::Opens { device } => self.open_line(device).await,
            Happening::Opened { device, generation } => self.line_opened(device, generation),
            Happening::Frame { device, generation, text } => {
                self.frame_comes(device, generation, text);
            }
            Happening::Says { device, generation, text } => {
                self.frame_goes(device, generation, &text).await;
            }
            Happening::SignsIn { device } => self.sign_in_if_needed(device).await,
            Happening::Sweep => self.sweep().await,
        }
    }

    /// Time passes, with nothing left that should have happened before.
    pub(crate) fn set_now(&mut self, at: Millis) {
        self.now = self.now.max(at);
        self.server.set_clock(self.now);
    }

    /// Tells a device's engine something.
    pub(crate) fn tell(&mut self, device: usize, input: Input) {
        let Stepped { requests, frames, events } = self.devices[device].step(self.now, input);
        for (request, is_text) in requests {
            let at = self.now + self.latency();
            self.schedule(at, Happening::Arrives { device, request: Box::new(request), is_text });
        }
        for text in frames {
            let at = self.now + self.latency();
            let generation = self.devices[device].generation;
            self.schedule(at, Happening::Says { device, generation, text });
        }
        if events.contains(&Event::DeviceReady) {
            self.schedule(self.now + 1, Happening::Opens { device });
        }
        if events.contains(&Event::SignInNeeded) {
            self.schedule(self.now + 1, Happening::SignsIn { device });
        }
        let at = self.now;
        self.heard.extend(events.into_iter().map(|event| Heard { at, device, event }));
        self.schedule_tick(device);
    }

    fn schedule_tick(&mut self, device: usize) {
        let host = &mut self.devices[device];
        let Some(wake) = host.wake_at.filter(|_| host.awake) else { return };
        let at = wake.max(self.now + 1);
        if host.ticks_at.is_none_or(|planned| at < planned || planned <= self.now) {
            host.ticks_at = Some(at);
            self.schedule(at, Happening::Tick { device });
        }
    }

    fn schedule(&mut self, at: Millis, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    fn latency(&mut self) -> Millis {
        self.network.random_range(LATENCY)
    }

    /// One of an engine's requests reaches the server.
    async fn arrives(&mut self, device: usize, request: Request, is_text: bool) {
        let (id, half) = (request.id, request.half);
        let mut asked = Asked {
            method: request.method.to_owned(),
            path: request.path,
            headers: Vec::new(),
            body: request.body.unwrap_or_default(),
        };
        if let Some(authorization) = request.authorization {
            asked.headers.push(("authorization", authorization));
        }
        if request.touch {
            let touch = self.touch(device, &asked).await;
            asked.headers.push((TOUCH_HEADER, touch));
        }
        let answered = match half {
            Half::Account => self.call(device, asked).await,
            Half::Sealed => self.call_sealed(device, asked, is_text).await,
        };
        let at = self.now + self.latency();
        let answered = Some(answered);
        self.schedule(at, Happening::Answer { device, request: id, answered });
        self.ring_bells().await;
    }

    /// The account half: with the cookie, from the server's own page.
    async fn call(&mut self, device: usize, mut asked: Asked) -> Answered {
        asked.headers.push(("origin", self.server.app.origin.header()));
        if let Some(cookie) = &self.devices[device].cookie {
            asked.headers.push(("cookie", cookie.clone()));
        }
        let answered = self.server.call(&asked).await;
        self.note(device, Some(device), &asked, answered.status, false);
        if let Some(cookie) = &answered.cookie {
            self.devices[device].cookie = (!cookie.ends_with('=')).then(|| cookie.clone());
        }
        answered
    }

    /// The sealed half: with a token, and nothing else.
    async fn call_sealed(&mut self, device: usize, asked: Asked, is_text: bool) -> Answered {
        let answered = self.server.call(&asked).await;
        self.note(device, None, &asked, answered.status, is_text);
        answered
    }

    async fn sweep(&mut self) {
        let now = self.server.app.clock.now();
        while self.server.app.db.sweep(now, SWEPT).await.unwrap().more {}
        self.schedule(self.now + SWEEP, Happening::Sweep);
    }

    fn note(&mut self, by: usize, named: Option<usize>, asked: &Asked, status: u16, is_text: bool) {
        let token = asked.headers.iter().find(|(name, _)| *name == "authorization");
        let seen = Seen {
            at: self.now,
            device: named,
            what: What::Request,
            path: asked.path.clone(),
            token: token.map(|(_, token)| token.clone()).unwrap_or_default(),
            body: asked.body.clone(),
            status,
        };
        self.log.add(seen, Truth { device: by, is_text });
    }

    /// The passkey is touched for this very request.
    async fn touch(&mut self, device: usize, asked: &Asked) -> String {
        let digest = touch_digest(&asked.method, &asked.path, asked.body.as_bytes());
        let body = serde_json::to_value(StartTouch { digest }).unwrap();
        let options = self.post(device, "/v1/touch", &body).await;
        let mut assertion = self.devices[device].passkey.get(&options).unwrap();
        assertion.as_object_mut().unwrap().remove("clientExtensionResults");
        URL_SAFE_NO_PAD.encode(assertion.to_string())
    }

    /// An answer reaches its device, if that has not gone to sleep meanwhile.
    fn answer(&mut self, device: usize, request: RequestId, answered: Option<Answered>) {
        if !self.devices[device].awake {
            return self.devices[device].missed.push(request);
        }
        let input = match answered {
            Some(Answered { status, retry_after, body, .. }) => {
                Input::Response { request, status, retry_after, body }
            }
            None => Input::NoAnswer { request },
        };
        self.tell(device, input);
    }
}
