//! The daily batch, the stock, and what happens without either.

use super::world::*;
use crate::engine::*;
use crate::tokens::{Issuer, KeyWeek};
use crate::types::UnixTime;

const WAITS: LetterState = LetterState::Waiting { reason: Some(WaitReason::NoTokens) };

impl World {
    fn tokens(&self, who: usize) -> usize {
        self.people[who].count("token")
    }

    /// When a person's device asked for tokens.
    fn fetches(&self, who: usize) -> Vec<UnixTime> {
        let device = self.device(who).unwrap();
        let log = self.server.issue_log.iter().filter(|(of, _)| *of == device);
        log.map(|(_, at)| *at).collect()
    }

    fn disputes(&self, who: usize) -> Vec<Option<ContactId>> {
        let events = self.people[who].events.iter();
        events
            .filter_map(|event| match event {
                Event::TokenKeysDisputed { contact } => Some(*contact),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_device_fetches_once_when_it_is_new_and_then_once_a_day_at_a_random_hour() {
    let mut world = World::with_batches(2, 4_000, 5);
    assert_eq!((world.tokens(ALICE), world.fetches(ALICE).len()), (5, 1));
    for _ in 0..3 {
        world.write(ALICE, BOB, "what is used makes no difference");
    }
    world.pass(20 * A_DAY);
    for who in [ALICE, BOB] {
        let fetches = world.fetches(who);
        let days: Vec<i64> = fetches.iter().map(|at| at.day().0 / 86_400).collect();
        let first = days[0];
        assert_eq!(days, (first..=first + 20).take(days.len()).collect::<Vec<_>>());
        assert!(days.len() >= 20);
        let hours: Vec<i64> = fetches[1..].iter().map(|at| at.0 % 86_400 / 3_600).collect();
        let early = hours.iter().filter(|hour| **hour < 12).count();
        assert!((3..=hours.len() - 3).contains(&early), "spread over the day: {hours:?}");
    }
    assert_ne!(world.fetches(ALICE)[1..], world.fetches(BOB)[1..]);
    assert!(world.tokens(ALICE) <= 10, "two batches at most");
    assert_eq!(world.server.refused_tokens, 0);
}

#[test]
fn a_device_that_was_off_fetches_when_it_is_on_again_and_not_at_once() {
    let mut world = World::with_batches(1, 4_001, 5);
    world.go_offline(ALICE);
    world.pass(5 * A_DAY);
    assert_eq!(world.fetches(ALICE).len(), 1);
    world.people[ALICE].online = true;
    world.reopen(ALICE);
    world.settle();
    assert_eq!(world.fetches(ALICE).len(), 1);
    world.pass(3 * MINUTE);
    assert_eq!(world.fetches(ALICE).len(), 2);
}

#[test]
fn without_tokens_letters_wait_say_so_and_go_out_by_themselves() {
    let mut world = World::with_batches(2, 4_002, 6);
    let contact = world.find(ALICE, BOB);
    for n in 0..12 {
        world.step(ALICE, Input::SendText { contact, text: format!("letter {n}") });
        world.settle();
    }
    assert_eq!(world.tokens(ALICE), 0);
    let states = world.states(ALICE, BOB);
    assert!(states.contains(&WAITS), "{states:?}");
    assert!(world.received(BOB, ALICE).len() < 12);
    let fetches = world.fetches(ALICE).len();
    world.pass(AN_HOUR);
    assert_eq!(world.fetches(ALICE).len(), fetches, "nothing makes it fetch earlier");
    world.reopen(ALICE);
    world.pass(5 * A_DAY);
    let said: Vec<String> = (0..12).map(|n| format!("letter {n}")).collect();
    let mut received = world.received(BOB, ALICE);
    received.sort_by_key(|text| text[7..].parse::<u32>().unwrap());
    assert_eq!(received, said);
    assert!(!world.states(ALICE, BOB).contains(&WAITS));
    assert_eq!(world.server.refused_tokens, 0, "no token went with two requests");
}

#[test]
fn an_issuer_in_trouble_is_waited_for() {
    let mut world = World::empty(4_003);
    world.server.issuer_down = true;
    for n in 0..2 {
        world.add_person(&format!("+491511234500{n}"));
    }
    let phone = world.people[BOB].phone.clone();
    world.step(ALICE, Input::FindContact { phone: phone.clone() });
    world.pass(MINUTE);
    assert!(world.people[ALICE].events.contains(&Event::FindWaits { phone }), "it says so");
    assert_eq!(world.people[ALICE].sealed_requests, 0);
    assert!(world.contact(ALICE, BOB).is_none());
    world.server.issuer_down = false;
    world.pass(5 * MINUTE);
    let contact = world.contact(ALICE, BOB).expect("found by itself").id;
    world.step(ALICE, Input::SendText { contact, text: "at last".into() });
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["at last"]);
    // One directory and one batch a device: what was tried again is the same.
    assert_eq!(world.server.issuance.len(), 2);
}

#[test]
fn letters_whose_recipients_keys_wait_for_tokens_say_so() {
    let mut world = World::empty(4_005);
    world.add_person("+4915112345000");
    world.server.issuer_down = true;
    world.add_person("+4915112345001");
    world.write(ALICE, BOB, "are you there?");
    world.settle();
    for text in ["I am", "and here I stay"] {
        world.write(BOB, ALICE, text);
        world.settle();
    }
    assert_eq!(world.people[BOB].sealed_requests, 0);
    let waiting = world.states(BOB, ALICE).into_iter().filter(|state| *state == WAITS);
    assert_eq!(waiting.count(), 2);
    world.server.issuer_down = false;
    world.pass(5 * MINUTE);
    assert_eq!(world.received(ALICE, BOB), ["I am", "and here I stay"]);
}

#[test]
fn tokens_go_with_their_key() {
    let mut world = World::with_batches(2, 4_004, 9);
    world.go_offline(ALICE);
    let expires = KeyWeek::of(UnixTime(START / 1_000)).expires();
    world.pass(expires.0 * 1_000 - world.now + AN_HOUR);
    world.people[ALICE].uses_live = false;
    world.step(ALICE, Input::Tick);
    world.pass(A_DAY);
    assert_eq!(world.tokens(ALICE), 0, "what nobody would take is dropped");
    world.people[ALICE].uses_live = true;
    world.go_online(ALICE);
    world.pass(AN_HOUR);
    world.write(ALICE, BOB, "with new ones");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["with new ones"]);
    assert_eq!(world.server.refused_tokens, 0);
}

#[test]
fn people_who_are_shown_different_keys_both_notice() {
    let mut world = World::new(3, 4_005);
    world.write(ALICE, CAROL, "before");
    world.write(CAROL, ALICE, "before");
    let alice = world.people[ALICE].phone.clone();
    let marked = Issuer::generate(&mut world.rng).unwrap();
    world.server.marked.insert(alice, marked);
    world.pass(2 * A_DAY);
    // A key that changes within its week is noticed without anybody's help.
    assert_eq!(world.disputes(ALICE), [None]);
    assert!(world.disputes(CAROL).is_empty());
    world.write(ALICE, BOB, "marked");
    world.write(BOB, ALICE, "not marked");
    world.pass(2 * A_DAY);
    assert_eq!(world.disputes(BOB), [Some(world.contact(BOB, ALICE).unwrap().id)]);
}

#[test]
fn who_is_marked_from_the_beginning_and_whom_they_write_to_both_notice() {
    let mut world = World::with_batches(1, 4_009, 50);
    let marked = Issuer::generate(&mut world.rng).unwrap();
    world.server.marked.insert("+4915112345001".parse().unwrap(), marked);
    world.add_person("+4915112345001");
    world.write(0, 1, "not marked");
    world.settle();
    world.write(1, 0, "marked");
    world.pass(2 * A_DAY);
    assert_eq!(world.disputes(0), [Some(world.contact(0, 1).unwrap().id)]);
    assert_eq!(world.disputes(1), [Some(world.contact(1, 0).unwrap().id)]);
}

#[test]
fn who_is_shown_the_same_keys_is_never_alarmed_across_weeks() {
    let mut world = World::new(2, 4_006);
    for n in 0..18 {
        world.write(ALICE, BOB, &format!("letter {n}"));
        world.write(BOB, ALICE, &format!("answer {n}"));
        world.pass(25 * AN_HOUR);
    }
    assert!(world.disputes(ALICE).is_empty() && world.disputes(BOB).is_empty());
    assert_eq!(world.received(BOB, ALICE).len(), 18);
    assert_eq!(world.server.refused_tokens, 0);
}

#[test]
fn a_restored_server_alarms_nobody() {
    let mut world = World::new(2, 4_007);
    world.write(ALICE, BOB, "before");
    world.pass(AN_HOUR);
    world.server.issuers.clear();
    world.server.epoch = "f".into();
    world.pass(3 * A_DAY);
    world.write(ALICE, BOB, "after");
    world.write(BOB, ALICE, "after");
    world.pass(3 * A_DAY);
    assert!(world.disputes(ALICE).is_empty() && world.disputes(BOB).is_empty());
    assert_eq!(world.received(BOB, ALICE), ["before", "after"]);
}

#[test]
fn after_a_restore_old_tokens_are_dropped_and_letters_leave_within_a_day() {
    for seed in 4_020..4_026 {
        let mut world = World::with_batches(2, seed, 60);
        world.find(ALICE, BOB);
        world.pass(2 * A_DAY);
        world.server.issuers.clear();
        world.server.epoch = "f".into();
        for _ in 0..6 {
            world.pass(8 * AN_HOUR);
            world.reopen(ALICE);
            world.settle();
        }
        let refused = world.server.refused_tokens;
        for n in 0..20 {
            world.write(ALICE, BOB, &format!("{n}"));
            world.pass(MINUTE);
        }
        assert_eq!(world.server.refused_tokens, refused, "{seed}: no old token is left");
        assert_eq!(world.received(BOB, ALICE).len(), 20, "{seed}");
        assert!(world.disputes(ALICE).is_empty() && world.disputes(BOB).is_empty(), "{seed}");
    }
}

#[test]
fn a_batch_under_another_key_than_the_announced_one_is_thrown_away() {
    let mut world = World::empty(4_008);
    world.server.batch = 5;
    let who = world.push_person("+4915112345000", None);
    world.sign_up(who);
    // The answer to the batch, replaced on the way by that of another key.
    for _ in 0..200 {
        let Some(request) = world.people[who].queue.pop_front() else { break };
        let (status, mut body) = world.reach_server(who, &request);
        if request.path == "/v1/tokens" {
            let mut issued: crate::wire::IssuedTokens = serde_json::from_str(&body).unwrap();
            let last = issued.token_response.0.len() - 1;
            issued.token_response.0[last - 40] ^= 1;
            body = serde_json::to_string(&issued).unwrap();
        }
        world.step(who, Input::Response { request: request.id, status, retry_after: None, body });
    }
    assert_eq!((world.tokens(who), world.disputes(who)), (0, vec![None]));
}

#[test]
fn a_crash_at_any_moment_costs_no_batch_and_reuses_no_token() {
    for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterSending] {
        for step in 0..14 {
            let mut world = World::empty(4_100 + step);
            world.server.batch = 5;
            world.add_person("+4915112345001");
            let crashing = Some((step as u32, crash));
            let who = world.add_person_who_crashes("+4915112345002", crashing);
            // What a person did in a step that was lost is lost with it.
            world.people[who].crash = None;
            let phone = world.people[0].phone.clone();
            world.step(who, Input::FindContact { phone });
            world.pass(10 * MINUTE);
            world.write(who, 0, "all the same");
            world.pass(10 * MINUTE);
            assert_eq!(world.received(0, who), ["all the same"], "{crash:?} at step {step}");
            assert_eq!(world.server.refused_tokens, 0, "{crash:?} at step {step}");
        }
    }
}
