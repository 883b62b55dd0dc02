//! What must be refused, one test each.

use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::bundle::{BundleError, Prekeys, VerifiedBundle, check_bundle};
use letterbox_protocol::certificate::{CertificateError, SenderCertificate};
use letterbox_protocol::content::Content;
use letterbox_protocol::device_list::{self, DeviceList, ListError};
use letterbox_protocol::keys::{
    ExchangeSecret, IdentitySecret, LowOrder, sign_messaging_key, sign_prekey, verify,
};
use letterbox_protocol::sealing::{
    EnvelopeBinding, LetterBinding, SealError, open_challenge, open_envelope, open_letter,
    seal_challenge, seal_envelope, seal_letter,
};
use letterbox_protocol::session_key::PayloadError;
use letterbox_protocol::sessions::{InboundSession, OutboundSession, SessionError, SessionPart};
use letterbox_protocol::sizes::ExpiryClass;
use letterbox_protocol::types::{Bytes, DAY, HOUR, Key, UnixTime};
use letterbox_protocol::wire::ListedDevice;

fn people() -> (Recorder, Person, Person, IdentitySecret) {
    let mut rng = Recorder::new(1);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    (rng, alice, bob, server)
}

/// Points of order 1, 2, 4 and 8 on the curve and its twist, and their non-canonical encodings
/// (RFC 7748 §6.1 has a receiver find them by the all-zero result).
pub(crate) fn low_order_points() -> Vec<Key> {
    let order_eight_a = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
    let order_eight_b = "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157";
    let (mut one, zero) = ([0; 32], [0; 32]);
    one[0] = 1;
    let near_prime = |lowest: u8| {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (lowest, 0x7f);
        point
    };
    let mut points = vec![zero, one, near_prime(0xec), near_prime(0xed), near_prime(0xee)];
    for hex in [order_eight_a, order_eight_b] {
        let byte = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap();
        points.push(std::array::from_fn(byte));
    }
    points.into_iter().map(Bytes).collect()
}

#[test]
fn a_tampered_ciphertext_is_refused() {
    let (mut rng, alice, bob, server) = people();
    let payload = alice.session_key(&mut rng, &server, &bob);
    let (outbound, inbound) = (OutboundSession::begin(&payload), InboundSession::begin(&payload));
    let content =
        Content::text(&alice.party.phone, &alice.party.device_id, Bytes([3; 16]), 5, "hi");
    let (_, part) = outbound.encrypt(&mut rng, &content).unwrap();
    for at in 20..part.len() {
        let mut tampered = part.clone();
        tampered[at] ^= 1;
        let part = SessionPart::parse(&tampered).unwrap();
        assert_eq!(inbound.decrypt(&part, NOW), Err(SessionError::DoesNotDecrypt));
    }
    let part = SessionPart::parse(&part).unwrap();
    assert_eq!(inbound.decrypt(&part, NOW).unwrap().1.as_text(), Some("hi"));
}

#[test]
fn a_tampered_seal_is_refused() {
    let (mut rng, _, bob, _) = people();
    let binding = letter_binding(&bob);
    let sealed = seal_letter(&mut rng, &bob.messaging.public(), &binding, &[7; 976]).unwrap();
    for at in (0..sealed.len()).step_by(7) {
        let mut tampered = sealed.clone();
        tampered[at] ^= 0x40;
        assert_eq!(open_letter(&bob.messaging, &binding, &tampered), Err(SealError::DoesNotOpen));
    }
    assert_eq!(open_letter(&bob.messaging, &binding, &sealed).unwrap(), [7; 976]);
}

