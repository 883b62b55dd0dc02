//! A new browser becomes a device; and every way in which it must not.

use super::server::Cookie;
use super::world::*;
use crate::device_list::DeviceList;
use crate::engine::*;
use crate::keys::ExchangeSecret;
use crate::link::{LINK_VERSION, LinkCode, LinkOffer, digits_proof, offer_hash};
use crate::types::{Blob, Bytes, UnixTime};
use crate::wire::{Link, ListedDevice};
use std::collections::BTreeMap;

/// A browser without an account, which offers itself.
fn offer(world: &mut World) -> (usize, String) {
    let phone = world.people[ALICE].phone.clone();
    let who = world.push_device(phone, Cookie::default(), BTreeMap::new());
    world.step(who, Input::Resume);
    world.step(who, Input::OfferLink { device_name: "Phone".into() });
    world.settle();
    match last(world, who) {
        Some(LinkView::Offered { code, .. }) => (who, code),
        _ => panic!("an offer"),
    }
}

fn views(world: &World, who: usize) -> Vec<LinkView> {
    let events = world.people[who].events.iter();
    let links = events.filter_map(|event| match event {
        Event::Link { link } => Some(link.clone()),
        _ => None,
    });
    links.collect()
}

fn last(world: &World, who: usize) -> Option<LinkView> {
    views(world, who).pop()
}

fn ended(world: &World, who: usize) -> Option<LinkEnd> {
    match last(world, who) {
        Some(LinkView::Ended { reason }) => Some(reason),
        _ => None,
    }
}

/// The signed-in device takes the code, and shows digits.
fn scan(world: &mut World, who: usize, code: &str) -> Option<String> {
    world.step(who, Input::ApproveLink { code: code.into() });
    world.pass(3 * SECOND);
    match last(world, who) {
        Some(LinkView::ShowDigits { digits, .. }) => Some(digits),
        _ => None,
    }
}

fn type_digits(world: &mut World, who: usize, digits: &str) {
    world.step(who, Input::EnterLinkDigits { digits: digits.into() });
    world.pass(5 * SECOND);
}

fn other_digits(digits: &str) -> String {
    format!("{:06}", (digits.parse::<u32>().unwrap() + 1) % 1_000_000)
}

fn devices(world: &World) -> usize {
    world.server.accounts[&world.people[ALICE].phone].list.devices.len()
}

/// Nothing left the account, nothing changed, and nothing is left of it in the new browser.
fn assert_closed(world: &World, newcomer: usize) {
    assert_eq!(devices(world), 1);
    let answered = world.server.links.values().any(|link| link.link.answer.is_some());
    assert!(!answered, "no secret was sent");
    assert_eq!(world.people[ALICE].touched, 0, "no touch was asked for");
    assert!(!world.people[newcomer].vault.contains_key("account"));
    assert_eq!(world.people[newcomer].count("messaging"), 0);
}

#[test]
fn a_new_browser_becomes_a_device_and_writes_and_reads() {
    let mut world = World::new(2, 130);
    world.write(ALICE, BOB, "before");
    world.pass(MINUTE);
    let (phone, code) = offer(&mut world);
    assert_eq!(code.len(), 19);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    type_digits(&mut world, phone, &format!(" {} {}", &digits[..3], &digits[3..]));
    world.tell_own_list(ALICE);
    world.pass(5 * SECOND);
    let device = world.device(phone).unwrap();
    for who in [ALICE, phone] {
        assert!(last(&world, who) == Some(LinkView::Linked { device }));
        assert!(world.people[who].engine.snapshot().link.is_none());
    }
    assert_eq!(world.people[ALICE].touched, 1);
    assert_eq!(devices(&world), 2);
    let events = &world.people[phone].events;
    assert!(events.iter().any(|event| matches!(event, Event::AccountReady { .. })));
    assert!(events.contains(&Event::DeviceReady));
    assert!(!world.people[phone].vault.contains_key("link"));

    world.pass(25 * AN_HOUR);
    world.write(phone, BOB, "from the new device");
    world.settle();
    world.write(BOB, ALICE, "to both");
    world.pass(MINUTE);
    assert_eq!(world.received(BOB, ALICE), ["before", "from the new device"]);
    assert_eq!(world.received(ALICE, BOB), ["to both"]);
    assert_eq!(world.received(phone, BOB), ["to both"]);
    assert!(!world.people[phone].events.contains(&Event::KeysAltered));
    world.pass(3 * A_DAY);
    assert!(world.people[phone].events.contains(&Event::KeysIntact));
    assert!(!world.people[phone].events.contains(&Event::KeysAltered));
}

