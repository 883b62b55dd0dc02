//! Random schedules: whoever writes, however the network, the processes and the clock behave, every
//! letter arrives exactly once, and an engine opened on its records goes on like the one that ran.

use super::world::*;
use crate::engine::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Event {
    Write(usize, usize),
    Offline(usize),
    Online(usize),
    LoseAnswers(usize, bool),
    Reopen(usize),
    CrashNext(usize, Crash),
    Pass(Millis),
    Carry(usize),
    ListMoves(usize),
    Full(usize, bool),
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..3usize;
    let crash =
        prop_oneof![Just(Crash::BeforeCommit), Just(Crash::AfterCommit), Just(Crash::AfterSending)];
    let time = prop_oneof![1..MINUTE, MINUTE..AN_HOUR, AN_HOUR..2 * A_DAY];
    prop_oneof![
        6 => (who.clone(), who.clone()).prop_map(|(a, b)| Event::Write(a, b)),
        1 => who.clone().prop_map(Event::Offline),
        2 => who.clone().prop_map(Event::Online),
        2 => (who.clone(), any::<bool>()).prop_map(|(a, b)| Event::LoseAnswers(a, b)),
        1 => who.clone().prop_map(Event::Reopen),
        2 => (who.clone(), crash).prop_map(|(a, b)| Event::CrashNext(a, b)),
        3 => time.prop_map(Event::Pass),
        4 => who.clone().prop_map(Event::Carry),
        1 => who.clone().prop_map(Event::ListMoves),
        1 => (who, any::<bool>()).prop_map(|(a, b)| Event::Full(a, b)),
    ]
}

/// What was written, by whom, to whom: those letters that are in the writer's vault.
fn written(world: &World) -> BTreeSet<(usize, usize, String)> {
    let pairs = (0..3).flat_map(|a| (0..3).map(move |b| (a, b)));
    pairs
        .flat_map(|(a, b)| {
            let letters = world.letters(a, b).into_iter().filter(|letter| letter.outgoing);
            letters.map(move |letter| (a, b, text(&letter))).collect::<Vec<_>>()
        })
        .collect()
}

fn happen(world: &mut World, number: usize, event: &Event) {
    match *event {
        Event::Write(a, b) => {
            let contact = world.contact(a, b).expect("everybody knows everybody").id;
            let text = format!("{number}: from {a} to {b}");
            world.step(a, Input::SendText { contact, text });
        }
        Event::Offline(who) => world.go_offline(who),
        Event::Online(who) => world.go_online(who),
        Event::LoseAnswers(who, lost) => world.people[who].answers_lost = lost,
        Event::Reopen(who) => world.reopen(who),
        Event::CrashNext(who, crash) => {
            let step = world.people[who].steps + 1;
            world.people[who].crash = Some((step, crash));
        }
        Event::Pass(time) => world.pass(time),
        Event::Carry(who) => {
            world.carry(who);
        }
        Event::ListMoves(who) => world.move_list(who),
        Event::Full(who, full) => {
            let phone = world.people[who].phone.clone();
            world.server.accounts.get_mut(&phone).unwrap().full = full;
        }
    }
}

fn everything_is_well_again(world: &mut World) {
    for who in 0..3 {
        world.people[who].answers_lost = false;
        world.people[who].crash = None;
        let phone = world.people[who].phone.clone();
        world.server.accounts.get_mut(&phone).unwrap().full = false;
        world.go_online(who);
    }
    world.pass(3 * A_DAY);
}

/// Lives through a schedule, lets everything become well again, and looks at what has arrived.
fn every_letter_arrives(seed: u64, events: &[Event]) -> Result<(), TestCaseError> {
    let mut world = World::new(3, seed);
    for (a, b) in
        [(ALICE, BOB), (ALICE, CAROL), (BOB, ALICE), (BOB, CAROL), (CAROL, ALICE), (CAROL, BOB)]
    {
        world.find(a, b);
    }
    for who in 0..3 {
        world.find(who, who);
    }
    for (number, event) in events.iter().enumerate() {
        happen(&mut world, number, event);
    }
    everything_is_well_again(&mut world);
    for (from, to, text) in written(&world) {
        if from != to {
            let copies = world.received(to, from).into_iter().filter(|t| *t == text).count();
            prop_assert_eq!(copies, 1, "{} (seed {})", text, seed);
        }
    }
    for (a, b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
        let received = world.received(a, b).len();
        let sent = written(&world).iter().filter(|(from, to, _)| (*from, *to) == (b, a)).count();
        prop_assert_eq!(received, if a == b { 0 } else { sent }, "nothing made up (seed {})", seed);
        let states = world.states(a, b);
        prop_assert!(
            states.iter().all(|s| *s == LetterState::Sent),
            "{:?} (seed {})",
            states,
            seed
        );
    }
    for who in 0..3 {
        prop_assert_eq!(world.people[who].count("outbox"), 0);
        let device = world.device(who).unwrap();
        let account = &world.server.accounts[&world.people[who].phone];
        prop_assert!(account.pending(device).is_empty(), "seed {}", seed);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_letter_arrives_exactly_once(
        seed in any::<u64>(),
        events in prop::collection::vec(event(), 1..60),
    ) {
        every_letter_arrives(seed, &events)?;
    }
}

#[test]
fn keys_that_a_newer_list_overtook_are_asked_for_anew() {
    let events = [
        Event::LoseAnswers(CAROL, true),
        Event::Write(CAROL, BOB),
        Event::Pass(44 * AN_HOUR),
        Event::ListMoves(BOB),
        Event::Write(BOB, CAROL),
    ];
    every_letter_arrives(0, &events).unwrap();
}
