//! A device is revoked: what it held is closed, nothing that comes later opens for it, and the others go
//! on, under another identity where it was lost.

use super::refusals::{envelopes_frame, letters_frame};
use super::world::*;
use crate::certificate::SenderCertificate;
use crate::channel::{Channel, OwnDevice};
use crate::content::Content;
use crate::device_list::{DeviceList, hash};
use crate::engine::account::Account;
use crate::engine::contacts::Contact;
use crate::engine::outbound::OutSession;
use crate::engine::*;
use crate::handshake::Party;
use crate::keys::ExchangeSecret;
use crate::sealing::{EnvelopeBinding, LetterBinding, seal_envelope, seal_letter};
use crate::secret::Secret;
use crate::session_key::{NO_DIRECTORY, PAYLOAD_VERSION, PURPOSE_LETTERS, SessionKeyPayload};
use crate::sizes::ExpiryClass;
use crate::types::{Blob, Bytes, DeviceId, HOUR, SessionLabel, UnixTime};
use crate::wire::{InboxEnvelope, InboxLetter, ListedDevice, ServerFrame};

/// Bob's two other browsers.
const PHONE: usize = 2;
const TABLET: usize = 3;

/// Alice and Bob, who has three devices.
fn with_siblings(seed: u64) -> World {
    let mut world = World::new(2, seed);
    assert_eq!(world.graft(BOB, "Phone"), PHONE);
    assert_eq!(world.graft(BOB, "Tablet"), TABLET);
    world.write(ALICE, BOB, "to all");
    world.write(PHONE, ALICE, "from the phone");
    world.settle();
    world.pass(2 * A_DAY);
    world
}

fn id(world: &World, who: usize) -> DeviceId {
    world.device(who).unwrap()
}

fn keys(world: &World, who: usize) -> KeysView {
    world.people[who].engine.snapshot().keys.unwrap()
}

fn revoke(world: &mut World, by: usize, who: usize, lost: bool) {
    let device = id(world, who);
    world.step(by, Input::RevokeDevice { device, lost });
    world.settle();
    world.account_changed(by);
    world.settle();
    if world.people[by].engine.snapshot().devices.iter().all(|listed| listed.id != device) {
        // The server closes its socket; its host tries to go on.
        world.go_offline(who);
        world.go_online(who);
    }
    world.pass(10 * MINUTE);
}

/// Bob's phone is lost. The server takes its revocation, and the browser, which has no answer yet, may
/// ask for another touch of this request.
fn lose_the_answer(world: &mut World) -> Request {
    let device = id(world, PHONE);
    world.step(BOB, Input::RevokeDevice { device, lost: true });
    while !world.people[BOB].queue.iter().any(|request| request.touch) {
        assert!(world.carry(BOB), "the request is made");
    }
    let request = world.people[BOB].queue.pop_back().unwrap();
    assert_eq!(world.reach_server(BOB, &request).0, 204);
    request
}

#[test]
fn a_revoked_device_opens_nothing_later() {
    for (seed, lost) in [(1_101, false), (1_102, true)] {
        let mut world = with_siblings(seed);
        let before = keys(&world, BOB);
        revoke(&mut world, BOB, PHONE, lost);
        assert_eq!(world.people[BOB].touched, 1);
        world.write(ALICE, BOB, "after");
        world.pass(AN_HOUR);
        for who in [BOB, TABLET] {
            assert_eq!(world.received(who, ALICE).last().unwrap(), "after", "{who} {lost}");
            assert_eq!(keys(&world, who).messaging_version, before.messaging_version + 1);
            let replaced = keys(&world, who).identity_fingerprint != before.identity_fingerprint;
            assert_eq!(replaced, lost, "{who}");
        }
        assert_eq!(world.received(PHONE, ALICE), ["to all"]);
        assert!(world.people[PHONE].events.contains(&Event::SignInNeeded));
        assert!(!world.letters(PHONE, ALICE).is_empty(), "the vault stays readable");
        let told = world.people[TABLET].events.contains(&Event::IdentityReplaced);
        assert_eq!(told, lost);
        assert_eq!(world.people[BOB].engine.snapshot().devices.len(), 2);
        assert_eq!(world.people[TABLET].engine.snapshot().devices.len(), 2);
    }
}

#[test]
fn a_revoked_device_learns_of_it_and_stops_writing() {
    for (seed, lost) in [(1_103, false), (1_104, true)] {
        let mut world = with_siblings(seed);
        revoke(&mut world, BOB, PHONE, lost);
        world.pass(2 * A_DAY);
        assert!(world.people[PHONE].events.contains(&Event::DeviceUnknown), "{lost}");
        let before = world.received(ALICE, BOB);
        world.write(PHONE, ALICE, "from a thief");
        world.pass(3 * A_DAY);
        assert_eq!(world.received(ALICE, BOB), before);
    }
}

