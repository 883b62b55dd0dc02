//! What the server may answer to a letter, and what becomes of it.

use super::world::*;
use crate::device_list::DeviceList;
use crate::engine::account::{Account, SignedPrekeySecret};
use crate::engine::*;
use crate::keys::{ExchangeSecret, sign_prekey};
use crate::types::{Bytes, DeviceId, UnixTime};
use crate::wire::{ListedDevice, SealedMessage, problems};

/// Gives somebody a second device, which only ever receives. Returns its id.
fn add_device(world: &mut World, who: usize, prekey_age: i64) -> DeviceId {
    let now = UnixTime(world.now / 1_000);
    let person = &world.people[who];
    let account: Account = minicbor::decode(&person.vault["account"]).unwrap();
    let server = world.server.accounts.get_mut(&person.phone).unwrap();
    let device_id = Bytes::random(&mut world.rng);
    let key = ExchangeSecret::generate(&mut world.rng).public();
    let mut devices = server.list.devices.clone();
    devices.push(ListedDevice { device_id, registration_id: 7, device_key: key });
    let (version, messaging) = (server.list.version + 1, server.list.messaging_key);
    let list =
        DeviceList::sign(&account.identity, &person.phone, version, now, &messaging, devices);
    server.list = list;
    let prekey = ExchangeSecret::generate(&mut world.rng).public();
    let made = now.plus(-prekey_age).hour();
    let signed_prekey = sign_prekey(&account.identity, &device_id, 1, made, &prekey);
    let name = crate::types::Blob(Vec::new());
    let device = super::server::ServerDevice::new(signed_prekey, Vec::new(), name, now);
    server.devices.insert(device_id, device);
    world.tell_own_list(who);
    device_id
}

fn sent_messages(world: &World) -> Vec<SealedMessage> {
    let log = world.server.sealed_log.iter();
    log.filter_map(|line| line.strip_prefix("/v1/sealed/messages "))
        .map(|body| serde_json::from_str(body).unwrap())
        .collect()
}

#[test]
fn every_device_of_the_list_gets_an_envelope() {
    let mut world = World::new(2, 20);
    let second = add_device(&mut world, BOB, 0);
    world.write(ALICE, BOB, "to both");
    world.settle();
    let message = &sent_messages(&world)[0];
    let envelopes = &message.session_keys.as_ref().unwrap().envelopes;
    assert_eq!(envelopes.len(), 2);
    assert!(envelopes.iter().any(|envelope| envelope.device_id == second));
    assert_eq!(world.received(BOB, ALICE), ["to both"]);
}

#[test]
fn a_stale_list_is_looked_up_again_and_the_letter_arrives_once() {
    let mut world = World::new(2, 21);
    world.write(ALICE, BOB, "one device");
    world.settle();
    let second = add_device(&mut world, BOB, 0);
    for n in 0..4 {
        world.write(ALICE, BOB, &format!("{n}"));
    }
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["one device", "0", "1", "2", "3"]);
    assert!(world.states(ALICE, BOB).iter().all(|state| *state == LetterState::Sent));
    let phone = world.people[BOB].phone.clone();
    assert_eq!(world.server.accounts[&phone].devices[&second].pending.len(), 4);
    assert_eq!(world.server.accounts[&phone].devices[&second].envelopes.len(), 1);
}

#[test]
fn a_stale_list_without_a_newer_one_makes_the_letter_wait() {
    let mut world = World::new(2, 22);
    world.find(ALICE, BOB);
    let phone = world.people[BOB].phone.clone();
    let real = world.server.accounts[&phone].list.clone();
    // The server calls the list stale and serves the same one again.
    world.server.refusals = vec![(409, problems::STALE_DEVICE_LIST)];
    world.write(ALICE, BOB, "patience");
    world.settle();
    assert_eq!(
        world.states(ALICE, BOB),
        [LetterState::Waiting { reason: Some(WaitReason::ListMoving) }]
    );
    assert_eq!(world.server.accounts[&phone].list, real);
    world.pass(3 * AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["patience"]);
}

