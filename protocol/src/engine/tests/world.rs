//! Engines with their vaults, a server between them, and a clock and a network that tests bend.

use super::server::{Cookie, Server};
use crate::device_list::DeviceList;
use crate::engine::account::Account;
use crate::engine::own_list::OwnList;
use crate::engine::*;
use crate::tokens::Token;
use crate::types::{Blob, DeviceId, MessageId, Phone, SessionLabel, UnixTime};
use crate::wire::{ClientFrame, ServerFrame};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// 2026-01-05T10:20:00Z, a Monday.
pub(super) const START: Millis = 1_767_608_400_000;
/// The server's name.
pub(super) const HOST: &str = "letters.example";
pub(super) const SECOND: Millis = 1_000;
pub(super) const MINUTE: Millis = 60 * SECOND;
pub(super) const AN_HOUR: Millis = 60 * MINUTE;
pub(super) const A_DAY: Millis = 24 * AN_HOUR;

/// Where a crash strikes in the middle of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crash {
    /// The writes are lost.
    BeforeCommit,
    /// The writes are kept, nothing leaves.
    AfterCommit,
    /// What leaves reaches the server; no answer comes back.
    AfterSending,
}

pub(super) struct Person {
    pub(super) phone: Phone,
    pub(super) engine: Engine,
    pub(super) vault: BTreeMap<String, Vec<u8>>,
    pub(super) cookie: Cookie,
    pub(super) queue: VecDeque<Request>,
    pub(super) events: Vec<Event>,
    pub(super) online: bool,
    /// The network takes requests to the server and loses the answers.
    pub(super) answers_lost: bool,
    /// Whether the host opens the live socket at all.
    pub(super) uses_live: bool,
    /// The live socket: what was sent on it, and whether an answer to a frame is awaited.
    live: Option<Live>,
    pub(super) wake_at: Option<Millis>,
    pub(super) clock_error: Millis,
    pub(super) steps: u32,
    pub(super) crash: Option<(u32, Crash)>,
    pub(super) crashed: bool,
    /// Sealed requests that left here.
    pub(super) sealed_requests: u32,
    /// Whether the person touches the passkey when asked.
    pub(super) touches: bool,
    /// How often a touch was asked for.
    pub(super) touched: u32,
    /// Whether the host reads letters for the engine at once.
    pub(super) reads: bool,
    /// Whether the person begins the device anew as soon as the vault turns out to be an old one.
    pub(super) renews: bool,
}

#[derive(Default)]
struct Live {
    letters: BTreeSet<MessageId>,
    envelopes: BTreeSet<SessionLabel>,
    awaits: bool,
    caught_up: bool,
}

pub(super) struct World {
    pub(super) now: Millis,
    pub(super) rng: ChaCha20Rng,
    pub(super) server: Server,
    pub(super) people: Vec<Person>,
}

pub(super) const ALICE: usize = 0;
pub(super) const BOB: usize = 1;
pub(super) const CAROL: usize = 2;

impl World {
    /// People with accounts, online, on the live socket.
    pub(super) fn new(people: usize, seed: u64) -> Self {
        let tokens = Self::empty(seed).server.batch;
        Self::with_batches(people, seed, tokens)
    }

    /// The same, with so many tokens in a day's batch.
    pub(super) fn with_batches(people: usize, seed: u64, tokens: u32) -> Self {
        let mut world = Self::empty(seed);
        world.server.batch = tokens;
        for n in 0..people {
            world.add_person(&format!("+491511234500{n}"));
        }
        world
    }

    pub(super) fn empty(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let server = Server::new(&mut rng);
        Self { now: START, rng, server, people: Vec::new() }
    }

    pub(super) fn add_person(&mut self, phone: &str) -> usize {
        self.add_person_who_crashes(phone, None)
    }

    pub(super) fn add_person_who_crashes(
        &mut self,
        phone: &str,
        crash: Option<(u32, Crash)>,
    ) -> usize {
        let who = self.push_person(phone, crash);
        self.step(who, Input::Resume);
        self.sign_up(who);
        self.settle();
        if self.people[who].engine.snapshot().account.is_none() {
            self.sign_up(who); // A crash took the first attempt with it.
            self.settle();
        }
        who
    }