#[test]
fn after_a_loss_everybody_goes_on_under_the_new_identity() {
    let mut world = with_siblings(1_105);
    revoke(&mut world, BOB, PHONE, true);
    for (who, text) in [(BOB, "from Bob"), (TABLET, "from his tablet")] {
        world.write(who, ALICE, text);
        world.pass(AN_HOUR);
        assert!(world.received(ALICE, BOB).contains(&text.to_owned()), "{who}");
    }
    world.write(ALICE, BOB, "and back");
    world.pass(AN_HOUR);
    for who in [BOB, TABLET] {
        assert_eq!(world.received(who, ALICE), ["to all", "and back"]);
        let names = world.people[who].engine.snapshot().devices;
        let names: Vec<_> = names.into_iter().map(|device| device.name.unwrap()).collect();
        assert!(names.contains(&"Laptop".into()) && names.contains(&"Tablet".into()));
    }
    world.pass(10 * A_DAY);
    world.write(ALICE, BOB, "a week later");
    world.pass(AN_HOUR);
    for who in [BOB, TABLET] {
        assert_eq!(world.received(who, ALICE).last().unwrap(), "a week later");
        assert!(!world.people[who].events.contains(&Event::KeysAltered), "{who}");
    }
    assert_eq!(world.contact(ALICE, BOB).unwrap().safety, Safety::Changed);
}

#[test]
fn what_was_under_way_when_the_identity_was_replaced_still_arrives() {
    let mut world = with_siblings(1_106);
    world.go_offline(TABLET);
    // A new session, whose envelopes lie in the mailbox while the identity is replaced.
    world.pass(25 * AN_HOUR);
    world.write(ALICE, BOB, "before");
    world.settle();
    let phone = id(&world, PHONE);
    world.step(BOB, Input::RevokeDevice { device: phone, lost: true });
    world.settle();
    world.go_online(TABLET);
    world.pass(AN_HOUR);
    assert_eq!(world.received(TABLET, ALICE), ["to all", "before"]);
    world.write(ALICE, BOB, "after");
    world.pass(AN_HOUR);
    assert_eq!(world.received(TABLET, ALICE), ["to all", "before", "after"]);
}

#[test]
fn a_declined_touch_changes_nothing() {
    let mut world = with_siblings(1_107);
    let before = keys(&world, BOB);
    world.people[BOB].touches = false;
    revoke(&mut world, BOB, PHONE, true);
    assert_eq!(keys(&world, BOB), KeysView { checked_at: keys(&world, BOB).checked_at, ..before });
    assert_eq!(world.people[BOB].engine.snapshot().devices.len(), 3);
    assert_eq!(world.people[BOB].count("request"), 0);
    world.people[BOB].touches = true;
    revoke(&mut world, BOB, PHONE, false);
    assert_eq!(world.people[BOB].engine.snapshot().devices.len(), 2);
    assert_eq!(world.people[TABLET].engine.snapshot().devices.len(), 2);
}

#[test]
fn a_revocation_waits_for_what_is_under_way() {
    let mut world = with_siblings(1_124);
    world.step(BOB, Input::RotateKeys);
    while !world.people[BOB].queue.iter().any(|request| request.path == "/v1/keys/messaging") {
        assert!(world.carry(BOB), "the rotation is asked for");
    }
    let device = id(&world, PHONE);
    world.step(BOB, Input::RevokeDevice { device, lost: false });
    world.pass(5 * MINUTE);
    assert_eq!(world.people[BOB].engine.snapshot().devices.len(), 2);
}

#[test]
fn a_touch_that_is_declined_when_asked_for_again_loses_no_identity() {
    let mut world = with_siblings(1_122);
    let before = keys(&world, BOB).identity_fingerprint;
    let request = lose_the_answer(&mut world);
    world.people[BOB].touches = false;
    world.step(BOB, Input::NoAnswer { request: request.id });
    world.pass(30 * MINUTE);
    world.people[BOB].touches = true;
    for who in [BOB, TABLET] {
        assert_ne!(keys(&world, who).identity_fingerprint, before, "{who}");
        assert_eq!(world.people[who].engine.snapshot().devices.len(), 2, "{who}");
        assert!(!world.people[who].events.contains(&Event::KeysAltered), "{who}");
    }
    world.write(ALICE, BOB, "after");
    world.pass(AN_HOUR);
    assert_eq!(world.received(TABLET, ALICE).last().unwrap(), "after");
}