#[test]
fn a_seal_opens_only_where_it_was_meant_for() {
    let (mut rng, alice, bob, _) = people();
    let binding = letter_binding(&bob);
    let sealed = seal_letter(&mut rng, &bob.messaging.public(), &binding, &[7; 976]).unwrap();
    let others = [
        LetterBinding { phone: &alice.party.phone, ..binding.clone() },
        LetterBinding { key_version: 2, ..binding.clone() },
        LetterBinding { message_id: &Bytes([10; 16]), ..binding.clone() },
        LetterBinding { expiry: ExpiryClass::Day, ..binding.clone() },
    ];
    for other in others {
        assert_eq!(open_letter(&bob.messaging, &other, &sealed), Err(SealError::DoesNotOpen));
    }
    assert_eq!(open_letter(&alice.messaging, &binding, &sealed), Err(SealError::DoesNotOpen));
    let binding = envelope_binding(&bob);
    let sealed = seal_envelope(&mut rng, &bob.party.device_key, &binding, b"key").unwrap();
    let others = [
        EnvelopeBinding { phone: &alice.party.phone, ..binding.clone() },
        EnvelopeBinding { registration_id: 6, ..binding.clone() },
        EnvelopeBinding { session_key_id: &Bytes([10; 16]), ..binding.clone() },
        EnvelopeBinding { device_id: &alice.party.device_id, ..binding.clone() },
    ];
    for other in others {
        assert_eq!(open_envelope(&bob.device, &other, &sealed), Err(SealError::DoesNotOpen));
    }
    assert_eq!(open_envelope(&bob.device, &binding, &sealed).unwrap(), b"key");
}

#[test]
fn a_forged_prekey_signature_is_refused() {
    let (_, alice, bob, _) = people();
    let mut bundle = bob.bundle();
    bundle.prekeys[0].signed_prekey.public_key = alice.prekey.public_key;
    assert_eq!(check(&bundle, &bob), Some(BundleError::Prekey));
    let mut bundle = bob.bundle();
    bundle.prekeys[0].signed_prekey.signature = alice.prekey.signature;
    assert_eq!(check(&bundle, &bob), Some(BundleError::Prekey));
    let mut bundle = bob.bundle();
    bundle.prekeys[0].signed_prekey.created_at = NOW.plus(-HOUR);
    assert_eq!(check(&bundle, &bob), Some(BundleError::Prekey));
    assert_eq!(check(&bob.bundle(), &bob), None);
}

#[test]
fn a_ghost_device_in_the_list_is_refused() {
    let (mut rng, _, bob, _) = people();
    let ghost = ListedDevice {
        device_id: Bytes([0xff; 16]),
        registration_id: 1,
        device_key: ExchangeSecret::generate(&mut rng).public(),
    };
    let mut bundle = bob.bundle();
    bundle.device_list.devices.push(ghost);
    let mut prekeys = bundle.prekeys[0].clone();
    prekeys.device_id = Bytes([0xff; 16]);
    bundle.prekeys.push(prekeys);
    assert_eq!(check(&bundle, &bob), Some(BundleError::List(ListError::Signature)));
}

#[test]
fn prekeys_of_a_device_that_is_not_listed_are_refused() {
    let (_, alice, bob, _) = people();
    let mut bundle = bob.bundle();
    bundle.prekeys[0].device_id = alice.party.device_id;
    assert_eq!(check(&bundle, &bob), Some(BundleError::Devices));
    bundle.prekeys.clear();
    assert_eq!(check(&bundle, &bob), Some(BundleError::Devices));
}

#[test]
fn a_rolled_back_list_is_refused() {
    let (_, _, bob, _) = people();
    let (identity, phone) = (&bob.party.identity_key, &bob.party.phone);
    let checked = device_list::check(&bob.list, identity, phone, NOW, 2);
    assert_eq!(checked, Err(ListError::RolledBack));
    assert!(device_list::check(&bob.list, identity, phone, NOW, 1).is_ok());
}

#[test]
fn a_list_that_is_old_ahead_or_another_suites_is_refused() {
    let (_, alice, bob, _) = people();
    let (identity, phone) = (&bob.party.identity_key, &bob.party.phone);
    let at = |seconds| device_list::check(&bob.list, identity, phone, NOW.plus(seconds), 0).err();
    assert_eq!(at(14 * DAY), None);
    assert_eq!(at(14 * DAY + 1), Some(ListError::Old));
    assert_eq!(at(-HOUR), None);
    assert_eq!(at(-HOUR - 1), Some(ListError::Ahead));
    let stranger = device_list::check(&bob.list, identity, &alice.party.phone, NOW, 0);
    assert_eq!(stranger, Err(ListError::Owner));
    let mut legacy = bob.list.clone();
    legacy.suite = 1;
    let legacy = device_list::check(&legacy, identity, phone, NOW, 0);
    assert_eq!(legacy, Err(ListError::Suite(1)));
}

