//! One browser: an engine, its vault, its passkey and its session, in the simulation's time.

use letterbox::{
    client::{LettersRead, MemoryVault, Vault as _, passkey::Authenticator},
    mailbox::{Feed, wake::Listener},
};
use letterbox_protocol::engine::{
    ContactView, Engine, Event, Input, LetterState, LinkView, Millis, Output, Request, RequestId,
};
use rand::{SeedableRng as _, rngs::StdRng};
use std::collections::{BTreeMap, VecDeque};

/// A browser.
pub(crate) struct Device {
    /// Whose it is.
    pub(crate) owner: usize,
    pub(crate) engine: Engine,
    pub(crate) vault: MemoryVault,
    pub(crate) rng: StdRng,
    pub(crate) passkey: Authenticator,
    pub(crate) cookie: Option<String>,
    /// The open live socket.
    pub(crate) line: Option<Line>,
    /// Whether the machine is on. Nothing runs in one that sleeps.
    pub(crate) awake: bool,
    /// When the engine wants to be woken.
    pub(crate) wake_at: Option<Millis>,
    /// When a tick is planned.
    pub(crate) ticks_at: Option<Millis>,
    /// Requests whose answers came while the machine slept.
    pub(crate) missed: Vec<RequestId>,
    /// Which of its sockets is open, counted from the first.
    pub(crate) generation: u64,
    /// No frame comes before this.
    pub(crate) frames_until: Millis,
    /// Whether the session has proved the device key.
    pub(crate) is_ready: bool,
    pub(crate) signs_in: bool,
    pub(crate) link: Option<LinkView>,
    /// The contacts, by phone.
    pub(crate) contacts: BTreeMap<String, ContactView>,
}

/// The server's end of a live socket.
pub(crate) struct Line {
    pub(crate) feed: Feed,
    pub(crate) listener: Listener,
}

/// What a step of the engine asks for, beside its events.
pub(crate) struct Stepped {
    /// With each, whether it is a letter that a person wrote.
    pub(crate) requests: Vec<(Request, bool)>,
    pub(crate) frames: Vec<String>,
    pub(crate) events: Vec<Event>,
}

impl Device {
    /// An empty browser of this person's.
    pub(crate) fn new(
        owner: usize,
        host: &str,
        passkey: Authenticator,
        pool_mean: Millis,
        seed: u64,
    ) -> Self {
        Self {
            owner,
            engine: Engine::open(host, []).unwrap().with_pool_mean(pool_mean),
            vault: MemoryVault::default(),
            rng: StdRng::seed_from_u64(seed),
            passkey,
            cookie: None,
            line: None,
            awake: true,
            wake_at: None,
            ticks_at: None,
            missed: Vec::new(),
            generation: 0,
            frames_until: 0,
            is_ready: false,
            signs_in: false,
            link: None,
            contacts: BTreeMap::new(),
        }
    }

    /// One input, and every read of the vault that follows from it. What is to be sent is
    /// committed before this returns.
    pub(crate) fn step(&mut self, now: Millis, input: Input) -> Stepped {
        let mut stepped = Stepped { requests: Vec::new(), frames: Vec::new(), events: Vec::new() };
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let out = self.engine.step(now, &mut self.rng, input);
            let Output { writes, requests, frames, events, wake_at } = out;
            if !writes.is_empty() {
                self.vault.commit(&writes).unwrap();
            }
            self.wake_at = wake_at;
            let texts = events.iter().filter(|event| is_leaving_text(event)).count();
            let mut texts_left = texts;
            for request in requests {
                let is_text = texts_left > 0 && may_be_text(&request);
                texts_left -= usize::from(is_text);
                stepped.requests.push((request, is_text));
            }
            stepped.frames.extend(frames);
            for event in &events {
                inputs.extend(self.follow(event));
            }
            stepped.events.extend(events);
        }
        stepped
    }

    /// What an event means to the browser itself.
    fn follow(&mut self, event: &Event) -> Option<Input> {
        match event {
            Event::DeviceReady => self.is_ready = true,
            Event::SignInNeeded => (self.is_ready, self.signs_in) = (false, true),
            Event::Link { link } => self.link = Some(link.clone()),
            Event::Contact { contact } => {
                self.contacts.insert(contact.phone.as_str().to_owned(), contact.clone());
            }
            Event::LettersWanted { job, query } => {
                let LettersRead { letters, next } = self.vault.read(query).unwrap();
                return Some(Input::LettersRead { job: *job, letters, next });
            }
            _ => {}
        }
        None
    }
}

/// A person's letter has just gone under way.
fn is_leaving_text(event: &Event) -> bool {
    matches!(event, Event::Letter { letter } if letter.outgoing && letter.state == LetterState::Sending)
}

/// Notes of the pool have 4 KiB, and people here write less than fills 2.
fn may_be_text(request: &Request) -> bool {
    let short = |body: &String| {
        body.split("encrypted_content\":\"")
            .nth(1)
            .is_some_and(|content| content.find('"').is_some_and(|length| length < 3_000))
    };
    request.path == "/v1/sealed/messages" && request.body.as_ref().is_some_and(short)
}