#[test]
fn a_touch_still_asked_for_once_the_server_serves_the_change_comes_to_nothing() {
    let mut world = with_siblings(1_125);
    let before = keys(&world, BOB).identity_fingerprint;
    let request = lose_the_answer(&mut world);
    world.account_changed(BOB);
    world.settle();
    assert_ne!(keys(&world, BOB).identity_fingerprint, before);
    world.step(BOB, Input::TouchDeclined { request: request.id });
    world.pass(30 * MINUTE);
    for who in [BOB, TABLET] {
        assert_ne!(keys(&world, who).identity_fingerprint, before, "{who}");
        assert_eq!(world.people[who].engine.snapshot().devices.len(), 2, "{who}");
    }
    world.write(BOB, ALICE, "after");
    world.pass(AN_HOUR);
    assert_eq!(world.received(ALICE, BOB).last().unwrap(), "after");
}

#[test]
fn what_a_sibling_tells_counts_once_the_server_serves_it() {
    let mut world = with_siblings(1_123);
    let (phone, tablet) = (world.people[BOB].phone.clone(), id(&world, TABLET));
    let before = keys(&world, TABLET);
    let served = world.server.accounts[&phone].clone();
    world.go_offline(TABLET);
    revoke(&mut world, BOB, PHONE, true);
    // The word on it reaches the tablet; for the server, nothing has happened.
    let taken = world.server.accounts.insert(phone.clone(), served).unwrap();
    let told = taken.devices[&tablet].envelopes.clone();
    assert!(!told.is_empty());
    world.go_offline(BOB);
    world.go_online(TABLET);
    world.inject(TABLET, &envelopes_frame(told));
    world.pass(2 * AN_HOUR);
    let now = keys(&world, TABLET);
    assert_eq!(now.identity_fingerprint, before.identity_fingerprint);
    assert_eq!(now.messaging_version, before.messaging_version);
    assert_eq!(world.people[TABLET].engine.snapshot().devices.len(), 3);
    assert!(!world.people[TABLET].events.contains(&Event::IdentityReplaced));
    // Now it has.
    world.server.accounts.insert(phone, taken);
    world.account_changed(BOB);
    world.pass(30 * MINUTE);
    assert_ne!(keys(&world, TABLET).identity_fingerprint, before.identity_fingerprint);
    assert!(world.people[TABLET].events.contains(&Event::IdentityReplaced));
    assert!(!world.people[TABLET].events.contains(&Event::KeysAltered));
}

#[test]
fn a_contact_closes_the_sessions_of_a_revoked_device() {
    let mut world = with_siblings(1_108);
    // The phone has a session that Alice knows, and keeps writing in it.
    world.write(PHONE, ALICE, "still mine");
    world.settle();
    revoke(&mut world, BOB, PHONE, false);
    world.pass(2 * AN_HOUR);
    world.write(BOB, ALICE, "my phone is gone");
    world.settle();
    let before = world.received(ALICE, BOB);
    assert!(before.contains(&"my phone is gone".into()));
    // Its host does not tell it of the end.
    world.write(PHONE, ALICE, "from a thief");
    world.settle();
    world.pass(A_DAY);
    assert_eq!(world.received(ALICE, BOB), before);
}

/// A device that was away while the identity was replaced, and the messaging key after it, takes both up.
#[test]
fn a_device_that_was_away_for_weeks_goes_on_under_the_identity_of_now() {
    let mut world = with_siblings(1_111);
    world.go_offline(TABLET);
    revoke(&mut world, BOB, PHONE, true);
    for day in 0..25 {
        world.pass(A_DAY);
        world.write(ALICE, BOB, &format!("day {day}"));
        world.settle();
    }
    world.go_online(TABLET);
    world.pass(2 * AN_HOUR);
    assert_eq!(world.identity(TABLET), world.identity(BOB));
    assert!(!world.people[TABLET].events.contains(&Event::KeysAltered));
    world.write(ALICE, BOB, "you are back");
    world.settle();
    world.pass(A_DAY);
    assert_eq!(world.received(TABLET, ALICE), world.received(BOB, ALICE));
    world.write(TABLET, ALICE, "and I write");
    world.settle();
    assert!(world.received(ALICE, BOB).contains(&"and I write".into()));
}

