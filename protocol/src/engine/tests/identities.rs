//! Contacts whose identity key changes.

use super::refusals::{pending_envelopes, pending_letters};
use super::world::*;
use crate::engine::*;
use crate::keys::IdentitySecret;

/// Bob's number goes to somebody else, as after a waiting period.
fn replace_bob(world: &mut World) -> usize {
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.remove(&phone);
    world.people[BOB].cookie = Default::default();
    world.pass(MINUTE);
    world.add_person(phone.as_str())
}

fn verify(world: &mut World, who: usize, whom: usize, verified: bool) {
    let ContactView { id: contact, safety_code, .. } = world.contact(who, whom).unwrap();
    world.step(who, Input::VerifyContact { contact, code: verified.then_some(safety_code) });
}

#[test]
fn a_mark_is_for_the_number_that_was_compared() {
    let mut world = World::new(2, 690);
    let contact = world.find(ALICE, BOB);
    let another = Some("letterbox-safety:2:of-another-key".to_owned());
    world.step(ALICE, Input::VerifyContact { contact, code: another });
    assert_eq!(world.contact(ALICE, BOB).unwrap().safety, Safety::Unverified);
    verify(&mut world, ALICE, BOB, true);
    assert_eq!(world.contact(ALICE, BOB).unwrap().safety, Safety::Verified);
}

fn accept(world: &mut World, who: usize, whom: usize) {
    let contact = world.contact(who, whom).unwrap().id;
    world.step(who, Input::AcceptIdentity { contact });
    world.settle();
}

fn safety(world: &World) -> Safety {
    world.contact(ALICE, BOB).unwrap().safety
}

fn contents(world: &World) -> Vec<String> {
    world.letters(ALICE, BOB).iter().map(text).collect()
}

const WAITS: LetterState = LetterState::Waiting { reason: Some(WaitReason::IdentityChanged) };

#[test]
fn letters_go_on_to_another_key_that_was_never_compared_and_the_thread_says_so() {
    let mut world = World::new(2, 49);
    world.write(ALICE, BOB, "first");
    world.pass(25 * AN_HOUR);
    let newer = replace_bob(&mut world);
    world.write(ALICE, BOB, "second");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, LetterState::Sent]);
    assert_eq!(contents(&world), ["first", "second", "(identity changed)"]);
    assert_eq!(safety(&world), Safety::Changed);
    assert_eq!(world.received(newer, ALICE), ["second"]);
    assert_eq!(world.contact(ALICE, BOB).unwrap().unread, 0, "a note is not a letter");

    accept(&mut world, ALICE, BOB);
    assert_eq!(safety(&world), Safety::Unverified);
    world.write(ALICE, BOB, "third");
    world.settle();
    assert_eq!(world.received(newer, ALICE), ["second", "third"]);
    assert_eq!(contents(&world).iter().filter(|text| *text == "(identity changed)").count(), 1);
}

#[test]
fn letters_come_in_under_another_key_that_was_never_compared() {
    let mut world = World::new(2, 50);
    world.write(BOB, ALICE, "I am Bob");
    world.settle();
    let newer = replace_bob(&mut world);
    world.write(newer, ALICE, "with another key");
    world.settle();
    assert_eq!(contents(&world), ["I am Bob", "(identity changed)", "with another key"]);
    assert_eq!(safety(&world), Safety::Changed);
    assert_eq!(world.contact(ALICE, BOB).unwrap().unread, 2);
    world.write(ALICE, BOB, "so I see");
    world.pass(MINUTE);
    assert_eq!(world.received(newer, ALICE), ["so I see"]);
    world.reopen(ALICE);
    assert_eq!(safety(&world), Safety::Changed, "until the person says that they know");
}

#[test]
fn nothing_is_sent_or_taken_under_another_key_than_the_compared_one() {
    let mut world = World::new(2, 51);
    world.write(ALICE, BOB, "first");
    world.settle();
    verify(&mut world, ALICE, BOB, true);
    assert_eq!(safety(&world), Safety::Verified);
    world.pass(25 * AN_HOUR);
    let newer = replace_bob(&mut world);
    world.write(ALICE, BOB, "second");
    world.pass(MINUTE);
    world.write(newer, ALICE, "who is it?");
    world.pass(2 * A_DAY);
    assert_eq!(safety(&world), Safety::ChangedAfterVerification);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, WAITS]);
    assert_eq!(contents(&world), ["first", "second"]);
    assert!(world.received(newer, ALICE).is_empty());
    assert_eq!(pending_envelopes(&world, ALICE).len(), 1, "held, not acknowledged");
    assert_eq!(pending_letters(&world, ALICE).len(), 1);
    verify(&mut world, ALICE, BOB, false);
    assert_eq!(safety(&world), Safety::ChangedAfterVerification, "not accepted by that");

    world.reopen(ALICE);
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, WAITS]);
    accept(&mut world, ALICE, BOB);
    assert_eq!(safety(&world), Safety::Unverified, "the mark falls");
    assert_eq!(world.received(newer, ALICE), ["second"]);
    assert_eq!(world.received(ALICE, BOB), ["(identity changed)", "who is it?"]);
    assert!(pending_envelopes(&world, ALICE).is_empty());
}

