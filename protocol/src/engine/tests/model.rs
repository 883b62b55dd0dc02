//! Random lives of three people and their devices, held against a model of what each device has to
//! show: every letter that was stored while a device was active is shown by it exactly once, on the
//! writer's other devices too. A device whose vault was put back to an older state may show letters
//! again, and misses none. A revoked device opens nothing that was written later. What nobody may send
//! again has to be reported.
//!
//! The lives are drawn from the seeds from 1 on, or from `LETTERBOX_MODEL_SEED` on, so many as
//! `LETTERBOX_MODEL_CASES` says. A failure prints the seed that repeats it; with
//! `LETTERBOX_MODEL_SHRINK`, so many tries are made to shorten it.

use super::world::*;
use crate::engine::*;
use crate::types::Key;
use crate::wire::ServerFrame;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

const PEOPLE: usize = 3;
const DEVICES: usize = 3;
/// Letters lie in the mailbox for 30 days; a life is shorter, so that none has gone when it ends.
const LIFE: Millis = 24 * A_DAY;
const STEPS: usize = 200;
const CASES: u64 = 500;

/// What happens. Devices and people are named by any number, taken modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, usize),
    Carry(usize),
    Reorder(usize),
    Pass(Millis),
    Offline(usize),
    Online(usize),
    LoseAnswers(usize, bool),
    CrashNext(usize, Crash),
    Link(usize),
    Revoke(usize, bool),
    Rotate(usize),
    Sleep(usize),
    Save(usize),
    Restore(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..64usize;
    let crash =
        prop_oneof![Just(Crash::BeforeCommit), Just(Crash::AfterCommit), Just(Crash::AfterSending)];
    let time = prop_oneof![3 => 1..MINUTE, 3 => MINUTE..AN_HOUR, 1 => AN_HOUR..8 * AN_HOUR];
    prop_oneof![
        30 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Write(a, b)),
        20 => who.clone().prop_map(Step::Carry),
        4 => who.clone().prop_map(Step::Reorder),
        24 => time.prop_map(Step::Pass),
        4 => who.clone().prop_map(Step::Offline),
        8 => who.clone().prop_map(Step::Online),
        4 => (who.clone(), any::<bool>()).prop_map(|(a, b)| Step::LoseAnswers(a, b)),
        4 => (who.clone(), crash).prop_map(|(a, b)| Step::CrashNext(a, b)),
        2 => who.clone().prop_map(Step::Link),
        1 => (who.clone(), any::<bool>()).prop_map(|(a, b)| Step::Revoke(a, b)),
        3 => who.clone().prop_map(Step::Rotate),
        1 => who.clone().prop_map(Step::Sleep),
        2 => who.clone().prop_map(Step::Save),
        1 => who.prop_map(Step::Restore),
    ]
}

/// A letter that was written: by which device, to whom, and who is to show it.
struct Written {
    from: usize,
    to: usize,
    readers: BTreeSet<usize>,
    copies: BTreeSet<usize>,
    /// The identity key of the one it was written to, as it was then.
    identity: Key,
    /// The server is known to have stored it.
    stored: bool,
}

struct Revoked {
    device: usize,
    /// What was written before.
    before: usize,
}

