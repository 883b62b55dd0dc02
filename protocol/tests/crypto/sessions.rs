//! Sessions and letters.

use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::content::Content;
use letterbox_protocol::keys::IdentitySecret;
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::session_key::SessionKeyPayload;
use letterbox_protocol::sessions::{
    InboundSession, LETTER_OVERHEAD, OutboundSession, SessionError, SessionPart,
};
use letterbox_protocol::sizes::LetterSize;
use letterbox_protocol::types::{Bytes, DAY, HOUR};
use proptest::prelude::*;

struct Scene {
    rng: Recorder,
    alice: Person,
    payload: SessionKeyPayload,
}

fn scene(seed: u64) -> Scene {
    let mut rng = Recorder::new(seed);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    let payload = alice.session_key(&mut rng, &server, &bob);
    Scene { rng, alice, payload }
}

impl Scene {
    fn content(&self, text: &str) -> Content {
        let party = &self.alice.party;
        Content::text(&party.phone, &party.device_id, Bytes([3; 16]), NOW.0 * 1_000, text)
    }

    fn letters(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut session = OutboundSession::begin(&self.payload);
        let mut letters = Vec::new();
        for number in 0..count {
            let content = self.content(&number.to_string());
            let (next, part) = session.encrypt(&mut self.rng, &content).unwrap();
            session = minicbor::decode(&to_cbor(&next)).unwrap();
            letters.push(part);
        }
        letters
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn letters_come_in_any_order_and_are_taken_once(
        seed in any::<u64>(),
        order in Just((0..100usize).collect::<Vec<_>>()).prop_shuffle(),
        arriving in 1..100usize,
    ) {
        let mut scene = scene(seed);
        let letters = scene.letters(100);
        let mut session = InboundSession::begin(&scene.payload);
        for number in &order[..arriving] {
            let part = SessionPart::parse(&letters[*number]).unwrap();
            let (next, content) = session.decrypt(&part, NOW).unwrap();
            prop_assert_eq!(content.as_text().unwrap(), number.to_string());
            session = minicbor::decode(&to_cbor(&next)).unwrap();
            prop_assert_eq!(&session, &next);
            prop_assert_eq!(session.decrypt(&part, NOW), Err(SessionError::Repeated));
        }
    }

    #[test]
    fn a_letter_with_any_bit_changed_changes_nothing(
        seed in any::<u64>(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let mut scene = scene(seed);
        let mut letter = scene.letters(3).pop().unwrap();
        let session = InboundSession::begin(&scene.payload);
        let before = to_cbor(&session);
        let at = at.index(letter.len());
        letter[at] ^= 1 << bit;
        let part = SessionPart::parse(&letter).unwrap();
        prop_assert!(session.decrypt(&part, NOW).is_err());
        prop_assert_eq!(before, to_cbor(&session));
    }
}

#[test]
fn a_letter_is_as_long_as_its_size_class_and_the_seal_leave() {
    let mut scene = scene(1);
    let fixed = scene.content("").to_cbor().len();
    for (text, expected) in [
        (0, 1_024),
        (1_024 - LETTER_OVERHEAD - fixed - 3, 1_024),
        (1_024 - LETTER_OVERHEAD - fixed - 2, 2_048),
        (60_000, 65_536),
    ] {
        let content = scene.content(&"x".repeat(text));
        let (_, part) =
            OutboundSession::begin(&scene.payload).encrypt(&mut scene.rng, &content).unwrap();
        assert_eq!(part.len() + 48, expected, "{text} bytes of text");
        assert!(LetterSize::of_sealed(part.len() + 48).is_ok());
    }
    let content = scene.content(&"x".repeat(65_536));
    let long = OutboundSession::begin(&scene.payload).encrypt(&mut scene.rng, &content);
    assert_eq!(long.map(|_| ()), Err(SessionError::TooLong));
}

#[test]
fn a_session_ends_after_a_hundred_letters_a_day_or_a_change_of_either_list() {
    let mut scene = scene(2);
    let mut session = OutboundSession::begin(&scene.payload);
    assert!(!session.is_over(NOW, 1, 1));
    assert!(session.is_over(NOW, 2, 1));
    assert!(session.is_over(NOW, 1, 2));
    assert!(!session.is_over(NOW.plus(DAY - 1), 1, 1));
    assert!(session.is_over(NOW.plus(DAY), 1, 1));
    let mut ending = scene.payload.clone();
    ending.certificate.valid_until = NOW.plus(2 * HOUR);
    assert!(OutboundSession::begin(&ending).is_over(NOW.plus(HOUR), 1, 1));
    let content = scene.content("x");
    for _ in 0..100 {
        session = session.encrypt(&mut scene.rng, &content).unwrap().0;
    }
    assert!(session.is_over(NOW, 1, 1));
    assert_eq!(session.encrypt(&mut scene.rng, &content).map(|_| ()), Err(SessionError::Spent));
}

#[test]
fn a_letter_stored_outside_its_sessions_time_is_refused() {
    let mut scene = scene(3);
    let letters = scene.letters(1);
    let part = SessionPart::parse(&letters[0]).unwrap();
    let session = InboundSession::begin(&scene.payload);
    let at = |seconds| session.decrypt(&part, NOW.plus(seconds)).map(|_| ()).err();
    assert_eq!(at(26 * HOUR), None);
    assert_eq!(at(26 * HOUR + 1), Some(SessionError::Time));
    assert_eq!(at(-2 * HOUR), None);
    assert_eq!(at(-2 * HOUR - 1), Some(SessionError::Time));
    let mut ending = scene.payload.clone();
    ending.certificate.valid_until = NOW.plus(2 * HOUR);
    let ended = InboundSession::begin(&ending).decrypt(&part, NOW.plus(2 * HOUR));
    assert_eq!(ended.map(|_| ()), Err(SessionError::Time));
}

#[test]
fn a_letter_of_another_session_or_in_another_name_is_refused() {
    let mut scene = scene(4);
    let letters = scene.letters(1);
    let part = SessionPart::parse(&letters[0]).unwrap();
    let mut other = scene.payload.clone();
    other.session_id = Bytes([0; 16]);
    let refused = InboundSession::begin(&other).decrypt(&part, NOW).map(|_| ());
    assert_eq!(refused, Err(SessionError::Mismatch));
    let mut other = scene.payload.clone();
    other.recipient = "+12025550199".parse().unwrap();
    let refused = InboundSession::begin(&other).decrypt(&part, NOW).map(|_| ());
    assert_eq!(refused, Err(SessionError::DoesNotDecrypt));
    let mut content = scene.content("x");
    content.sender = "+12025550199".parse().unwrap();
    let (_, part) =
        OutboundSession::begin(&scene.payload).encrypt(&mut scene.rng, &content).unwrap();
    let part = SessionPart::parse(&part).unwrap();
    let refused = InboundSession::begin(&scene.payload).decrypt(&part, NOW).map(|_| ());
    assert_eq!(refused, Err(SessionError::Sender));
}

#[test]
fn an_unknown_kind_of_content_is_kept() {
    let mut scene = scene(5);
    let mut content = scene.content("");
    content.kind = 999;
    content.body = vec![0, 1, 2, 0];
    let (_, part) =
        OutboundSession::begin(&scene.payload).encrypt(&mut scene.rng, &content).unwrap();
    let part = SessionPart::parse(&part).unwrap();
    let (_, read) = InboundSession::begin(&scene.payload).decrypt(&part, NOW).unwrap();
    assert_eq!(read, content);
    assert_eq!(read.as_text(), None);
}
