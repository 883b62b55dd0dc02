//! What must not be believed, and what must not happen twice.

use super::server::ServerDevice;
use super::world::*;
use crate::certificate::SenderCertificate;
use crate::device_list::DeviceList;
use crate::engine::account::Account;
use crate::engine::certificates::OwnCertificate;
use crate::engine::channels::PeerDevice;
use crate::engine::letters::Letter;
use crate::engine::outbox::Outgoing;
use crate::engine::*;
use crate::keys::{ExchangeSecret, IdentitySecret, sign_prekey};
use crate::record::to_cbor;
use crate::types::{Bytes, UnixTime};
use crate::wire::{
    InboxEnvelope, InboxLetter, ListedDevice, ServerFrame, StartRegistration, VerifyRegistration,
};

pub(super) fn letters_frame(letters: Vec<InboxLetter>) -> ServerFrame {
    ServerFrame::Letters { letters }
}

pub(super) fn envelopes_frame(envelopes: Vec<InboxEnvelope>) -> ServerFrame {
    ServerFrame::Envelopes { envelopes }
}

pub(super) fn pending_letters(world: &World, who: usize) -> Vec<InboxLetter> {
    let device = world.device(who).unwrap();
    world.server.accounts[&world.people[who].phone].pending(device)
}

pub(super) fn pending_envelopes(world: &World, who: usize) -> Vec<InboxEnvelope> {
    let device = world.device(who).unwrap();
    world.server.accounts[&world.people[who].phone].devices[&device].envelopes.clone()
}

/// Alice's first letter to Bob, on the server while Bob is away.
fn undelivered(seed: u64, one_time_prekeys: bool) -> World {
    let mut world = World::new(2, seed);
    if !one_time_prekeys {
        let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
        let account = world.server.accounts.get_mut(&phone).unwrap();
        account.devices.get_mut(&device).unwrap().one_time.clear();
    }
    world.go_offline(BOB);
    world.write(ALICE, BOB, "Hello Bob");
    world.settle();
    world
}

#[test]
fn a_replayed_letter_shows_once() {
    let mut world = undelivered(40, true);
    let letters = pending_letters(&world, BOB);
    world.go_online(BOB);
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob"]);
    let before = world.people[BOB].vault.clone();
    world.inject(BOB, &letters_frame(letters.clone()));
    world.inject(BOB, &letters_frame(letters));
    assert_eq!(world.people[BOB].vault, before, "nothing changes");
    assert_eq!(world.contact(BOB, ALICE).unwrap().unread, 1);
}

#[test]
fn a_replayed_first_message_is_refused() {
    // Without a one-time prekey: only the remembered base key stands against the replay.
    let mut world = undelivered(41, false);
    let envelopes = pending_envelopes(&world, BOB);
    world.go_online(BOB);
    assert_eq!(world.people[BOB].count("channel"), 1);

    let before = world.people[BOB].vault.clone();
    world.inject(BOB, &envelopes_frame(envelopes.clone()));
    assert_eq!(world.people[BOB].vault, before, "on the channel that it began");

    world.people[BOB]
        .vault
        .retain(|key, _| !key.starts_with("channel/") && !key.starts_with("in/"));
    world.reopen(BOB);
    world.inject(BOB, &envelopes_frame(envelopes.clone()));
    assert_eq!(world.people[BOB].count("channel"), 0, "after the channel is gone");
    assert_eq!(world.people[BOB].count("in"), 0);

    world.people[BOB].vault.retain(|key, _| !key.starts_with("base-key/"));
    world.reopen(BOB);
    world.inject(BOB, &envelopes_frame(envelopes));
    assert_eq!(world.people[BOB].count("channel"), 1, "the base key was what refused it");
}

#[test]
fn a_one_time_prekey_is_deleted_at_its_first_use() {
    let mut world = undelivered(42, true);
    assert_eq!(world.people[BOB].count("one-time"), 100);
    world.go_online(BOB);
    assert_eq!(world.people[BOB].count("one-time"), 99);
}