#[test]
fn a_list_that_keeps_moving_makes_the_letter_wait() {
    let mut world = World::new(2, 23);
    world.find(ALICE, BOB);
    world.write(ALICE, BOB, "patience");
    for _ in 0..200 {
        world.move_list(BOB);
        world.carry(ALICE);
    }
    world.settle();
    assert_eq!(
        world.states(ALICE, BOB),
        [LetterState::Waiting { reason: Some(WaitReason::ListMoving) }]
    );
    let tries = sent_messages(&world).len();
    assert_eq!(tries, 3, "the first and two more");
    world.pass(3 * AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
}

#[test]
fn a_mailbox_that_is_gone_fails_the_letters_and_a_retry_asks_anew() {
    let mut world = World::new(2, 24);
    world.find(ALICE, BOB);
    let phone = world.people[BOB].phone.clone();
    let bob = world.server.accounts.remove(&phone).unwrap();
    world.write(ALICE, BOB, "one");
    world.write(ALICE, BOB, "two");
    world.settle();
    let failed = LetterState::Failed { reason: FailReason::NoSuchMailbox };
    assert_eq!(world.states(ALICE, BOB), [failed.clone(), failed.clone()]);
    world.pass(A_DAY);
    assert_eq!(world.states(ALICE, BOB), [failed.clone(), failed.clone()]);

    world.server.accounts.insert(phone, bob);
    let contact = world.contact(ALICE, BOB).unwrap().id;
    let letter = world.letters(ALICE, BOB)[1].id;
    world.step(ALICE, Input::RetryLetter { contact, letter });
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [failed, LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["two"]);
}

#[test]
fn a_full_mailbox_gets_the_letter_later_by_the_same_bytes() {
    let mut world = World::new(2, 25);
    world.find(ALICE, BOB);
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.get_mut(&phone).unwrap().full = true;
    world.write(ALICE, BOB, "room?");
    world.pass(20 * MINUTE);
    assert_eq!(
        world.states(ALICE, BOB),
        [LetterState::Waiting { reason: Some(WaitReason::MailboxFull) }]
    );
    world.server.accounts.get_mut(&phone).unwrap().full = false;
    world.pass(2 * AN_HOUR);
    assert_eq!(world.received(BOB, ALICE), ["room?"]);
    let messages = sent_messages(&world);
    assert!((3..12).contains(&messages.len()), "slowly: {}", messages.len());
    assert!(messages.iter().all(|message| *message == messages[0]));
}

#[test]
fn lost_answers_store_nothing_twice() {
    let mut world = World::new(2, 26);
    world.find(ALICE, BOB);
    world.people[ALICE].answers_lost = true;
    world.write(ALICE, BOB, "once");
    world.pass(5 * MINUTE);
    world.people[ALICE].answers_lost = false;
    world.pass(10 * MINUTE);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["once"]);
    assert_eq!(sent_messages(&world).len(), 1, "one token, one look at it");
}

#[test]
fn a_letter_that_outlives_its_session_goes_out_in_the_next_and_shows_once() {
    let mut world = World::new(2, 27);
    world.find(ALICE, BOB);
    world.people[ALICE].answers_lost = true;
    world.write(ALICE, BOB, "once");
    world.pass(30 * AN_HOUR);
    world.people[ALICE].answers_lost = false;
    world.pass(2 * A_DAY);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["once"]);
    let phone = &world.people[BOB].phone;
    assert!(world.server.accounts[phone].letters.len() >= 2, "two copies were stored");
}

#[test]
fn refused_tokens_are_replaced_three_an_hour_at_most() {
    let mut world = World::new(2, 28);
    world.find(ALICE, BOB);
    world.server.refusals = vec![(401, problems::TOKEN_REFUSED); 5];
    world.write(ALICE, BOB, "token");
    world.settle();
    world.pass(30 * MINUTE);
    let left = world.server.refusals.len();
    assert_eq!(left, 1, "the first and three more were tried");
    world.pass(4 * AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["token"]);
}

