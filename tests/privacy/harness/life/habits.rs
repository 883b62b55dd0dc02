//! What people plan, and how they go about it.

use super::{
    super::{draw, people::Population},
    Life, WATCHED_FROM,
};
use letterbox_protocol::engine::{Input, Millis};
use rand::{RngExt as _, rngs::StdRng};

/// Something that a person is going to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    /// Begin a conversation, and plan the next one.
    Begin {
        edge: usize,
        mean: Millis,
    },
    /// Write so many letters, one after the other.
    Write {
        who: usize,
        whom: usize,
        left: u32,
    },
    /// Look at a conversation.
    Read {
        who: usize,
        whom: usize,
    },
    Sleep {
        who: usize,
    },
    Wake {
        who: usize,
    },
    /// Use the second device for a while, and plan the next time.
    Sit {
        who: usize,
    },
    /// Close it again.
    Rise {
        who: usize,
    },
}

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
pub(super) const HOUR: Millis = 60 * MINUTE;
pub(super) const DAY: Millis = 24 * HOUR;

/// How soon a letter is looked at, and how soon it is answered then: median and spread of the
/// logarithm.
const READ: (Millis, f64) = (12 * SECOND, 1.1);
const ANSWER: (Millis, f64) = (25 * SECOND, 1.0);
/// How soon the next letter of a burst follows.
const NEXT: (Millis, f64) = (7 * SECOND, 0.7);
const ANSWERS: f64 = 0.68;
const BURST: f64 = 0.35;
/// How often somebody who has a second device at hand writes on it.
const SECOND_DEVICE: f64 = 0.5;
/// From one use of the second device to the next, and how long each lasts.
const SITS: Millis = 3 * HOUR;
const SITTING: Millis = 40 * MINUTE;

impl Life {
    pub(super) fn plan_days(&mut self, population: &Population) {
        for edge in 0..self.edges.len() {
            // Of 24 hours, people are awake for 16.
            let a_day = population.conversations * self.edges[edge].weight;
            let mean = (16.0 * HOUR as f64 / a_day) as Millis;
            let (one, other) = self.edges[edge].pair;
            let at = WATCHED_FROM + draw::exponential(self.beginnings(one, other), mean);
            self.plan(at, Plan::Begin { edge, mean });
        }
        for who in 0..self.devices.len() {
            let at = self.world.now + self.until_hour(who, 23, 40 * MINUTE);
            self.plan(at, Plan::Sleep { who });
            if self.devices[who].len() > 1 {
                self.world.sleep(self.devices[who][1]);
                let at = self.world.now + draw::exponential(self.chance(who, who), SITS);
                self.plan(at, Plan::Sit { who });
            }
        }
    }

    pub(super) fn carry_out(&mut self, plan: Plan) {
        match plan {
            Plan::Begin { edge, mean } => self.begin_conversation(edge, mean),
            Plan::Write { who, whom, left } => self.write(who, whom, left),
            Plan::Read { who, whom } => self.read(who, whom),
            Plan::Sleep { who } => self.go_to_bed(who),
            Plan::Wake { who } => {
                let first = self.devices[who][0];
                self.world.wake(first, true);
                let at = self.world.now + self.until_hour(who, 23, 40 * MINUTE).max(HOUR);
                self.plan(at, Plan::Sleep { who });
            }
            Plan::Sit { who } => self.sit(who),
            Plan::Rise { who } => self.world.sleep(self.devices[who][1]),
        }
    }

    fn is_up(&self, who: usize) -> bool {
        self.world.devices[self.devices[who][0]].awake
    }

    fn begin_conversation(&mut self, edge: usize, mean: Millis) {
        let (one, other) = self.edges[edge].pair;
        let rng = self.beginnings(one, other);
        let (who, whom) = if rng.random_bool(0.5) { (one, other) } else { (other, one) };
        let left = draw::geometric(rng, BURST);
        let at = draw::exponential(rng, mean);
        if self.is_up(who) && self.writing.insert((who, whom)) {
            self.write(who, whom, left);
        }
        self.plan(self.world.now + at, Plan::Begin { edge, mean });
    }

    /// When a pair begins conversations does not depend on how they go.
    fn beginnings(&mut self, one: usize, other: usize) -> &mut StdRng {
        self.chance(one, 500 + other)
    }

    fn write(&mut self, who: usize, whom: usize, left: u32) {
        self.writing.remove(&(who, whom));
        let phone = self.world.phones[whom].as_str().to_owned();
        let second = self.devices[who].get(1).copied();
        let first = self.devices[who][0];
        let on_second = self.chance(who, whom).random_bool(SECOND_DEVICE);
        let device = second
            .filter(|second| on_second && self.world.devices[*second].awake)
            .filter(|second| self.world.devices[*second].contacts.contains_key(&phone))
            .unwrap_or(first);
        let host = &self.world.devices[device];
        let Some(contact) = host.contacts.get(&phone).filter(|_| host.awake) else { return };
        let contact = contact.id;
        let words = self.chance(who, whom).random_range(2..30);
        let text = "words ".repeat(words);
        self.world.tell(device, Input::SendText { contact, text });
        if left > 1 {
            self.writing.insert((who, whom));
            let at = self.world.now + draw::log_normal(self.chance(who, whom), NEXT.0, NEXT.1);
            self.plan(at, Plan::Write { who, whom, left: left - 1 });
        }
    }

    /// A letter from this person shows.
    pub(super) fn notice(&mut self, who: usize, from: usize) {
        let at = self.world.now + draw::log_normal(self.chance(who, from), READ.0, READ.1);
        self.plan(at, Plan::Read { who, whom: from });
    }

    fn read(&mut self, who: usize, whom: usize) {
        if !self.is_up(who) {
            let at = self.world.now + self.until_hour(who, 8, 30 * MINUTE).max(MINUTE);
            return self.plan(at, Plan::Read { who, whom });
        }
        let device = self.devices[who][0];
        let phone = self.world.phones[whom].as_str();
        let Some(contact) = self.world.devices[device].contacts.get(phone) else { return };
        let (contact, unread) = (contact.id, contact.unread);
        if unread == 0 {
            return; // With an earlier one.
        }
        self.world.tell(device, Input::MarkRead { contact });
        let rng = self.chance(who, whom);
        let answers = rng.random_bool(ANSWERS);
        let after = draw::log_normal(rng, ANSWER.0, ANSWER.1);
        let left = draw::geometric(rng, BURST);
        if answers && self.writing.insert((who, whom)) {
            let at = self.world.now + after;
            self.plan(at, Plan::Write { who, whom, left });
        }
    }

    fn go_to_bed(&mut self, who: usize) {
        for device in self.devices[who].clone() {
            self.world.sleep(device);
        }
        let at = self.world.now + self.until_hour(who, 7, 40 * MINUTE).max(HOUR);
        self.plan(at, Plan::Wake { who });
    }

    fn sit(&mut self, who: usize) {
        let second = self.devices[who][1];
        let now = self.world.now;
        if self.is_up(who) && !self.world.devices[second].awake {
            self.world.wake(second, true);
            let until = now + draw::log_normal(self.chance(who, who), SITTING, 0.5);
            self.plan(until, Plan::Rise { who });
        }
        let at = now + SITTING + draw::exponential(self.chance(who, who), SITS);
        self.plan(at, Plan::Sit { who });
    }
}
