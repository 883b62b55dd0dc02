//! What one device of a person does shows on the others.

use super::world::*;
use crate::engine::contacts::contacts;
use crate::engine::*;
use crate::notes::{ContactNote, LetterNote, Note, NotedStanding, Progress};
use crate::types::{Blob, Bytes};

/// Bob with two devices, Alice with one; some letters both ways.
fn conversation(seed: u64) -> (World, usize) {
    let mut world = World::new(2, seed);
    let phone = world.graft(BOB, "Phone");
    for n in 0..3 {
        world.write(ALICE, BOB, &format!("from Alice {n}"));
        world.pass(MINUTE);
    }
    world.write(BOB, ALICE, "from Bob");
    world.pass(AN_HOUR);
    (world, phone)
}

fn texts(world: &World, who: usize, whom: usize) -> Vec<String> {
    world.letters(who, whom).iter().map(text).collect()
}

#[test]
fn what_is_read_here_is_read_there() {
    let (mut world, phone) = conversation(600);
    assert_eq!(world.contact(phone, ALICE).unwrap().unread, 3);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::MarkRead { contact });
    world.pass(AN_HOUR);
    assert_eq!(world.contact(phone, ALICE).unwrap().unread, 0);
}

#[test]
fn what_was_read_before_it_came_is_not_unread() {
    let (mut world, phone) = conversation(601);
    world.go_offline(phone);
    world.write(ALICE, BOB, "read meanwhile");
    world.settle();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::MarkRead { contact });
    world.pass(AN_HOUR);
    world.go_online(phone);
    world.pass(MINUTE);
    assert_eq!(texts(&world, phone, ALICE).last().unwrap(), "read meanwhile");
    assert_eq!(world.contact(phone, ALICE).unwrap().unread, 0);
    assert_eq!(world.people[phone].count("remark"), 0);
}

#[test]
fn deletions_follow() {
    let (mut world, phone) = conversation(602);
    let letters = world.letters(BOB, ALICE);
    for letter in [&letters[1], &letters[3]] {
        let (contact, key) = (letter.contact, letter.key.clone());
        world.step(BOB, Input::DeleteLetter { contact, letter: letter.id, key });
    }
    world.pass(AN_HOUR);
    assert_eq!(texts(&world, phone, ALICE), ["from Alice 0", "from Alice 2"]);
    assert_eq!(texts(&world, phone, ALICE), texts(&world, BOB, ALICE));
    assert_eq!(world.contact(phone, ALICE).unwrap().unread, 2);
    assert_eq!(world.people[phone].count("clearing"), 0);
    let deleted = world.server.account_log.iter().filter(|l| l.starts_with("DELETE /v1/inbox/"));
    assert_eq!(deleted.count(), 1, "once, from the mailbox");
}

#[test]
fn whom_another_device_wrote_to_is_no_stranger() {
    let mut world = World::new(2, 614);
    let phone = world.graft(BOB, "Phone");
    world.write(ALICE, BOB, "hello");
    world.step(BOB, Input::SetReceipts { on: true });
    world.pass(AN_HOUR);
    assert_eq!(world.contact(phone, ALICE).unwrap().standing, Standing::Request);
    let known = contacts(&world.people[BOB].engine.records);
    let of = |who: usize| known.iter().find(|(_, c)| c.phone == world.people[who].phone).unwrap();
    let ((own, _), (_, alice)) = (of(BOB), of(ALICE));
    let copy = LetterNote {
        contact: alice.phone.clone(),
        identity: alice.identity,
        id: Bytes([7; 16]),
        outgoing: true,
        at: world.now,
        sealed_at: world.now,
        kind: crate::content::KIND_TEXT,
        body: Blob(b"an answer".to_vec()),
        read: true,
        progress: Progress::Sent,
    };
    world.say(BOB, *own, &Note::Letter(copy));
    world.pass(AN_HOUR);
    assert_eq!(texts(&world, phone, ALICE), ["hello", "an answer"]);
    assert_eq!(world.contact(phone, ALICE).unwrap().standing, Standing::Accepted);
}

#[test]
fn a_deletion_told_while_another_is_looked_for_is_not_forgotten() {
    let (mut world, phone) = conversation(613);
    let letters = world.letters(BOB, ALICE);
    world.people[phone].reads = false;
    for letter in &letters[1..3] {
        let (contact, key) = (letter.contact, letter.key.clone());
        world.step(BOB, Input::DeleteLetter { contact, letter: letter.id, key });
        world.pass(AN_HOUR);
    }
    let wanted = |event: &Event| match event {
        Event::LettersWanted { job, query: query @ LetterQuery::All { .. } } => {
            Some((*job, query.clone()))
        }
        _ => None,
    };
    let asked: Vec<_> = world.people[phone].events.iter().filter_map(wanted).collect();
    let [(first, _), (second, query)] = &asked[..] else { panic!("{} questions", asked.len()) };
    // The first question's answer is of a page past the letter that was told of second.
    let answer = Input::LettersRead { job: *first, letters: Vec::new(), next: None };
    world.step(phone, answer);
    let (letters, next) = world.people[phone].read_letters(query);
    world.step(phone, Input::LettersRead { job: *second, letters, next });
    assert_eq!(texts(&world, phone, ALICE), ["from Alice 0", "from Bob"]);
    assert_eq!(world.people[phone].count("clearing"), 0);
}