#[test]
fn trouble_and_patience_end_well() {
    let mut world = World::new(2, 29);
    world.find(ALICE, BOB);
    world.server.refusals =
        vec![(503, ""), (500, ""), (429, problems::TOO_MANY_REQUESTS), (502, "")];
    world.write(ALICE, BOB, "through");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Waiting { reason: None }]);
    world.pass(5 * MINUTE);
    assert_eq!(world.received(BOB, ALICE), ["through"]);
}

#[test]
fn a_letter_the_server_refuses_fails_and_the_next_one_goes_through() {
    let mut world = World::new(2, 30);
    world.find(ALICE, BOB);
    world.server.refusals = vec![(400, problems::BAD_REQUEST)];
    world.write(ALICE, BOB, "refused");
    world.settle();
    world.write(ALICE, BOB, "taken");
    world.settle();
    assert_eq!(
        world.states(ALICE, BOB),
        [LetterState::Failed { reason: FailReason::Refused }, LetterState::Sent]
    );
    assert_eq!(world.received(BOB, ALICE), ["taken"]);
}

#[test]
fn dormant_devices_are_skipped_and_all_dormant_makes_the_letter_wait() {
    let mut world = World::new(2, 31);
    let second = add_device(&mut world, BOB, 15 * 86_400);
    world.write(ALICE, BOB, "to one");
    world.settle();
    let message = &sent_messages(&world)[0];
    let envelopes = &message.session_keys.as_ref().unwrap().envelopes;
    assert!(envelopes.iter().all(|envelope| envelope.device_id != second));
    assert_eq!(envelopes.len(), 1);
    assert_eq!(world.received(BOB, ALICE), ["to one"]);

    // Carol has no channel to Bob, and his prekey is long past its time.
    let carol = world.add_person("+4915112345999");
    world.find(carol, BOB);
    let bob = &world.people[BOB];
    let account: Account = minicbor::decode(&bob.vault["account"]).unwrap();
    let prekey: SignedPrekeySecret =
        minicbor::decode(&bob.vault["signed-prekey/00000001"]).unwrap();
    let made = UnixTime(world.now / 1_000).plus(-15 * 86_400).hour();
    let device = world.device(BOB).unwrap();
    let signed = sign_prekey(&account.identity, &device, 1, made, &prekey.secret.public());
    let phone = bob.phone.clone();
    let server = world.server.accounts.get_mut(&phone).unwrap();
    server.devices.get_mut(&device).unwrap().signed_prekey = signed;
    world.go_offline(BOB);
    world.write(carol, BOB, "wake up");
    world.settle();
    // Found while it was young: sent. A new session needs a look-up and finds nobody awake.
    assert_eq!(world.states(carol, BOB), [LetterState::Sent]);
    let contact = world.contact(carol, BOB).unwrap().id;
    let key = format!("peer/{}/{}", contact.to_text(), device.to_text());
    world.people[carol].vault.remove(&key);
    world.reopen(carol);
    world.pass(25 * AN_HOUR);
    world.write(carol, BOB, "still asleep");
    world.settle();
    assert_eq!(
        world.states(carol, BOB)[1],
        LetterState::Waiting { reason: Some(WaitReason::AllDormant) }
    );
}

#[test]
fn without_a_certificate_letters_wait_until_the_next_sign_in() {
    let mut world = World::new(2, 32);
    world.find(ALICE, BOB);
    // The session ends; the certificate runs out; letters can still be written.
    world.people[ALICE].cookie = Default::default();
    world.pass(3 * A_DAY);
    assert!(world.people[ALICE].events.contains(&Event::SignInNeeded));
    world.write(ALICE, BOB, "waiting");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Waiting { reason: None }]);
    let device = world.people[ALICE].vault["account"].clone();
    let device = minicbor::decode::<Account>(&device).unwrap().device_id;
    let phone = world.people[ALICE].phone.clone();
    world.people[ALICE].cookie.device = Some((phone, device));
    world.go_online(ALICE);
    assert_eq!(world.received(BOB, ALICE), ["waiting"]);
}

