//! People who write to each other.

use super::world::*;
use crate::engine::*;
use crate::types::Phone;
use crate::wire::ServerFrame;

#[test]
fn a_first_letter_and_its_reply() {
    let mut world = World::new(2, 1);
    world.write(ALICE, BOB, "Hello Bob");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob"]);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert_eq!(world.contact(BOB, ALICE).unwrap().standing, Standing::Request);
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 1);

    world.write(BOB, ALICE, "Hello Alice");
    world.settle();
    assert_eq!(world.received(ALICE, BOB), ["Hello Alice"]);
    assert_eq!(world.contact(BOB, ALICE).unwrap().standing, Standing::Accepted);
}

#[test]
fn a_wrong_number_is_told_and_makes_no_contact() {
    let mut world = World::new(1, 2);
    let phone: Phone = "+4915110000000".parse().unwrap();
    world.step(ALICE, Input::FindContact { phone: phone.clone() });
    world.settle();
    let expected = Event::Found { phone: phone.clone(), outcome: FindOutcome::NoSuchMailbox };
    assert!(world.people[ALICE].events.contains(&expected));
    assert_eq!(world.people[ALICE].count("contact"), 0);

    world.people[ALICE].online = false;
    world.step(ALICE, Input::FindContact { phone: phone.clone() });
    world.settle();
    let expected = Event::Found { phone, outcome: FindOutcome::Unreachable };
    assert_eq!(world.people[ALICE].events.last(), Some(&expected));
    assert_eq!(world.people[ALICE].count("request"), 0);
}

#[test]
fn letters_wait_for_whoever_is_offline() {
    let mut world = World::new(2, 3);
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    for n in 0..5 {
        world.write(ALICE, BOB, &format!("letter {n}"));
        world.settle();
        world.pass(MINUTE);
    }
    assert!(world.received(BOB, ALICE).is_empty());
    world.go_online(BOB);
    assert_eq!(
        world.received(BOB, ALICE),
        ["letter 0", "letter 1", "letter 2", "letter 3", "letter 4"]
    );

    // And for a sender without a network.
    world.go_offline(BOB);
    world.write(BOB, ALICE, "later");
    world.settle();
    assert_eq!(world.states(BOB, ALICE), [LetterState::Waiting { reason: None }]);
    world.pass(10 * MINUTE);
    world.people[BOB].online = true;
    world.pass(10 * MINUTE);
    assert_eq!(world.states(BOB, ALICE), [LetterState::Sent]);
    assert_eq!(world.received(ALICE, BOB), ["later"]);
}

#[test]
fn letters_written_in_a_row_keep_their_order() {
    let mut world = World::new(2, 4);
    let texts: Vec<String> = (0..30).map(|n| format!("letter {n}")).collect();
    for text in &texts {
        world.write(ALICE, BOB, text);
    }
    world.settle();
    assert_eq!(world.received(BOB, ALICE), texts);
    assert!(world.states(ALICE, BOB).iter().all(|state| *state == LetterState::Sent));
    assert_eq!(world.people[ALICE].count("outbox"), 0);
    assert_eq!(world.people[ALICE].count("request"), 0);
}

#[test]
fn inboxes_are_fetched_by_page_without_a_live_socket() {
    let mut world = World::new(2, 5);
    world.people[BOB].uses_live = false;
    world.reopen(BOB);
    world.write(ALICE, BOB, "by page");
    world.pass(10 * SECOND);
    assert_eq!(world.received(BOB, ALICE), ["by page"]);
    let phone = world.people[BOB].phone.clone();
    assert!(world.server.accounts[&phone].devices.values().all(|d| d.pending.is_empty()));
    assert!(world.server.accounts[&phone].devices.values().all(|d| d.envelopes.is_empty()));
}

#[test]
fn a_letter_before_its_envelope_is_held_unacknowledged() {
    let mut world = World::new(2, 6);
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "one");
    world.write(ALICE, BOB, "two");
    world.settle();
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let account = &world.server.accounts[&phone];
    let (letters, envelopes) =
        (account.pending(device), account.devices[&device].envelopes.clone());

    world.inject(BOB, &ServerFrame::Letters { letters });
    assert!(world.received(BOB, ALICE).is_empty());
    assert_eq!(world.server.accounts[&phone].pending(device).len(), 2);
    world.inject(BOB, &ServerFrame::Envelopes { envelopes });
    assert_eq!(world.received(BOB, ALICE), ["one", "two"]);

    world.go_online(BOB);
    assert_eq!(world.received(BOB, ALICE), ["one", "two"]);
    assert!(world.server.accounts[&phone].pending(device).is_empty());
}