#[test]
fn a_list_of_nine_of_none_or_of_twins_is_refused() {
    let mut rng = Recorder::new(4);
    for devices in [1, 8, 9] {
        let person = Person::with_devices(&mut rng, "+12025550123", devices);
        let identity = &person.party.identity_key;
        let checked = device_list::check(&person.list, identity, &person.party.phone, NOW, 0);
        assert_eq!(checked.is_ok(), devices <= 8);
    }
    let bob = Person::new(&mut rng, "+12025550123");
    let twin = bob.list.devices[0].clone();
    for devices in [vec![], vec![twin.clone(), twin]] {
        let key = &bob.list.messaging_key;
        let list = DeviceList::sign(&bob.identity, &bob.party.phone, 1, NOW, key, devices);
        let checked = device_list::check(&list, &bob.party.identity_key, &bob.party.phone, NOW, 0);
        assert_eq!(checked, Err(ListError::Devices));
    }
}

#[test]
fn a_changed_identity_or_messaging_key_is_refused() {
    let (_, alice, bob, _) = people();
    let pinned = Some(&alice.party.identity_key);
    let checked = check_bundle(&bob.bundle(), &bob.party.phone, pinned, NOW, 0);
    assert_eq!(checked.err(), Some(BundleError::IdentityChanged));
    let mut bundle = bob.bundle();
    bundle.messaging_key.public_key = alice.messaging.public();
    assert_eq!(check(&bundle, &bob), Some(BundleError::MessagingKey));
}

#[test]
fn a_device_with_an_old_prekey_is_dormant() {
    let (_, _, bob, _) = people();
    let prekeys = |seconds| {
        let checked = check_bundle(&bob.bundle(), &bob.party.phone, None, NOW.plus(seconds), 0);
        checked.map(|bundle| bundle.devices[0].prekeys.clone())
    };
    assert!(matches!(prekeys(14 * DAY), Ok(Prekeys::Active { .. })));
    // The list is renewed, the prekey is not.
    let mut late = bob.bundle();
    let (key, devices) = (&bob.list.messaging_key, bob.list.devices.clone());
    let later = NOW.plus(14 * DAY + HOUR);
    late.device_list = DeviceList::sign(&bob.identity, &bob.party.phone, 2, later, key, devices);
    let checked = check_bundle(&late, &bob.party.phone, None, later, 1).unwrap();
    assert_eq!(checked.devices[0].prekeys, Prekeys::Dormant);
}

#[test]
fn a_wrong_size_is_refused() {
    let (mut rng, _, bob, _) = people();
    let to = &bob.messaging.public();
    let binding = letter_binding(&bob);
    for length in [0, 975, 977, 65_488 + 1] {
        let sealed = seal_letter(&mut rng, to, &binding, &vec![0; length]);
        assert_eq!(sealed, Err(SealError::WrongSize));
    }
    for length in [0, 47, 1_023, 1_025, 3_072, 65_537] {
        let opened = open_letter(&bob.messaging, &binding, &vec![0; length]);
        assert_eq!(opened, Err(SealError::WrongSize));
    }
    let binding = envelope_binding(&bob);
    for length in [0, 2_047, 2_049] {
        let opened = open_envelope(&bob.device, &binding, &vec![0; length]);
        assert_eq!(opened, Err(SealError::WrongSize));
    }
    let long = seal_envelope(&mut rng, &bob.party.device_key, &binding, &[1; 2_000]);
    assert_eq!(long, Err(SealError::TooLong));
    let longest = seal_envelope(&mut rng, &bob.party.device_key, &binding, &[1; 1_999]).unwrap();
    assert_eq!(longest.len(), 2_048);
}

#[test]
fn low_order_points_are_refused_everywhere() {
    let (mut rng, alice, bob, _) = people();
    for point in low_order_points() {
        assert_eq!(alice.device.agree(&point), Err(LowOrder));
        let sealed = seal_letter(&mut rng, &point, &letter_binding(&bob), &[0; 976]);
        assert_eq!(sealed, Err(SealError::LowOrder));
        let sealed =
            seal_challenge(&mut rng, &point, &bob.party.phone, &bob.party.device_id, &[1; 32]);
        assert_eq!(sealed, Err(SealError::LowOrder));
        let forged = [&point.0[..], &[0; 2_016]].concat();
        let opened = open_envelope(&bob.device, &envelope_binding(&bob), &forged);
        assert_eq!(opened, Err(SealError::DoesNotOpen));
    }
}

#[test]
fn a_signature_by_a_small_order_key_is_refused() {
    // With the neutral point as key, R = neutral and s = 0 satisfy the equation for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(verify(&Bytes(neutral), b"anything", &Bytes(signature)).is_err());
}