#[test]
fn sessions_end_an_hour_before_their_certificate() {
    let mut world = World::new(2, 33);
    let issued = world.server.certificates_issued;
    for hour in 0..72 {
        world.write(ALICE, BOB, &format!("{hour:02}"));
        world.pass(AN_HOUR);
    }
    assert_eq!(world.received(BOB, ALICE).len(), 72);
    let renewed = world.server.certificates_issued - issued;
    assert!((4..=10).contains(&renewed), "two people, three days: {renewed}");
}

#[test]
fn prekeys_are_refilled_when_few_are_left() {
    let mut world = World::new(2, 34);
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let account = world.server.accounts.get_mut(&phone).unwrap();
    account.devices.get_mut(&device).unwrap().one_time.truncate(19);
    world.pass(AN_HOUR * 12);
    assert_eq!(world.server.accounts[&phone].devices[&device].one_time.len(), 100);
}

#[test]
fn keys_that_the_server_altered_are_noticed() {
    let mut world = World::new(1, 35);
    let phone = world.people[ALICE].phone.clone();
    let account = world.server.accounts.get_mut(&phone).unwrap();
    let published = std::mem::replace(&mut account.messaging_key.public_key, Bytes([9; 32]));
    world.pass(3 * A_DAY);
    assert!(world.people[ALICE].events.contains(&Event::KeysAltered));
    world.server.accounts.get_mut(&phone).unwrap().messaging_key.public_key = published;
    world.pass(3 * A_DAY);
    let mut checks = world.people[ALICE].events.iter();
    let last = checks.rfind(|event| matches!(event, Event::KeysAltered | Event::KeysIntact));
    assert_eq!(last, Some(&Event::KeysIntact));
}

#[test]
fn renewals_whose_answers_are_lost_are_settled_by_the_status() {
    let mut world = World::new(2, 36);
    world.find(ALICE, BOB);
    for day in 0..30 {
        world.people[ALICE].answers_lost = day % 3 != 0;
        world.pass(A_DAY);
    }
    world.people[ALICE].answers_lost = false;
    world.pass(3 * A_DAY);
    let phone = world.people[ALICE].phone.clone();
    assert!(world.server.accounts[&phone].list.version >= 4);
    assert!(!world.people[ALICE].events.contains(&Event::KeysAltered));
    assert_eq!(world.people[ALICE].count("request"), 0);
    world.write(ALICE, BOB, "well");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["well"]);
}

#[test]
fn a_used_prekey_is_noticed_before_the_stock_runs_low() {
    let mut world = World::new(2, 37);
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let account = world.server.accounts.get_mut(&phone).unwrap();
    account.devices.get_mut(&device).unwrap().one_time.truncate(20);
    world.write(ALICE, BOB, "takes one");
    world.pass(AN_HOUR);
    assert_eq!(world.server.accounts[&phone].devices[&device].one_time.len(), 100);
}

#[test]
fn the_own_mailbox_gets_an_envelope_for_the_sibling_and_a_dummy_of_the_same_size() {
    let mut world = World::new(1, 38);
    let sibling = add_device(&mut world, ALICE, 0);
    world.write(ALICE, ALICE, "note to self");
    world.settle();
    let message = &sent_messages(&world)[0];
    let envelopes = &message.session_keys.as_ref().unwrap().envelopes;
    assert_eq!(envelopes.len(), 2);
    assert!(envelopes.iter().all(|e| e.encrypted_session_key.0.len() == 2_048));
    assert_eq!(world.people[ALICE].count("channel"), 1, "to the sibling only");
    assert_eq!(world.states(ALICE, ALICE), [LetterState::Sent]);
    let phone = world.people[ALICE].phone.clone();
    let account = &world.server.accounts[&phone];
    let here = world.device(ALICE).unwrap();
    assert!(account.pending(here).is_empty());
    assert!(account.devices[&here].envelopes.is_empty());
    assert_eq!(account.pending(sibling).len(), 1);
}

