//! Letters whose keys got lost: reported, asked for, sent again, and shown once.

use super::refusals::{envelopes_frame, letters_frame, pending_envelopes, pending_letters};
use super::revocation::envelope_for;
use super::world::*;
use crate::channel::{Channel, OwnDevice};
use crate::engine::account::Account;
use crate::keys::ExchangeSecret;

/// Everything that lies at the server for this device to open letters with is lost.
fn lose_envelopes(world: &mut World, who: usize) -> usize {
    let (phone, device) = (world.people[who].phone.clone(), world.device(who).unwrap());
    let account = world.server.accounts.get_mut(&phone).unwrap();
    std::mem::take(&mut account.devices.get_mut(&device).unwrap().envelopes).len()
}

fn failed(world: &World, who: usize) -> usize {
    let (phone, device) = (&world.people[who].phone, world.device(who).unwrap());
    world.server.accounts[phone].devices[&device].failed.len()
}

/// How many sealed requests had to do with somebody's mailbox. Who is offline looks for no own keys.
fn asked_of(world: &World, who: usize) -> usize {
    let phone = world.people[who].phone.as_str();
    world.server.sealed_log.iter().filter(|line| line.contains(phone)).count()
}

/// Alice writes in a session whose envelope to one of Bob's devices is lost.
fn lost(seed: u64, siblings: bool) -> (World, usize) {
    let mut world = World::new(2, seed);
    let other = if siblings { world.graft(BOB, "Phone") } else { BOB };
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "lost one");
    world.write(ALICE, BOB, "lost two");
    world.pass(MINUTE);
    assert_eq!(lose_envelopes(&mut world, BOB), 1);
    world.go_online(BOB);
    assert!(world.received(BOB, ALICE).is_empty());
    (world, other)
}

#[test]
fn a_letter_whose_key_is_lost_is_reported_after_more_than_an_hour() {
    let (mut world, _) = lost(800, false);
    world.pass(59 * MINUTE);
    assert_eq!(failed(&world, BOB), 0, "its envelope may yet come");
    world.pass(8 * AN_HOUR);
    assert_eq!(failed(&world, BOB), 2);
    assert!(pending_letters(&world, BOB).is_empty(), "and not handed out again");
    assert!(world.received(BOB, ALICE).is_empty());
}

#[test]
fn a_lost_envelope_is_healed_once_its_sender_begins_the_next_session() {
    let (mut world, _) = lost(801, false);
    world.pass(25 * AN_HOUR);
    world.write(ALICE, BOB, "the next session");
    world.pass(2 * AN_HOUR);
    assert_eq!(world.received(BOB, ALICE), ["lost one", "lost two", "the next session"]);
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 3);
    world.pass(3 * A_DAY);
    assert_eq!(world.received(BOB, ALICE).len(), 3);
    world.write(BOB, ALICE, "it is all there");
    world.write(ALICE, BOB, "good");
    world.pass(AN_HOUR);
    assert_eq!(world.received(BOB, ALICE).len(), 4);
    assert_eq!(world.received(ALICE, BOB), ["it is all there"]);
}

#[test]
fn what_one_device_misses_its_sibling_has() {
    let (mut world, phone) = lost(802, true);
    assert_eq!(world.received(phone, ALICE), ["lost one", "lost two"]);
    world.pass(8 * AN_HOUR);
    assert_eq!(world.received(BOB, ALICE), ["lost one", "lost two"]);
    assert_eq!(world.received(phone, ALICE).len(), 2);
    assert_eq!(world.people[phone].count("answering"), 0);
    // The sender's next session tells whose letters those were; nothing shows twice.
    world.pass(25 * AN_HOUR);
    world.write(ALICE, BOB, "next");
    world.pass(AN_HOUR);
    for who in [BOB, phone] {
        assert_eq!(world.received(who, ALICE).len(), 3);
    }
}

