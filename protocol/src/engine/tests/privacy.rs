//! What receiving, reading and having been offline must not tell the server.

use super::refusals::{pending_envelopes, pending_letters};
use super::world::*;
use crate::certificate::SenderCertificate;
use crate::engine::account::Account;
use crate::engine::certificates::OwnCertificate;
use crate::engine::*;
use crate::keys::IdentitySecret;
use crate::record::to_cbor;
use crate::types::UnixTime;
use crate::wire::problems;

/// How many of these requests go to the sealed half.
fn sealed<'a>(queue: impl IntoIterator<Item = &'a Request>) -> usize {
    queue.into_iter().filter(|request| request.half == Half::Sealed).count()
}

/// Puts a certificate by another key into somebody's vault, as a server would that marks a sender.
fn mark(world: &mut World, who: usize, by: &IdentitySecret) {
    let person = &mut world.people[who];
    let account: Account = minicbor::decode(&person.vault["account"]).unwrap();
    let (identity, key) = (account.identity.public(), account.device.public());
    let now = UnixTime(world.now / 1_000);
    let marked =
        SenderCertificate::issue(by, &person.phone, &identity, &account.device_id, &key, now);
    let (bytes, valid_until) = (marked.to_cbor(), marked.valid_until);
    person.vault.insert("certificate".into(), to_cbor(&OwnCertificate { bytes, valid_until }));
    world.reopen(who);
    world.settle();
}

#[test]
fn an_unknown_certificate_key_makes_no_receiver_ask() {
    let mut world = World::new(2, 80);
    let mark_by = IdentitySecret::generate(&mut world.rng);
    world.find(ALICE, BOB);
    mark(&mut world, ALICE, &mark_by);
    world.write(ALICE, BOB, "marked");
    for _ in 0..100 {
        world.carry(ALICE);
    }
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    world.server.account_log.clear();
    while world.carry(BOB) {}
    assert_eq!(world.server.account_log, [""; 0], "receiving caused a request");
    assert!(world.received(BOB, ALICE).is_empty());
    assert_eq!(pending_envelopes(&world, BOB).len(), 1, "held, not refused");

    // The server tells that key at last, and Bob asks for the keys once a day anyway.
    world.server.certificate_secret = mark_by;
    world.pass(2 * A_DAY);
    assert_eq!(world.received(BOB, ALICE), ["marked"]);
    assert!(pending_envelopes(&world, BOB).is_empty());
}

#[test]
fn the_servers_keys_are_asked_for_about_once_a_day() {
    let mut world = World::new(1, 81);
    world.server.account_log.clear();
    world.pass(20 * A_DAY);
    let asked = world.server.account_log.iter().filter(|line| *line == "GET /v1/server").count();
    assert!((13..=40).contains(&asked), "{asked}");
}

#[test]
fn a_certificate_by_a_key_that_the_server_does_not_tell_is_not_used() {
    let mut world = World::new(2, 82);
    world.find(ALICE, BOB);
    let told = world.server.certificate_secret.public();
    world.server.certificate_secret = IdentitySecret::generate(&mut world.rng);
    world.server.told_key = Some(told);
    world.pass(3 * A_DAY);
    world.write(ALICE, BOB, "unmarked");
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Waiting { reason: None }]);
    assert!(world.server.certificates_issued > 4, "asked for anew");

    world.server.told_key = None;
    world.pass(AN_HOUR);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    world.pass(2 * A_DAY);
    assert_eq!(world.received(BOB, ALICE), ["unmarked"]);
}

/// [`World::step`] looks at every request.
#[test]
fn no_answer_makes_a_sealed_request_carry_anything_but_a_token() {
    let mut world = World::with_batches(2, 88, 100);
    let contact = world.find(ALICE, BOB);
    let kinds = [
        problems::TOKEN_REFUSED,
        problems::SIGN_IN_REQUIRED,
        problems::STALE_DEVICE_LIST,
        problems::IDENTITY_ON_SEALED_REQUEST,
        problems::DEVICE_SESSION_REQUIRED,
        problems::NO_SUCH_MAILBOX,
        "about:blank",
    ];
    for status in 200..600 {
        let kind = kinds[usize::from(status) % kinds.len()];
        world.server.refusals = vec![(status, kind); 2];
        let phone = format!("+4915119999{status}").parse().unwrap();
        world.step(ALICE, Input::FindContact { phone });
        world.step(ALICE, Input::SendText { contact, text: format!("against {status}") });
        world.settle();
        world.pass(AN_HOUR);
        assert_eq!(world.server.refusals, [], "{status} was answered twice");
    }
    world.pass(2 * A_DAY);
    let states = world.states(ALICE, BOB);
    assert!(!states.iter().any(|state| matches!(state, LetterState::Waiting { .. })), "{states:?}");
    world.write(ALICE, BOB, "after all of that");
    world.settle();
    assert!(world.received(BOB, ALICE).contains(&"after all of that".to_owned()));
}