/// A lost device is most often followed by another one, which brings a list and no messaging key.
#[test]
fn a_device_that_was_away_while_a_lost_one_was_replaced_goes_on() {
    for lost in [false, true] {
        let mut world = with_siblings(1_112 + u64::from(lost));
        world.go_offline(TABLET);
        revoke(&mut world, BOB, PHONE, lost);
        world.graft(BOB, "New phone");
        world.write(ALICE, BOB, "while you were away");
        world.settle();
        world.pass(2 * A_DAY);
        world.go_online(TABLET);
        world.pass(2 * AN_HOUR);
        assert_eq!(world.identity(TABLET), world.identity(BOB));
        world.write(ALICE, BOB, "you are back");
        world.settle();
        world.pass(A_DAY);
        assert_eq!(world.received(TABLET, ALICE), world.received(BOB, ALICE), "{lost}");
    }
}

/// Of two changes of the list a device saw only the second, which came with a revocation.
#[test]
fn a_device_that_saw_no_list_in_between_closes_sessions_that_were_made_for_it() {
    let mut world = with_siblings(1_114);
    world.go_offline(TABLET);
    world.step(BOB, Input::RotateKeys);
    world.settle();
    world.pass(10 * MINUTE);
    world.write(ALICE, BOB, "for a list that the tablet does not know");
    world.settle();
    let session = held_session(&world, ALICE);
    revoke(&mut world, BOB, PHONE, false);
    world.pass(2 * AN_HOUR);
    world.go_online(TABLET);
    world.pass(10 * MINUTE);
    let before = world.received(TABLET, ALICE);
    assert_eq!(before, world.received(BOB, ALICE));
    let letter = forged(&mut world, ALICE, &session, "from a thief", 0);
    world.inject(TABLET, &letter);
    world.pass(A_DAY);
    assert_eq!(world.received(TABLET, ALICE), before);
}

/// The session in which `who` writes to Bob's mailbox, as a device of Bob's has it that got its key.
fn held_session(world: &World, who: usize) -> OutSession {
    let phone = &world.people[BOB].phone;
    let records = &world.people[who].engine.records;
    let contacts = records.list::<Contact>(&[]).into_iter();
    let (id, _) = contacts.into_iter().find(|(_, contact)| contact.phone == *phone).unwrap();
    minicbor::decode(&world.people[who].vault[&format!("out/{id}")]).unwrap()
}

/// A letter that is written with the key of such a session, stored `hours` after now.
fn forged(
    world: &mut World,
    who: usize,
    session: &OutSession,
    text: &str,
    hours: i64,
) -> ServerFrame {
    let (sender, device) = (world.people[who].phone.clone(), id(world, who));
    let inner_id = Bytes::random(&mut world.rng);
    let content = Content::text(&sender, &device, inner_id, world.now, text);
    let (_, part) = session.ratchet.encrypt(&mut world.rng, &content).unwrap();
    let phone = &world.people[BOB].phone;
    let key = world.server.accounts[phone].messaging_key.clone();
    let message_id = Bytes::random(&mut world.rng);
    let (key_version, expiry) = (key.key_version, ExpiryClass::Day);
    let binding = LetterBinding { phone, key_version, message_id: &message_id, expiry };
    let sealed = seal_letter(&mut world.rng, &key.public_key, &binding, &part).unwrap();
    let timestamp = UnixTime(world.now / 1_000).hour().plus(hours * HOUR);
    letters_frame(vec![InboxLetter {
        message_id,
        timestamp,
        expires_at: expiry.expires_at(timestamp),
        encrypted_content: Blob(sealed),
        read: false,
    }])
}

/// A thief has a device, whose account's others went on: it knows the keys of the sessions in which
/// contacts and siblings write, and the new messaging key is public.
#[test]
fn a_revoked_device_speaks_for_nobody_whose_session_it_held() {
    for lost in [false, true] {
        let mut world = with_siblings(1_109 + u64::from(lost));
        world.write(ALICE, BOB, "before");
        world.write(TABLET, ALICE, "to be copied");
        world.settle();
        world.pass(A_DAY / 4);
        let sessions = [ALICE, TABLET].map(|who| (who, held_session(&world, who)));
        revoke(&mut world, BOB, PHONE, lost);
        world.pass(2 * AN_HOUR);
        let shown = |world: &World, text: &str| {
            let letters = world.people[BOB].vault.iter();
            let letters = letters.filter(|(key, _)| key.starts_with(LETTER_PREFIX));
            letters
                .filter(|(_, letter)| letter.windows(text.len()).any(|w| w == text.as_bytes()))
                .count()
        };
        for (who, session) in &sessions {
            let letter = forged(&mut world, *who, session, "from a thief", 0);
            world.inject(BOB, &letter);
            world.pass(MINUTE);
            assert_eq!(shown(&world, "from a thief"), 0, "{who}, {lost}");
            // One from before the revocation may be read after it.
            let letter = forged(&mut world, *who, session, "from before", -3);
            world.inject(BOB, &letter);
            world.pass(MINUTE);
        }
        assert_eq!(shown(&world, "from before"), sessions.len(), "{lost}");
        world.write(ALICE, BOB, "after");
        world.settle();
        assert!(world.received(BOB, ALICE).contains(&"after".into()));
    }
}