#[test]
fn corrupted_letters_change_nothing_and_block_nothing() {
    let mut world = undelivered(43, true);
    world.go_online(BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "second");
    world.settle();
    let letter = pending_letters(&world, BOB).remove(0);
    // All that remains is that they did not open.
    let vault = |world: &World| {
        let mut vault = world.people[BOB].vault.clone();
        vault.retain(|key, _| !key.starts_with("unopened/"));
        vault
    };
    let before = vault(&world);
    for at in [0, 31, 32, 40, 60, 100, 500, 1_007, 1_008, 1_023] {
        let mut bad = letter.clone();
        bad.encrypted_content.0[at] ^= 1;
        world.inject(BOB, &letters_frame(vec![bad]));
        assert!(vault(&world) == before, "byte {at}");
    }
    let others = [
        InboxLetter { message_id: Bytes([7; 16]), ..letter.clone() },
        InboxLetter { expires_at: letter.timestamp.plus(8 * 86_400).day(), ..letter.clone() },
        InboxLetter { timestamp: letter.timestamp.plus(30 * 86_400), ..letter.clone() },
    ];
    for bad in others {
        world.inject(BOB, &letters_frame(vec![bad]));
        assert!(vault(&world) == before);
    }
    // One that never opens lies in the mailbox, before and behind good ones.
    let phone = world.people[BOB].phone.clone();
    let device = world.device(BOB).unwrap();
    let account = world.server.accounts.get_mut(&phone).unwrap();
    for id in [[0; 16], [255; 16]] {
        let bad = InboxLetter { message_id: Bytes(id), ..letter.clone() };
        account.letters.insert(bad.message_id, bad);
        account.devices.get_mut(&device).unwrap().pending.insert(Bytes(id));
    }
    world.go_online(BOB);
    world.pass(A_DAY);
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob", "second"]);
    let failed = &world.server.accounts[&phone].devices[&device].failed;
    assert!(failed.contains(&Bytes([0; 16])) && failed.contains(&Bytes([255; 16])), "reported");
    world.write(ALICE, BOB, "third");
    world.settle();
    assert_eq!(world.received(BOB, ALICE).len(), 3);
}

#[test]
fn corrupted_envelopes_change_nothing() {
    let mut world = undelivered(44, true);
    let envelope = pending_envelopes(&world, BOB).remove(0);
    // All that remains is that they did not open.
    let vault = |world: &World| {
        let mut vault = world.people[BOB].vault.clone();
        vault.retain(|key, _| !key.starts_with("unopened/"));
        vault
    };
    let before = vault(&world);
    for at in [0, 31, 32, 100, 700, 1_999, 2_047] {
        let mut bad = envelope.clone();
        bad.encrypted_session_key.0[at] ^= 1;
        world.inject(BOB, &envelopes_frame(vec![bad]));
        assert_eq!(world.people[BOB].vault, before, "byte {at}");
    }
    let foreign = InboxEnvelope { session_key_id: Bytes([1; 16]), ..envelope };
    world.inject(BOB, &envelopes_frame(vec![foreign]));
    assert_eq!(world.people[BOB].vault, before);
    world.go_online(BOB);
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob"]);
}

#[test]
fn a_certificate_by_anybody_else_is_refused() {
    let mut world = World::new(2, 45);
    world.find(ALICE, BOB);
    let alice = &mut world.people[ALICE];
    let account: Account = minicbor::decode(&alice.vault["account"]).unwrap();
    let forger = IdentitySecret::generate(&mut world.rng);
    let now = UnixTime(world.now / 1_000);
    let (id, key) = (account.device_id, account.device.public());
    let identity = account.identity.public();
    let forged = SenderCertificate::issue(&forger, &alice.phone, &identity, &id, &key, now);
    let (bytes, valid_until) = (forged.to_cbor(), forged.valid_until);
    alice.vault.insert("certificate".into(), to_cbor(&OwnCertificate { bytes, valid_until }));
    world.reopen(ALICE);
    world.write(ALICE, BOB, "believe me");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert!(world.contact(BOB, ALICE).is_none());
    assert_eq!(world.people[BOB].count("channel"), 0);
    assert_eq!(world.people[BOB].count("one-time"), 100, "no prekey is used up");
    assert_eq!(pending_letters(&world, BOB).len(), 1);
    assert_eq!(pending_envelopes(&world, BOB).len(), 1, "the server may have a new key");
    world.pass(2 * A_DAY);
    assert!(pending_envelopes(&world, BOB).is_empty(), "it has not");
    assert!(world.contact(BOB, ALICE).is_none());
}

