//! What one sender can make a vault hold.

use super::refusals::{letters_frame, pending_letters};
use super::world::*;
use crate::engine::envelopes::InSession;
use crate::engine::inbox::Held;
use crate::engine::*;
use crate::sessions::InboundSession;
use crate::types::{Blob, Bytes, UnixTime};
use crate::wire::InboxLetter;

/// A client that begins a new session with each letter.
fn write_in_a_new_session(world: &mut World, who: usize, whom: usize, text: &str) {
    let contact = world.contact(who, whom).unwrap().id.to_text();
    world.people[who].vault.remove(&format!("out/{contact}"));
    world.reopen(who);
    world.write(who, whom, text);
    world.settle();
}

#[test]
fn sessions_of_one_device_are_limited_and_the_oldest_go() {
    let mut world = World::with_batches(2, 90, 300);
    world.write(ALICE, BOB, "00");
    world.settle();
    for n in 1..90 {
        world.now += MINUTE;
        write_in_a_new_session(&mut world, ALICE, BOB, &format!("{n:02}"));
    }
    assert_eq!(world.received(BOB, ALICE).len(), 90);
    assert_eq!(world.people[BOB].count("in"), 70);
    let sessions = world.people[BOB].vault.iter().filter(|(key, _)| key.starts_with("in/"));
    let oldest = sessions.map(|(_, record)| {
        let kept: InSession = minicbor::decode(record).unwrap();
        InboundSession::created_at(&kept.session)
    });
    assert!(oldest.min().unwrap().0 * SECOND >= START + 19 * MINUTE);
}

#[test]
fn somebody_blocked_leaves_next_to_nothing_behind() {
    let mut world = World::new(2, 91);
    world.write(ALICE, BOB, "first");
    world.settle();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::BlockContact { contact, blocked: true });
    for _ in 0..20 {
        world.now += MINUTE;
        write_in_a_new_session(&mut world, ALICE, BOB, "x");
    }
    assert_eq!(world.people[BOB].count("in"), 4);
    assert_eq!(world.received(BOB, ALICE), ["first"]);
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    assert!(world.server.accounts[&phone].pending(device).is_empty(), "and is acknowledged");
}

/// A client that forgets its channels.
fn begin_anew(world: &mut World, who: usize) {
    let forgotten = |key: &str| ["peer/", "channel/", "bundle/"].iter().any(|k| key.starts_with(k));
    world.people[who].vault.retain(|key, _| !forgotten(key));
}

#[test]
fn handshakes_with_one_signed_prekey_are_limited() {
    let mut world = World::new(2, 92);
    world.write(ALICE, BOB, "first");
    world.settle();
    for _ in 0..40 {
        begin_anew(&mut world, ALICE);
        write_in_a_new_session(&mut world, ALICE, BOB, "again");
    }
    assert_eq!(world.people[BOB].count("base-key"), 32);
    assert_eq!(world.people[BOB].count("channel"), 5);
    // With the next prekey she is heard again.
    world.pass(3 * A_DAY);
    begin_anew(&mut world, ALICE);
    write_in_a_new_session(&mut world, ALICE, BOB, "later");
    assert_eq!(world.received(BOB, ALICE).last().unwrap(), "later");
}

#[test]
fn letters_held_give_way_oldest_first() {
    let letter = |n: u8| InboxLetter {
        message_id: Bytes([n; 16]),
        timestamp: UnixTime(0),
        expires_at: UnixTime(0),
        read: false,
        encrypted_content: Blob(vec![n; 64 << 10]),
    };
    let mut held = Held::default();
    for n in 0..140 {
        let session = Bytes([n % 2; 16]);
        held.hold_letter(session, letter(n));
        held.hold_letter(session, letter(n));
    }
    let held: Vec<u8> = [0, 1]
        .into_iter()
        .flat_map(|n| held.take_letters(Bytes([n; 16])))
        .map(|letter| letter.message_id.0[0])
        .collect();
    assert_eq!(held.len(), 128, "8 MiB");
    assert!(held.iter().all(|n| *n >= 12), "the newest");
}

#[test]
fn what_was_held_goes_when_the_server_sends_it_again() {
    let mut world = World::new(2, 93);
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "early");
    world.settle();
    let letters = pending_letters(&world, BOB);
    world.inject(BOB, &letters_frame(letters));
    assert!(!world.people[BOB].engine.memory.held.is_empty());
    world.step(BOB, Input::LiveOpened);
    assert!(world.people[BOB].engine.memory.held.is_empty());
}