    pub(super) fn push_person(&mut self, phone: &str, crash: Option<(u32, Crash)>) -> usize {
        let cookie = Cookie { registered: true, ..Cookie::default() };
        let who = self.push_device(phone.parse().unwrap(), cookie, BTreeMap::new());
        self.people[who].crash = crash;
        who
    }

    /// A browser with this vault. Nothing happens in it yet.
    pub(super) fn push_device(
        &mut self,
        phone: Phone,
        cookie: Cookie,
        vault: BTreeMap<String, Vec<u8>>,
    ) -> usize {
        self.people.push(Person {
            phone,
            engine: Engine::open(HOST, vault.clone()).unwrap(),
            vault,
            cookie,
            queue: VecDeque::new(),
            events: Vec::new(),
            online: true,
            answers_lost: false,
            uses_live: true,
            live: None,
            wake_at: None,
            clock_error: 0,
            steps: 0,
            crash: None,
            crashed: false,
            sealed_requests: 0,
            touches: true,
            touched: 0,
            reads: true,
            renews: false,
        });
        self.people.len() - 1
    }

    /// Somebody whose sign-up reaches the server, and who never hears of it.
    pub(super) fn add_person_without_answers(&mut self, phone: &str) -> usize {
        let who = self.push_person(phone, None);
        self.people[who].answers_lost = true;
        self.sign_up(who);
        self.carry(who);
        who
    }

    pub(super) fn sign_up(&mut self, who: usize) {
        let phone = self.people[who].phone.clone();
        self.step(who, Input::CreateAccount { phone, device_name: "Laptop".into() });
    }

    pub(super) fn step(&mut self, who: usize, input: Input) {
        let person = &mut self.people[who];
        let number = person.steps;
        person.steps += 1;
        let out = person.engine.step(self.now + person.clock_error, &mut self.rng, input);
        let crash = person.crash.filter(|(at, _)| *at == number).map(|(_, crash)| crash);
        if crash == Some(Crash::BeforeCommit) {
            return self.crash(who);
        }
        person.commit(&out.writes);
        if crash == Some(Crash::AfterCommit) {
            return self.crash(who);
        }
        person.wake_at = out.wake_at;
        out.requests.iter().for_each(keeps_the_halves_apart);
        person.queue.extend(out.requests);
        if crash == Some(Crash::AfterSending) {
            while let Some(request) = self.people[who].queue.pop_front() {
                self.reach_server(who, &request);
            }
            for frame in out.frames {
                self.client_frame(who, &frame);
            }
            return self.crash(who);
        }
        person.events.extend(out.events.iter().cloned());
        for frame in out.frames {
            self.client_frame(who, &frame);
        }
        for event in out.events {
            self.host(who, event);
        }
    }

    /// What a host does about an event by itself.
    fn host(&mut self, who: usize, event: Event) {
        let person = &mut self.people[who];
        match event {
            Event::DeviceReady if person.uses_live && person.live.is_none() => {
                person.live = Some(Live::default());
                self.step(who, Input::LiveOpened);
            }
            Event::VaultOutdated if person.renews => self.step(who, Input::RenewDevice),
            Event::LettersWanted { job, query } if person.reads => {
                let (letters, next) = person.read_letters(&query);
                self.step(who, Input::LettersRead { job, letters, next });
            }
            Event::Link { link: LinkView::Approved { link, phone } } if person.touches => {
                person.phone = phone;
                person.cookie.link = Some(link);
                self.step(who, Input::CompleteLink);
            }
            _ => {}
        }
    }

    /// The process dies; what was committed is all that is left. Then the person comes back.
    fn crash(&mut self, who: usize) {
        self.people[who].crashed = true;
        self.people[who].crash = None;
        self.reopen(who);
    }

