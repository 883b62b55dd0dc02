//! Crashes at every step of both people, at every point of the step.

use super::world::*;
use crate::engine::*;

/// A conversation with everything in it: sign-up, first contact, several letters, a reply, time
/// going by, a second session.
fn conversation(who: usize, crash: Option<(u32, Crash)>) -> World {
    let mut world = World::empty(70);
    for (n, phone) in ["+4915112345000", "+4915112345001"].into_iter().enumerate() {
        world.add_person_who_crashes(phone, crash.filter(|_| n == who));
    }
    world.pass(10 * MINUTE);
    say(&mut world, ALICE, BOB, "one");
    say(&mut world, ALICE, BOB, "two");
    world.pass(5 * MINUTE);
    say(&mut world, BOB, ALICE, "three");
    world.pass(5 * MINUTE);
    world.pass(A_DAY);
    say(&mut world, ALICE, BOB, "four");
    say(&mut world, BOB, ALICE, "five");
    world.pass(30 * MINUTE);
    world
}

/// Writes, and writes again what a crash kept from being written down.
fn say(world: &mut World, who: usize, whom: usize, text: &str) {
    let written = |world: &World| {
        world.letters(who, whom).iter().any(|l| l.outgoing && super::world::text(l) == text)
    };
    for _ in 0..3 {
        if written(world) {
            return;
        }
        if world.contact(who, whom).is_none() {
            let phone = world.people[whom].phone.clone();
            world.step(who, Input::FindContact { phone });
            world.pass(MINUTE);
        }
        if let Some(contact) = world.contact(who, whom) {
            world.step(who, Input::SendText { contact: contact.id, text: text.into() });
        }
        world.settle();
    }
    assert!(written(world), "{text} was not written");
}

fn assert_all_arrived_once(world: &World, case: &str) {
    assert_eq!(world.received(BOB, ALICE), ["one", "two", "four"], "{case}");
    assert_eq!(world.received(ALICE, BOB), ["three", "five"], "{case}");
    for (who, whom) in [(ALICE, BOB), (BOB, ALICE)] {
        let states = world.states(who, whom);
        assert!(states.iter().all(|state| *state == LetterState::Sent), "{case}: {states:?}");
        assert_eq!(world.people[who].count("outbox"), 0, "{case}");
        assert_eq!(world.people[who].count("request"), 0, "{case}");
        let account = &world.server.accounts[&world.people[who].phone];
        let device = world.device(who).unwrap();
        assert!(account.pending(device).is_empty(), "{case}");
        assert!(account.devices[&device].envelopes.is_empty(), "{case}");
        assert!(!world.people[who].events.contains(&Event::KeysAltered), "{case}");
    }
}

fn crash_everywhere(who: usize, crash: Crash) {
    let steps = {
        let world = conversation(who, None);
        assert_all_arrived_once(&world, "no crash");
        world.people[who].steps
    };
    assert!(steps >= 25, "{steps}");
    for step in 0..steps {
        let world = conversation(who, Some((step, crash)));
        assert!(world.people[who].crashed, "step {step} was reached");
        assert_all_arrived_once(&world, &format!("{crash:?} at step {step}"));
    }
}

#[test]
fn the_sender_crashes_before_the_commit() {
    crash_everywhere(ALICE, Crash::BeforeCommit);
}

#[test]
fn the_sender_crashes_after_the_commit() {
    crash_everywhere(ALICE, Crash::AfterCommit);
}

#[test]
fn the_sender_crashes_after_sending() {
    crash_everywhere(ALICE, Crash::AfterSending);
}

#[test]
fn the_receiver_crashes_before_the_commit() {
    crash_everywhere(BOB, Crash::BeforeCommit);
}

#[test]
fn the_receiver_crashes_after_the_commit() {
    crash_everywhere(BOB, Crash::AfterCommit);
}

#[test]
fn the_receiver_crashes_after_sending() {
    crash_everywhere(BOB, Crash::AfterSending);
}
