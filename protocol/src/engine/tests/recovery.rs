//! Vaults that are gone, and vaults that are old.

use super::server::Cookie;
use super::world::*;
use crate::capsule::{RecoveryCode, recovery_secret_from_prf};
use crate::engine::*;
use crate::keys::ExchangeSecret;
use crate::types::Bytes;
use crate::wire::RecoveryInfo;
use std::collections::BTreeMap;

const PRF: RecoveryMethod = RecoveryMethod::Passkey;

fn by_passkey() -> ExchangeSecret {
    recovery_secret_from_prf(&[7; 32])
}

fn set_recovery(world: &mut World, who: usize, secret: &ExchangeSecret, method: RecoveryMethod) {
    world.step(who, Input::SetRecovery { key: secret.public(), method });
    world.settle();
}

/// The same passkey signs in to an empty browser.
fn emptied(world: &mut World, who: usize) -> usize {
    world.go_offline(who);
    let (phone, device) = world.people[who].cookie.device.clone().unwrap();
    let cookie = Cookie { device: Some((phone.clone(), device)), ..Cookie::default() };
    let empty = world.push_device(phone, cookie, BTreeMap::new());
    world.step(empty, Input::Resume);
    empty
}

fn info(world: &mut World, who: usize) -> String {
    let (id, half, method) = (Bytes([0; 16]), Half::Account, "GET");
    let (path, authorization, body) = ("/v1/recovery-capsule".into(), None, None);
    let request = Request { id, half, method, path, authorization, body, touch: false };
    world.reach_server(who, &request).1
}

fn recover(world: &mut World, who: usize, secret: &ExchangeSecret, method: RecoveryMethod) {
    let info = info(world, who);
    let secret = Bytes(*secret.expose());
    world.step(who, Input::Recover { secret, method, info });
    world.settle();
}

fn has(world: &World, who: usize, wanted: impl Fn(&Event) -> bool) -> bool {
    world.people[who].events.iter().any(wanted)
}

fn is_back(world: &World, who: usize) -> bool {
    has(world, who, |event| matches!(event, Event::Recovered { .. }))
        && has(world, who, |event| *event == Event::DeviceReady)
}

fn capsule(world: &World, who: usize) -> Option<Vec<u8>> {
    let (phone, device) = world.people[who].cookie.device.clone().unwrap();
    let device = &world.server.accounts[&phone].devices[&device];
    device.capsule.clone().map(|capsule| capsule.0)
}

#[test]
fn a_capsule_is_put_and_put_again_where_the_server_has_none() {
    let mut world = World::new(1, 170);
    assert!(capsule(&world, ALICE).is_none());
    set_recovery(&mut world, ALICE, &by_passkey(), PRF);
    let first = capsule(&world, ALICE).unwrap();
    assert_eq!(first.len(), 1_024);
    world.reopen(ALICE);
    world.pass(A_DAY);
    assert_eq!(capsule(&world, ALICE), Some(first), "once is enough");
    let (phone, device) = world.people[ALICE].cookie.device.clone().unwrap();
    let account = world.server.accounts.get_mut(&phone).unwrap();
    account.devices.get_mut(&device).unwrap().capsule = None;
    world.pass(A_DAY);
    assert!(capsule(&world, ALICE).is_some());
    assert_eq!(world.people[ALICE].touched, 0);
    assert!(
        !world.people[ALICE]
            .vault
            .values()
            .any(|record| { record.windows(32).any(|bytes| bytes == by_passkey().expose()) })
    );
}

