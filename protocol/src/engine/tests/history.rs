//! A sibling's vault, given to a device that is new.

use super::world::*;
use crate::engine::letters::Letter;
use crate::engine::*;
use crate::record::to_cbor;

/// Letters both ways, a name and a block, before the second device is there.
fn before_the_second_device(seed: u64, letters: usize) -> World {
    let mut world = World::with_batches(3, seed, 300);
    world.write(CAROL, ALICE, "spam");
    for n in 0..letters {
        world.write(ALICE, BOB, &format!("from Alice {n:03} {}", "x".repeat(n * 7 % 3_000)));
        world.settle();
        if n % 3 == 0 {
            world.write(BOB, ALICE, &format!("from Bob {n:03}"));
        }
        world.pass(MINUTE);
    }
    let bob = world.contact(ALICE, BOB).unwrap().id;
    world.step(ALICE, Input::NameContact { contact: bob, name: "Bob B.".into() });
    let carol = world.contact(ALICE, CAROL).unwrap().id;
    world.step(ALICE, Input::BlockContact { contact: carol, blocked: true });
    world
}

fn sent(world: &World, who: usize) -> Vec<(u32, bool)> {
    let events = world.people[who].events.iter();
    let sent = events.filter_map(|event| match event {
        Event::HistorySent { letters, done, .. } => Some((*letters, *done)),
        _ => None,
    });
    sent.collect()
}

fn received(world: &World, who: usize) -> Vec<(u32, bool)> {
    let events = world.people[who].events.iter();
    let received = events.filter_map(|event| match event {
        Event::HistoryReceived { letters, done } => Some((*letters, *done)),
        _ => None,
    });
    received.collect()
}

fn assert_same(world: &World, one: usize, other: usize) {
    let shown = |who| {
        let letters = world.letters(who, BOB).into_iter();
        letters.map(|l| (l.id, l.at, l.outgoing, text(&l), l.state)).collect::<Vec<_>>()
    };
    assert!(shown(one) == shown(other));
}

#[test]
fn a_new_device_gets_the_history_with_progress_on_both_sides() {
    let mut world = before_the_second_device(954, 120);
    let phone = world.graft(ALICE, "Phone");
    let device = world.device(phone).unwrap();
    world.step(ALICE, Input::ShareHistory { device, since: None });
    world.pass(20 * MINUTE);
    assert_same(&world, ALICE, phone);
    let progress = sent(&world, ALICE);
    assert!(progress.len() >= 2, "{progress:?}");
    assert_eq!(progress, received(&world, phone));
    assert_eq!(progress.last(), Some(&(161, true)));
    assert!(progress.iter().rev().skip(1).all(|(_, done)| !done));
    let own = world.people[ALICE].phone.clone();
    let large = world.server.accounts[&own].letters.values();
    let sizes: Vec<usize> = large.map(|letter| letter.encrypted_content.0.len()).collect();
    assert!(sizes.iter().filter(|size| **size == 65_536).count() >= 2, "{sizes:?}");
    assert_eq!(world.contact(phone, BOB).unwrap().name, "Bob B.");
    assert_eq!(world.contact(phone, CAROL).unwrap().standing, Standing::Blocked);
    assert_eq!(world.people[ALICE].count("history"), 0);
    // Given once more, nothing shows twice.
    world.step(ALICE, Input::ShareHistory { device, since: None });
    world.pass(20 * MINUTE);
    assert_same(&world, ALICE, phone);
}

#[test]
fn history_goes_back_as_far_as_its_owner_wants() {
    let mut world = before_the_second_device(951, 20);
    let since = world.letters(ALICE, BOB)[10].at;
    let phone = world.graft(ALICE, "Phone");
    let device = world.device(phone).unwrap();
    world.step(ALICE, Input::ShareHistory { device, since: Some(since) });
    world.pass(20 * MINUTE);
    let expected = world.letters(ALICE, BOB).iter().filter(|letter| letter.at >= since).count();
    assert_eq!(world.letters(phone, BOB).len(), expected);
    assert!(world.letters(phone, BOB).iter().all(|letter| letter.at >= since));
}

#[test]
fn history_goes_on_after_crashes_wherever_they_strike() {
    for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterSending] {
        for after in [1, 2, 3, 5, 8] {
            let mut world = before_the_second_device(952, 30);
            let phone = world.graft(ALICE, "Phone");
            let device = world.device(phone).unwrap();
            world.step(ALICE, Input::ShareHistory { device, since: None });
            world.people[ALICE].crash = Some((world.people[ALICE].steps + after, crash));
            world.pass(20 * MINUTE);
            assert_same(&world, ALICE, phone);
            assert_eq!(world.people[ALICE].count("history"), 0, "{crash:?} {after}");
        }
    }
}

#[test]
fn a_letter_too_large_for_those_of_the_history_comes_in_parts() {
    let mut world = before_the_second_device(960, 3);
    let thread = format!("letter/{}/", world.contact(ALICE, BOB).unwrap().id.to_text());
    let vault = &mut world.people[ALICE].vault;
    let (_, record) = vault.iter_mut().rfind(|(key, _)| key.starts_with(&thread)).unwrap();
    let letter: Letter = minicbor::decode(record).unwrap();
    *record = to_cbor(&Letter { body: vec![b'x'; 65_300], ..letter });
    world.reopen(ALICE);
    let phone = world.graft(ALICE, "Phone");
    let device = world.device(phone).unwrap();
    world.step(ALICE, Input::ShareHistory { device, since: None });
    world.pass(2 * AN_HOUR);
    assert!(sent(&world, ALICE).last().unwrap().1, "it comes to its end");
    let letters = world.letters(phone, BOB);
    assert!(letters.iter().any(|letter| text(letter).len() == 65_300));
    assert_eq!(letters.len(), world.letters(ALICE, BOB).len());
}