#[test]
fn a_device_session_challenge_opens_for_its_device_only() {
    let (mut rng, alice, bob, _) = people();
    let (phone, id) = (&bob.party.phone, &bob.party.device_id);
    let sealed = seal_challenge(&mut rng, &bob.party.device_key, phone, id, &[9; 32]).unwrap();
    assert_eq!(sealed.len(), 80);
    assert_eq!(open_challenge(&bob.device, phone, id, &sealed), Ok([9; 32]));
    let no = Err(SealError::DoesNotOpen);
    assert_eq!(open_challenge(&alice.device, phone, id, &sealed), no);
    assert_eq!(open_challenge(&bob.device, &alice.party.phone, id, &sealed), no);
    assert_eq!(open_challenge(&bob.device, phone, &alice.party.device_id, &sealed), no);
    assert_eq!(open_challenge(&bob.device, phone, id, &sealed[..31]), no);
}

#[test]
fn a_certificate_is_held_against_the_hour_the_letter_was_stored() {
    let (_, alice, _, server) = people();
    let keys = [server.public()];
    let party = &alice.party;
    let issue = |now| {
        let (phone, identity) = (&party.phone, &party.identity_key);
        SenderCertificate::issue(&server, phone, identity, &party.device_id, &party.device_key, now)
    };
    for seconds in [0, 1, HOUR, DAY - 1] {
        let issued = NOW.day().plus(seconds);
        let lasts = issue(issued).valid_until.since(issued);
        assert!((DAY..=2 * DAY).contains(&lasts));
        assert_eq!(issue(issued).check(&keys, issued.hour()), Ok(()));
    }
    let certificate = issue(NOW);
    let end = certificate.valid_until;
    assert_eq!(certificate.check(&keys, end.plus(-1)), Ok(()));
    assert_eq!(certificate.check(&keys, end), Err(CertificateError::Ended));
    let long = certificate.check(&keys, end.plus(-50 * HOUR));
    assert_eq!(long, Err(CertificateError::TooLong));
    let mut forged = certificate.clone();
    forged.phone = "+12025550199".parse().unwrap();
    assert_eq!(forged.check(&keys, NOW), Err(CertificateError::Signature));
    assert_eq!(certificate.check(&[], NOW), Err(CertificateError::Signature));
    let again = SenderCertificate::from_cbor(&certificate.to_cbor());
    assert_eq!(again, Ok(certificate));
}

#[test]
fn a_session_key_is_refused_when_any_binding_is_wrong() {
    let (mut rng, alice, bob, server) = people();
    let carol = Person::new(&mut rng, "+33612345678");
    let keys = [server.public()];
    let payload = alice.session_key(&mut rng, &server, &bob);
    let context = bob.context(&alice, &keys);
    let with = |change: &dyn Fn(&mut letterbox_protocol::session_key::SessionKeyPayload)| {
        let mut changed = payload.clone();
        change(&mut changed);
        changed.check(&context).err()
    };
    assert_eq!(with(&|_| ()), None);
    assert_eq!(with(&|p| p.sender = carol.party.clone()), Some(PayloadError::Sender));
    assert_eq!(with(&|p| p.recipient = carol.party.phone.clone()), Some(PayloadError::Recipient));
    assert_eq!(
        with(&|p| p.recipient_identity = carol.party.identity_key),
        Some(PayloadError::Recipient)
    );
    let other = carol.session_key(&mut rng, &server, &bob);
    assert_eq!(
        with(&|p| p.certificate = other.certificate.clone()),
        Some(PayloadError::CertificateMismatch)
    );
    assert_eq!(
        with(&|p| p.sender_list = other.sender_list.clone()),
        Some(PayloadError::List(ListError::Signature))
    );
    assert_eq!(
        with(&|p| p.recipient_list_hash = Bytes([0; 32])),
        Some(PayloadError::OwnListsDiffer)
    );
    assert_eq!(with(&|p| p.recipient_list_version += 1), Some(PayloadError::OwnListUnknown));
    assert_eq!(with(&|p| p.created_at = NOW.plus(-26 * HOUR - 1)), Some(PayloadError::Time));
    assert_eq!(with(&|p| p.created_at = NOW.plus(2 * HOUR + 1)), Some(PayloadError::Time));
    let pinned = letterbox_protocol::session_key::PayloadContext {
        pinned_identity: Some(&carol.party.identity_key),
        ..context.clone()
    };
    assert_eq!(payload.check(&pinned).err(), Some(PayloadError::IdentityChanged));
}