#[test]
fn an_emptied_browser_comes_back_by_its_passkey_or_by_a_code() {
    for (seed, method) in [(171, PRF), (172, RecoveryMethod::Code)] {
        let mut world = World::new(2, seed);
        let secret = match method {
            RecoveryMethod::Passkey => by_passkey(),
            RecoveryMethod::Code => RecoveryCode::generate(&mut world.rng).secret(),
        };
        world.write(BOB, ALICE, "before");
        world.settle();
        set_recovery(&mut world, ALICE, &secret, method);
        let old = capsule(&world, ALICE);
        world.pass(20 * A_DAY);
        let identity = world.server.accounts[&world.people[ALICE].phone].identity_key;
        let alice = emptied(&mut world, ALICE);
        recover(&mut world, alice, &secret, method);
        assert!(is_back(&world, alice), "{method:?}");
        assert_eq!(world.people[alice].touched, 1);
        let account = world.people[alice].engine.snapshot().account.unwrap();
        assert!(account.published);
        assert_eq!(account.device_name, "Laptop");
        let served = &world.server.accounts[&world.people[alice].phone];
        assert_eq!(served.identity_key, identity);
        assert!(served.messaging_key.key_version >= 2, "what the old device knew is replaced");
        assert_ne!(capsule(&world, alice), old, "and the capsule renewed");

        world.write(BOB, ALICE, "after");
        world.pass(AN_HOUR);
        assert_eq!(world.received(alice, BOB).last().unwrap(), "after");
        assert_eq!(world.contact(BOB, ALICE).unwrap().safety, Safety::Unverified);
        world.write(alice, BOB, "I am back");
        world.settle();
        assert_eq!(world.received(BOB, ALICE), ["I am back"]);
        world.pass(3 * A_DAY);
        assert!(!has(&world, alice, |event| *event == Event::KeysAltered));
        // And once more, with the capsule of now.
        let again = emptied(&mut world, alice);
        recover(&mut world, again, &secret, method);
        assert!(is_back(&world, again));
    }
}

#[test]
fn a_capsule_that_does_not_open_or_hold_changes_nothing() {
    let mut world = World::new(2, 173);
    set_recovery(&mut world, ALICE, &by_passkey(), PRF);
    let honest = info(&mut world, ALICE);
    let read = || serde_json::from_str::<RecoveryInfo>(&honest).unwrap();
    let bob = world.server.accounts[&world.people[BOB].phone].identity_key;
    let changed = |change: fn(&mut RecoveryInfo)| {
        let mut info = read();
        change(&mut info);
        serde_json::to_string(&info).unwrap()
    };
    let mut other_identity = read();
    other_identity.bundle.identity_key = bob;
    let cases = [
        String::new(),
        "{}".into(),
        changed(|info| info.capsule = None),
        changed(|info| info.capsule.as_mut().unwrap().0[500] ^= 1),
        changed(|info| info.device_id = Bytes([1; 16])),
        changed(|info| info.bundle.device_list.version += 1),
        changed(|info| info.bundle.messaging_key.key_version += 1),
        changed(|info| info.bundle.prekeys.clear()),
        changed(|info| info.bundle.prekeys[0].signed_prekey.public_key.0[0] ^= 1),
        serde_json::to_string(&other_identity).unwrap(),
    ];
    let empty = emptied(&mut world, ALICE);
    let secret = Bytes(*by_passkey().expose());
    for (n, info) in cases.into_iter().enumerate() {
        world.people[empty].events.clear();
        world.step(empty, Input::Recover { secret, method: PRF, info });
        world.settle();
        assert!(world.people[empty].events == [Event::RecoveryRefused], "case {n}");
        assert!(world.people[empty].vault.is_empty(), "case {n}");
    }
    let other = recovery_secret_from_prf(&[8; 32]);
    recover(&mut world, empty, &other, PRF);
    assert!(world.people[empty].events == [Event::RecoveryRefused, Event::RecoveryRefused]);
    assert_eq!(world.people[empty].touched, 0);
    recover(&mut world, empty, &by_passkey(), PRF);
    assert!(is_back(&world, empty), "the honest answer opens");
}

#[test]
fn a_declined_touch_leaves_everything_as_it_was() {
    let mut world = World::new(1, 174);
    set_recovery(&mut world, ALICE, &by_passkey(), PRF);
    let before = world.server.accounts[&world.people[ALICE].phone].list.clone();
    let empty = emptied(&mut world, ALICE);
    world.people[empty].touches = false;
    recover(&mut world, empty, &by_passkey(), PRF);
    assert!(world.people[empty].engine.snapshot().account.is_none());
    assert_eq!(world.people[empty].count("request"), 0);
    assert_eq!(world.server.accounts[&world.people[ALICE].phone].list, before);
    world.go_online(ALICE);
    world.pass(A_DAY);
    assert!(!has(&world, ALICE, |event| *event == Event::VaultOutdated), "the old one goes on");
    world.people[empty].touches = true;
    recover(&mut world, empty, &by_passkey(), PRF);
    assert!(is_back(&world, empty));
}