/// What the server does to Bob's keys, and what becomes of Alice's letter.
fn served(seed: u64, change: impl FnOnce(&mut super::server::ServerAccount)) -> World {
    let mut world = World::new(2, seed);
    world.write(ALICE, BOB, "first");
    world.pass(25 * AN_HOUR);
    let phone = world.people[BOB].phone.clone();
    change(world.server.accounts.get_mut(&phone).unwrap());
    world.write(ALICE, BOB, "second");
    world.settle();
    world
}

const KEYS_REFUSED: LetterState = LetterState::Failed { reason: FailReason::KeysRefused };

#[test]
fn a_ghost_device_in_the_list_stops_the_letter() {
    let world = served(46, |bob| {
        let ghost = ListedDevice {
            device_id: Bytes([255; 16]),
            registration_id: 1,
            device_key: Bytes([9; 32]),
        };
        bob.list.devices.push(ghost);
    });
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, KEYS_REFUSED]);
}

#[test]
fn a_rolled_back_list_stops_the_letter() {
    let mut world = World::new(2, 47);
    let phone = world.people[BOB].phone.clone();
    let old = world.server.accounts[&phone].list.clone();
    world.pass(8 * A_DAY);
    world.write(ALICE, BOB, "first");
    world.pass(25 * AN_HOUR);
    assert!(world.server.accounts[&phone].list.version > old.version);
    world.server.accounts.get_mut(&phone).unwrap().list = old;
    world.write(ALICE, BOB, "second");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, KEYS_REFUSED]);
}

#[test]
fn a_forged_prekey_signature_stops_the_letter() {
    let world = served(48, |bob| {
        bob.devices.values_mut().for_each(|device| device.signed_prekey.public_key.0[0] ^= 1);
    });
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent, KEYS_REFUSED]);
}

/// Sends a letter that no honest engine writes, by putting it into its sender's outbox.
pub(super) fn send_crafted(
    world: &mut World,
    who: usize,
    whom: usize,
    change: impl FnOnce(&mut Letter),
) {
    world.now += 1;
    let contact = world.contact(who, whom).unwrap().id;
    let mut letter = Letter {
        id: Bytes::random(&mut world.rng),
        contact,
        outgoing: true,
        at: world.now,
        kind: 1,
        body: b"crafted".to_vec(),
        state: LetterState::Waiting { reason: None },
        sealed_at: world.now,
    };
    change(&mut letter);
    let name = format!("{:016x}-{}", letter.at.max(0), letter.id.to_text());
    let key = format!("outbox/{}/{name}", contact.to_text());
    let outgoing = to_cbor(&Outgoing::new(letter));
    world.people[who].vault.insert(key, outgoing);
    world.reopen(who);
    world.settle();
}

#[test]
fn unknown_kinds_are_kept_acknowledged_and_named_as_newer() {
    let mut world = undelivered(51, true);
    world.go_online(BOB);
    send_crafted(&mut world, ALICE, BOB, |letter| {
        (letter.kind, letter.body) = (4_077, b"from the future".to_vec());
    });
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob", "(newer)"]);
    assert!(pending_letters(&world, BOB).is_empty());
    let (_, record) =
        world.people[BOB].vault.iter().rfind(|(key, _)| key.starts_with("letter/")).unwrap();
    let kept: Letter = minicbor::decode(record).unwrap();
    assert_eq!(kept.body, b"from the future", "for a version that knows it");
}

#[test]
fn lying_clocks_stay_within_the_hour_of_storing() {
    for (seed, lie) in [(52, i64::MAX), (53, 0), (54, -5), (55, START + 365 * A_DAY)] {
        let mut world = undelivered(seed, true);
        world.go_online(BOB);
        send_crafted(&mut world, ALICE, BOB, |letter| letter.at = lie);
        let letters = world.letters(BOB, ALICE);
        assert_eq!(letters.len(), 2);
        let hour = START.div_euclid(AN_HOUR) * AN_HOUR;
        assert!(letters.iter().all(|letter| (hour..hour + AN_HOUR).contains(&letter.at)));
    }
}

