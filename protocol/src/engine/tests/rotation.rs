//! The account's keys among its devices: rotated by whichever comes first, wrapped for the others, and
//! checked from inside and outside.

use super::world::*;
use crate::engine::*;
use crate::types::DeviceId;

/// Where a person's third browser stands, after Alice and Bob.
const PHONE: usize = 2;

/// Alice, Bob, and Bob's phone.
fn with_a_sibling(seed: u64) -> World {
    let mut world = World::new(2, seed);
    assert_eq!(world.graft(BOB, "Phone"), PHONE);
    world.account_changed(BOB);
    world.write(ALICE, BOB, "hello");
    world.settle();
    world.pass(AN_HOUR);
    world
}

fn keys(world: &World, who: usize) -> KeysView {
    world.people[who].engine.snapshot().keys.unwrap()
}

fn id(world: &World, who: usize) -> DeviceId {
    world.device(who).unwrap()
}

fn no_alarm(world: &World) {
    for (who, person) in world.people.iter().enumerate() {
        let alarm = |event: &&Event| {
            matches!(event, Event::KeysAltered | Event::ListDisputed { .. } | Event::DeviceUnknown)
        };
        assert_eq!(person.events.iter().find(alarm), None, "{who}");
    }
}

#[test]
fn devices_are_shown_with_their_names_everywhere() {
    let mut world = with_a_sibling(1_001);
    let names = |world: &World, who: usize| {
        let devices = world.people[who].engine.snapshot().devices;
        let mut names: Vec<(bool, String)> =
            devices.into_iter().map(|device| (device.this, device.name.unwrap())).collect();
        names.sort();
        names
    };
    assert_eq!(names(&world, BOB), [(false, "Phone".into()), (true, "Laptop".into())]);
    assert_eq!(names(&world, PHONE), [(false, "Laptop".into()), (true, "Phone".into())]);
    let phone = id(&world, PHONE);
    world.step(BOB, Input::RenameDevice { device: phone, name: "  Old phone ".into() });
    world.settle();
    world.pass(2 * A_DAY);
    assert_eq!(names(&world, BOB), [(false, "Old phone".into()), (true, "Laptop".into())]);
    assert_eq!(names(&world, PHONE), [(false, "Laptop".into()), (true, "Old phone".into())]);
    assert_eq!(world.people[PHONE].engine.snapshot().account.unwrap().device_name, "Old phone");
    no_alarm(&world);
}

#[test]
fn a_messaging_key_rotated_by_one_device_opens_letters_on_the_other() {
    let mut world = with_a_sibling(1_002);
    let before = keys(&world, BOB);
    world.step(BOB, Input::RotateKeys);
    world.settle();
    world.pass(AN_HOUR);
    for who in [BOB, PHONE] {
        assert_eq!(keys(&world, who).messaging_version, before.messaging_version + 1, "{who}");
        assert_eq!(keys(&world, who).list_version, before.list_version + 1, "{who}");
        assert!(!keys(&world, who).rotating);
    }
    assert_eq!(keys(&world, BOB).signed_prekey, before.signed_prekey + 1);
    world.write(ALICE, BOB, "under the new key");
    world.settle();
    for who in [BOB, PHONE] {
        assert_eq!(world.received(who, ALICE), ["hello", "under the new key"], "{who}");
    }
    no_alarm(&world);
}

#[test]
fn both_devices_rotate_at_once_and_the_loser_stays_calm() {
    let mut world = with_a_sibling(1_003);
    world.step(BOB, Input::RotateKeys);
    world.step(PHONE, Input::RotateKeys);
    world.settle();
    world.pass(A_DAY);
    assert_eq!(keys(&world, BOB).list_version, keys(&world, PHONE).list_version);
    assert_eq!(keys(&world, BOB).messaging_version, keys(&world, PHONE).messaging_version);
    world.write(ALICE, BOB, "well");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["hello", "well"]);
    assert_eq!(world.received(PHONE, ALICE), ["hello", "well"]);
    no_alarm(&world);
}