#[test]
fn a_full_mailbox_is_not_knocked_at_with_every_letter() {
    let mut world = World::new(2, 39);
    world.write(ALICE, BOB, "00");
    world.settle();
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.get_mut(&phone).unwrap().full = true;
    let before = sent_messages(&world).len();
    for n in 1..30 {
        world.write(ALICE, BOB, &format!("{n:02}"));
        world.pass(MINUTE);
    }
    let tries = sent_messages(&world).len() - before;
    assert!(tries < 30, "{tries}");
    let full = LetterState::Waiting { reason: Some(WaitReason::MailboxFull) };
    assert!(world.states(ALICE, BOB).contains(&full));
    world.server.accounts.get_mut(&phone).unwrap().full = false;
    world.pass(6 * AN_HOUR);
    // What was stored in a later hour shows as of that hour, in the order in which it was written.
    assert!(world.received(BOB, ALICE).into_iter().eq((0..30).map(|n| format!("{n:02}"))));
}

#[test]
fn a_look_up_that_has_gone_stale_is_asked_anew() {
    let mut world = World::new(2, 70);
    world.pass(5 * A_DAY);
    world.find(ALICE, BOB);
    let phone = world.people[BOB].phone.clone();
    let found = world.server.accounts[&phone].list.version;
    world.pass(3 * A_DAY);
    assert!(world.server.accounts[&phone].list.version > found, "renewed when it was due");
    world.write(BOB, ALICE, "hello Alice");
    world.settle();
    // What Alice found is younger than 7 days, unused, and older than the list she knows now.
    world.write(ALICE, BOB, "hello Bob");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["hello Bob"]);
}

