//! The Double Ratchet under loss, reordering, repetition, corruption and restarts.

use crate::people::{NOW, Recorder};
use crate::refusals::low_order_points;
use letterbox_protocol::keys::ExchangeSecret;
use letterbox_protocol::limits::SKIPPED_KEY_AGE;
use letterbox_protocol::ratchet::{Ratchet, RatchetError};
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::secret::Secret;
use proptest::prelude::*;
use std::collections::BTreeSet;

const AD: &[u8] = b"associated";

/// Two ends that have heard each other once.
fn pair(rng: &mut Recorder) -> [Ratchet; 2] {
    let root = Secret::generate(rng);
    let prekey = ExchangeSecret::generate(rng);
    let alice = Ratchet::initiate(rng, &root, &prekey.public()).unwrap();
    let (alice, first) = alice.encrypt(rng, b"first", AD);
    let (bob, plaintext) = Ratchet::accept(rng, &root, &prekey, &first, AD, NOW).unwrap();
    assert_eq!(**plaintext, *b"first");
    [alice, bob]
}

fn restored(ratchet: &Ratchet) -> Ratchet {
    minicbor::decode(&to_cbor(ratchet)).unwrap()
}

/// What happens next in a random conversation.
#[derive(Debug, Clone)]
enum Step {
    Send { by: usize },
    Deliver { to: usize, which: prop::sample::Index },
    Repeat { to: usize, which: prop::sample::Index },
    Corrupt { to: usize, which: prop::sample::Index, at: prop::sample::Index, bit: u8 },
    Lose { to: usize, which: prop::sample::Index },
    Restore { who: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..2usize;
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => who.clone().prop_map(|by| Step::Send { by }),
        4 => (who.clone(), which()).prop_map(|(to, which)| Step::Deliver { to, which }),
        1 => (who.clone(), which()).prop_map(|(to, which)| Step::Repeat { to, which }),
        2 => (who.clone(), which(), which(), 0..8u8)
            .prop_map(|(to, which, at, bit)| Step::Corrupt { to, which, at, bit }),
        1 => (who.clone(), which()).prop_map(|(to, which)| Step::Lose { to, which }),
        1 => who.prop_map(|who| Step::Restore { who }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_the_network_does_each_message_is_read_once_and_failures_change_nothing(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut rng = Recorder::new(seed);
        let mut ends = pair(&mut rng);
        let mut waiting: [Vec<(Vec<u8>, Vec<u8>)>; 2] = Default::default();
        let mut read: [Vec<Vec<u8>>; 2] = Default::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Send { by } => {
                    let text = format!("message {number}").into_bytes();
                    let (next, message) = ends[by].encrypt(&mut rng, &text, AD);
                    ends[by] = next;
                    waiting[1 - by].push((message, text));
                }
                Step::Deliver { to, which } if !waiting[to].is_empty() => {
                    let at = which.index(waiting[to].len());
                    let (message, text) = waiting[to].remove(at);
                    let (next, plaintext) = ends[to].decrypt(&mut rng, &message, AD, NOW).unwrap();
                    prop_assert_eq!(&*plaintext, &text);
                    ends[to] = next;
                    read[to].push(message);
                }
                Step::Repeat { to, which } if !read[to].is_empty() => {
                    let message = which.get(&read[to]);
                    let before = to_cbor(&ends[to]);
                    prop_assert!(ends[to].decrypt(&mut rng, message, AD, NOW).is_err());
                    prop_assert_eq!(before, to_cbor(&ends[to]));
                }
                Step::Corrupt { to, which, at, bit } if !waiting[to].is_empty() => {
                    let mut message = which.get(&waiting[to]).0.clone();
                    let at = at.index(message.len());
                    message[at] ^= 1 << bit;
                    let before = to_cbor(&ends[to]);
                    // The top bit of an X25519 key is no part of it, but it is authenticated.
                    prop_assert!(ends[to].decrypt(&mut rng, &message, AD, NOW).is_err());
                    prop_assert_eq!(before, to_cbor(&ends[to]));
                }
                Step::Lose { to, which } if !waiting[to].is_empty() => {
                    let at = which.index(waiting[to].len());
                    waiting[to].remove(at);
                }
                Step::Restore { who } => {
                    let again = restored(&ends[who]);
                    prop_assert_eq!(&again, &ends[who]);
                    ends[who] = again;
                }
                _ => {}
            }
        }
        // Whatever still waits can be read, in any order.
        for to in 0..2 {
            for (message, text) in waiting[to].drain(..).rev() {
                let (next, plaintext) = ends[to].decrypt(&mut rng, &message, AD, NOW).unwrap();
                prop_assert_eq!(&*plaintext, &text);
                ends[to] = next;
            }
        }
    }
}

#[test]
fn no_key_and_nonce_come_twice_even_from_a_restored_state() {
    let mut rng = Recorder::new(1);
    let [alice, _] = pair(&mut rng);
    let saved = restored(&alice);
    let nonce = |message: &[u8]| message[40..52].to_vec();
    let mut nonces = BTreeSet::new();
    for _ in 0..50 {
        let (_, one) = alice.encrypt(&mut rng, b"x", AD);
        let (_, other) = saved.encrypt(&mut rng, b"y", AD);
        assert!(nonces.insert(nonce(&one)) && nonces.insert(nonce(&other)));
    }
}

