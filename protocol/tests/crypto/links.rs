//! Linking: the code as it is typed, offer, digits, answer; each fails closed.

use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::account_keys::MessagingSecret;
use letterbox_protocol::keys::{ExchangeSecret, sign_prekey, verify_prekey};
use letterbox_protocol::link::*;
use letterbox_protocol::types::{Bytes, Key};
use letterbox_protocol::wire::{LINK_ANSWER_LIMIT, LINK_OFFER_LIMIT, SignedPrekey};
use proptest::prelude::*;

struct Linking {
    rng: Recorder,
    code: LinkCode,
    device: ExchangeSecret,
    offer: LinkOffer,
    answer: LinkAnswer,
}

fn linking(seed: u64, secrets: u32) -> Linking {
    let mut rng = Recorder::new(seed);
    let alice = Person::with_devices(&mut rng, "+4915112345678", 8);
    let device = ExchangeSecret::generate(&mut rng);
    let prekey = ExchangeSecret::generate(&mut rng).public();
    let offer = LinkOffer {
        version: LINK_VERSION,
        device_id: Bytes([7; 16]),
        registration_id: (1 << 31) - 1,
        device_key: device.public(),
        prekey,
        prekey_created_at: NOW,
    };
    let signed = sign_prekey(&alice.identity, &offer.device_id, 1, NOW, &prekey);
    let messaging = (0..secrets).rev().map(|key_version| MessagingSecret {
        key_version,
        created_at: NOW,
        secret: ExchangeSecret::generate(&mut rng),
    });
    let answer = LinkAnswer {
        version: LINK_VERSION,
        phone: alice.party.phone.clone(),
        identity: alice.identity.clone(),
        messaging: messaging.collect(),
        list: alice.list.clone(),
        signed_prekey: SignedPrekeyRecord::from(&signed),
    };
    let code = LinkCode::generate(&mut rng);
    Linking { rng, code, device, offer, answer }
}

impl Linking {
    fn sealed(&mut self) -> (Key, Vec<u8>) {
        let hash = offer_hash(&self.offer.seal(&self.code));
        let Self { rng, code, offer, answer, .. } = self;
        (hash, answer.seal(rng, code, offer, &hash).unwrap())
    }
}

#[test]
fn an_offer_is_read_by_who_knows_the_code_and_the_answer_by_who_offered() {
    let mut linking = linking(50, 40);
    let typed = linking.code.display().to_lowercase().replace(' ', "-");
    let code = LinkCode::parse(&typed).unwrap();
    assert!(code == linking.code);
    let bytes = linking.offer.seal(&linking.code);
    assert!(bytes.len() <= LINK_OFFER_LIMIT);
    let offer = LinkOffer::open(&code, &bytes).unwrap();
    assert_eq!(offer, linking.offer);
    assert_eq!(offer.listed().device_key, linking.device.public());
    let (hash, sealed) = linking.sealed();
    assert!(sealed.len() <= LINK_ANSWER_LIMIT);
    let answer = LinkAnswer::open(&linking.device, &code, &hash, &sealed).unwrap();
    assert_eq!(answer, linking.answer);
    let prekey = SignedPrekey::from(&answer.signed_prekey);
    let identity = answer.identity.public();
    assert!(verify_prekey(&identity, &offer.device_id, &prekey).is_ok());
}

#[test]
fn another_code_opens_nothing() {
    let mut linking = linking(51, 1);
    let other = LinkCode::generate(&mut linking.rng);
    assert_ne!(other.link_id(), linking.code.link_id());
    let bytes = linking.offer.seal(&linking.code);
    assert_eq!(LinkOffer::open(&other, &bytes), Err(LinkError::Code));
    let (hash, sealed) = linking.sealed();
    let opened = LinkAnswer::open(&linking.device, &other, &hash, &sealed);
    assert_eq!(opened, Err(LinkError::Code), "the pre-shared key is missing");
    let device = ExchangeSecret::generate(&mut linking.rng);
    let opened = LinkAnswer::open(&device, &linking.code, &hash, &sealed);
    assert_eq!(opened, Err(LinkError::Code), "sealed to another device");
    let opened = LinkAnswer::open(&linking.device, &linking.code, &Bytes([0; 32]), &sealed);
    assert_eq!(opened, Err(LinkError::Code), "for another offer");
}