#[test]
fn a_recovery_whose_answer_was_lost_is_settled() {
    for crash in [false, true] {
        let mut world = World::new(2, 175);
        set_recovery(&mut world, ALICE, &by_passkey(), PRF);
        let empty = emptied(&mut world, ALICE);
        world.people[empty].answers_lost = true;
        recover(&mut world, empty, &by_passkey(), PRF);
        world.people[empty].answers_lost = false;
        if crash {
            world.reopen(empty);
        }
        world.pass(MINUTE);
        assert!(is_back(&world, empty), "{crash}");
        assert_eq!(world.people[empty].count("request"), 0);
        world.write(BOB, ALICE, "hello");
        world.settle();
        assert_eq!(world.received(empty, BOB), ["hello"]);
    }
}

#[test]
fn a_recovery_that_the_lists_renewal_overtook_tries_again() {
    let mut world = World::new(1, 176);
    set_recovery(&mut world, ALICE, &by_passkey(), PRF);
    let info = info(&mut world, ALICE);
    let empty = emptied(&mut world, ALICE);
    world.move_list(ALICE);
    let secret = Bytes(*by_passkey().expose());
    world.step(empty, Input::Recover { secret, method: PRF, info });
    world.settle();
    assert!(is_back(&world, empty));
    assert_eq!(world.people[empty].touched, 2, "each request has a touch of its own");
}

/// Alice's vault as it was some days ago is put back.
fn restored(seed: u64) -> World {
    let mut world = World::new(2, seed);
    world.write(ALICE, BOB, "one");
    world.write(BOB, ALICE, "two");
    world.settle();
    let old = world.people[ALICE].vault.clone();
    world.pass(4 * A_DAY);
    world.write(BOB, ALICE, "three");
    world.settle();
    world.people[ALICE].vault = old;
    world.people[ALICE].events.clear();
    world.reopen(ALICE);
    world.settle();
    world
}

#[test]
fn an_old_vault_is_noticed_and_nothing_comes_in_or_goes_out() {
    let mut world = restored(177);
    assert!(has(&world, ALICE, |event| *event == Event::VaultOutdated));
    assert!(world.people[ALICE].engine.snapshot().outdated);
    let waiting = world.server.account_log.len();
    let sealed = world.people[ALICE].sealed_requests;
    world.write(ALICE, BOB, "too early");
    world.write(BOB, ALICE, "four");
    world.pass(A_DAY);
    assert_eq!(world.people[ALICE].sealed_requests, sealed);
    let log = &world.server.account_log[waiting..];
    assert!(!log.iter().any(|call| call == "PUT /v1/keys"), "no keys of the old state");
    world.reopen(ALICE);
    world.settle();
    assert!(world.people[ALICE].engine.snapshot().outdated);
    assert_eq!(world.received(BOB, ALICE), ["one"]);
    assert!(!world.received(ALICE, BOB).contains(&"four".to_owned()));
}

#[test]
fn a_device_with_an_old_vault_begins_anew_after_a_touch() {
    let mut world = restored(178);
    world.people[ALICE].touches = false;
    world.step(ALICE, Input::RenewDevice);
    world.settle();
    assert!(world.people[ALICE].engine.snapshot().outdated, "not without the touch");
    let channels = world.people[ALICE].count("channel");
    assert!(channels > 0, "and nothing is thrown away");

    world.people[ALICE].touches = true;
    world.write(ALICE, BOB, "waited");
    world.step(ALICE, Input::RenewDevice);
    world.settle();
    assert!(is_back(&world, ALICE));
    assert!(!world.people[ALICE].engine.snapshot().outdated);
    assert_eq!(world.people[ALICE].count("pool"), 1, "a heal waits for its moment");
    world.pass(A_DAY);
    assert_eq!(world.people[ALICE].count("pool"), 0);
    assert_eq!(world.received(BOB, ALICE), ["one", "waited"]);
    world.write(BOB, ALICE, "four");
    world.settle();
    assert_eq!(world.received(ALICE, BOB).last().unwrap(), "four");
    world.pass(3 * A_DAY);
    let altered = |event: &Event| matches!(event, Event::KeysAltered | Event::DeviceUnknown);
    assert!(!has(&world, ALICE, altered));
    let outdated = world.people[ALICE].events.iter().filter(|e| **e == Event::VaultOutdated);
    assert_eq!(outdated.count(), 1);
}

