//! Channels: the handshake, the messages of an unanswered one, and two begun at once.

use crate::people::{NOW, Person, Recorder};
use crate::refusals::low_order_points;
use letterbox_protocol::channel::{Channel, ChannelError, ChannelMessage, PrekeySecrets};
use letterbox_protocol::keys::IdentitySecret;
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::sealing::{EnvelopeBinding, open_envelope, seal_envelope};
use letterbox_protocol::session_key::SessionKeyPayload;
use letterbox_protocol::types::Bytes;
use proptest::prelude::*;

fn people(seed: u64) -> (Recorder, Person, Person) {
    let mut rng = Recorder::new(seed);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    (rng, alice, bob)
}

#[test]
fn a_session_key_fits_its_envelope_with_the_longest_lists_and_a_handshake() {
    let mut rng = Recorder::new(1);
    let alice = Person::with_devices(&mut rng, "+491511234567890", 8);
    let bob = Person::with_devices(&mut rng, "+491519876543210", 8);
    let server = IdentitySecret::generate(&mut rng);
    let mut payload = alice.session_key(&mut rng, &server, &bob);
    // Every number as long as it can be.
    payload.sender_list.version = u64::MAX;
    payload.recipient_list_version = u64::MAX;
    for device in &mut payload.sender_list.devices {
        device.registration_id = (1 << 31) - 1;
    }
    let mut prekey = bob.prekey.clone();
    prekey.key_id = u32::MAX;
    let mut one_time = bob.one_time();
    one_time.key_id = u32::MAX;
    let channel =
        Channel::initiate(&mut rng, &alice.own(), &bob.party, &prekey, Some(&one_time)).unwrap();
    let (_, message) = channel.encrypt(&mut rng, &payload.to_cbor());
    let content = message.to_cbor();
    let binding = EnvelopeBinding {
        phone: &bob.party.phone,
        registration_id: 5,
        session_key_id: &Bytes([1; 16]),
        device_id: &bob.party.device_id,
    };
    let sealed = seal_envelope(&mut rng, &bob.party.device_key, &binding, &content).unwrap();
    assert_eq!(sealed.len(), 2_048);
    assert!(content.len() < 1_900, "{} bytes leave room for additions", content.len());
    let opened = open_envelope(&bob.device, &binding, &sealed).unwrap();
    let secrets = PrekeySecrets {
        signed: (u32::MAX, &bob.prekey_secret),
        one_time: Some((u32::MAX, &bob.one_time_secret)),
    };
    let opened = ChannelMessage::from_cbor(&opened).unwrap();
    let (_, read) = Channel::accept(&mut rng, &bob.own(), &secrets, &opened, NOW).unwrap();
    assert_eq!(SessionKeyPayload::from_cbor(&read), Ok(payload));
}

#[test]
fn any_message_of_an_unanswered_channel_can_be_the_first() {
    let (mut rng, alice, bob) = people(2);
    let channel = alice.begin_channel(&mut rng, &bob);
    let (channel, one) = channel.encrypt(&mut rng, b"one");
    let (channel, two) = channel.encrypt(&mut rng, b"two");
    assert_eq!(one.handshake, two.handshake);
    let (theirs, read) =
        Channel::accept(&mut rng, &bob.own(), &bob.prekey_secrets(), &two, NOW).unwrap();
    assert_eq!(**read, *b"two");
    assert_eq!(theirs.peer(), &alice.party);
    let (theirs, read) = theirs.decrypt(&mut rng, &one, NOW).unwrap();
    assert_eq!(**read, *b"one");
    let (_, reply) = theirs.encrypt(&mut rng, b"reply");
    assert_eq!(reply.handshake, None);
    assert!(!channel.is_answered());
    let (channel, read) = channel.decrypt(&mut rng, &reply, NOW).unwrap();
    assert_eq!(**read, *b"reply");
    assert!(channel.is_answered());
    assert_eq!(channel.encrypt(&mut rng, b"three").1.handshake, None);
}