#[test]
fn a_deleted_conversation_goes_everywhere_but_not_what_was_written_since() {
    let (mut world, phone) = conversation(603);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::DeleteConversation { contact });
    world.pass(AN_HOUR);
    assert!(world.contact(phone, ALICE).is_none());

    let (mut world, phone) = conversation(604);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::DeleteConversation { contact });
    world.now += MINUTE;
    // Stored in the next hour: after the deletion, whatever the clocks say.
    world.now += AN_HOUR;
    world.write(ALICE, BOB, "afterwards");
    world.pass(AN_HOUR);
    assert_eq!(texts(&world, BOB, ALICE), ["afterwards"]);
    assert_eq!(texts(&world, phone, ALICE), ["afterwards"]);
}

#[test]
fn names_standing_and_blocks_follow() {
    let (mut world, phone) = conversation(605);
    let here = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::NameContact { contact: here, name: "Alice A.".into() });
    world.pass(AN_HOUR);
    assert_eq!(world.contact(phone, ALICE).unwrap().name, "Alice A.");
    assert_eq!(world.contact(phone, ALICE).unwrap().standing, Standing::Accepted, "answered");
    let there = world.contact(phone, ALICE).unwrap().id;
    world.step(phone, Input::BlockContact { contact: there, blocked: true });
    world.pass(AN_HOUR);
    assert_eq!(world.contact(BOB, ALICE).unwrap().standing, Standing::Blocked);
    assert_eq!(world.contact(BOB, ALICE).unwrap().name, "Alice A.");
    world.write(ALICE, BOB, "unheard");
    world.pass(AN_HOUR);
    assert!(!texts(&world, BOB, ALICE).contains(&"unheard".to_owned()));
}

#[test]
fn the_last_word_on_a_contact_holds() {
    let (mut world, phone) = conversation(606);
    let here = world.contact(BOB, ALICE).unwrap().id;
    let there = world.contact(phone, ALICE).unwrap().id;
    world.go_offline(phone);
    world.step(phone, Input::NameContact { contact: there, name: "earlier".into() });
    world.now += SECOND;
    world.step(BOB, Input::NameContact { contact: here, name: "later".into() });
    world.pass(AN_HOUR);
    world.go_online(phone);
    world.pass(AN_HOUR);
    for who in [BOB, phone] {
        assert_eq!(world.contact(who, ALICE).unwrap().name, "later");
    }
}

#[test]
fn a_contact_that_was_found_and_its_verified_mark_follow() {
    let mut world = World::new(3, 607);
    let phone = world.graft(BOB, "Phone");
    let contact = world.find(BOB, CAROL);
    let code = Some(world.contact(BOB, CAROL).unwrap().safety_code);
    world.step(BOB, Input::VerifyContact { contact, code });
    world.pass(AN_HOUR);
    assert_eq!(world.contact(phone, CAROL).unwrap().safety, Safety::Verified);
}

#[test]
fn a_sibling_that_takes_another_key_does_not_speak_for_who_compared_the_first() {
    let mut world = World::new(3, 617);
    let phone = world.graft(BOB, "Phone");
    let contact = world.find(BOB, CAROL);
    let code = Some(world.contact(BOB, CAROL).unwrap().safety_code);
    world.step(BOB, Input::VerifyContact { contact, code });
    world.pass(AN_HOUR);
    let numbers = contacts(&world.people[phone].engine.records);
    let own = numbers.iter().find(|(_, c)| c.phone == world.people[BOB].phone).unwrap().0;
    let taken = Note::Contact(ContactNote {
        contact: world.people[CAROL].phone.clone(),
        name: String::new(),
        standing: NotedStanding::Accepted,
        identity: crate::keys::IdentitySecret::generate(&mut world.rng).public(),
        verified: false,
        changed_at: world.now,
        device: world.device(phone).unwrap(),
    });
    world.say(phone, own, &taken);
    world.pass(AN_HOUR);
    assert_eq!(world.contact(BOB, CAROL).unwrap().safety, Safety::ChangedAfterVerification);
}

#[test]
fn settings_are_the_same_on_every_device() {
    let (mut world, phone) = conversation(608);
    world.step(phone, Input::SetReceipts { on: true });
    world.pass(AN_HOUR);
    world.go_offline(phone);
    world.write(ALICE, BOB, "confirmed by the first");
    world.pass(AN_HOUR);
    let state = world.states(ALICE, BOB).pop().unwrap();
    assert_eq!(state, LetterState::Confirmed { read: false });
}

#[test]
fn letters_to_the_own_number_show_on_the_others_as_ones_own() {
    let (mut world, phone) = conversation(609);
    world.write(BOB, BOB, "a note to myself");
    world.pass(AN_HOUR);
    let there = world.letters(phone, BOB);
    assert_eq!(there.len(), 1);
    assert!(there[0].outgoing);
    assert_eq!(world.contact(phone, BOB).unwrap().unread, 0);
    let contact = world.contact(BOB, BOB).unwrap().id;
    world.step(BOB, Input::DeleteConversation { contact });
    world.write(BOB, ALICE, "copied all the same");
    world.pass(AN_HOUR);
    assert_eq!(texts(&world, phone, ALICE).last().unwrap(), "copied all the same");
    assert!(world.contact(phone, BOB).is_none());
}
