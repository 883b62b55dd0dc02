//! The waiting period that would take an account away, and the account's deletion.

use super::world::*;
use crate::engine::*;
use crate::types::UnixTime;
use crate::wire::{Reset, ResetState};

fn begin_reset(world: &mut World, who: usize, state: ResetState) -> Millis {
    let begun_at = UnixTime(world.now / 1_000).hour();
    let ends_at = begun_at.plus(7 * 86_400);
    let phone = world.people[who].phone.clone();
    world.server.accounts.get_mut(&phone).unwrap().reset = Some(Reset { state, begun_at, ends_at });
    ends_at.0 * SECOND
}

fn resets(world: &World, who: usize) -> Vec<Option<Millis>> {
    let events = world.people[who].events.iter();
    let told = events.filter_map(|event| match event {
        Event::Reset { ends_at } => Some(*ends_at),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_waiting_period_is_told_once_and_cancelled_by_a_touch() {
    let mut world = World::new(1, 120);
    let ends_at = begin_reset(&mut world, ALICE, ResetState::Waiting);
    world.pass(A_DAY);
    assert_eq!(resets(&world, ALICE), [Some(ends_at)]);
    world.reopen(ALICE);
    world.settle();
    assert_eq!(resets(&world, ALICE), [Some(ends_at)]);
    assert_eq!(world.people[ALICE].engine.snapshot().reset_ends_at, Some(ends_at));

    world.people[ALICE].touches = false;
    world.step(ALICE, Input::CancelReset);
    world.pass(A_DAY);
    assert_eq!(resets(&world, ALICE), [Some(ends_at)], "nothing without the touch");
    assert_eq!(world.people[ALICE].touched, 1, "which is asked for once");

    world.people[ALICE].touches = true;
    world.step(ALICE, Input::CancelReset);
    world.settle();
    assert_eq!(resets(&world, ALICE), [Some(ends_at), None]);
    assert_eq!(world.people[ALICE].engine.snapshot().reset_ends_at, None);
    world.pass(A_DAY);
    assert_eq!(resets(&world, ALICE), [Some(ends_at), None], "a blocked one threatens nobody");
}

#[test]
fn a_deleted_account_is_gone_after_a_touch_and_nothing_goes_on() {
    let mut world = World::new(2, 121);
    world.write(BOB, ALICE, "hello");
    world.settle();
    world.people[ALICE].touches = false;
    world.step(ALICE, Input::DeleteAccount);
    world.settle();
    assert!(!world.people[ALICE].events.contains(&Event::AccountDeleted));
    world.people[ALICE].touches = true;
    world.step(ALICE, Input::DeleteAccount);
    world.settle();
    assert!(world.people[ALICE].events.contains(&Event::AccountDeleted));
    let phone = world.people[ALICE].phone.clone();
    assert!(!world.server.accounts.contains_key(&phone));
    let asked = world.server.account_log.len();
    for _ in 0..50 {
        world.now += AN_HOUR;
        world.step(ALICE, Input::Tick);
    }
    assert_eq!(world.server.account_log.len(), asked);
    assert_eq!(world.people[ALICE].count("request"), 0);
}