#[test]
fn channels_begun_at_the_same_time_both_work() {
    let (mut rng, alice, bob) = people(3);
    let (from_alice, to_bob) = alice.begin_channel(&mut rng, &bob).encrypt(&mut rng, b"from alice");
    let (from_bob, to_alice) = bob.begin_channel(&mut rng, &alice).encrypt(&mut rng, b"from bob");
    let accept = |rng: &mut Recorder, person: &Person, message| {
        Channel::accept(rng, &person.own(), &person.prekey_secrets(), message, NOW).unwrap()
    };
    let (at_bob, read) = accept(&mut rng, &bob, &to_bob);
    assert_eq!(**read, *b"from alice");
    let (at_alice, read) = accept(&mut rng, &alice, &to_alice);
    assert_eq!(**read, *b"from bob");
    assert_ne!(at_bob.id(), at_alice.id());
    let (_, reply) = at_bob.encrypt(&mut rng, b"on hers");
    assert_eq!(**from_alice.decrypt(&mut rng, &reply, NOW).unwrap().1, *b"on hers");
    let (_, reply) = at_alice.encrypt(&mut rng, b"on his");
    assert_eq!(**from_bob.decrypt(&mut rng, &reply, NOW).unwrap().1, *b"on his");
    let crossed = from_alice.decrypt(&mut rng, &reply, NOW).map(|_| ());
    assert_eq!(crossed, Err(ChannelError::Mismatch));
}

#[test]
fn a_channel_without_a_one_time_prekey_works() {
    let (mut rng, alice, bob) = people(4);
    let channel = Channel::initiate(&mut rng, &alice.own(), &bob.party, &bob.prekey, None).unwrap();
    let (_, message) = channel.encrypt(&mut rng, b"x");
    let secrets = PrekeySecrets { signed: (1, &bob.prekey_secret), one_time: None };
    let (_, read) = Channel::accept(&mut rng, &bob.own(), &secrets, &message, NOW).unwrap();
    assert_eq!(**read, *b"x");
    let other = Channel::accept(&mut rng, &bob.own(), &bob.prekey_secrets(), &message, NOW);
    assert_eq!(other.map(|_| ()), Err(ChannelError::Mismatch));
}

#[test]
fn low_order_handshake_keys_are_refused() {
    let (mut rng, alice, bob) = people(6);
    let (_, message) = alice.begin_channel(&mut rng, &bob).encrypt(&mut rng, b"x");
    for point in low_order_points() {
        let mut peer = bob.party.clone();
        peer.device_key = point;
        assert!(Channel::initiate(&mut rng, &alice.own(), &peer, &bob.prekey, None).is_err());
        let mut prekey = bob.prekey.clone();
        prekey.public_key = point;
        assert!(Channel::initiate(&mut rng, &alice.own(), &bob.party, &prekey, None).is_err());
        let mut one_time = bob.one_time();
        one_time.public_key = point;
        let one_time = Some(&one_time);
        let begun = Channel::initiate(&mut rng, &alice.own(), &bob.party, &bob.prekey, one_time);
        assert!(begun.is_err());
        for field in 0..2 {
            let mut forged = message.clone();
            let header = forged.handshake.as_mut().unwrap();
            if field == 0 {
                header.base_key = point
            } else {
                header.initiator.device_key = point
            }
            let refused =
                Channel::accept(&mut rng, &bob.own(), &bob.prekey_secrets(), &forged, NOW);
            assert_eq!(refused.map(|_| ()), Err(ChannelError::LowOrder));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_first_message_with_any_bit_changed_is_refused(
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let (mut rng, alice, bob) = people(7);
        let (_, message) = alice.begin_channel(&mut rng, &bob).encrypt(&mut rng, b"payload");
        let mut bytes = message.to_cbor();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = ChannelMessage::from_cbor(&bytes)
            && changed != message
        {
            let accepted = Channel::accept(&mut rng, &bob.own(), &bob.prekey_secrets(), &changed, NOW);
            prop_assert!(accepted.is_err());
        }
    }

    #[test]
    fn a_later_message_with_any_bit_changed_changes_nothing(
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let (mut rng, alice, bob) = people(8);
        let (alices, first) = alice.begin_channel(&mut rng, &bob).encrypt(&mut rng, b"payload");
        let (bobs, _) =
            Channel::accept(&mut rng, &bob.own(), &bob.prekey_secrets(), &first, NOW).unwrap();
        let (_, second) = alices.encrypt(&mut rng, b"second");
        let mut bytes = second.to_cbor();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let before = to_cbor(&bobs);
        if let Ok(changed) = ChannelMessage::from_cbor(&bytes)
            && changed != second
        {
            let read = bobs.decrypt(&mut rng, &changed, NOW);
            // Without the header nothing is changed but what an answered channel leaves out.
            prop_assert!(read.is_err() || (changed.handshake.is_none() && changed.message == second.message));
        }
        prop_assert_eq!(before, to_cbor(&bobs));
        let again: Channel = minicbor::decode(&to_cbor(&bobs)).unwrap();
        prop_assert!(again.decrypt(&mut rng, &second, NOW).is_ok());
    }
}