/// Bob's end of the channels is put back to what it was before.
fn put_channels_back(world: &mut World, who: usize, to: &World) {
    let old: Vec<(String, Vec<u8>)> = to.people[who]
        .vault
        .iter()
        .filter(|(key, _)| key.starts_with("channel/"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    world.people[who].vault.retain(|key, _| !key.starts_with("channel/"));
    world.people[who].vault.extend(old);
    world.reopen(who);
    world.settle();
}

/// The same world up to here, twice.
fn talked(seed: u64, days: i64) -> World {
    let mut world = World::new(2, seed);
    for day in 0..days {
        world.write(ALICE, BOB, &format!("from Alice {day}"));
        world.settle();
        world.write(BOB, ALICE, &format!("from Bob {day}"));
        world.pass(25 * AN_HOUR);
    }
    world
}

#[test]
fn a_channel_that_went_out_of_step_is_begun_anew_and_its_letters_come_again() {
    let mut world = talked(803, 4);
    put_channels_back(&mut world, BOB, &talked(803, 2));
    for n in 0..3 {
        world.write(ALICE, BOB, &format!("unreadable {n}"));
        world.pass(MINUTE);
    }
    world.pass(AN_HOUR);
    let received = world.received(BOB, ALICE);
    assert_eq!(received.len(), 7, "{received:?}");
    assert_eq!(received[4..], ["unreadable 0", "unreadable 1", "unreadable 2"]);
    world.write(BOB, ALICE, "all well");
    world.write(ALICE, BOB, "again");
    world.pass(3 * A_DAY);
    assert_eq!(world.received(BOB, ALICE).len(), 8);
    assert_eq!(world.received(ALICE, BOB).len(), 5);
    assert_eq!(world.people[ALICE].count("resend"), 0);
}

#[test]
fn a_device_has_its_wish_once_a_day() {
    use crate::notes::{Heal, Note};
    let mut world = World::new(2, 804);
    for n in 0..5 {
        world.write(ALICE, BOB, &format!("{n}"));
    }
    world.pass(AN_HOUR);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    let before = world.server.sealed_log.len();
    for _ in 0..12 {
        let heal = Note::Heal(Heal { since: Some(0), sessions: Vec::new() });
        world.say(BOB, contact, &heal);
        world.pass(AN_HOUR);
    }
    let asked: usize = world.server.sealed_log[before..]
        .iter()
        .filter(|line| line.contains(world.people[BOB].phone.as_str()))
        .count();
    assert!(asked <= 4, "one look-up and one letter with all five, not a dozen: {asked}");
    assert_eq!(world.received(BOB, ALICE).len(), 5);
}

#[test]
fn an_envelope_that_the_server_kept_and_serves_again_makes_nobody_write() {
    let mut world = World::new(2, 805);
    let mut kept = Vec::new();
    for day in 0..3 {
        world.go_offline(BOB);
        world.write(ALICE, BOB, &format!("from Alice {day}"));
        world.settle();
        kept.extend(pending_envelopes(&world, BOB));
        world.go_online(BOB);
        world.write(BOB, ALICE, &format!("from Bob {day}"));
        world.pass(25 * AN_HOUR);
    }
    assert_eq!(kept.len(), 3);
    let stored = crate::types::UnixTime(world.now / 1_000).hour();
    kept.iter_mut().for_each(|envelope| envelope.created_at = stored);
    world.inject(BOB, &envelopes_frame(kept.clone()));
    assert_eq!(world.people[BOB].count("broken"), 0, "of chains that are over");
    assert_eq!(world.people[BOB].count("pool"), 0);

    // The prekey of the first one has aged out, and its channel is gone.
    let forgotten = ["channel/", "peer/", "signed-prekey/00000001", "base-key/00000001/"];
    let is_kept = |key: &str| !forgotten.iter().any(|prefix| key.starts_with(prefix));
    world.people[BOB].vault.retain(|key, _| is_kept(key));
    world.reopen(BOB);
    world.settle();
    world.inject(BOB, &envelopes_frame(kept));
    assert_eq!(world.people[BOB].count("broken"), 0);
    assert_eq!(world.people[BOB].count("pool"), 0);
}

#[test]
fn a_letter_that_is_served_again_in_another_hour_is_nobodys_loss() {
    let mut world = World::new(2, 806);
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "once");
    world.settle();
    let mut kept = pending_letters(&world, BOB);
    world.go_online(BOB);
    assert_eq!(world.received(BOB, ALICE), ["once"]);
    world.pass(30 * AN_HOUR);
    for letter in &mut kept {
        letter.timestamp = letter.timestamp.plus(28 * 3_600);
        letter.expires_at = letter.expires_at.plus(28 * 3_600);
    }
    world.go_offline(ALICE);
    let asked = asked_of(&world, ALICE);
    world.inject(BOB, &letters_frame(kept));
    world.pass(3 * A_DAY);
    assert_eq!(world.people[BOB].count("unopened") + world.people[BOB].count("broken"), 0);
    assert_eq!(asked_of(&world, ALICE), asked, "which would name who wrote it");
    assert_eq!(world.received(BOB, ALICE), ["once"]);
}

/// All that a handshake says of who it is from is public.
#[test]
fn a_handshake_that_anybody_could_have_made_up_makes_nobody_write() {
    let mut world = talked(807, 1);
    let account = |world: &World, who: usize| -> Account {
        minicbor::decode(&world.people[who].vault["account"]).unwrap()
    };
    let (alice, bob) = (account(&world, ALICE).party(), account(&world, BOB).party());
    let served = &world.server.accounts[&bob.phone];
    let mut prekey = served.devices[&bob.device_id].signed_prekey.clone();
    prekey.key_id = u32::MAX;
    let secret = ExchangeSecret::generate(&mut world.rng);
    let forged = OwnDevice { party: &alice, secret: &secret };
    let channel = Channel::initiate(&mut world.rng, &forged, &bob, &prekey, None).unwrap();
    let message = channel.encrypt(&mut world.rng, b"nothing").1.to_cbor();
    let envelope = envelope_for(&mut world, BOB, &message);
    world.go_offline(ALICE);
    let asked = asked_of(&world, ALICE);
    world.inject(BOB, &envelopes_frame(vec![envelope]));
    world.pass(3 * A_DAY);
    assert_eq!(world.people[BOB].count("broken"), 0);
    assert_eq!(asked_of(&world, ALICE), asked);
}

#[test]
fn the_copy_of_a_letter_that_was_sent_long_after_it_was_written_comes_again() {
    let mut world = World::new(2, 808);
    let phone = world.graft(ALICE, "Phone");
    world.find(ALICE, BOB);
    world.pass(A_DAY);
    world.go_offline(phone);
    world.go_offline(ALICE);
    world.write(ALICE, BOB, "written on a train");
    world.pass(14 * AN_HOUR);
    world.go_online(ALICE);
    world.pass(30 * MINUTE);
    assert!(lose_envelopes(&mut world, phone) > 0);
    world.go_online(phone);
    assert!(world.letters(phone, BOB).is_empty());
    world.pass(2 * A_DAY);
    assert_eq!(world.letters(phone, BOB).len(), 1);
}