#[test]
fn keys_change_by_themselves_for_weeks_on_every_device() {
    let mut world = with_a_sibling(1_004);
    let before = keys(&world, BOB);
    for week in 0..5 {
        world.pass(7 * A_DAY);
        world.write(ALICE, BOB, &format!("week {week}"));
        world.settle();
    }
    let after = keys(&world, PHONE);
    let rotations = after.messaging_version - before.messaging_version;
    assert!((4..=5).contains(&rotations), "{rotations}");
    let lists = after.list_version - before.list_version;
    assert!(lists <= u64::from(rotations) + 1, "one list a week: {lists}");
    for who in [BOB, PHONE] {
        assert_eq!(world.received(who, ALICE).len(), 6, "{who}");
        assert!(world.now - keys(&world, who).signed_prekey_since <= 3 * A_DAY);
        assert!(world.now - keys(&world, who).messaging_since <= 9 * A_DAY);
    }
    no_alarm(&world);
}

#[test]
fn a_device_without_answers_settles_its_rotation() {
    let mut world = with_a_sibling(1_005);
    let before = keys(&world, BOB);
    world.people[BOB].answers_lost = true;
    world.step(BOB, Input::RotateKeys);
    world.pass(10 * MINUTE);
    world.people[BOB].answers_lost = false;
    world.pass(A_DAY);
    assert_eq!(keys(&world, PHONE).messaging_version, keys(&world, BOB).messaging_version);
    assert!(keys(&world, BOB).messaging_version > before.messaging_version);
    assert_eq!(world.people[BOB].count("request"), 0);
    world.write(ALICE, BOB, "well");
    world.settle();
    assert_eq!(world.received(BOB, ALICE).len(), 2);
    assert_eq!(world.received(PHONE, ALICE).len(), 2);
    no_alarm(&world);
}

#[test]
fn a_device_that_was_off_finds_the_new_keys_and_its_letters() {
    let mut world = with_a_sibling(1_006);
    world.go_offline(PHONE);
    for _ in 0..3 {
        world.step(BOB, Input::RotateKeys);
        world.settle();
        world.pass(AN_HOUR);
        world.write(ALICE, BOB, "while it was off");
        world.settle();
        world.pass(A_DAY);
    }
    world.go_online(PHONE);
    world.pass(AN_HOUR);
    assert_eq!(world.received(PHONE, ALICE).len(), 4);
    assert_eq!(keys(&world, PHONE).messaging_version, keys(&world, BOB).messaging_version);
    no_alarm(&world);
}

#[test]
fn old_messaging_secrets_go_once_nothing_can_arrive_for_them() {
    let mut world = with_a_sibling(1_007);
    world.pass(35 * A_DAY);
    let kept = world.people[BOB].count("messaging");
    world.pass(60 * A_DAY);
    assert!(kept >= 4, "{kept}");
    let kept = world.people[BOB].count("messaging");
    assert!((5..=8).contains(&kept), "{kept}");
    assert_eq!(world.people[BOB].count("change"), 0);
}

#[test]
fn keys_are_checked_from_inside_and_outside() {
    let mut world = with_a_sibling(1_008);
    world.pass(3 * A_DAY);
    let checked = keys(&world, BOB).checked_at.expect("checked");
    assert!(world.now - checked <= 2 * A_DAY);
    assert!(keys(&world, BOB).one_time_prekeys.is_some());
    assert!(world.people[BOB].events.contains(&Event::KeysIntact));
    no_alarm(&world);
}

#[test]
fn a_server_that_lies_to_strangers_only_is_found_out() {
    let mut world = World::new(2, 1_009);
    world.pass(AN_HOUR);
    let bob = world.people[BOB].phone.clone();
    // Strangers are shown Alice's keys under Bob's number.
    world.server.shown_to_strangers = Some((bob, world.people[ALICE].phone.clone()));
    world.pass(3 * A_DAY);
    assert!(world.people[BOB].events.contains(&Event::KeysAltered));
    assert!(!world.people[ALICE].events.contains(&Event::KeysAltered));
}
