//! Live re-keying: both ends come to one key, and nothing else leads to it.

use crate::people::{Person, Recorder, random};
use letterbox_protocol::keys::ExchangeSecret;
use letterbox_protocol::rekey::*;
use letterbox_protocol::secret::Secret;
use letterbox_protocol::types::Bytes;
use proptest::prelude::*;

struct Exchange {
    rng: Recorder,
    alice: Person,
    bob: Person,
    rekey: Secret,
    ephemeral: ExchangeSecret,
    offer: RekeyOffer,
}

fn exchange(seed: u64) -> Exchange {
    let mut rng = Recorder::new(seed);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let rekey = rekey_secret(&Secret::generate(&mut rng));
    let ephemeral = ExchangeSecret::generate(&mut rng);
    let offer = RekeyOffer {
        version: REKEY_VERSION,
        exchange: random(&mut rng),
        ephemeral_key: ephemeral.public(),
        session: random(&mut rng),
        next_session: random(&mut rng),
        device_id: alice.party.device_id,
        sender_list_version: 3,
        recipient_list_version: 4,
    };
    Exchange { rng, alice, bob, rekey, ephemeral, offer }
}

impl Exchange {
    fn answer(&mut self) -> (Secret, RekeyAnswer) {
        let Self { rng, alice, bob, rekey, offer, .. } = self;
        answer(rng, rekey, offer, &alice.party, &bob.own(), 4).unwrap()
    }

    fn conclude(&self, answer: &RekeyAnswer) -> Result<Secret, RekeyError> {
        let (own, peer) = (self.alice.own(), &self.bob.party);
        conclude(&self.rekey, &self.offer, &own, &self.ephemeral, peer, answer)
    }
}

#[test]
fn both_ends_come_to_the_same_key() {
    let mut exchange = exchange(70);
    let (key, answer) = exchange.answer();
    assert_eq!(exchange.conclude(&answer), Ok(key.clone()));
    let (again, _) = exchange.answer();
    assert!(key != again, "every answer draws its own key");
    let read = RekeyOffer::from_cbor(&exchange.offer.to_cbor());
    assert_eq!(read, Ok(exchange.offer.clone()));
    let bytes = letterbox_protocol::record::to_cbor(&answer);
    assert_eq!(RekeyAnswer::from_cbor(&bytes), Ok(answer));
}

#[test]
fn whatever_the_two_ends_see_differently_fails() {
    let mut exchange = exchange(71);
    let (_, answer) = exchange.answer();
    let failed = |exchange: &Exchange, what| {
        assert_eq!(exchange.conclude(&answer), Err(RekeyError::Confirmation), "{what}");
    };
    type Change = fn(&mut Exchange);
    let cases: [(&str, Change); 9] = [
        ("rk", |e| e.rekey = Secret::generate(&mut e.rng)),
        ("e_a", |e| e.ephemeral = ExchangeSecret::generate(&mut e.rng)),
        ("S", |e| e.offer.session = Bytes([0; 16])),
        ("S'", |e| e.offer.next_session = Bytes([0; 16])),
        ("own list", |e| e.offer.sender_list_version += 1),
        ("their list", |e| e.offer.recipient_list_version += 1),
        ("identity", |e| e.bob.party.identity_key = Bytes([1; 32])),
        ("device key", |e| e.bob.party.device_key = e.alice.party.device_key),
        ("device", |e| e.alice.device = ExchangeSecret::generate(&mut e.rng)),
    ];
    for (what, change) in cases {
        let mut other = self::exchange(71);
        change(&mut other);
        failed(&other, what);
    }
}

#[test]
fn an_answer_to_another_offer_or_with_a_low_order_key_is_refused() {
    let mut exchange = exchange(72);
    let (_, answer) = exchange.answer();
    let other = RekeyAnswer { exchange: Bytes([0; 16]), ..answer.clone() };
    assert_eq!(exchange.conclude(&other), Err(RekeyError::Mismatch));
    let other = RekeyAnswer { device_id: Bytes([0; 16]), ..answer.clone() };
    assert_eq!(exchange.conclude(&other), Err(RekeyError::Mismatch));
    let low = RekeyAnswer { ephemeral_key: Bytes([0; 32]), ..answer.clone() };
    assert_eq!(exchange.conclude(&low), Err(RekeyError::LowOrder));
    exchange.offer.ephemeral_key = Bytes([0; 32]);
    let Exchange { mut rng, alice, bob, rekey, mut offer, .. } = exchange;
    assert!(self::answer(&mut rng, &rekey, &offer, &alice.party, &bob.own(), 4).is_err());
    offer.next_session = offer.session;
    assert_eq!(RekeyOffer::from_cbor(&offer.to_cbor()), Err(RekeyError::Form));
    let newer = RekeyAnswer { version: 2, ..answer };
    let newer = letterbox_protocol::record::to_cbor(&newer);
    assert_eq!(RekeyAnswer::from_cbor(&newer), Err(RekeyError::Form));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_answer_with_any_byte_changed_gives_no_key(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut exchange = exchange(73);
        let (_, answer) = exchange.answer();
        let mut bytes = letterbox_protocol::record::to_cbor(&answer);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = RekeyAnswer::from_cbor(&bytes) && read != answer {
            prop_assert!(exchange.conclude(&read).is_err());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = RekeyOffer::from_cbor(&bytes);
        let _ = RekeyAnswer::from_cbor(&bytes);
    }
}