#[test]
fn the_new_key_of_a_compared_contact_can_be_compared_at_once() {
    let mut world = World::new(2, 52);
    world.write(ALICE, BOB, "first");
    world.settle();
    verify(&mut world, ALICE, BOB, true);
    let newer = replace_bob(&mut world);
    world.write(newer, ALICE, "it is me");
    world.settle();
    assert_eq!(safety(&world), Safety::ChangedAfterVerification);
    verify(&mut world, ALICE, BOB, true);
    world.settle();
    assert_eq!(safety(&world), Safety::Verified);
    assert_eq!(world.received(ALICE, BOB), ["(identity changed)", "it is me"]);
}

#[test]
fn the_compared_key_served_again_lets_letters_go() {
    let mut world = World::new(2, 53);
    world.write(ALICE, BOB, "first");
    world.settle();
    verify(&mut world, ALICE, BOB, true);
    world.pass(25 * AN_HOUR);
    let phone = world.people[BOB].phone.clone();
    let honest = world.server.accounts.remove(&phone).unwrap();
    world.add_person(phone.as_str());
    world.write(ALICE, BOB, "second");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, WAITS]);
    world.server.accounts.insert(phone, honest);
    world.pass(A_DAY);
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, LetterState::Sent]);
    assert_eq!(safety(&world), Safety::Verified);
    assert_eq!(world.received(BOB, ALICE), ["first", "second"]);
}

#[test]
fn a_blocked_contacts_other_key_is_pinned_without_a_word() {
    let mut world = World::new(2, 54);
    world.write(BOB, ALICE, "first");
    world.settle();
    let contact = world.contact(ALICE, BOB).unwrap().id;
    verify(&mut world, ALICE, BOB, true);
    world.step(ALICE, Input::BlockContact { contact, blocked: true });
    let newer = replace_bob(&mut world);
    world.write(newer, ALICE, "second");
    world.settle();
    assert_eq!(contents(&world), ["first"]);
    assert_eq!(safety(&world), Safety::Unverified, "and nobody's mark stands for another key");
    assert!(pending_letters(&world, ALICE).is_empty(), "acknowledged and dropped");
}

#[test]
fn a_key_of_before_does_not_come_back_by_an_envelope() {
    let mut world = World::new(2, 55);
    world.write(BOB, ALICE, "first");
    world.settle();
    // Bob's late letter, which Alice fetches after his number has gone to somebody else.
    world.go_offline(ALICE);
    world.now += 25 * AN_HOUR;
    world.write(BOB, ALICE, "late");
    world.settle();
    let late = pending_envelopes(&world, ALICE);
    let newer = replace_bob(&mut world);
    world.write(newer, ALICE, "newer");
    world.settle();
    let device = world.device(ALICE).unwrap();
    let phone = world.people[ALICE].phone.clone();
    let envelopes = &mut world
        .server
        .accounts
        .get_mut(&phone)
        .unwrap()
        .devices
        .get_mut(&device)
        .unwrap()
        .envelopes;
    assert_eq!((late.len(), envelopes.len()), (1, 2));
    envelopes.reverse();
    world.go_online(ALICE);
    assert_eq!(contents(&world), ["first", "(identity changed)", "newer"]);
    world.write(ALICE, BOB, "answer");
    world.settle();
    assert_eq!(world.received(newer, ALICE), ["answer"]);
}

#[test]
fn both_sides_see_one_safety_number_until_a_key_changes() {
    let mut world = World::new(3, 58);
    world.write(ALICE, BOB, "first");
    world.write(ALICE, CAROL, "first");
    world.settle();
    let number = |world: &World, who, whom| world.contact(who, whom).unwrap().safety_number;
    let first = number(&world, ALICE, BOB);
    assert_eq!(first.split(' ').map(str::len).collect::<Vec<_>>(), [5; 12]);
    assert_eq!(first, number(&world, BOB, ALICE));
    assert_ne!(first, number(&world, ALICE, CAROL));
    let code = world.contact(ALICE, BOB).unwrap().safety_code;
    assert!(code.starts_with("letterbox-safety:2:"));
    assert_eq!(code, world.contact(BOB, ALICE).unwrap().safety_code);
    world.reopen(ALICE);
    assert_eq!(number(&world, ALICE, BOB), first);

    // What stands in a compared key's place is what is to be compared now.
    verify(&mut world, ALICE, BOB, true);
    let newer = replace_bob(&mut world);
    world.write(newer, ALICE, "it is me");
    world.settle();
    assert_eq!(safety(&world), Safety::ChangedAfterVerification);
    let second = number(&world, ALICE, BOB);
    assert_ne!(second, first);
    assert_eq!(second, number(&world, newer, ALICE));
    let told = world.people[ALICE].events.iter().rev().find_map(|event| match event {
        Event::Contact { contact } => Some(contact.safety_number.clone()),
        _ => None,
    });
    assert_eq!(told, Some(second));
}

