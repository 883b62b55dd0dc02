//! The delayed pool: what leaves it when, in which size, and what a reload does to it.

use super::world::*;
use crate::engine::*;
use crate::wire::SealedMessage;

/// The sealed letters that reached the server, oldest first.
fn letters_sent(world: &World) -> Vec<SealedMessage> {
    let log = world.server.sealed_log.iter();
    let bodies = log.filter_map(|line| line.strip_prefix("/v1/sealed/messages "));
    bodies.map(|body| serde_json::from_str(body).unwrap()).collect()
}

#[test]
fn a_sent_letter_appears_on_the_own_other_device_exactly_once() {
    let mut world = World::new(2, 500);
    let phone = world.graft(ALICE, "Phone");
    for n in 0..30 {
        world.write(ALICE, BOB, &format!("letter {n:02}"));
        world.pass(MINUTE);
    }
    world.pass(AN_HOUR);
    let texts = |who| world.letters(who, BOB).iter().map(text).collect::<Vec<_>>();
    assert_eq!(texts(phone), texts(ALICE));
    assert_eq!(texts(phone).len(), 30);
    assert!(world.letters(phone, BOB).iter().all(|letter| letter.outgoing));
    assert!(world.states(phone, BOB).iter().all(|state| *state == LetterState::Sent));
    assert_eq!(world.contact(phone, BOB).unwrap().unread, 0);
    assert!(world.contact(phone, ALICE).is_none(), "the own number is no conversation");
    assert_eq!(world.people[ALICE].count("pool") + world.people[ALICE].count("outbox"), 0);
}

#[test]
fn one_device_alone_makes_no_copies() {
    let mut world = World::new(2, 501);
    world.write(ALICE, BOB, "only this");
    world.pass(AN_HOUR);
    assert_eq!(letters_sent(&world).len(), 1);
    assert_eq!(world.people[ALICE].count("pool"), 0);
}

#[test]
fn the_pool_leaves_in_one_size_and_one_expiry_at_moments_of_its_own() {
    let mut world = World::new(2, 502);
    let phone = world.graft(ALICE, "Phone");
    world.find(ALICE, BOB);
    let mut pauses = Vec::new();
    for n in 0..40 {
        let text = "x".repeat(1 + n * 80);
        world.write(ALICE, BOB, &text);
        world.settle();
        let (written, before) = (world.now, letters_sent(&world).len());
        while letters_sent(&world).len() == before {
            world.pass(SECOND);
        }
        pauses.push(world.now - written);
    }
    let own = world.people[ALICE].phone.clone();
    let copies: Vec<_> =
        letters_sent(&world).into_iter().filter(|letter| letter.destination == own).collect();
    assert_eq!(copies.len(), 40);
    assert!(copies.iter().all(|letter| letter.encrypted_content.0.len() == 4_096));
    assert!(copies.iter().all(|letter| letter.expiry_days == 30));
    let mean = pauses.iter().sum::<Millis>() / 40;
    assert!((POOL_MEAN * 6 / 10..POOL_MEAN * 3 / 2).contains(&mean), "{mean}");
    pauses.sort();
    assert!(pauses[5] < POOL_MEAN / 3 && pauses[34] > POOL_MEAN * 4 / 3, "{pauses:?}");
    assert_eq!(world.letters(phone, BOB).len(), 40);
}

#[test]
fn what_is_larger_than_a_letter_goes_in_parts() {
    let mut world = World::new(2, 503);
    let phone = world.graft(ALICE, "Phone");
    world.find(ALICE, BOB);
    world.pass(AN_HOUR);
    let long: String = (0..12_000).map(|n| format!("{n:05}")).collect();
    world.write(ALICE, BOB, &long);
    world.settle();
    let before = letters_sent(&world).len();
    world.pass(2 * AN_HOUR);
    let parts = letters_sent(&world).split_off(before);
    assert_eq!(parts.len(), 16);
    assert!(parts.iter().all(|letter| letter.encrypted_content.0.len() == 4_096));
    assert_eq!(text(&world.letters(phone, BOB)[0]), long);
    assert_eq!(world.people[phone].count("part"), 0);
}

#[test]
fn notes_that_wait_together_leave_together() {
    let mut world = World::new(2, 504);
    let phone = world.graft(ALICE, "Phone");
    world.go_offline(phone);
    for n in 0..10 {
        world.write(ALICE, BOB, &format!("{n}"));
    }
    world.settle();
    let before = letters_sent(&world).len();
    world.pass(AN_HOUR);
    assert_eq!(letters_sent(&world).len() - before, 1, "ten copies in one letter");
    world.go_online(phone);
    assert_eq!(world.letters(phone, BOB).len(), 10);
}

#[test]
fn moments_that_passed_while_the_vault_was_closed_are_drawn_again() {
    let mut left_at_once = 0;
    for seed in 0..20 {
        let mut world = World::new(2, 510 + seed);
        world.graft(ALICE, "Phone");
        world.write(ALICE, BOB, "copied later");
        world.settle();
        let before = letters_sent(&world).len();
        world.now += 3 * AN_HOUR;
        world.reopen(ALICE);
        world.settle();
        left_at_once += letters_sent(&world).len() - before;
        world.pass(20 * MINUTE);
        assert_eq!(letters_sent(&world).len() - before, 1);
    }
    assert_eq!(left_at_once, 0);
}

#[test]
fn a_device_that_was_offline_does_not_pour_its_pool_out() {
    let mut world = World::new(2, 540);
    let phone = world.graft(ALICE, "Phone");
    world.write(ALICE, BOB, "the session");
    world.pass(20 * MINUTE);
    world.go_offline(ALICE);
    for n in 0..5 {
        world.write(ALICE, BOB, &format!("offline {n}"));
        world.pass(20 * MINUTE);
    }
    world.go_online(ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.letters(phone, BOB).len(), 6);
}

#[test]
fn the_pool_survives_a_crash_at_every_step() {
    let run = |crash: Option<(u32, Crash)>| {
        let mut world = World::new(2, 550);
        let phone = world.graft(ALICE, "Phone");
        world.find(ALICE, BOB);
        world.pass(20 * MINUTE);
        let before = world.people[ALICE].steps;
        world.people[ALICE].crash = crash.map(|(after, crash)| (before + after, crash));
        let contact = world.contact(ALICE, BOB).unwrap().id;
        world.step(ALICE, Input::SendText { contact, text: "copied".into() });
        if !world.letters(ALICE, BOB).iter().any(|letter| text(letter) == "copied") {
            world.step(ALICE, Input::SendText { contact, text: "copied".into() });
        }
        world.pass(20 * MINUTE);
        let steps = world.people[ALICE].steps - before;
        assert_eq!(world.received(BOB, ALICE), ["copied"], "{crash:?}");
        assert_eq!(world.letters(phone, BOB).len(), 1, "{crash:?}");
        let left = ["pool", "pool-due", "outbox", "request"].map(|k| world.people[ALICE].count(k));
        assert_eq!(left, [0; 4], "{crash:?}");
        steps
    };
    let steps = run(None);
    assert!(steps >= 5, "{steps}");
    for step in 0..steps {
        for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterSending] {
            run(Some((step, crash)));
        }
    }
}