#[test]
fn reading_is_not_told() {
    let mut world = World::new(3, 83);
    for n in 0..3 {
        world.write(ALICE, BOB, &format!("from Alice {n}"));
        world.write(CAROL, BOB, &format!("from Carol {n}"));
    }
    world.settle();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 3);
    world.server.account_log.clear();
    world.step(BOB, Input::MarkRead { contact });
    world.settle();
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 0);
    assert_eq!(world.server.account_log, [""; 0], "the mailbox is not grouped by sender");
}

/// Bob has a letter to Alice under way and another behind it, when a letter of hers comes that was
/// sent under a newer list: his next session needs a look-up.
fn a_newer_list_comes_in(seed: u64) -> World {
    let mut world = World::new(2, seed);
    world.pass(A_DAY);
    world.write(ALICE, BOB, "a session and a list");
    world.write(BOB, ALICE, "an answer");
    world.settle();
    world.pass(25 * AN_HOUR);
    world.write(BOB, ALICE, "one");
    world.carry(BOB);
    world.write(BOB, ALICE, "two");
    // Bob's letter is on its way and not answered yet.
    assert_eq!(world.people[BOB].queue.len(), 1);
    let letter = world.people[BOB].queue.pop_front().unwrap();
    assert!(letter.path.contains("messages"));
    world.move_list(ALICE);
    for _ in 0..100 {
        world.carry(ALICE);
    }
    world.write(ALICE, BOB, "under a newer list");
    for _ in 0..100 {
        world.carry(ALICE);
    }
    assert!(world.people[BOB].queue.is_empty());
    assert_eq!(pending_letters(&world, BOB).len(), 1);
    while world.carry(BOB) {
        assert_eq!(sealed(&world.people[BOB].queue), 0, "no look-up on receiving");
    }
    world.people[BOB].queue.push_back(letter);
    world
}

#[test]
fn receiving_a_newer_list_causes_no_look_up_and_the_letters_own_answer_does() {
    let mut world = a_newer_list_comes_in(84);
    assert_eq!(world.received(BOB, ALICE).len(), 2);
    world.settle();
    assert!(world.states(BOB, ALICE).iter().all(|state| *state == LetterState::Sent));
    assert_eq!(world.received(ALICE, BOB), ["an answer", "one", "two"]);
}

#[test]
fn sending_goes_on_at_a_moment_drawn_apart() {
    let mut world = a_newer_list_comes_in(85);
    // The answer never comes.
    world.people[BOB].queue.clear();
    let before = world.people[BOB].sealed_requests;
    world.pass(14 * SECOND);
    assert_eq!(world.people[BOB].sealed_requests, before, "not soon");
    world.pass(40 * SECOND);
    assert!(world.people[BOB].sealed_requests > before, "and not too late");
}

#[test]
fn once_the_network_is_back_sealed_requests_leave_each_at_a_moment_of_its_own() {
    let mut world = World::new(4, 86);
    for whom in 1..4 {
        world.write(ALICE, whom, "before");
    }
    world.settle();
    world.go_offline(ALICE);
    for whom in 1..4 {
        world.write(ALICE, whom, "meanwhile");
    }
    world.pass(20 * MINUTE);
    let before = world.people[ALICE].sealed_requests;
    world.people[ALICE].online = true;
    world.step(ALICE, Input::LiveOpened);
    assert_eq!(sealed(&world.people[ALICE].queue), 0, "not all at once");
    let mut times = Vec::new();
    let end = world.now + 2 * SECOND;
    while world.now < end {
        world.pass(10);
        let left = world.people[ALICE].sealed_requests - before;
        times.resize(left as usize, world.now);
    }
    assert_eq!(times.len(), 3, "all of them soon");
    times.dedup();
    assert!(times.len() > 1, "and not together");
    for whom in 1..4 {
        assert_eq!(world.received(whom, ALICE), ["before", "meanwhile"]);
    }
}

#[test]
fn what_a_received_letter_makes_one_say_leaves_later_at_its_own_moment() {
    let mut world = World::new(2, 87);
    let phone = world.graft(BOB, "Phone");
    world.write(ALICE, BOB, "hello");
    world.settle();
    world.write(BOB, ALICE, "hello yourself");
    world.step(BOB, Input::SetReceipts { on: true });
    world.pass(AN_HOUR);
    let mut pauses = Vec::new();
    for n in 0..20 {
        world.write(ALICE, BOB, &format!("letter {n}"));
        for _ in 0..100 {
            world.carry(ALICE);
        }
        let before = world.people[BOB].sealed_requests;
        while world.carry(BOB) {
            assert_eq!(sealed(&world.people[BOB].queue), 0, "not in a step that receives");
        }
        let received = world.now;
        while world.people[BOB].sealed_requests == before {
            world.pass(SECOND);
        }
        pauses.push(world.now - received);
        world.pass(20 * MINUTE);
    }
    pauses.sort();
    assert!(pauses[19] > 4 * pauses[3], "drawn, not fixed: {pauses:?}");
    assert_eq!(world.received(phone, ALICE).len(), 21);
}