#[test]
fn a_thousand_missing_messages_are_waited_for_and_no_more() {
    let mut rng = Recorder::new(2);
    let [mut alice, bob] = pair(&mut rng);
    let mut messages = Vec::new();
    for _ in 0..=1_001 {
        let (next, message) = alice.encrypt(&mut rng, b"x", AD);
        alice = next;
        messages.push(message);
    }
    let too_far = bob.decrypt(&mut rng, &messages[1_001], AD, NOW);
    assert_eq!(too_far.map(|_| ()), Err(RatchetError::TooFarAhead));
    let (bob, _) = bob.decrypt(&mut rng, &messages[1_000], AD, NOW).unwrap();
    let (bob, _) = bob.decrypt(&mut rng, &messages[0], AD, NOW).unwrap();
    let (bob, _) = bob.decrypt(&mut rng, &messages[1_001], AD, NOW).unwrap();
    assert!(bob.decrypt(&mut rng, &messages[999], AD, NOW).is_ok());
}

#[test]
fn beyond_a_thousand_skipped_keys_the_oldest_go() {
    let mut rng = Recorder::new(5);
    let [mut alice, mut bob] = pair(&mut rng);
    let mut messages = Vec::new();
    for _ in 0..1_200 {
        let (next, message) = alice.encrypt(&mut rng, b"x", AD);
        alice = next;
        messages.push(message);
    }
    for arrives in [700, 1_199] {
        bob = bob.decrypt(&mut rng, &messages[arrives], AD, NOW).unwrap().0;
    }
    // 1,198 keys were skipped: those of the first 198 messages are gone.
    let gone = bob.decrypt(&mut rng, &messages[197], AD, NOW);
    assert_eq!(gone.map(|_| ()), Err(RatchetError::Repeated));
    assert!(bob.decrypt(&mut rng, &messages[198], AD, NOW).is_ok());
}

#[test]
fn skipped_keys_age_out() {
    let mut rng = Recorder::new(3);
    let [alice, bob] = pair(&mut rng);
    let (alice, lost) = alice.encrypt(&mut rng, b"lost", AD);
    let (alice, second) = alice.encrypt(&mut rng, b"second", AD);
    let (_, third) = alice.encrypt(&mut rng, b"third", AD);
    let (bob, _) = bob.decrypt(&mut rng, &second, AD, NOW).unwrap();
    assert!(bob.decrypt(&mut rng, &lost, AD, NOW).is_ok());
    let (bob, _) = bob.decrypt(&mut rng, &third, AD, NOW.plus(SKIPPED_KEY_AGE + 1)).unwrap();
    let late = bob.decrypt(&mut rng, &lost, AD, NOW.plus(SKIPPED_KEY_AGE + 1));
    assert_eq!(late.map(|_| ()), Err(RatchetError::Repeated));
}

#[test]
fn other_associated_data_and_short_messages_are_refused() {
    let mut rng = Recorder::new(6);
    let [alice, bob] = pair(&mut rng);
    let (_, message) = alice.encrypt(&mut rng, b"x", AD);
    let other = bob.decrypt(&mut rng, &message, b"other", NOW);
    assert_eq!(other.map(|_| ()), Err(RatchetError::DoesNotDecrypt));
    for length in 0..message.len() {
        assert!(bob.decrypt(&mut rng, &message[..length], AD, NOW).is_err());
    }
}

#[test]
fn a_low_order_ratchet_key_is_refused() {
    let mut rng = Recorder::new(7);
    let [alice, bob] = pair(&mut rng);
    let (_, message) = alice.encrypt(&mut rng, b"x", AD);
    for point in low_order_points() {
        let forged = [&point.0[..], &message[32..]].concat();
        let refused = bob.decrypt(&mut rng, &forged, AD, NOW);
        assert_eq!(refused.map(|_| ()), Err(RatchetError::LowOrder));
        assert!(Ratchet::initiate(&mut rng, &Secret::from_bytes([1; 32]), &point).is_err());
    }
}

#[test]
fn a_message_of_a_chain_that_is_over_came_before() {
    let mut rng = Recorder::new(77);
    let [mut alice, mut bob] = pair(&mut rng);
    let mut heard = Vec::new();
    for _ in 0..4 {
        let (next, message) = bob.encrypt(&mut rng, b"from Bob", AD);
        bob = next;
        alice = alice.decrypt(&mut rng, &message, AD, NOW).unwrap().0;
        let (next, message) = alice.encrypt(&mut rng, b"from Alice", AD);
        alice = next;
        bob = bob.decrypt(&mut rng, &message, AD, NOW).unwrap().0;
        heard.push(message);
    }
    let bob = restored(&bob);
    for message in heard {
        assert_eq!(bob.decrypt(&mut rng, &message, AD, NOW).unwrap_err(), RatchetError::Repeated);
    }
}
