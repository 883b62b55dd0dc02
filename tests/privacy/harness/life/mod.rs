//! The days of the simulated people: they sleep, write, read, answer.
//!
//! A person's first device is on while they are awake, with its live socket open; a second one is on
//! for a few sittings a day. Whoever sees a letter reads it after a while and answers it, or not,
//! after another. All of it goes through the engines.

mod habits;
pub(super) mod measured;

use super::{
    draw,
    people::{Edge, Population},
    world::{Heard, World, tamper::Tamper},
};
use habits::{DAY, HOUR, Plan};
use letterbox_protocol::engine::{Event, Input, Millis, Standing};
use measured::Measured;
use rand::{SeedableRng as _, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};

/// What is switched on and off between runs.
#[derive(Clone)]
pub(super) struct Setting {
    /// The delayed pool's mean.
    pub(super) pool_mean: Millis,
    /// Whether people have receipts given.
    pub(super) receipts: bool,
    /// A server that corrupts what it hands out: letters, or envelopes.
    pub(super) tampering: Option<Tampering>,
}

impl Setting {
    /// Receipts are given, nobody tampers.
    pub(super) fn plain(pool_mean: Millis) -> Self {
        Self { pool_mean, receipts: true, tampering: None }
    }
}

/// What a tampering server alters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tampering {
    Letters,
    Envelopes,
}

/// A population as it lives.
pub(super) struct Life {
    pub(super) world: World,
    pub(super) edges: Vec<Edge>,
    /// Everybody's devices, the first one first.
    pub(super) devices: Vec<Vec<usize>>,
    pub(super) measured: Measured,
    plans: BTreeMap<(Millis, u64), Plan>,
    planned: u64,
    /// Whom somebody is about to write to.
    writing: BTreeSet<(usize, usize)>,
    /// Where each person's and each pair's chances come from: what happens to some does not change
    /// what others do.
    streams: BTreeMap<(usize, usize), StdRng>,
    seed: u64,
}

/// 2026-03-02T06:00:00Z, a Monday.
const MORNING: Millis = 1_772_431_200_000;
/// When the adversary begins to watch.
pub(super) const WATCHED_FROM: Millis = MORNING + 2 * HOUR;

impl Life {
    /// Everybody signs up and gets to know their acquaintances. Watching begins after that.
    pub(super) async fn begin(population: &Population, setting: &Setting) -> Self {
        let mut world = World::new(MORNING, setting.pool_mean, population.seed).await;
        let mut devices = Vec::new();
        for person in 0..population.people {
            let seed = population.seed.wrapping_mul(1_000).wrapping_add(person as u64 * 2);
            let first = world.sign_up(&format!("+49151123{person:05}"), seed).await;
            let mut all = vec![first];
            if population.has_two(person) {
                all.push(world.link(first, seed + 1).await);
            }
            devices.push(all);
        }
        let mut life = Self {
            world,
            edges: population.edges(),
            devices,
            measured: Measured::default(),
            plans: BTreeMap::new(),
            planned: 0,
            writing: BTreeSet::new(),
            streams: BTreeMap::new(),
            seed: population.seed,
        };
        life.get_to_know(setting.receipts).await;
        life.run_until(WATCHED_FROM).await;
        life.world.log.clear();
        life.measured = Measured::default();
        life.world.tamper = setting.tampering.map(|what| {
            let envelopes = what == Tampering::Envelopes;
            // Envelopes are few: everybody's are altered, and of letters some of every other person's.
            let victims = (0..population.people).filter(|who| envelopes || who % 2 == 0).collect();
            Tamper::new(victims, envelopes)
        });
        life.plan_days(population);
        life
    }

    /// Everybody writes to their acquaintances once.
    async fn get_to_know(&mut self, receipts: bool) {
        for first in self.devices.iter().map(|all| all[0]) {
            self.world.tell(first, Input::SetReceipts { on: receipts });
        }
        for edge in self.edges.clone() {
            let (one, other) = edge.pair;
            let phone = self.world.phones[other].clone();
            let (device, text) = (self.devices[one][0], phone.as_str().to_owned());
            self.world.tell(device, Input::FindContact { phone });
            self.world.run_until(|world| world.devices[device].contacts.contains_key(&text)).await;
            self.plan(self.world.now + 1_000, Plan::Write { who: one, whom: other, left: 1 });
            let later = self.world.now + 60_000;
            self.plan(later, Plan::Write { who: other, whom: one, left: 1 });
        }
    }

    /// Lives on until this moment.
    pub(super) async fn run_until(&mut self, end: Millis) {
        while self.step(end).await {}
    }

    /// Lets the next thing happen; not where that is after this moment.
    pub(super) async fn step(&mut self, end: Millis) -> bool {
        let planned = self.plans.keys().next().map(|(at, _)| *at);
        let next = [planned, self.world.next_at()].into_iter().flatten().min();
        let Some(at) = next.filter(|at| *at <= end) else {
            self.world.set_now(end);
            return false;
        };
        if planned == Some(at) {
            let ((at, _), plan) = self.plans.pop_first().expect("there is one");
            self.world.set_now(at);
            self.carry_out(plan);
        } else {
            self.world.advance().await;
        }
        self.hear();
        true
    }

    fn plan(&mut self, at: Millis, plan: Plan) {
        self.planned += 1;
        self.plans.insert((at, self.planned), plan);
    }

    /// What people do about what their devices tell them.
    fn hear(&mut self) {
        for Heard { at, device, event } in std::mem::take(&mut self.world.heard) {
            let owner = self.world.devices[device].owner;
            let on = |other: &&usize| **other != device && self.world.devices[**other].awake;
            let another_is_on = self.devices[owner].iter().any(|other| on(&other));
            self.measured.hear(at, device, another_is_on, &event);
            match event {
                Event::Contact { contact } if contact.standing == Standing::Request => {
                    self.world.tell(device, Input::AcceptContact { contact: contact.id });
                }
                Event::Letter { letter } if !letter.outgoing => {
                    if let Some(from) = self.who_is(device, letter.contact)
                        && self.devices[owner][0] == device
                    {
                        self.notice(owner, from);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whose conversation it is.
    fn who_is(
        &self,
        device: usize,
        contact: letterbox_protocol::engine::ContactId,
    ) -> Option<usize> {
        let contacts = &self.world.devices[device].contacts;
        let phone = contacts.iter().find(|(_, view)| view.id == contact)?.0;
        self.world.phones.iter().position(|known| known.as_str() == phone)
    }

    /// So much time from now to the hour of the day, on this day or the next one, give or take.
    fn until_hour(&mut self, who: usize, hour: Millis, spread: Millis) -> Millis {
        let today = (self.world.now - MORNING).rem_euclid(DAY) + 6 * HOUR;
        let ahead = (hour * HOUR - today).rem_euclid(DAY);
        ahead + (draw::normal(self.chance(who, who)) * spread as f64) as Millis
    }

    /// What one person does to another is drawn from here; what they do by themselves, from their
    /// own pair with themselves.
    fn chance(&mut self, who: usize, whom: usize) -> &mut StdRng {
        let seed = self.seed.wrapping_add((who * 1_000 + whom) as u64).wrapping_mul(0x9e37_79b9);
        self.streams.entry((who, whom)).or_insert_with(|| StdRng::seed_from_u64(seed))
    }
}