struct Life {
    world: World,
    /// Whose the device is, by its index in the world.
    owner: Vec<usize>,
    active: BTreeSet<usize>,
    revoked: Vec<Revoked>,
    letters: Vec<Written>,
    /// Letters that a device has shown, however often its vault was put back.
    shown: BTreeMap<usize, BTreeSet<String>>,
    heard: Vec<usize>,
    saved: BTreeMap<usize, BTreeMap<String, Vec<u8>>>,
    /// Devices whose vaults were put back: how often, and how many letters had been written when it
    /// happened last.
    restored: BTreeMap<usize, (usize, usize)>,
    asleep: bool,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let mut world = World::with_batches(PEOPLE, seed, 16);
        for (a, b) in (0..PEOPLE).flat_map(|a| (0..PEOPLE).map(move |b| (a, b))) {
            if a != b {
                world.find(a, b);
            }
        }
        let mut life = Self {
            world,
            owner: (0..PEOPLE).collect(),
            active: (0..PEOPLE).collect(),
            revoked: Vec::new(),
            letters: Vec::new(),
            shown: BTreeMap::new(),
            heard: vec![0; PEOPLE],
            saved: BTreeMap::new(),
            restored: BTreeMap::new(),
            asleep: false,
        };
        life.link(ALICE);
        life
    }

    /// The active device that a number names.
    fn device(&self, number: usize) -> usize {
        self.active.iter().copied().nth(number % self.active.len()).unwrap()
    }

    fn devices_of(&self, person: usize) -> BTreeSet<usize> {
        self.active.iter().copied().filter(|device| self.owner[*device] == person).collect()
    }

    fn happen(&mut self, step: &Step) {
        match *step {
            Step::Write(a, b) => self.write(self.device(a), b % PEOPLE),
            Step::Carry(a) => {
                self.world.carry(self.device(a));
            }
            Step::Reorder(a) => {
                let device = self.device(a);
                let queue = &mut self.world.people[device].queue;
                let turn = queue.len().min(1);
                queue.rotate_left(turn);
            }
            Step::Pass(time) => {
                if self.world.now + time < START + LIFE {
                    self.pass(time);
                }
            }
            Step::Offline(a) => self.world.go_offline(self.device(a)),
            Step::Online(a) => self.world.go_online(self.device(a)),
            Step::LoseAnswers(a, lost) => {
                let device = self.device(a);
                self.world.people[device].answers_lost = lost;
            }
            Step::CrashNext(a, crash) => {
                let device = self.device(a);
                let at = self.world.people[device].steps + 1;
                self.world.people[device].crash = Some((at, crash));
            }
            Step::Link(a) => {
                let person = a % PEOPLE;
                let devices = self.devices_of(person);
                if devices.len() < DEVICES && devices.iter().all(|d| self.is_well(*d)) {
                    self.link(person);
                }
            }
            Step::Revoke(a, lost) => self.revoke(self.device(a), lost),
            Step::Rotate(a) => self.world.step(self.device(a), Input::RotateKeys),
            Step::Sleep(a) => self.sleep(self.device(a)),
            Step::Save(a) => {
                let device = self.device(a);
                self.saved.insert(device, self.world.people[device].vault.clone());
            }
            Step::Restore(a) => self.restore(self.device(a)),
        }
        self.listen();
    }

    /// Lets time go by. Browsers that are offline are closed meanwhile.
    fn pass(&mut self, time: Millis) {
        for person in self.world.people.iter_mut().filter(|person| !person.online) {
            person.wake_at = None;
        }
        self.world.pass(time);
    }

    fn is_well(&self, device: usize) -> bool {
        let person = &self.world.people[device];
        person.online && !person.answers_lost && person.crash.is_none()
    }

    fn write(&mut self, from: usize, to: usize) {
        let person = self.owner[from];
        if person == to {
            return;
        }
        let phone = self.world.people[to].phone.clone();
        let contacts = self.world.people[from].engine.snapshot().contacts;
        let Some(contact) = contacts.into_iter().find(|contact| contact.phone == phone) else {
            return self.world.step(from, Input::FindContact { phone });
        };
        let text = format!("letter {}", self.letters.len());
        let mut copies = self.devices_of(person);
        copies.remove(&from);
        let readers = self.devices_of(to);
        self.world.step(from, Input::SendText { contact: contact.id, text: text.clone() });
        // A crash before anything was committed took the letter with it: nobody waits for it.
        let (readers, copies) = match self.holds(from, &text) {
            0 => Default::default(),
            _ => (readers, copies),
        };
        let identity = self.served_identity(to);
        self.letters.push(Written { from, to, readers, copies, identity, stored: false });
    }

    fn served_identity(&self, person: usize) -> Key {
        self.world.server.accounts[&self.world.people[person].phone].identity_key
    }

    /// Links as [`World::graft`] does, from a device that knows the identity of now.
    fn link(&mut self, person: usize) {
        let served = self.served_identity(person);
        let knows = |device: &usize| self.world.identity(*device) == served;
        let Some(old) = self.devices_of(person).into_iter().find(knows) else { return };
        let new = self.world.graft(old, "Another");
        assert_eq!(new, self.owner.len());
        self.owner.push(person);
        self.heard.push(0);
        self.active.insert(new);
    }

    fn revoke(&mut self, device: usize, lost: bool) {
        let others = self.devices_of(self.owner[device]);
        let Some(by) = others.into_iter().find(|other| *other != device && self.is_well(*other))
        else {
            return;
        };
        let Some(id) = self.world.device(device) else { return };
        self.world.settle();
        self.world.step(by, Input::RevokeDevice { device: id, lost });
        self.world.settle();
        let phone = self.world.people[by].phone.clone();
        if self.world.server.accounts[&phone].devices.contains_key(&id) {
            // Keys that were under way go first.
            self.world.pass(3 * MINUTE);
        }
        let account = &self.world.server.accounts[&phone];
        if !account.devices.contains_key(&id) {
            self.active.remove(&device);
            self.world.go_offline(device);
            self.world.people[device].wake_at = None;
            self.revoked.push(Revoked { device, before: self.letters.len() });
        }
    }

    /// Long enough to be passed over by senders. The others are well meanwhile.
    fn sleep(&mut self, device: usize) {
        if std::mem::replace(&mut self.asleep, true) {
            return;
        }
        let (sender, to) = (self.device(device + 1), self.owner[device]);
        for other in self.active.clone() {
            self.world.people[other].answers_lost = false;
            self.world.go_online(other);
        }
        self.world.go_offline(device);
        self.pass(15 * A_DAY);
        self.write(sender, to);
        self.pass(AN_HOUR);
    }

    fn restore(&mut self, device: usize) {
        self.listen();
        // What a crash kept from being told lies in the vault, and was shown from there.
        let vault = self.world.people[device].vault.iter();
        let letters = vault.filter(|(key, _)| key.starts_with(LETTER_PREFIX));
        let said = letters.map(|(key, bytes)| text(&LetterView::from_record(key, bytes).unwrap()));
        self.shown.entry(device).or_default().extend(said);
        if let Some(vault) = self.saved.get(&device) {
            self.world.people[device].vault = vault.clone();
            self.world.people[device].renews = true;
            let times = self.restored.get(&device).map_or(0, |(times, _)| *times);
            self.restored.insert(device, (times + 1, self.letters.len()));
            self.world.reopen(device);
        }
    }

    /// Notes what devices have shown and what the server has stored.
    fn listen(&mut self) {
        for (device, heard) in self.heard.iter_mut().enumerate() {
            let events = &self.world.people[device].events;
            for event in &events[*heard..] {
                let Event::Letter { letter } = event else { continue };
                let said = text(letter);
                if letter.outgoing && letter.state == LetterState::Sent {
                    let number = said.strip_prefix("letter ").and_then(|n| n.parse::<usize>().ok());
                    if let Some(written) = number.and_then(|n| self.letters.get_mut(n)) {
                        written.stored = true;
                    }
                }
                self.shown.entry(device).or_default().insert(said);
            }
            *heard = events.len();
        }
    }

    fn everything_is_well_again(&mut self) {
        for device in self.active.clone() {
            self.world.people[device].answers_lost = false;
            self.world.people[device].crash = None;
            self.world.go_online(device);
        }
        self.pass(6 * A_DAY);
        self.listen();
    }

    /// How often a device's vault holds a letter now.
    fn holds(&self, device: usize, said: &str) -> usize {
        let vault = self.world.people[device].vault.iter();
        let letters = vault.filter(|(key, _)| key.starts_with(LETTER_PREFIX));
        letters
            .filter(|(key, bytes)| text(&LetterView::from_record(key, bytes).unwrap()) == said)
            .count()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut reported = BTreeMap::new();
        for (number, letter) in self.letters.iter().enumerate() {
            self.check_readers(number, letter, &mut reported)?;
            self.check_copies(number, letter)?;
        }
        Ok(())
    }

    /// Shown once, or, where nobody may send it again, at least not gone without a word: the device
    /// has reported as many letters as that.
    fn check_readers(
        &self,
        number: usize,
        letter: &Written,
        reported: &mut BTreeMap<usize, usize>,
    ) -> Result<(), TestCaseError> {
        let said = format!("letter {number}");
        let (from, to) = (letter.from, letter.to);
        let gone = self.restored.contains_key(&from)
            || !self.active.contains(&from)
            || self.was_told_to_link_again(from);
        let lost_with_the_vault = gone && !letter.stored;
        for device in letter.readers.intersection(&self.active).copied() {
            if self.was_told_to_link_again(device) || lost_with_the_vault {
                continue;
            }
            let held = self.holds(device, &said);
            let restored = self.restored.contains_key(&device);
            let shown = held > 0 || restored && self.has_shown(device, &said);
            let story = || self.story(from, device, &said);
            prop_assert!(
                held <= 1 || restored,
                "{said}: {from} to {to}, {device} shows it {held} times"
            );
            if !shown && (self.nobody_sends_again(number, letter) || self.is_lost_track_of(device))
            {
                let reports = reported.entry(device).or_default();
                *reports += 1;
                let failed = self.failed(device);
                prop_assert!(
                    failed >= *reports,
                    "{said}: {from} to {to}, {device} misses it in silence; {}",
                    story()
                );
            } else {
                prop_assert!(shown, "{said}: {from} to {to}, {device} misses it; {}", story());
            }
        }
        Ok(())
    }

    fn check_copies(&self, number: usize, letter: &Written) -> Result<(), TestCaseError> {
        let said = format!("letter {number}");
        let (from, to) = (letter.from, letter.to);
        if self.restored.contains_key(&from)
            || !self.active.contains(&from)
            || self.was_told_to_link_again(from)
        {
            return Ok(());
        }
        for device in letter.copies.intersection(&self.active) {
            if self.was_told_to_link_again(*device) {
                continue;
            }
            let held = self.holds(*device, &said);
            prop_assert!(
                held == 1 || self.restored.contains_key(device),
                "{said}: {from} to {to}, its copy stands {held} times on {device}; {}",
                self.story(from, *device, &said)
            );
        }
        Ok(())
    }

    /// The device that wrote it is gone or has to be linked again, or was put back to before it; or it
    /// was written to another identity key, whose owner may be somebody else than who asks now.
    fn nobody_sends_again(&self, number: usize, letter: &Written) -> bool {
        let forgotten = self.restored.get(&letter.from).is_some_and(|(_, before)| number < *before);
        let from = letter.from;
        let revoked = !self.active.contains(&from) || self.was_told_to_link_again(from);
        forgotten || revoked || letter.identity != self.served_identity(letter.to)
    }

    /// Put back again and again, a vault may be of before its own beginning anew, and take up secrets
    /// that lack some in between.
    fn is_lost_track_of(&self, device: usize) -> bool {
        self.restored.get(&device).is_some_and(|(times, _)| *times > 1)
    }

    /// How many letters a device has reported that it could not open.
    fn failed(&self, device: usize) -> usize {
        let account = &self.world.server.accounts[&self.world.people[device].phone];
        let id = self.world.device(device);
        id.and_then(|id| account.devices.get(&id)).map_or(0, |device| device.failed.len())
    }

    /// A device that does not know the account's identity key, because it was replaced while it slept
    /// or after its vault was saved, says so, and takes and sends nothing: it has to be linked again.
    fn was_told_to_link_again(&self, device: usize) -> bool {
        let told = |event: &Event| matches!(event, Event::DeviceUnknown | Event::KeysAltered);
        self.world.identity(device) != self.served_identity(device)
            && self.world.people[device].events.iter().any(told)
    }

    /// What there is to know about a letter that is missing.
    fn story(&self, from: usize, device: usize, said: &str) -> String {
        let vault = self.world.people[from].vault.iter();
        let letters = vault.filter(|(key, _)| key.starts_with(LETTER_PREFIX));
        let letters = letters.map(|(key, bytes)| LetterView::from_record(key, bytes).unwrap());
        let state = letters.filter(|letter| text(letter) == said).map(|letter| letter.state).next();
        let served = &self.world.server.accounts[&self.world.people[device].phone];
        let id = self.world.device(device).unwrap();
        let pending = served.devices.get(&id).map_or(0, |served| served.pending.len());
        let failed = self.failed(device);
        let queued = self.world.people[from].count("outbox");
        let pools: Vec<usize> = self.world.people.iter().map(|p| p.count("pool")).collect();
        format!(
            "for the writer it is {state:?}, {queued} of theirs wait; {pending} pending and {failed} \
             failed at the server; pools {pools:?}; restored {:?}; owners {:?}; active {:?}",
            self.restored, self.owner, self.active
        )
    }

    fn has_shown(&self, device: usize, said: &str) -> bool {
        self.shown.get(&device).is_some_and(|shown| shown.contains(said))
    }

    /// A server that hands a revoked device all that it ever stored for the account.
    fn revoked_devices_open_nothing(&mut self) -> Result<(), TestCaseError> {
        for at in 0..self.revoked.len() {
            let Revoked { device, before } = self.revoked[at];
            let phone = self.world.people[device].phone.clone();
            let envelopes =
                self.world.server.all_envelopes.get(&phone).cloned().unwrap_or_default();
            let letters = self.world.server.all_letters.get(&phone).cloned().unwrap_or_default();
            self.world.inject(device, &ServerFrame::Envelopes { envelopes });
            self.world.inject(device, &ServerFrame::Letters { letters });
            for number in before..self.letters.len() {
                let said = format!("letter {number}");
                prop_assert!(
                    self.holds(device, &said) == 0,
                    "{said} was opened by {device}, revoked"
                );
            }
        }
        Ok(())
    }
}