#[test]
fn prekeys_are_asked_for_devices_of_the_newest_known_list() {
    let mut world = World::new(2, 71);
    world.write(BOB, ALICE, "hello Alice");
    world.settle();
    world.server.sealed_log.clear();
    world.write(ALICE, BOB, "hello Bob");
    world.settle();
    // She never looked him up, and has a channel to his only device.
    assert!(world.server.sealed_log[0].contains(r#""prekeys":{"devices":[]}"#));
    assert_eq!(world.received(BOB, ALICE), ["hello Bob"]);
}

#[test]
fn only_202_says_that_a_letter_is_stored() {
    for (seed, status) in [(72, 200), (73, 204), (74, 302)] {
        let mut world = World::new(2, seed);
        world.find(ALICE, BOB);
        world.server.refusals = vec![(status, "")];
        world.write(ALICE, BOB, "through the hotel's network");
        world.settle();
        assert_eq!(world.states(ALICE, BOB), [LetterState::Waiting { reason: None }]);
        world.pass(MINUTE);
        assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
        assert_eq!(world.received(BOB, ALICE), ["through the hotel's network"]);
    }
}

#[test]
fn letters_whose_tokens_were_refused_leave_apart_and_wait_across_a_reload() {
    let mut world = World::new(2, 75);
    world.write(ALICE, BOB, "0");
    world.settle();
    world.server.refusals = vec![(401, problems::TOKEN_REFUSED); 6];
    for n in 1..7 {
        world.write(ALICE, BOB, &format!("{n}"));
    }
    world.settle();
    let before = world.people[ALICE].sealed_requests;
    world.pass(5 * MINUTE);
    assert_eq!(world.people[ALICE].sealed_requests - before, 3, "three other tokens");
    world.reopen(ALICE);
    world.pass(30 * MINUTE);
    assert_eq!(world.people[ALICE].sealed_requests - before, 3, "the others wait");
    world.pass(AN_HOUR);
    assert_eq!(world.people[ALICE].sealed_requests - before, 6, "three more in the next hour");
    assert_eq!(world.received(BOB, ALICE).len(), 7);
}

#[test]
fn a_renewal_in_doubt_is_no_cause_for_alarm() {
    let mut world = World::new(1, 76);
    let phone = world.people[ALICE].phone.clone();
    world.pass(A_DAY);
    let few = |world: &mut World| {
        let account = world.server.accounts.get_mut(&phone).unwrap();
        account.devices.values_mut().for_each(|device| device.one_time.truncate(3));
    };
    few(&mut world);
    let mut refilled = 0;
    while world.now < START + 3 * A_DAY {
        let Some(request) = world.people[ALICE].queue.pop_front() else {
            world.now += 5 * MINUTE;
            few(&mut world);
            world.step(ALICE, Input::Tick);
            continue;
        };
        refilled += u32::from(request.path.ends_with("one-time"));
        // The server has trouble with renewals only.
        let (status, body) = match request.method {
            "PUT" => (503, String::new()),
            _ => world.reach_server(ALICE, &request),
        };
        let (request, retry_after) = (request.id, None);
        world.step(ALICE, Input::Response { request, status, retry_after, body });
    }
    assert!(refilled > 3, "prekeys were refilled while the renewal was under way");
    assert!(!world.people[ALICE].events.contains(&Event::KeysAltered));
}

#[test]
fn a_prekey_that_the_server_had_is_never_taken_back() {
    let mut world = World::new(2, 77);
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let old = world.server.accounts[&phone].devices[&device].signed_prekey.clone();
    world.pass(3 * A_DAY);
    let record = "signed-prekey/00000002";
    let secret = world.people[BOB].vault[record].clone();
    world.find(ALICE, BOB);
    // The server goes back to the prekey before, and says so in its status.
    let served = &mut world.server.accounts.get_mut(&phone).unwrap().devices;
    let newer = std::mem::replace(&mut served.get_mut(&device).unwrap().signed_prekey, old);
    world.pass(AN_HOUR * 12);
    assert_eq!(world.people[BOB].vault.get(record), Some(&secret), "kept");
    world.write(ALICE, BOB, "to the newer prekey");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["to the newer prekey"]);
    world.pass(3 * A_DAY);
    assert_eq!(world.people[BOB].vault.get(record), Some(&secret), "and its id not given again");
    assert_eq!(newer.key_id, 2);
}

#[test]
fn a_letter_to_somebody_silent_for_weeks_waits_and_arrives_once_they_are_back() {
    let mut world = World::new(2, 32);
    world.write(ALICE, BOB, "before");
    world.settle();
    world.go_offline(BOB);
    world.pass(15 * A_DAY);
    world.write(ALICE, BOB, "after two weeks");
    world.settle();
    let waits = LetterState::Waiting { reason: Some(WaitReason::AllDormant) };
    assert_eq!(world.states(ALICE, BOB)[1], waits);
    world.go_online(BOB);
    world.pass(A_DAY);
    assert_eq!(world.received(BOB, ALICE), ["before", "after two weeks"]);
}

#[test]
fn somebody_silent_for_weeks_can_be_found_and_written_to() {
    let mut world = World::new(2, 33);
    world.go_offline(BOB);
    world.pass(15 * A_DAY);
    world.write(ALICE, BOB, "are you there?");
    world.pass(A_DAY);
    let waits = LetterState::Waiting { reason: Some(WaitReason::AllDormant) };
    assert_eq!(world.states(ALICE, BOB), [waits]);
    world.go_online(BOB);
    world.pass(A_DAY);
    assert_eq!(world.received(BOB, ALICE), ["are you there?"]);
}

#[test]
fn who_was_away_for_weeks_signs_their_list_anew_before_they_write() {
    let mut world = World::new(2, 34);
    world.find(ALICE, BOB);
    world.go_offline(ALICE);
    world.write(ALICE, BOB, "written on the way");
    world.pass(15 * A_DAY);
    world.go_online(ALICE);
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.received(BOB, ALICE), ["written on the way"]);
}