    /// A cold start: the engine is opened on its records, the session of before is still good.
    pub(super) fn reopen(&mut self, who: usize) {
        let person = &mut self.people[who];
        person.queue.clear();
        person.live = None;
        person.engine = Engine::open(HOST, person.records()).unwrap();
        self.step(who, Input::Resume);
        self.step(who, Input::SignedIn);
    }

    pub(super) fn go_offline(&mut self, who: usize) {
        self.people[who].online = false;
        if self.people[who].live.take().is_some() {
            self.step(who, Input::LiveClosed);
        }
    }

    pub(super) fn go_online(&mut self, who: usize) {
        self.people[who].online = true;
        self.step(who, Input::SignedIn);
        self.settle();
    }

    pub(super) fn reach_server(&mut self, who: usize, request: &Request) -> (u16, String) {
        let now = UnixTime(self.now.div_euclid(1_000));
        self.people[who].sealed_requests += u32::from(request.half == Half::Sealed);
        let cookie = &mut self.people[who].cookie;
        self.server.handle(&mut self.rng, now, cookie, request)
    }

    fn client_frame(&mut self, who: usize, frame: &str) {
        let Some(device) = self.device(who) else { return };
        let ClientFrame::Acks { letters, envelopes } = serde_json::from_str(frame).unwrap();
        let person = &mut self.people[who];
        let Some(live) = &mut person.live else { return };
        assert!(live.awaits, "an answer without a frame");
        live.awaits = false;
        assert!(frame.len() <= 16 << 10, "client frames are at most 16 KiB");
        let account = self.server.accounts.get_mut(&person.phone).unwrap();
        account.acknowledge(device, &letters, &envelopes);
    }

    pub(super) fn device(&self, who: usize) -> Option<DeviceId> {
        self.people[who].cookie.device.as_ref().map(|(_, device)| *device)
    }