#[test]
fn nobody_can_send_the_note_of_a_changed_key() {
    let mut world = World::new(2, 56);
    world.write(ALICE, BOB, "first");
    world.settle();
    super::refusals::send_crafted(&mut world, ALICE, BOB, |letter| {
        (letter.kind, letter.body) = (0, Vec::new());
    });
    assert_eq!(world.received(BOB, ALICE), ["first", "(newer)"]);
}

#[test]
fn records_of_before_are_read_and_an_old_alert_is_gone_on_with() {
    // What an earlier version wrote: no fields beyond the eighth, and a flag for a key that differs.
    let mut world = World::new(2, 57);
    world.write(ALICE, BOB, "first");
    world.settle();
    world.pass(25 * AN_HOUR);
    let key = format!("contact/{}", world.contact(ALICE, BOB).unwrap().id.to_text());
    let bytes = world.people[ALICE].vault[&key].clone();
    let mut decoder = minicbor::Decoder::new(&bytes);
    let fields = decoder.map().unwrap().unwrap();
    let mut old = minicbor::Encoder::new(Vec::new());
    let kept: Vec<(u8, Vec<u8>)> = (0..fields)
        .map(|_| {
            let field = decoder.u8().unwrap();
            let from = decoder.position();
            decoder.skip().unwrap();
            (field, bytes[from..decoder.position()].to_vec())
        })
        .filter(|(field, _)| *field <= 8)
        .collect();
    old.map(kept.len() as u64).unwrap();
    for (field, value) in kept {
        old.u8(field).unwrap();
        let value = if field == 5 { vec![0xf5] } else { value };
        old.writer_mut().extend(value);
    }
    world.people[ALICE].vault.insert(key, old.into_writer());
    world.reopen(ALICE);
    assert_eq!(safety(&world), Safety::Changed);
    let newer = replace_bob(&mut world);
    world.write(ALICE, BOB, "second");
    world.settle();
    assert_eq!(world.received(newer, ALICE), ["second"]);
}

#[test]
fn another_identity_under_an_unknown_certificate_key_is_held() {
    let mut world = World::new(2, 69);
    world.write(BOB, ALICE, "I am Bob");
    world.settle();
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.remove(&phone);
    world.people[BOB].cookie = Default::default();
    let told = world.server.certificate_secret.public();
    let newer = IdentitySecret::generate(&mut world.rng);
    world.server.certificate_secret = newer;
    let mallory = world.add_person(phone.as_str());
    world.server.told_key = Some(told);
    world.write(mallory, ALICE, "I am Bob, too");
    world.settle();
    assert_eq!(world.contact(ALICE, BOB).unwrap().safety, Safety::Unverified);
    assert_eq!(pending_envelopes(&world, ALICE).len(), 1, "held");
    world.server.told_key = None;
    world.pass(2 * A_DAY);
    assert_eq!(world.contact(ALICE, BOB).unwrap().safety, Safety::Changed);
}

#[test]
fn who_has_a_contacts_number_now_gets_nothing_that_was_written_to_the_key_before() {
    use crate::notes::{Heal, Note};
    let mut world = World::new(2, 62);
    world.write(BOB, ALICE, "I am Bob");
    world.write(ALICE, BOB, "for the first Bob");
    world.settle();
    // He asks for it again, and it lies in the pool when his number goes to somebody else.
    let heal = Note::Heal(Heal { since: Some(0), sessions: Vec::new() });
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.say(BOB, contact, &heal);
    world.settle();
    for _ in 0..600 {
        if world.people[ALICE].count("pool") > 0 {
            break;
        }
        world.pass(SECOND);
    }
    assert_eq!(world.people[ALICE].count("pool"), 1);
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.remove(&phone);
    world.people[BOB].cookie = Default::default();
    let newer = world.add_person(phone.as_str());
    world.write(newer, ALICE, "with another key");
    world.settle();
    assert_eq!(safety(&world), Safety::Changed);
    let contact = world.contact(newer, ALICE).unwrap().id;
    world.say(newer, contact, &heal);
    world.pass(A_DAY);
    assert!(world.received(newer, ALICE).is_empty());

    world.write(ALICE, BOB, "for the second");
    world.settle();
    world.say(newer, contact, &heal);
    world.pass(A_DAY);
    assert_eq!(world.received(newer, ALICE), ["for the second"]);
}