#[test]
fn clocks_that_are_off_by_most_of_an_hour_do_no_harm() {
    for (seed, error) in [(56, 50 * MINUTE), (57, -50 * MINUTE)] {
        let mut world = World::new(2, seed);
        world.people[ALICE].clock_error = error;
        for n in 0..60 {
            world.write(ALICE, BOB, &format!("{n:02}"));
            world.pass(AN_HOUR);
        }
        assert_eq!(world.received(BOB, ALICE).len(), 60);
    }
}

#[test]
fn nobody_writes_over_the_letters_of_others() {
    let mut world = undelivered(58, true);
    world.go_online(BOB);
    let hers = world.letters(ALICE, BOB).remove(0);
    let (id, at) = (hers.id, hers.at);
    send_crafted(&mut world, BOB, ALICE, |letter| (letter.id, letter.at) = (id, at));
    assert_eq!(world.letters(ALICE, BOB), [hers]);
}

#[test]
fn receiving_never_causes_a_request_to_another_mailbox() {
    let mut world = undelivered(59, true);
    for _ in 0..5 {
        world.write(ALICE, BOB, "again");
        world.pass(25 * AN_HOUR);
    }
    let (before, asked) = (world.server.sealed_log.len(), world.people[BOB].sealed_requests);
    world.go_online(BOB);
    world.pass(3 * A_DAY);
    assert_eq!(world.received(BOB, ALICE).len(), 6);
    // Once a day or so, everybody looks their own keys up as a stranger.
    let own = format!("/v1/sealed/lookup {{\"phone\":\"{}\"", world.people[BOB].phone.as_str());
    let own = world.server.sealed_log[before..].iter().filter(|asked| asked.starts_with(&own));
    assert_eq!(world.people[BOB].sealed_requests - asked, own.count() as u32);
}

#[test]
fn a_session_is_not_taken_beyond_its_time() {
    let mut world = undelivered(60, true);
    let letters = pending_letters(&world, BOB);
    let late = |hours: i64| {
        let mut letter = letters[0].clone();
        letter.timestamp = letter.timestamp.plus(hours * 3_600);
        letter.expires_at = letter.timestamp.plus(30 * 86_400).day_up();
        letter
    };
    let phone = world.people[BOB].phone.clone();
    world.server.accounts.get_mut(&phone).unwrap().letters.clear();
    world.go_online(BOB);
    world.now += 27 * AN_HOUR;
    world.inject(BOB, &letters_frame(vec![late(27)]));
    assert!(world.received(BOB, ALICE).is_empty());
    world.inject(BOB, &letters_frame(vec![late(25)]));
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob"]);
}

#[test]
fn nothing_secret_or_personal_is_printed() {
    let mut world = World::new(2, 61);
    world.write(ALICE, BOB, "a private word");
    world.settle();
    let contact = world.contact(ALICE, BOB).unwrap();
    let letter = world.letters(ALICE, BOB).remove(0);
    let (phone, key, id) = (contact.phone.clone(), letter.key.clone(), letter.id);
    let named = Input::NameContact { contact: contact.id, name: "a private word".into() };
    let text = Input::SendText { contact: contact.id, text: "a private word".into() };
    let made = Input::CreateAccount { phone: phone.clone(), device_name: "a private word".into() };
    let frame = Input::LiveFrame { text: "a private word".into() };
    let (request, body) = (id, "a private word".to_owned());
    let answer = Input::Response { request, status: 200, retry_after: None, body };
    let delete = Input::DeleteLetter { contact: contact.id, letter: id, key: key.clone() };
    let inputs = [named, text, made, frame, answer, delete];
    let mut engine = Engine::open(HOST, world.people[ALICE].records()).unwrap();
    let mut printed = format!("{engine:?} {:?} {inputs:?}", engine.snapshot());
    for input in [Input::Resume, Input::SignedIn].into_iter().chain(inputs) {
        let out = engine.step(world.now, &mut world.rng, input);
        printed += &format!("{out:?} {:?} {:?} {:?}", out.requests, out.writes, out.events);
    }
    let account = engine.snapshot().account;
    printed += &format!("{account:?} {contact:?} {letter:?} {:?}", letter.content);
    printed += &format!("{:?}", world.people[ALICE].events);
    let typed = phone.as_str().to_owned();
    let start = StartRegistration { phone: typed.clone() };
    let verify = VerifyRegistration { phone: typed.clone(), code: "493817".into() };
    printed += &format!("{start:?} {verify:?}");
    let contact = contact.id.to_text();
    for said in ["a private word", "+49", &typed, "493817", &key, &contact, &id.to_text(), "Laptop"]
    {
        assert!(!printed.contains(said), "{said} was printed: {printed}");
    }
    assert!(printed.contains("SendText") && printed.contains("Write"));
    assert!(printed.len() < 30_000, "bodies were printed");
}