#[test]
fn a_linked_device_is_told_of_contacts() {
    let mut world = World::new(2, 156);
    let bob = world.find(ALICE, BOB);
    world.step(ALICE, Input::NameContact { contact: bob, name: "Bob".into() });
    world.settle();
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    type_digits(&mut world, phone, &digits);
    world.account_changed(ALICE);
    world.pass(10 * MINUTE);
    assert!(matches!(last(&world, ALICE), Some(LinkView::Linked { .. })));
    let told = world.contact(phone, BOB).unwrap();
    assert_eq!((told.name.as_str(), told.standing), ("Bob", Standing::Accepted));
}

#[test]
fn a_code_of_somebody_elses_offer_finds_nobody_who_types_the_digits() {
    let mut world = World::new(1, 131);
    let (mine, my_code) = offer(&mut world);
    let (theirs, their_code) = offer(&mut world);
    assert_ne!(my_code, their_code);
    // The codes were swapped: the person types the digits into the browser before them.
    let digits = scan(&mut world, ALICE, &their_code).unwrap();
    type_digits(&mut world, mine, &digits);
    world.pass(11 * MINUTE);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::Expired));
    assert_eq!(ended(&world, mine), Some(LinkEnd::Expired));
    assert_eq!(ended(&world, theirs), Some(LinkEnd::Expired));
    for newcomer in [mine, theirs] {
        assert_closed(&world, newcomer);
    }
}

#[test]
fn an_offer_that_was_not_made_with_the_code_is_refused() {
    let mut world = World::new(1, 132);
    let (phone, code) = offer(&mut world);
    let id = LinkCode::parse(&code).unwrap().link_id();
    let key = ExchangeSecret::generate(&mut world.rng).public();
    let forged = LinkOffer {
        version: LINK_VERSION,
        device_id: Bytes([7; 16]),
        registration_id: 7,
        device_key: key,
        prekey: key,
        prekey_created_at: UnixTime(world.now / 1_000).hour(),
    };
    let other = LinkCode::generate(&mut world.rng);
    let honest = world.server.links[&id].link.offer.clone();
    let mut damaged = honest.clone();
    damaged.0[9] ^= 1;
    for swapped in [Blob(forged.seal(&other)), damaged, Blob(Vec::new()), Blob(vec![0; 512])] {
        world.server.links.get_mut(&id).unwrap().link.offer = swapped;
        assert!(scan(&mut world, ALICE, &code).is_none());
        assert_eq!(ended(&world, ALICE), Some(LinkEnd::WrongCode));
    }
    // Or swapped after the digits were shown.
    world.server.links.get_mut(&id).unwrap().link.offer = honest;
    assert!(scan(&mut world, ALICE, &code).is_some());
    world.server.links.get_mut(&id).unwrap().link.offer = Blob(forged.seal(&other));
    world.pass(3 * SECOND);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::Refused));
    assert_closed(&world, phone);
}

#[test]
fn something_else_than_a_code_is_told_at_once() {
    let mut world = World::new(1, 133);
    for typed in ["", "hello", "0000 0000 0000 000", "0000 0000 0000 000U"] {
        world.step(ALICE, Input::ApproveLink { code: typed.into() });
        assert_eq!(ended(&world, ALICE), Some(LinkEnd::WrongCode));
    }
    // As typed by people.
    let (_, code) = offer(&mut world);
    let typed = code.to_lowercase().replace(' ', "-").replace('0', "o").replace('1', "l");
    assert!(scan(&mut world, ALICE, &typed).is_some());
}