#[test]
fn letters_may_arrive_in_any_order_and_some_never() {
    let mut world = World::new(2, 7);
    world.write(ALICE, BOB, "first");
    world.settle();
    world.go_offline(BOB);
    for n in 0..9 {
        world.write(ALICE, BOB, &format!("{n}"));
        world.settle();
        world.now += 1;
    }
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let mut letters = world.server.accounts[&phone].pending(device);
    letters.sort_by_key(|letter| letter.encrypted_content.0[40]);
    letters.remove(4);
    for letter in letters {
        let frame = ServerFrame::Letters { letters: vec![letter] };
        world.inject(BOB, &frame);
    }
    let received = world.received(BOB, ALICE);
    assert_eq!(received.len(), 9);
    assert!(received.is_sorted_by_key(|text| text.parse::<u32>().ok()), "{received:?}");
}

#[test]
fn both_begin_at_the_same_time() {
    let mut world = World::new(2, 8);
    world.find(ALICE, BOB);
    world.find(BOB, ALICE);
    world.write(ALICE, BOB, "from Alice");
    world.write(BOB, ALICE, "from Bob");
    world.settle();
    assert_eq!(world.received(ALICE, BOB), ["from Bob"]);
    assert_eq!(world.received(BOB, ALICE), ["from Alice"]);
    for day in 0..4 {
        world.pass(A_DAY + AN_HOUR);
        world.write(ALICE, BOB, &format!("A{day}"));
        world.write(BOB, ALICE, &format!("B{day}"));
        world.settle();
    }
    assert_eq!(world.received(ALICE, BOB), ["from Bob", "B0", "B1", "B2", "B3"]);
    assert_eq!(world.received(BOB, ALICE), ["from Alice", "A0", "A1", "A2", "A3"]);
    assert_eq!(world.people[ALICE].count("channel"), 2, "one begun on either side");
}

#[test]
fn the_hundred_and_first_letter_opens_a_new_session() {
    let mut world = World::with_batches(2, 9, 300);
    for n in 0..101 {
        world.write(ALICE, BOB, &format!("{n}"));
        world.settle();
        world.now += 1;
    }
    assert_eq!(world.received(BOB, ALICE).len(), 101);
    assert_eq!(world.people[BOB].count("in"), 2);
}

#[test]
fn after_a_day_the_next_letter_opens_a_new_session() {
    let mut world = World::new(2, 10);
    world.write(ALICE, BOB, "today");
    world.pass(25 * AN_HOUR);
    world.write(ALICE, BOB, "tomorrow");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["today", "tomorrow"]);
    assert_eq!(world.people[BOB].count("in"), 2);
}

#[test]
fn conversations_go_on_for_months() {
    let mut world = World::new(2, 11);
    for day in 0..70 {
        world.write(ALICE, BOB, &format!("{day}"));
        if day % 9 == 0 {
            world.write(BOB, ALICE, &format!("{day}"));
        }
        world.pass(A_DAY);
    }
    assert_eq!(world.received(BOB, ALICE).len(), 70);
    assert_eq!(world.received(ALICE, BOB).len(), 8);
    // Renewals were published, checked, and old secrets went.
    assert!(!world.people.iter().any(|p| p.events.contains(&Event::KeysAltered)));
    let phone = &world.people[ALICE].phone;
    assert!(world.server.accounts[phone].list.version >= 9);
    assert!(world.people[ALICE].count("signed-prekey") <= 30);
    assert!(world.people[BOB].count("in") <= 36);
}

#[test]
fn people_who_only_ever_receive_answer_after_weeks() {
    let mut world = World::new(2, 12);
    for week in 0..6 {
        world.write(ALICE, BOB, &format!("{week}"));
        world.pass(7 * A_DAY);
    }
    world.write(BOB, ALICE, "at last");
    world.pass(MINUTE);
    assert_eq!(world.received(BOB, ALICE).len(), 6);
    assert_eq!(world.received(ALICE, BOB), ["at last"]);
}

#[test]
fn writing_to_the_own_number_works_like_to_any_other() {
    let mut world = World::new(2, 13);
    world.write(ALICE, ALICE, "note to self");
    world.settle();
    assert_eq!(world.states(ALICE, ALICE), [LetterState::Sent]);
    assert_eq!(world.letters(ALICE, ALICE).len(), 1, "its copy is not shown a second time");
    let (phone, device) = (world.people[ALICE].phone.clone(), world.device(ALICE).unwrap());
    let account = &world.server.accounts[&phone];
    assert_eq!(account.letters.len(), 1);
    assert!(account.pending(device).is_empty(), "and is acknowledged");
    assert!(account.devices[&device].envelopes.is_empty(), "and so is the dummy");
}