#[test]
fn a_device_taken_off_the_list_starts_no_session_with_an_old_list() {
    let (mut rng, alice, bob, server) = people();
    let keys = [server.public()];
    let payload = alice.session_key(&mut rng, &server, &bob);
    let other = Person::new(&mut rng, "+4915112345678").list.devices;
    let key = &alice.list.messaging_key;
    let newer = DeviceList::sign(&alice.identity, &alice.party.phone, 2, NOW, key, other);
    let mut context = bob.context(&alice, &keys);
    context.known_list = Some(&newer);
    assert_eq!(payload.check(&context).err(), Some(PayloadError::NotListed));
    // What was stored before it was taken off may be read late, for as long as the receiver says.
    context.unlisted_until = Some(context.stored.hour());
    assert!(payload.check(&context).is_ok());
    context.unlisted_until = Some(context.stored.hour().plus(-HOUR));
    assert_eq!(payload.check(&context).err(), Some(PayloadError::NotListed));
    context.unlisted_until = None;
    let renewed = alice.list.devices.clone();
    let renewed = DeviceList::sign(&alice.identity, &alice.party.phone, 2, NOW, key, renewed);
    context.known_list = Some(&renewed);
    assert!(payload.check(&context).is_ok());
    let twin = Person::new(&mut rng, "+4915112345678").list.devices;
    let twin = DeviceList::sign(&alice.identity, &alice.party.phone, 1, NOW, key, twin);
    context.known_list = Some(&twin);
    assert_eq!(payload.check(&context).err(), Some(PayloadError::ListsDiffer));
}

#[test]
fn times_at_the_end_of_all_numbers_are_refused() {
    let (mut rng, alice, bob, server) = people();
    let keys = [server.public()];
    for time in [i64::MIN, i64::MIN + 1_808, i64::MAX, i64::MAX - 1_807].map(UnixTime) {
        let (identity, phone) = (&bob.party.identity_key, &bob.party.phone);
        let (key, devices) = (&bob.list.messaging_key, bob.list.devices.clone());
        let list = DeviceList::sign(&bob.identity, phone, 1, time, key, devices);
        assert!(device_list::check(&list, identity, phone, NOW, 0).is_err());
        let mut bundle = bob.bundle();
        bundle.messaging_key =
            sign_messaging_key(&bob.identity, phone, 1, time, &bob.messaging.public());
        let prekey = &bob.prekey.public_key;
        let device_id = &bob.party.device_id;
        let new = check_bundle(&bundle, phone, None, NOW, 0);
        assert_eq!(new.is_ok(), time < NOW && time == time.hour());
        let mut bundle = bob.bundle();
        bundle.prekeys[0].signed_prekey = sign_prekey(&bob.identity, device_id, 1, time, prekey);
        let young = |bundle: VerifiedBundle| bundle.devices[0].prekeys != Prekeys::Dormant;
        assert!(!check_bundle(&bundle, phone, None, NOW, 0).is_ok_and(young));
        let mut payload = alice.session_key(&mut rng, &server, &bob);
        payload.created_at = time;
        assert_eq!(payload.check(&bob.context(&alice, &keys)).err(), Some(PayloadError::Time));
        payload.certificate.valid_until = time;
        assert!(payload.certificate.check(&keys, NOW).is_err());
    }
}

fn check(bundle: &letterbox_protocol::wire::KeyBundle, owner: &Person) -> Option<BundleError> {
    check_bundle(bundle, &owner.party.phone, None, NOW, 0).err()
}

fn letter_binding(owner: &Person) -> LetterBinding<'_> {
    const ID: &Bytes<16> = &Bytes([9; 16]);
    LetterBinding {
        phone: &owner.party.phone,
        key_version: 1,
        message_id: ID,
        expiry: ExpiryClass::Month,
    }
}

fn envelope_binding(owner: &Person) -> EnvelopeBinding<'_> {
    const LABEL: &Bytes<16> = &Bytes([9; 16]);
    EnvelopeBinding {
        phone: &owner.party.phone,
        registration_id: 5,
        session_key_id: LABEL,
        device_id: &owner.party.device_id,
    }
}