#[test]
fn three_times_other_digits_end_it_on_both_sides() {
    let mut world = World::new(1, 134);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    let wrong = other_digits(&digits);
    for left in [2, 1] {
        type_digits(&mut world, phone, &wrong);
        assert!(last(&world, phone) == Some(LinkView::DigitsSent { tries: left }));
        let shown = LinkView::ShowDigits { digits: digits.clone(), tries: left };
        assert!(last(&world, ALICE) == Some(shown));
    }
    type_digits(&mut world, phone, &wrong);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::WrongDigits));
    // Too late for the right ones.
    type_digits(&mut world, phone, &digits);
    world.pass(11 * MINUTE);
    assert_eq!(ended(&world, phone), Some(LinkEnd::WrongDigits));
    assert_closed(&world, phone);
}

#[test]
fn one_wrong_try_is_forgiven() {
    let mut world = World::new(1, 135);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    type_digits(&mut world, phone, "12345");
    assert!(last(&world, phone) == Some(LinkView::DigitsNeeded { tries: 3 }), "not six");
    type_digits(&mut world, phone, &other_digits(&digits));
    type_digits(&mut world, phone, &digits);
    assert_eq!(devices(&world), 2);
}

#[test]
fn tries_are_counted_here_whatever_the_server_shows() {
    let mut world = World::new(1, 136);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    let parsed = LinkCode::parse(&code).unwrap();
    let hash = offer_hash(&world.server.links[&parsed.link_id()].link.offer.0);
    let proofs = |world: &mut World, proofs: Vec<u32>| {
        let number: u32 = digits.parse().unwrap();
        let proof = |n| digits_proof(&parsed, &hash, &format!("{:06}", (number + n) % 1_000_000));
        let link = world.server.links.get_mut(&parsed.link_id()).unwrap();
        link.link.proofs = proofs.into_iter().map(proof).collect();
        world.pass(3 * SECOND);
    };
    // Whoever knows the code guesses, with the server's help: more tries than there are …
    proofs(&mut world, vec![1, 2]);
    assert!(matches!(last(&world, ALICE), Some(LinkView::ShowDigits { tries: 1, .. })));
    proofs(&mut world, vec![1, 2, 3, 0]);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::WrongDigits));
    assert_closed(&world, phone);

    // … or the first ones taken back.
    let mut world = World::new(1, 137);
    let (phone, code) = offer(&mut world);
    scan(&mut world, ALICE, &code).unwrap();
    let id = LinkCode::parse(&code).unwrap().link_id();
    for (guess, end) in [(1, None), (2, Some(LinkEnd::Refused))] {
        world.server.links.get_mut(&id).unwrap().link.proofs = vec![Bytes([guess; 32])];
        world.pass(3 * SECOND);
        assert_eq!(ended(&world, ALICE), end);
    }
    assert_closed(&world, phone);
}

#[test]
fn an_offer_ends_after_ten_minutes_whatever_the_server_says() {
    for lies in [false, true] {
        let mut world = World::new(1, 138);
        let (phone, code) = offer(&mut world);
        let digits = scan(&mut world, ALICE, &code).unwrap();
        if lies {
            let id = LinkCode::parse(&code).unwrap().link_id();
            let link = world.server.links.get_mut(&id).unwrap();
            link.link.expires_at = UnixTime(i64::MAX);
        }
        world.pass(10 * MINUTE);
        assert_eq!(ended(&world, ALICE), Some(LinkEnd::Expired), "{lies}");
        assert_eq!(ended(&world, phone), Some(LinkEnd::Expired), "{lies}");
        type_digits(&mut world, phone, &digits);
        assert_closed(&world, phone);
    }
    // Nobody offers under this code (any more).
    let mut world = World::new(1, 139);
    let (phone, code) = offer(&mut world);
    world.pass(11 * MINUTE);
    assert!(scan(&mut world, ALICE, &code).is_none());
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::Expired));
    assert_closed(&world, phone);
}

#[test]
fn a_phished_code_gets_nothing_because_the_digits_are_typed_nowhere() {
    let mut world = World::new(1, 140);
    // The attacker's offer, shown to Alice as something else. Alice sees digits and has nowhere to
    // type them; the attacker guesses three times.
    let (attacker, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    let mut guess = digits.clone();
    for _ in 0..3 {
        guess = other_digits(&guess);
        type_digits(&mut world, attacker, &guess);
    }
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::WrongDigits));
    world.pass(11 * MINUTE);
    assert_closed(&world, attacker);

    // One who waits gets nothing either.
    let mut world = World::new(1, 141);
    let (attacker, code) = offer(&mut world);
    scan(&mut world, ALICE, &code).unwrap();
    world.pass(11 * MINUTE);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::Expired));
    assert_closed(&world, attacker);
}