/// What a thief who has a copied identity makes with a server that certifies whatever it likes: a
/// session with Bob's own mailbox, as a device of his with this id, under a list of the thief's.
fn speak_for_bob(world: &mut World, copied: &Account, device_id: DeviceId) -> InboxEnvelope {
    let now = UnixTime(world.now / 1_000);
    let (secret, identity) = (ExchangeSecret::generate(&mut world.rng), copied.identity.public());
    let (phone, device_key) = (copied.phone.clone(), secret.public());
    let own = Party { phone: phone.clone(), identity_key: identity, device_id, device_key };
    let to = id(world, BOB);
    let served = &world.server.accounts[&phone];
    let listed = served.list.devices.iter().find(|device| device.device_id == to).unwrap().clone();
    let prekey = served.devices[&to].signed_prekey.clone();
    let (version, key) = (served.list.version, served.list.messaging_key);
    let recipient_list_hash = Bytes(hash(&served.list));
    let thief = ListedDevice { device_id, registration_id: 7, device_key };
    let devices = vec![listed.clone(), thief];
    let sender_list = DeviceList::sign(&copied.identity, &phone, version + 1, now, &key, devices);
    let server = &world.server.certificate_secret;
    let certificate =
        SenderCertificate::issue(server, &phone, &identity, &device_id, &device_key, now);
    let peer = Party { device_id: to, device_key: listed.device_key, ..own.clone() };
    let payload = SessionKeyPayload {
        version: PAYLOAD_VERSION,
        session_id: Bytes::random(&mut world.rng),
        key: Secret::generate(&mut world.rng),
        sender: own.clone(),
        recipient: phone.clone(),
        recipient_identity: identity,
        purpose: PURPOSE_LETTERS,
        created_at: now,
        certificate,
        sender_list,
        recipient_list_version: version,
        recipient_list_hash,
        directory_digest: Bytes(NO_DIRECTORY),
        messaging: None,
        previous: None,
    };
    let from = OwnDevice { party: &own, secret: &secret };
    let channel = Channel::initiate(&mut world.rng, &from, &peer, &prekey, None).unwrap();
    let message = channel.encrypt(&mut world.rng, &payload.to_cbor()).1.to_cbor();
    envelope_for(world, BOB, &message)
}

/// An envelope for somebody's device, as anybody can seal it: stored now.
pub(super) fn envelope_for(world: &mut World, who: usize, message: &[u8]) -> InboxEnvelope {
    let (phone, device_id) = (world.people[who].phone.clone(), id(world, who));
    let devices = &world.server.accounts[&phone].list.devices;
    let listed = devices.iter().find(|listed| listed.device_id == device_id).unwrap().clone();
    let session_key_id = SessionLabel::random(&mut world.rng);
    let binding = EnvelopeBinding {
        phone: &phone,
        registration_id: listed.registration_id,
        session_key_id: &session_key_id,
        device_id: &device_id,
    };
    let sealed = seal_envelope(&mut world.rng, &listed.device_key, &binding, message).unwrap();
    let created_at = UnixTime(world.now / 1_000).hour();
    InboxEnvelope { session_key_id, created_at, encrypted_session_key: Blob(sealed) }
}

#[test]
fn who_has_copied_an_identity_is_no_device_of_the_account() {
    // With the identity of before under the name of a device that stays, and with the one of now.
    for (seed, lost) in [(1_120, true), (1_121, false)] {
        let mut world = with_siblings(seed);
        let copied: Account = minicbor::decode(&world.people[PHONE].vault["account"]).unwrap();
        let name = if lost { id(&world, TABLET) } else { id(&world, PHONE) };
        revoke(&mut world, BOB, PHONE, lost);
        let before = world.people[BOB].count("in");
        let envelope = speak_for_bob(&mut world, &copied, name);
        world.inject(BOB, &envelopes_frame(vec![envelope]));
        world.pass(10 * MINUTE);
        assert_eq!(world.people[BOB].count("in"), before, "{lost}");
        assert!(!world.people[BOB].events.contains(&Event::KeysAltered), "{lost}");
    }
}