#[test]
fn damaged_records_are_refused_at_opening() {
    let world = World::new(1, 62);
    let mut records = world.people[ALICE].records();
    assert!(Engine::open(HOST, records.clone()).is_ok());
    let account = records.iter_mut().find(|(key, _)| key == "account").unwrap();
    account.1.truncate(20);
    let error = Engine::open(HOST, records).unwrap_err();
    assert_eq!(error, OpenError::Unreadable { kind: "account".into() });
}

#[test]
fn records_of_later_versions_are_left_alone() {
    let mut world = World::new(1, 63);
    world.people[ALICE].vault.insert("capsule/1".into(), vec![1, 2, 3]);
    world.reopen(ALICE);
    world.settle();
    assert_eq!(world.people[ALICE].vault["capsule/1"], [1, 2, 3]);
}

/// Signs a list that names one device more, as somebody who holds the identity secret can, and
/// serves it without the owner's device knowing.
fn serve_a_list_with_a_ghost(world: &mut World, who: usize, version: u64) {
    let account: Account = minicbor::decode(&world.people[who].vault["account"]).unwrap();
    let (ghost, now) = (Bytes([255; 16]), UnixTime(world.now / 1_000));
    let key = ExchangeSecret::generate(&mut world.rng).public();
    let served = world.server.accounts.get_mut(&account.phone).unwrap();
    let (mut devices, messaging) = (served.list.devices.clone(), served.list.messaging_key);
    devices.push(ListedDevice { device_id: ghost, registration_id: 5, device_key: key });
    served.list =
        DeviceList::sign(&account.identity, &account.phone, version, now, &messaging, devices);
    let prekey = ExchangeSecret::generate(&mut world.rng).public();
    let signed_prekey = sign_prekey(&account.identity, &ghost, 1, now.hour(), &prekey);
    let device = ServerDevice::new(signed_prekey, Vec::new(), crate::types::Blob(Vec::new()), now);
    served.devices.insert(ghost, device);
}

#[test]
fn another_list_of_ones_own_under_a_known_version_is_refused_and_told() {
    let mut world = World::new(2, 66);
    serve_a_list_with_a_ghost(&mut world, BOB, 1);
    world.write(ALICE, BOB, "to a ghost as well");
    world.settle();
    assert_eq!(world.states(ALICE, BOB), [LetterState::Sent]);
    assert!(world.received(BOB, ALICE).is_empty());
    assert_eq!(world.people[BOB].count("in"), 0);
    world.pass(AN_HOUR);
    assert!(world.people[BOB].events.contains(&Event::KeysAltered));
}

#[test]
fn a_device_that_a_sibling_added_is_shown() {
    for (seed, version) in [(64, 2), (65, 9)] {
        let mut world = World::new(2, seed);
        serve_a_list_with_a_ghost(&mut world, BOB, version);
        world.write(ALICE, BOB, "to both");
        world.settle();
        world.pass(2 * MINUTE);
        assert_eq!(world.received(BOB, ALICE), ["to both"], "version {version}");
        assert!(!world.people[BOB].events.contains(&Event::KeysAltered), "version {version}");
        let devices = world.people[BOB].engine.snapshot().devices;
        assert_eq!(devices.len(), 2);
        assert!(devices.iter().any(|device| device.id == Bytes([255; 16])));
        assert!(world.people[BOB].events.contains(&Event::Devices { devices }));
    }
}