#[test]
fn an_answer_before_any_digits_were_typed_is_nobodys() {
    let mut world = World::new(1, 142);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    let parsed = LinkCode::parse(&code).unwrap();
    let link = world.server.links.get_mut(&parsed.link_id()).unwrap();
    let hash = offer_hash(&link.link.offer.0);
    // Somebody who saw the code and the digits answers for the new browser.
    link.link.proofs.push(digits_proof(&parsed, &hash, &digits));
    world.pass(5 * SECOND);
    assert_eq!(ended(&world, phone), Some(LinkEnd::Refused));
    assert_eq!(devices(&world), 1);
    assert!(!world.people[phone].vault.contains_key("account"));
}

#[test]
fn a_changed_answer_is_refused() {
    let mut world = World::new(1, 143);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    world.go_offline(ALICE);
    world.step(phone, Input::EnterLinkDigits { digits });
    world.settle();
    let id = LinkCode::parse(&code).unwrap().link_id();
    world.server.links.get_mut(&id).unwrap().link.answer = Some(Blob(vec![1; 900]));
    world.pass(3 * SECOND);
    assert_eq!(ended(&world, phone), Some(LinkEnd::Refused));
    assert!(!world.people[phone].vault.contains_key("account"));
    assert_eq!(devices(&world), 1);
}

#[test]
fn a_declined_touch_ends_it() {
    let mut world = World::new(1, 144);
    world.people[ALICE].touches = false;
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    type_digits(&mut world, phone, &digits);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::Declined));
    assert_eq!(world.people[ALICE].touched, 1);
    world.people[ALICE].touched = 0;
    world.pass(11 * MINUTE);
    assert_eq!(ended(&world, phone), Some(LinkEnd::Expired));
    assert_closed(&world, phone);
}

#[test]
fn a_list_that_moved_meanwhile_ends_it() {
    // Before the approval …
    let mut world = World::new(1, 145);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    move_served_list(&mut world);
    type_digits(&mut world, phone, &digits);
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::ListMoved));
    world.people[ALICE].touched = 0;
    world.pass(11 * MINUTE);
    assert_closed(&world, phone);

    // … and between approval and completion.
    let mut world = World::new(1, 146);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    world.go_offline(phone);
    world.step(phone, Input::EnterLinkDigits { digits });
    world.people[phone].online = true;
    for _ in 0..100 {
        world.now += SECOND;
        world.step(ALICE, Input::Tick);
        while world.carry(ALICE) {}
        if matches!(last(&world, ALICE), Some(LinkView::Completing)) {
            break;
        }
        if matches!(last(&world, ALICE), Some(LinkView::ShowDigits { .. })) {
            world.step(phone, Input::Tick);
            world.carry(phone);
        }
    }
    assert!(matches!(last(&world, ALICE), Some(LinkView::Completing)));
    move_served_list(&mut world);
    world.pass(10 * SECOND);
    assert_eq!(ended(&world, phone), Some(LinkEnd::ListMoved));
    assert!(!world.people[phone].vault.contains_key("account"));
    assert_eq!(world.people[phone].count("messaging"), 0);
    assert_eq!(devices(&world), 1);
}

/// The server has a newer list, of which Alice's device has not heard.
fn move_served_list(world: &mut World) {
    let account: super::super::account::Account =
        minicbor::decode(&world.people[ALICE].vault["account"]).unwrap();
    let now = UnixTime(world.now / 1_000);
    let served = world.server.accounts.get_mut(&account.phone).unwrap();
    let (version, messaging) = (served.list.version + 1, served.list.messaging_key);
    let devices = served.list.devices.clone();
    served.list =
        DeviceList::sign(&account.identity, &account.phone, version, now, &messaging, devices);
}

