//! Receipts: off at first, never to strangers, and never back from what was said.

use super::world::*;
use crate::engine::*;

const ARRIVED: LetterState = LetterState::Confirmed { read: false };
const READ: LetterState = LetterState::Confirmed { read: true };

fn read(world: &mut World, who: usize, from: usize) {
    let contact = world.contact(who, from).unwrap().id;
    world.step(who, Input::MarkRead { contact });
}

/// Alice and Bob know each other.
fn acquainted(seed: u64) -> World {
    let mut world = World::new(2, seed);
    world.write(ALICE, BOB, "hello");
    world.settle();
    world.write(BOB, ALICE, "hello yourself");
    world.pass(AN_HOUR);
    world
}

#[test]
fn nothing_is_confirmed_unless_the_person_wants_it() {
    let mut world = acquainted(700);
    read(&mut world, BOB, ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);

    world.step(BOB, Input::SetReceipts { on: true });
    world.write(ALICE, BOB, "now you may say");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, ARRIVED]);
    read(&mut world, BOB, ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, READ]);

    world.step(BOB, Input::SetReceipts { on: false });
    world.write(ALICE, BOB, "and now not");
    world.pass(AN_HOUR);
    read(&mut world, BOB, ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[2], LetterState::Sent);
    assert_eq!(world.people[ALICE].count("remark"), 0);
}

#[test]
fn strangers_and_the_blocked_are_told_nothing() {
    let mut world = World::new(2, 701);
    world.step(BOB, Input::SetReceipts { on: true });
    world.write(ALICE, BOB, "who is there?");
    world.pass(AN_HOUR);
    read(&mut world, BOB, ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::AcceptContact { contact });
    world.write(ALICE, BOB, "accepted");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[1], ARRIVED);
    world.step(BOB, Input::BlockContact { contact, blocked: true });
    world.write(ALICE, BOB, "blocked");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[2], LetterState::Sent);
    assert_eq!(world.people[BOB].count("pool") + world.people[BOB].count("outbox"), 0);
}

#[test]
fn what_was_read_does_not_become_unread_again() {
    let mut world = acquainted(702);
    let phone = world.graft(BOB, "Phone");
    world.step(BOB, Input::SetReceipts { on: true });
    world.pass(AN_HOUR);
    world.go_offline(phone);
    world.write(ALICE, BOB, "read at once");
    world.settle();
    read(&mut world, BOB, ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[1], READ);
    // The other device confirms that it arrived there, later.
    world.go_online(phone);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[1], READ);
}

#[test]
fn every_own_device_learns_of_a_receipt_even_before_the_copy() {
    let mut world = acquainted(703);
    read(&mut world, BOB, ALICE);
    world.step(BOB, Input::SetReceipts { on: true });
    let phone = world.graft(ALICE, "Phone");
    for n in 0..10 {
        world.write(ALICE, BOB, &format!("{n}"));
        world.pass(MINUTE);
        read(&mut world, BOB, ALICE);
    }
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[1..], vec![READ; 10]);
    assert_eq!(world.states(phone, BOB), vec![READ; 10]);
    assert_eq!(world.people[phone].count("remark"), 0);
}

#[test]
fn receipts_wait_for_the_host_to_read_and_survive_a_reload() {
    let mut world = acquainted(704);
    world.step(BOB, Input::SetReceipts { on: true });
    world.people[ALICE].reads = false;
    world.write(ALICE, BOB, "confirmed");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB)[1], LetterState::Sent);
    world.people[ALICE].reads = true;
    world.reopen(ALICE);
    world.settle();
    assert_eq!(world.states(ALICE, BOB)[1], ARRIVED);
}

#[test]
fn a_deleted_letter_does_not_come_back_by_its_receipt() {
    let mut world = acquainted(705);
    world.step(BOB, Input::SetReceipts { on: true });
    world.write(ALICE, BOB, "to be deleted");
    world.settle();
    let letter = world.letters(ALICE, BOB).pop().unwrap();
    let (contact, key) = (letter.contact, letter.key);
    world.step(ALICE, Input::DeleteLetter { contact, letter: letter.id, key });
    world.pass(AN_HOUR);
    assert_eq!(world.letters(ALICE, BOB).len(), 2);
}