#[test]
fn offers_and_answers_of_another_form_are_refused() {
    let mut linking = linking(52, 1);
    let offer = linking.offer.clone();
    let forms = [
        LinkOffer { version: 2, ..offer.clone() },
        LinkOffer { registration_id: 1 << 31, ..offer.clone() },
        LinkOffer { prekey_created_at: NOW.plus(1), ..offer.clone() },
    ];
    for form in forms {
        let bytes = form.seal(&linking.code);
        assert_eq!(LinkOffer::open(&linking.code, &bytes), Err(LinkError::Form));
    }
    assert_eq!(LinkOffer::open(&linking.code, &[0; 31]), Err(LinkError::Form));
    let long = vec![0; LINK_OFFER_LIMIT + 1];
    assert_eq!(LinkOffer::open(&linking.code, &long), Err(LinkError::Form));
    linking.answer.version = 2;
    let (hash, sealed) = linking.sealed();
    let opened = LinkAnswer::open(&linking.device, &linking.code, &hash, &sealed);
    assert_eq!(opened, Err(LinkError::Form));
    let long = vec![0; LINK_ANSWER_LIMIT + 1];
    let opened = LinkAnswer::open(&linking.device, &linking.code, &hash, &long);
    assert_eq!(opened, Err(LinkError::Form));
    let low_order = LinkOffer { device_key: Bytes([0; 32]), ..offer };
    let Linking { mut rng, code, answer, .. } = linking;
    let sealed = answer.seal(&mut rng, &code, &low_order, &hash);
    assert_eq!(sealed, Err(LinkError::LowOrder));
}

#[test]
fn an_answer_with_too_many_secrets_is_refused_by_its_maker() {
    let mut linking = linking(53, 100);
    let hash = offer_hash(b"");
    let Linking { rng, code, offer, answer, .. } = &mut linking;
    assert_eq!(answer.seal(rng, code, offer, &hash), Err(LinkError::Form));
}

#[test]
fn the_digits_have_to_be_those_shown_for_this_offer_and_code() {
    let mut linking = linking(54, 1);
    let hash = offer_hash(&linking.offer.seal(&linking.code));
    let digits = draw_digits(&mut linking.rng);
    assert_eq!(
        parse_digits(&format!(" {} - {}", &digits[..3], &digits[3..])),
        Some(digits.clone())
    );
    for wrong in ["", "12345", "1234567", "12345x", "١٢٣٤٥٦"] {
        assert_eq!(parse_digits(wrong), None);
    }
    let proof = digits_proof(&linking.code, &hash, &digits);
    assert!(digits_hold(&linking.code, &hash, &digits, &proof));
    let other = if digits == "000000" { "000001" } else { "000000" };
    assert!(!digits_hold(&linking.code, &hash, other, &proof));
    assert!(!digits_hold(&linking.code, &Bytes([0; 32]), &digits, &proof));
    assert!(!digits_hold(&LinkCode::generate(&mut linking.rng), &hash, &digits, &proof));
}

#[test]
fn digits_are_six_and_spread() {
    let mut rng = Recorder::new(55);
    let drawn: Vec<String> = (0..2_000).map(|_| draw_digits(&mut rng)).collect();
    assert!(drawn.iter().all(|digits| parse_digits(digits).as_ref() == Some(digits)));
    for first in "0123456789".chars() {
        let count = drawn.iter().filter(|digits| digits.starts_with(first)).count();
        assert!((120..280).contains(&count), "{count} of 2000 begin with {first}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_offer_with_any_bit_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let linking = linking(56, 1);
        let mut bytes = linking.offer.seal(&linking.code);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(LinkOffer::open(&linking.code, &bytes), Err(LinkError::Code));
    }

    #[test]
    fn an_answer_with_any_bit_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut linking = linking(57, 1);
        let (hash, mut sealed) = linking.sealed();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        let opened = LinkAnswer::open(&linking.device, &linking.code, &hash, &sealed);
        // The highest bit of an X25519 key is not part of it (RFC 7748 §5), but of the context.
        prop_assert_eq!(opened, Err(LinkError::Code));
    }

    #[test]
    fn a_code_with_one_character_changed_is_another_or_none(at in 0..19usize, c in any::<char>()) {
        let code = LinkCode::generate(&mut Recorder::new(58));
        let mut typed: Vec<char> = code.display().chars().collect();
        if typed[at] == ' ' {
            return Ok(());
        }
        let before = std::mem::replace(&mut typed[at], c);
        let same = c.to_ascii_uppercase() == before
            || before == '1' && "iIlL".contains(c)
            || before == '0' && "oO".contains(c);
        let read = LinkCode::parse(&typed.into_iter().collect::<String>());
        prop_assert_eq!(read == Some(code), same);
    }
}

#[test]
fn nothing_secret_is_printed() {
    let linking = linking(59, 2);
    let text = format!("{:?} {:?} {:?}", linking.code, linking.offer, linking.answer);
    assert!(!text.contains("15112345678"));
    let seed = linking.answer.identity.expose();
    assert!(!text.contains(&format!("{}, {}", seed[0], seed[1])));
    assert!(!text.contains(&linking.code.display()));
}