#[test]
fn a_ninth_device_is_not_linked() {
    let mut world = World::new(1, 147);
    let (phone, code) = offer(&mut world);
    let account: super::super::account::Account =
        minicbor::decode(&world.people[ALICE].vault["account"]).unwrap();
    let served = world.server.accounts.get_mut(&account.phone).unwrap();
    for n in 1..8 {
        let device_key = ExchangeSecret::generate(&mut world.rng).public();
        let device = ListedDevice { device_id: Bytes([n; 16]), registration_id: 1, device_key };
        served.list.devices.push(device);
    }
    move_served_list(&mut world);
    world.tell_own_list(ALICE);
    assert!(scan(&mut world, ALICE, &code).is_none());
    assert_eq!(ended(&world, ALICE), Some(LinkEnd::TooManyDevices));
    assert_eq!(world.people[ALICE].touched, 0);
    assert_eq!(devices(&world), 8);
    assert!(!world.people[phone].vault.contains_key("account"));
}

#[test]
fn either_side_can_cancel() {
    for side in [0, 1] {
        let mut world = World::new(1, 148);
        let (phone, code) = offer(&mut world);
        let digits = scan(&mut world, ALICE, &code).unwrap();
        let who = if side == 0 { ALICE } else { phone };
        world.step(who, Input::CancelLink);
        assert_eq!(ended(&world, who), Some(LinkEnd::Cancelled));
        type_digits(&mut world, phone, &digits);
        world.pass(11 * MINUTE);
        assert_closed(&world, phone);
        assert!(!world.people[phone].vault.contains_key("link"));
    }
}

#[test]
fn lost_answers_and_restarts_in_between_do_no_harm() {
    for seed in 149..155 {
        let mut world = World::new(1, seed);
        let (phone, code) = offer(&mut world);
        let digits = scan(&mut world, ALICE, &code).unwrap();
        world.step(phone, Input::EnterLinkDigits { digits });
        if seed % 2 == 0 {
            world.people[phone].answers_lost = true;
            world.settle();
            world.people[phone].answers_lost = false;
        }
        // Answers are lost from here on for a while, on one side or the other; then it crashes.
        let who = if seed % 3 == 0 { ALICE } else { phone };
        world.people[who].answers_lost = true;
        world.pass(4 * SECOND);
        world.people[who].answers_lost = false;
        if who == phone {
            world.reopen(phone);
        }
        world.pass(MINUTE);
        if let Some(LinkView::Approved { .. }) = world.people[phone].engine.snapshot().link {
            world.step(phone, Input::CompleteLink);
            world.pass(MINUTE);
        }
        assert_eq!(devices(&world), 2, "seed {seed}");
        let account = world.people[phone].engine.snapshot().account;
        assert!(account.is_some_and(|account| account.published), "seed {seed}");
        assert!(!world.people[phone].vault.contains_key("link"), "seed {seed}");
    }
}

#[test]
fn what_the_server_says_of_an_offer_harms_nobody() {
    let garbage = ["", "{}", "null", r#"{"offer":"","proofs":[],"answer":null,"expires_at":-1}"#];
    for (seed, body) in (160..).zip(garbage) {
        let mut world = World::new(1, seed);
        let (phone, code) = offer(&mut world);
        world.step(ALICE, Input::ApproveLink { code });
        for who in [ALICE, phone] {
            world.now += 3 * SECOND;
            world.step(who, Input::Tick);
            while !world.people[who].queue.is_empty() {
                world.spoil(who, |status, honest| {
                    let polled = serde_json::from_str::<Link>(&honest).is_ok();
                    (status, if polled { body.to_owned() } else { honest })
                });
            }
        }
        world.pass(11 * MINUTE);
        assert!(ended(&world, ALICE).is_some());
        assert!(ended(&world, phone).is_some());
        assert_closed(&world, phone);
    }
}

#[test]
fn secrets_that_nobody_comes_back_for_go_with_the_offer() {
    let mut world = World::new(1, 148);
    let (phone, code) = offer(&mut world);
    let digits = scan(&mut world, ALICE, &code).unwrap();
    // The host of the new browser registers no passkey.
    world.people[phone].touches = false;
    type_digits(&mut world, phone, &digits);
    assert!(matches!(last(&world, phone), Some(LinkView::Approved { .. })));
    world.pass(11 * MINUTE);
    assert_eq!(ended(&world, phone), Some(LinkEnd::Expired));
    assert!(!world.people[phone].vault.contains_key("link"));
}