#[test]
fn blocked_senders_are_acknowledged_and_dropped() {
    let mut world = World::new(2, 14);
    world.write(ALICE, BOB, "please");
    world.settle();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::BlockContact { contact, blocked: true });
    world.write(ALICE, BOB, "please!");
    world.pass(26 * AN_HOUR);
    world.write(ALICE, BOB, "PLEASE");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["please"]);
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    assert!(world.server.accounts[&phone].pending(device).is_empty());

    world.step(BOB, Input::BlockContact { contact, blocked: false });
    world.write(ALICE, BOB, "thanks");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["please", "thanks"]);
}

#[test]
fn names_reads_and_deletions() {
    let mut world = World::new(2, 15);
    world.write(ALICE, BOB, "one");
    world.write(ALICE, BOB, "two");
    world.settle();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::NameContact { contact, name: "  Alice A. ".into() });
    assert_eq!(world.contact(BOB, ALICE).unwrap().name, "Alice A.");
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 2);

    let two = world.letters(BOB, ALICE)[1].clone();
    assert_eq!(world.contact(BOB, ALICE).unwrap().last.map(|last| last.id), Some(two.id));
    world.step(BOB, Input::DeleteLetter { contact, letter: two.id, key: two.key });
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["one"]);
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 1);
    assert_eq!(world.contact(BOB, ALICE).unwrap().last, None);

    world.step(BOB, Input::MarkRead { contact });
    world.settle();
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 0);
    assert_eq!(world.people[BOB].count("request"), 0);

    world.step(BOB, Input::DeleteConversation { contact });
    assert!(world.contact(BOB, ALICE).is_none());
    assert_eq!(world.people[BOB].count("letter"), 0);

    world.write(ALICE, BOB, "three");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["three"]);
    assert_eq!(world.contact(BOB, ALICE).unwrap().name, "");
}

#[test]
fn an_engine_opened_again_knows_everything() {
    let mut world = World::new(2, 16);
    world.write(ALICE, BOB, "before");
    world.settle();
    let before = world.contact(BOB, ALICE);
    world.reopen(ALICE);
    world.reopen(BOB);
    world.settle();
    assert_eq!(world.contact(BOB, ALICE), before);
    world.write(ALICE, BOB, "after");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["before", "after"]);
}

#[test]
fn a_clock_that_is_put_back_stops_nothing() {
    let mut world = World::new(2, 17);
    world.write(ALICE, BOB, "before");
    world.settle();
    world.people[ALICE].clock_error = 40 * MINUTE;
    world.people[ALICE].online = false;
    world.write(ALICE, BOB, "meanwhile");
    world.pass(20 * MINUTE);
    world.people[ALICE].clock_error = -10 * MINUTE;
    world.people[ALICE].online = true;
    world.step(ALICE, Input::Tick);
    world.pass(15 * MINUTE);
    assert_eq!(world.received(BOB, ALICE), ["before", "meanwhile"]);
}

#[test]
fn a_session_that_lost_its_proof_proves_again() {
    let mut world = World::new(2, 18);
    world.people[BOB].uses_live = false;
    world.reopen(BOB);
    world.pass(MINUTE);
    world.people[BOB].cookie.proved = false;
    world.write(ALICE, BOB, "still there?");
    world.pass(5 * MINUTE);
    assert_eq!(world.received(BOB, ALICE), ["still there?"]);
}

#[test]
fn a_passkey_of_another_device_opens_nothing() {
    let mut world = World::new(2, 19);
    world.people[ALICE].cookie = world.people[BOB].cookie.clone();
    world.people[ALICE].cookie.proved = false;
    world.step(ALICE, Input::SignedIn);
    world.pass(AN_HOUR);
    assert!(world.people[ALICE].events.contains(&Event::DeviceUnknown));
    assert!(!world.people[ALICE].cookie.proved);
}

#[test]
fn a_sign_up_whose_answer_and_session_were_lost_is_taken_up_at_the_next_sign_in() {
    let mut world = World::empty(20);
    let alice = world.add_person_who_crashes("+4915112345000", Some((1, Crash::AfterSending)));
    let events = |world: &World| world.people[alice].events.clone();
    assert!(events(&world).iter().any(|event| matches!(event, Event::AccountReady { .. })));

    // The same once more, and the browser forgets the cookie as well.
    let bob = world.add_person_without_answers("+4915112345001");
    let device = world.device(bob);
    world.people[bob].cookie = Default::default();
    world.people[bob].answers_lost = false;
    world.pass(MINUTE);
    assert!(world.people[bob].events.contains(&Event::SignInNeeded));
    world.people[bob].cookie.device = device.map(|id| (world.people[bob].phone.clone(), id));
    world.step(bob, Input::SignedIn);
    world.settle();
    assert!(world.people[bob].events.contains(&Event::DeviceReady));
    world.write(alice, bob, "welcome");
    world.settle();
    assert_eq!(world.received(bob, alice), ["welcome"]);
}