fn live(seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut life = Life::begin(seed);
    for step in steps {
        life.happen(step);
    }
    life.everything_is_well_again();
    life.check()?;
    life.revoked_devices_open_nothing()
}

/// The life that a seed stands for.
fn steps(seed: u64) -> Vec<Step> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let steps = prop::collection::vec(step(), STEPS);
    steps.new_tree(&mut runner).expect("a strategy without filters").current()
}

/// Takes away what a failure does not need, a few tries long.
fn shrink(seed: u64, mut steps: Vec<Step>, mut tries: u32) -> Vec<Step> {
    let mut size = steps.len() / 2;
    while size > 0 && tries > 0 {
        let mut at = 0;
        while at < steps.len() && tries > 0 {
            tries -= 1;
            let end = (at + size).min(steps.len());
            let fewer: Vec<Step> = steps[..at].iter().chain(&steps[end..]).cloned().collect();
            if live(seed, &fewer).is_err() { steps = fewer } else { at = end }
        }
        size /= 2;
    }
    steps
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Lives through every `TESTS`-th seed from `part` on.
fn lives(part: u64) {
    let cases = number("LETTERBOX_MODEL_CASES", CASES);
    let first = number("LETTERBOX_MODEL_SEED", 1);
    let mut failures = Vec::new();
    for seed in (part..cases).step_by(TESTS).map(|case| first.wrapping_add(case)) {
        let steps = steps(seed);
        let lived = std::panic::catch_unwind(|| live(seed, &steps));
        let Some(error) = lived.map_or(Some("it panicked".to_owned()), |lived| {
            lived.err().map(|error| error.to_string())
        }) else {
            continue;
        };
        println!("LETTERBOX_MODEL_SEED={seed} LETTERBOX_MODEL_CASES=1: {error}");
        let tries = number("LETTERBOX_MODEL_SHRINK", 0);
        if tries > 0 {
            println!("{:?}", shrink(seed, steps, tries as u32));
        }
        failures.push(seed);
    }
    assert!(failures.is_empty(), "these lives failed: {failures:?}");
}

/// The same lives in several tests, so that they share the machine's cores.
macro_rules! tests {
    ($($name:ident $part:literal)*) => {$(
        #[test]
        fn $name() {
            lives($part);
        }
    )*};
}

const TESTS: usize = 4;

tests! {
    every_device_shows_every_letter_once_1 0
    every_device_shows_every_letter_once_2 1
    every_device_shows_every_letter_once_3 2
    every_device_shows_every_letter_once_4 3
}
