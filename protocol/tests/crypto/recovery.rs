//! The recovery capsule and the codes that open it; safety numbers.

use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::account_keys::MessagingSecret;
use letterbox_protocol::capsule::{Capsule, RecoveryCode, recovery_secret_from_prf};
use letterbox_protocol::keys::ExchangeSecret;
use letterbox_protocol::safety::{CODE_PREFIX, Fingerprint, SafetyNumber};
use letterbox_protocol::sealing::SealError;
use letterbox_protocol::types::{Bytes, Phone};
use letterbox_protocol::wire::CAPSULE_SIZE;
use proptest::prelude::*;

struct Lost {
    rng: Recorder,
    alice: Person,
    secret: ExchangeSecret,
    capsule: Capsule,
}

fn lost(secrets: u32) -> Lost {
    let mut rng = Recorder::new(60);
    let alice = Person::new(&mut rng, "+4915112345678");
    let messaging = (1..=secrets).map(|n| MessagingSecret {
        key_version: u32::MAX - secrets + n,
        created_at: NOW,
        secret: ExchangeSecret::generate(&mut rng),
    });
    let capsule = Capsule::new(&alice.identity, messaging.collect());
    let secret = recovery_secret_from_prf(&[9; 32]);
    Lost { rng, alice, secret, capsule }
}

impl Lost {
    fn sealed(&mut self) -> Vec<u8> {
        let Self { rng, alice, secret, capsule } = self;
        let party = &alice.party;
        capsule.seal(rng, &secret.public(), &party.phone, &party.device_id).unwrap()
    }

    fn open(&self, secret: &ExchangeSecret, sealed: &[u8]) -> Result<Capsule, SealError> {
        let party = &self.alice.party;
        Capsule::open(secret, &party.phone, &party.device_id, sealed)
    }
}

#[test]
fn a_capsule_has_one_size_and_holds_the_newest_secrets_that_fit() {
    for (held, expected) in [(0, 0), (1, 1), (15, 15), (100, 19)] {
        let mut lost = lost(held);
        let sealed = lost.sealed();
        assert_eq!(sealed.len(), CAPSULE_SIZE);
        let opened = lost.open(&lost.secret, &sealed).unwrap();
        assert_eq!(opened.identity, lost.alice.identity);
        let versions: Vec<u32> = opened.messaging.iter().map(|secret| secret.key_version).collect();
        let newest: Vec<u32> = (0..expected).map(|n| u32::MAX - n).collect();
        assert_eq!(versions, newest, "of {held}");
    }
}

#[test]
fn a_capsule_opens_with_its_secret_for_its_device_only() {
    let mut lost = lost(1);
    let sealed = lost.sealed();
    let wrong = lost.open(&recovery_secret_from_prf(&[8; 32]), &sealed);
    assert_eq!(wrong, Err(SealError::DoesNotOpen));
    let code = RecoveryCode::generate(&mut lost.rng);
    assert_eq!(lost.open(&code.secret(), &sealed), Err(SealError::DoesNotOpen));
    let party = &lost.alice.party;
    let other = Capsule::open(&lost.secret, &party.phone, &Bytes([0; 16]), &sealed);
    assert_eq!(other, Err(SealError::DoesNotOpen));
    let phone = "+4915112345679".parse().unwrap();
    let other = Capsule::open(&lost.secret, &phone, &party.device_id, &sealed);
    assert_eq!(other, Err(SealError::DoesNotOpen));
    assert_eq!(lost.open(&lost.secret, &sealed[1..]), Err(SealError::WrongSize));
    let low_order =
        lost.capsule.seal(&mut lost.rng, &Bytes([0; 32]), &party.phone, &party.device_id);
    assert_eq!(low_order, Err(SealError::LowOrder));
    lost.capsule.version = 2;
    let newer = lost.sealed();
    assert_eq!(lost.open(&lost.secret, &newer), Err(SealError::DoesNotOpen));
}

#[test]
fn a_recovery_code_is_seven_groups_of_four() {
    let code = RecoveryCode::generate(&mut Recorder::new(61));
    let shown = code.display();
    let groups: Vec<&str> = shown.split(' ').collect();
    assert!(groups.len() == 7 && groups.iter().all(|group| group.len() == 4));
    assert!(RecoveryCode::parse(&shown.to_lowercase().replace(' ', "-")).as_ref() == Some(&code));
    assert!(RecoveryCode::parse(&shown[1..]).is_none());
    assert_eq!(format!("{code:?}"), "RecoveryCode(…)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_mistyped_code_is_noticed_or_was_meant(seed: u64, at in 0..34usize, by in 1..32u8) {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let code = RecoveryCode::generate(&mut Recorder::new(seed));
        let mut typed = code.display().into_bytes();
        let Some(place) = ALPHABET.iter().position(|c| *c == typed[at]) else { return Ok(()) };
        typed[at] = ALPHABET[(place + usize::from(by)) % 32];
        let read = RecoveryCode::parse(std::str::from_utf8(&typed).unwrap());
        // Ten check bits let one in a thousand mistakes pass; such a code opens no capsule.
        prop_assert!(read.as_ref() != Some(&code));
    }

    #[test]
    fn a_capsule_with_any_bit_changed_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut lost = lost(2);
        let mut sealed = lost.sealed();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(lost.open(&lost.secret, &sealed), Err(SealError::DoesNotOpen));
    }

    #[test]
    fn whatever_is_typed_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = RecoveryCode::parse(&text);
    }
}

#[test]
fn of_a_thousand_slips_at_most_a_handful_pass_the_check() {
    let mut passed = 0;
    for seed in 0..1_000 {
        let code = RecoveryCode::generate(&mut Recorder::new(seed));
        let mut typed = code.display().into_bytes();
        let at = [0, 1, 2, 3, 5, 6, 7, 8, 10][seed as usize % 9];
        typed[at] = if typed[at] == b'7' { b'8' } else { b'7' };
        let typed = String::from_utf8(typed).unwrap();
        passed += usize::from(RecoveryCode::parse(&typed).is_some());
    }
    assert!(passed < 10, "{passed} of 1000");
}

#[test]
fn both_sides_see_the_same_safety_number_and_another_key_another_one() {
    let mut rng = Recorder::new(62);
    let alice = Person::new(&mut rng, "+4915112345678").party;
    let bob = Person::new(&mut rng, "+12025550123").party;
    let of = |party: &letterbox_protocol::handshake::Party| {
        Fingerprint::of((&party.phone, &party.identity_key))
    };
    let number = SafetyNumber::of(of(&alice), of(&bob));
    assert!(number == SafetyNumber::of(of(&bob), of(&alice)));
    let groups: Vec<&str> = number.digits.split(' ').collect();
    assert_eq!(groups.len(), 12);
    assert!(groups.iter().all(|g| g.len() == 5 && g.bytes().all(|c| c.is_ascii_digit())));
    assert!(number.code.starts_with(CODE_PREFIX));
    assert_eq!(number.code.len(), CODE_PREFIX.len() + 86);
    let mut other = bob.clone();
    other.identity_key.0[31] ^= 1;
    assert!(SafetyNumber::of(of(&alice), of(&other)).digits != number.digits);
    let phone: Phone = "+12025550124".parse().unwrap();
    let other = Fingerprint::of((&phone, &bob.identity_key));
    assert!(SafetyNumber::of(of(&alice), other).code != number.code);
    assert_eq!(format!("{number:?}"), "SafetyNumber(…)");
}