#[test]
fn a_vault_of_before_the_device_began_anew_is_outdated_too() {
    let mut world = World::new(2, 179);
    set_recovery(&mut world, ALICE, &by_passkey(), PRF);
    let empty = emptied(&mut world, ALICE);
    recover(&mut world, empty, &by_passkey(), PRF);
    assert!(is_back(&world, empty));
    world.go_offline(empty);
    // The first vault turns up again. Its device key is not the listed one any more.
    world.people[ALICE].cookie.proved = false;
    world.people[ALICE].events.clear();
    world.people[ALICE].online = true;
    world.reopen(ALICE);
    world.settle();
    assert!(has(&world, ALICE, |event| *event == Event::VaultOutdated));
    assert!(!has(&world, ALICE, |event| *event == Event::DeviceUnknown));
    world.step(ALICE, Input::RenewDevice);
    world.settle();
    assert!(is_back(&world, ALICE));
    world.write(BOB, ALICE, "found you");
    world.settle();
    assert_eq!(world.received(ALICE, BOB), ["found you"]);
}

#[test]
fn another_devices_passkey_is_still_another_device() {
    let mut world = World::new(2, 180);
    world.people[ALICE].cookie = world.people[BOB].cookie.clone();
    world.people[ALICE].cookie.proved = false;
    world.people[ALICE].events.clear();
    world.reopen(ALICE);
    for _ in 0..10 {
        if let Some(request) = world.people[ALICE].queue.pop_front() {
            let (status, body) = world.reach_server(ALICE, &request);
            let retry_after = None;
            world.step(ALICE, Input::Response { request: request.id, status, retry_after, body });
        }
    }
    assert!(has(&world, ALICE, |event| *event == Event::DeviceUnknown));
    assert!(!world.people[ALICE].engine.snapshot().outdated);
}

#[test]
fn a_device_that_begins_anew_tells_its_siblings_and_is_told_what_they_know() {
    let mut world = World::new(2, 181);
    world.write(ALICE, BOB, "before");
    world.settle();
    let contact = world.contact(ALICE, BOB).unwrap().id;
    world.step(ALICE, Input::NameContact { contact, name: "Bob".into() });
    let phone = world.graft(ALICE, "Phone");
    set_recovery(&mut world, phone, &by_passkey(), PRF);
    world.pass(AN_HOUR);
    let empty = emptied(&mut world, phone);
    recover(&mut world, empty, &by_passkey(), PRF);
    assert!(is_back(&world, empty));
    world.pass(A_DAY);
    // The sibling has the messaging secret that the recovery made, and the list.
    world.write(BOB, ALICE, "to both");
    world.pass(AN_HOUR);
    for who in [ALICE, empty] {
        assert_eq!(world.received(who, BOB), ["to both"]);
        assert!(!has(&world, who, |event| *event == Event::KeysAltered));
    }
    assert_eq!(world.contact(empty, BOB).unwrap().name, "Bob");
}

#[test]
fn a_device_begins_anew_on_nothing_older_than_what_its_vault_knows() {
    let mut world = World::new(2, 189);
    let phone = world.people[ALICE].phone.clone();
    let old = world.server.accounts[&phone].list.clone();
    world.graft(ALICE, "Phone");
    world.pass(A_DAY);
    let newest = world.server.accounts[&phone].list.clone();
    assert!(newest.version > old.version);
    // The server says that the vault is an old one, and serves the list of before.
    let served = world.server.accounts.get_mut(&phone).unwrap();
    served.list.devices.iter_mut().for_each(|listed| listed.registration_id += 1);
    world.reopen(ALICE);
    world.settle();
    assert!(has(&world, ALICE, |event| *event == Event::VaultOutdated));
    world.server.accounts.get_mut(&phone).unwrap().list = old;
    world.step(ALICE, Input::RenewDevice);
    world.settle();
    assert!(has(&world, ALICE, |event| *event == Event::KeysAltered));
    assert_eq!(world.people[ALICE].touched, 0, "nothing is signed on top of it");
    assert!(!is_back(&world, ALICE));

    world.server.accounts.get_mut(&phone).unwrap().list = newest;
    world.step(ALICE, Input::RenewDevice);
    world.settle();
    assert!(has(&world, ALICE, |event| matches!(event, Event::Recovered { .. })));
}