#[test]
fn another_letter_under_a_used_index_is_not_acknowledged() {
    let mut world = World::new(2, 67);
    world.write(ALICE, BOB, "one");
    world.settle();
    let restored = world.people[ALICE].vault.clone();
    world.write(ALICE, BOB, "two");
    world.settle();
    let two = world.server.accounts[&world.people[BOB].phone].letters.clone();
    world.people[ALICE].vault = restored;
    world.reopen(ALICE);
    world.settle();
    // The token of "two" is in the old vault as well: refused, and another one taken.
    world.write(ALICE, BOB, "three");
    while pending_letters(&world, BOB).is_empty() {
        world.pass(SECOND);
    }
    assert_eq!(world.received(BOB, ALICE), ["one", "two"]);
    assert_eq!(pending_letters(&world, BOB).len(), 1, "not lost silently");
    // What was taken and comes again is acknowledged, also by an engine that was opened anew.
    let (phone, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let account = world.server.accounts.get_mut(&phone).unwrap();
    account.devices.get_mut(&device).unwrap().pending.extend(two.keys());
    world.reopen(BOB);
    world.settle();
    assert_eq!(pending_letters(&world, BOB).len(), 1);
}

#[test]
fn an_hour_of_storing_that_cannot_be_is_not_believed() {
    let mut world = undelivered(68, true);
    let (letters, envelopes) = (pending_letters(&world, BOB), pending_envelopes(&world, BOB));
    let before = world.people[BOB].vault.clone();
    for hours in [-34 * 24, 3] {
        let (mut letter, mut envelope) = (letters[0].clone(), envelopes[0].clone());
        envelope.created_at = envelope.created_at.plus(hours * 3_600);
        letter.timestamp = letter.timestamp.plus(hours * 3_600);
        letter.expires_at = letter.timestamp.plus(30 * 86_400).day_up();
        world.inject(BOB, &envelopes_frame(vec![envelope]));
        world.inject(BOB, &letters_frame(vec![letter]));
        assert_eq!(world.people[BOB].vault, before, "{hours} hours");
    }
    assert_eq!(pending_envelopes(&world, BOB).len(), 1, "nothing was acknowledged");
    // A vault whose clock is years behind waits until it is right.
    world.people[BOB].clock_error = -1_000 * A_DAY;
    world.go_online(BOB);
    assert!(world.received(BOB, ALICE).is_empty());
    assert_eq!(pending_letters(&world, BOB).len(), 1);
    world.people[BOB].clock_error = 0;
    world.reopen(BOB);
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["Hello Bob"]);
}

#[test]
fn a_late_envelope_of_an_earlier_registration_displaces_no_newer_channel() {
    let mut world = World::new(2, 78);
    world.find(ALICE, BOB);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "before");
    world.settle();
    let early = pending_envelopes(&world, BOB);
    // Alice's state begins anew: another registration id, and none of the channels of before.
    let alice = &mut world.people[ALICE];
    let mut account: Account = minicbor::decode(&alice.vault["account"]).unwrap();
    account.registration_id += 1;
    alice.vault.insert("account".into(), to_cbor(&account));
    let forgotten = ["peer/", "channel/", "out/", "bundle/"];
    alice.vault.retain(|key, _| !forgotten.iter().any(|kind| key.starts_with(kind)));
    let now = UnixTime(world.now / 1_000);
    let served = world.server.accounts.get_mut(&account.phone).unwrap();
    let (version, messaging) = (served.list.version + 1, served.list.messaging_key);
    let devices = vec![account.listed()];
    served.list =
        DeviceList::sign(&account.identity, &account.phone, version, now, &messaging, devices);
    world.tell_own_list(ALICE);
    world.reopen(ALICE);
    world.settle();
    world.write(ALICE, BOB, "after");
    world.settle();

    let late = pending_envelopes(&world, BOB);
    let late = late.into_iter().filter(|envelope| !early.contains(envelope)).collect();
    world.inject(BOB, &envelopes_frame(late));
    let peer = |world: &World| {
        let peers = world.people[BOB].vault.iter().find(|(key, _)| key.starts_with("peer/"));
        minicbor::decode::<PeerDevice>(peers.unwrap().1).unwrap()
    };
    let newer = peer(&world).channels;
    world.inject(BOB, &envelopes_frame(early));
    let both = peer(&world).channels;
    assert_eq!((both.len(), both[0]), (2, newer[0]), "the newer one stays in use");
    assert_eq!(world.people[BOB].count("channel"), 2);
    world.go_online(BOB);
    assert_eq!(world.received(BOB, ALICE).len(), 2);
    world.write(BOB, ALICE, "and back");
    world.settle();
    assert_eq!(world.received(ALICE, BOB), ["and back"]);
}