    /// Carries requests, answers and frames until nothing moves any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..100_000 {
            let moved = (0..self.people.len()).any(|who| self.carry(who));
            if !moved {
                return;
            }
        }
        panic!("the world does not come to rest");
    }

    /// Carries one thing for one person.
    pub(super) fn carry(&mut self, who: usize) -> bool {
        if let Some(request) = self.people[who].queue.pop_front() {
            let id = request.id;
            if !self.people[who].online {
                self.step(who, Input::NoAnswer { request: id });
                return true;
            }
            self.people[who].touched += u32::from(request.touch);
            if request.touch && !self.people[who].touches {
                self.step(who, Input::TouchDeclined { request: id });
                return true;
            }
            let (status, body) = self.reach_server(who, &request);
            let input = if self.people[who].answers_lost {
                Input::NoAnswer { request: id }
            } else {
                Input::Response { request: id, status, retry_after: None, body }
            };
            self.step(who, input);
            return true;
        }
        match self.next_frame(who) {
            Some(frame) => {
                let text = serde_json::to_string(&frame).unwrap();
                self.step(who, Input::LiveFrame { text });
                true
            }
            None => false,
        }
    }

    /// Answers one request, or lets some time go by, with the answer changed on the way.
    pub(super) fn spoil(&mut self, who: usize, change: impl FnOnce(u16, String) -> (u16, String)) {
        let Some(request) = self.people[who].queue.pop_front() else {
            self.now += 20 * MINUTE;
            return self.step(who, Input::Tick);
        };
        let (status, body) = self.reach_server(who, &request);
        let (status, body) = change(status, body);
        let retry_after = (status == 429).then_some(u32::MAX);
        self.step(who, Input::Response { request: request.id, status, retry_after, body });
    }

    /// Writes, or looks for whom to write to, without waiting for anything.
    pub(super) fn write_if_known(&mut self, who: usize, whom: usize) {
        let phone = self.people[whom].phone.clone();
        let input = match self.contact(who, whom) {
            Some(contact) => Input::SendText { contact: contact.id, text: "?".into() },
            None => Input::FindContact { phone },
        };
        self.step(who, input);
    }

    fn next_frame(&mut self, who: usize) -> Option<ServerFrame> {
        let device = self.device(who)?;
        let person = &mut self.people[who];
        let live = person.live.as_mut().filter(|live| !live.awaits)?;
        let account = self.server.accounts.get(&person.phone)?;
        let mut envelopes = account.devices.get(&device)?.envelopes.clone();
        envelopes.retain(|envelope| live.envelopes.insert(envelope.session_key_id));
        if !envelopes.is_empty() {
            live.awaits = true;
            return Some(ServerFrame::Envelopes { envelopes });
        }
        let mut letters = account.pending(device);
        letters.retain(|letter| live.letters.insert(letter.message_id));
        if !letters.is_empty() {
            live.awaits = true;
            return Some(ServerFrame::Letters { letters });
        }
        (!std::mem::replace(&mut live.caught_up, true)).then_some(ServerFrame::CaughtUp)
    }

    /// Puts a frame before somebody that the server would not send now.
    pub(super) fn inject(&mut self, who: usize, frame: &ServerFrame) {
        if let Some(live) = &mut self.people[who].live {
            live.awaits = true;
        }
        self.step(who, Input::LiveFrame { text: serde_json::to_string(frame).unwrap() });
    }

    /// Lets time go by; everybody is woken when they asked for it.
    pub(super) fn pass(&mut self, time: Millis) {
        let end = self.now + time;
        self.settle();
        for _ in 0..100_000 {
            let next = self
                .people
                .iter()
                .enumerate()
                .filter_map(|(who, person)| Some((person.wake_at? - person.clock_error, who)));
            match next.min().filter(|(at, _)| *at <= end) {
                Some((at, who)) => {
                    self.now = self.now.max(at);
                    self.step(who, Input::Tick);
                    self.settle();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        let wakes: Vec<_> = self.people.iter().map(|p| p.wake_at.map(|at| at - self.now)).collect();
        panic!("somebody is woken without end: {wakes:?}");
    }

    /// Somebody's device learns of a list that another of their devices has signed.
    pub(super) fn tell_own_list(&mut self, who: usize) {
        let person = &mut self.people[who];
        let list = self.server.accounts[&person.phone].list.clone();
        let (key, own) = (OwnList::key(list.version), OwnList { list, published: true });
        person.engine.records.put(&key, &own);
        let writes = person.engine.records.take_writes();
        person.commit(&writes);
    }

    /// Somebody's list is signed anew, as another of their devices would.
    pub(super) fn move_list(&mut self, who: usize) {
        let now = UnixTime(self.now.div_euclid(1_000));
        let person = &self.people[who];
        let account: Account = minicbor::decode(&person.vault["account"]).unwrap();
        let list = &mut self.server.accounts.get_mut(&person.phone).unwrap().list;
        let (version, devices) = (list.version + 1, list.devices.clone());
        let messaging = list.messaging_key;
        *list =
            DeviceList::sign(&account.identity, &person.phone, version, now, &messaging, devices);
        self.tell_own_list(who);
    }

    /// One device says something to a contact that its engine would not say by itself.
    pub(super) fn say(&mut self, who: usize, contact: ContactId, note: &crate::notes::Note) {
        let person = &mut self.people[who];
        let (now, rng) = (self.now + person.clock_error, &mut self.rng);
        person.engine.pool_note_for_test(now, rng, contact, note);
        let writes = person.engine.records.take_writes();
        person.commit(&writes);
        self.step(who, Input::Tick);
    }

    // ---- what people do and see ----

    pub(super) fn find(&mut self, who: usize, whom: usize) -> ContactId {
        let phone = self.people[whom].phone.clone();
        self.step(who, Input::FindContact { phone: phone.clone() });
        self.settle();
        let found = self.people[who].events.iter().rev().find_map(|event| match event {
            Event::Found { phone: p, outcome: FindOutcome::Found { contact } } if *p == phone => {
                Some(*contact)
            }
            _ => None,
        });
        found.expect("found")
    }

    pub(super) fn contact(&self, who: usize, whom: usize) -> Option<ContactView> {
        let phone = &self.people[whom].phone;
        let contacts = self.people[who].engine.snapshot().contacts;
        contacts.into_iter().find(|contact| contact.phone == *phone)
    }

    pub(super) fn write(&mut self, who: usize, whom: usize, text: &str) {
        let contact = match self.contact(who, whom) {
            Some(contact) => contact.id,
            None => self.find(who, whom),
        };
        self.step(who, Input::SendText { contact, text: text.into() });
    }

    /// The thread as the vault holds it.
    pub(super) fn letters(&self, who: usize, whom: usize) -> Vec<LetterView> {
        let Some(contact) = self.contact(who, whom) else { return Vec::new() };
        let prefix = format!("{LETTER_PREFIX}{}/", contact.id.to_text());
        let records = self.people[who].vault.iter().filter(|(key, _)| key.starts_with(&prefix));
        records.map(|(key, bytes)| LetterView::from_record(key, bytes).unwrap()).collect()
    }

    /// What one has received from another, in the thread's order.
    pub(super) fn received(&self, who: usize, from: usize) -> Vec<String> {
        let letters = self.letters(who, from).into_iter();
        letters.filter(|letter| !letter.outgoing).map(|letter| text(&letter)).collect()
    }

    pub(super) fn states(&self, who: usize, whom: usize) -> Vec<LetterState> {
        let letters = self.letters(who, whom).into_iter();
        letters.filter(|letter| letter.outgoing).map(|letter| letter.state).collect()
    }
}

/// A sealed request carries one token and nothing else; no other request carries any.
fn keeps_the_halves_apart(request: &Request) {
    let sealed = request.half == Half::Sealed;
    assert_eq!(request.path.starts_with("/v1/sealed/"), sealed);
    let token = request.authorization.as_deref().map(Token::from_header);
    assert!(matches!(token, Some(Ok(_))) == sealed && token.is_some() == sealed);
    assert!(!(sealed && request.touch), "a touch names somebody");
}

pub(super) fn text(letter: &LetterView) -> String {
    match &letter.content {
        ContentView::Text { text } => text.clone(),
        ContentView::Newer => "(newer)".into(),
        ContentView::IdentityChanged => "(identity changed)".into(),
    }
}

impl Person {
    pub(super) fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            assert!(!write.key.contains(self.phone.as_str()), "no phone in a key");
            if write.is_prefix() {
                self.vault.retain(|key, _| !key.starts_with(&write.key));
            } else if let Some(value) = &write.value {
                self.vault.insert(write.key.clone(), value.clone());
            } else {
                self.vault.remove(&write.key);
            }
        }
    }

    /// Letters' records as a host reads them: in key order, by page.
    pub(super) fn read_letters(&self, query: &LetterQuery) -> (Vec<LetterRecord>, Option<String>) {
        let record = |(key, value): (&String, &Vec<u8>)| LetterRecord {
            key: key.clone(),
            value: Blob(value.clone()),
        };
        let all = self.vault.iter().filter(|(key, _)| key.starts_with(LETTER_PREFIX));
        match query {
            LetterQuery::Keys { keys } => {
                (all.filter(|(key, _)| keys.contains(key)).map(record).collect(), None)
            }
            LetterQuery::All { after, bytes } => {
                let rest = all.filter(|(key, _)| after.as_ref().is_none_or(|after| *key > after));
                let mut page: Vec<LetterRecord> = Vec::new();
                let mut size = 0;
                for letter in rest {
                    size += letter.1.len();
                    if size > *bytes as usize && !page.is_empty() {
                        let next = page.last().map(|last| last.key.clone());
                        return (page, next);
                    }
                    page.push(record(letter));
                }
                (page, None)
            }
        }
    }

    pub(super) fn records(&self) -> Vec<(String, Vec<u8>)> {
        let records = self.vault.iter().filter(|(key, _)| !key.starts_with(LETTER_PREFIX));
        records.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// How many records of a kind the vault holds.
    pub(super) fn count(&self, kind: &str) -> usize {
        let prefix = format!("{kind}/");
        self.vault.keys().filter(|key| key.starts_with(&prefix)).count()
    }
}
