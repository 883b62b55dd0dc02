//! What an account's devices tell each other: links, capsules, wrapped keys; and
//! safety numbers.

use super::channels::{party_cbor, party_vector};
use super::independent::{self, cbor, hkdf, public, sha256, sha512, transcript};
use super::signatures::{list_encodings, list_vector};
use super::{Fields, committed, compare, hex};
use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::account_keys::*;
use letterbox_protocol::capsule::{Capsule, RecoveryCode, recovery_secret_from_prf};
use letterbox_protocol::handshake::Party;
use letterbox_protocol::keys::{ExchangeSecret, sign_prekey};
use letterbox_protocol::link::*;
use letterbox_protocol::safety::{Fingerprint, SafetyNumber};
use letterbox_protocol::secret::Secret;
use letterbox_protocol::session_key::PAYLOAD_VERSION;
use letterbox_protocol::touch::touch_digest;
use letterbox_protocol::types::Bytes;
use serde_json::{Value, json};

fn messaging_vector(secret: &MessagingSecret) -> Value {
    json!({
        "key_version": secret.key_version,
        "created_at": secret.created_at,
        "secret": hex(secret.secret.expose()),
    })
}

fn messaging_cbor(secret: &Value) -> Vec<u8> {
    cbor::map(&[
        Some(cbor::uint(secret.number("key_version"))),
        Some(cbor::uint(secret.number("created_at"))),
        Some(cbor::bytes(&secret.bytes("secret"))),
    ])
}

fn messaging_secrets(rng: &mut Recorder, versions: &[u32]) -> Vec<MessagingSecret> {
    let secret = |version: &u32| MessagingSecret {
        key_version: *version,
        created_at: NOW,
        secret: ExchangeSecret::generate(rng),
    };
    versions.iter().map(secret).collect()
}

const BASE32: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The characters of a number of so many bits, as a stranger would write them.
fn base32(bits: &[bool]) -> String {
    let value = |five: &[bool]| five.iter().fold(0, |value, bit| value * 2 + usize::from(*bit));
    bits.chunks(5).map(|five| char::from(BASE32[value(five) << (5 - five.len())])).collect()
}

fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1 == 1)).collect()
}

fn in_fours(characters: &str) -> String {
    let groups: Vec<&str> =
        (0..characters.len()).step_by(4).map(|at| &characters[at..at + 4]).collect();
    groups.join(" ")
}

fn link() -> Value {
    let mut rng = Recorder::new(40);
    let alice = Person::with_devices(&mut rng, "+4915112345678", 2);
    let device = ExchangeSecret::generate(&mut rng);
    let prekey = ExchangeSecret::generate(&mut rng).public();
    rng.take();
    let code = LinkCode::generate(&mut rng);
    let code_bytes = rng.take();
    let offer = LinkOffer {
        version: LINK_VERSION,
        device_id: alice.party.device_id,
        registration_id: 77,
        device_key: device.public(),
        prekey,
        prekey_created_at: NOW,
    };
    let offered = offer.seal(&code);
    let hash = offer_hash(&offered);
    let digits = draw_digits(&mut rng);
    let signed = sign_prekey(&alice.identity, &offer.device_id, 1, NOW, &prekey);
    let answer = LinkAnswer {
        version: LINK_VERSION,
        phone: alice.party.phone.clone(),
        identity: alice.identity.clone(),
        messaging: messaging_secrets(&mut rng, &[2, 1]),
        list: alice.list.clone(),
        signed_prekey: SignedPrekeyRecord::from(&signed),
    };
    rng.take();
    let sealed = answer.seal(&mut rng, &code, &offer, &hash).unwrap();
    json!({
        "code": hex(code_bytes),
        "displayed": code.display(),
        "link_id": hex(code.link_id()),
        "device_id": hex(offer.device_id),
        "registration_id": offer.registration_id,
        "device_secret": hex(device.expose()),
        "prekey": hex(prekey),
        "prekey_created_at": NOW,
        "offer": hex(&offered),
        "offer_hash": hex(hash),
        "digits": digits,
        "proof": hex(digits_proof(&code, &hash, &digits)),
        "answer": {
            "phone": alice.party.phone.as_str(),
            "identity_seed": hex(alice.identity.expose()),
            "messaging": answer.messaging.iter().map(messaging_vector).collect::<Vec<_>>(),
            "list": list_vector(&alice),
            "signed_prekey": {
                "key_id": signed.key_id,
                "public_key": hex(signed.public_key),
                "created_at": signed.created_at,
                "signature": hex(signed.signature),
            },
            "cbor": hex(letterbox_protocol::record::to_cbor(&answer)),
        },
        "seal_randomness": hex(rng.take()),
        "sealed_answer": hex(sealed),
    })
}

#[test]
fn links_are_as_published() {
    compare("link", &link());
    let vector = committed("link");
    let code = vector.bytes("code");
    assert_eq!(in_fours(&base32(&bits(&code))), vector.text("displayed"));
    let id = hkdf::<16>(None, &code, b"letterbox/2 link id");
    assert_eq!(id.to_vec(), vector.bytes("link_id"));
    let psk = hkdf::<32>(None, &code, b"letterbox/2 link psk");
    let mac_key = hkdf::<32>(None, &code, b"letterbox/2 link mac");

    let device_key = public(&vector.key("device_secret"));
    let offer = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::bytes(&vector.bytes("device_id"))),
        Some(cbor::uint(vector.number("registration_id"))),
        Some(cbor::bytes(&device_key)),
        Some(cbor::bytes(&vector.bytes("prekey"))),
        Some(cbor::uint(vector.number("prekey_created_at"))),
    ]);
    let tag = independent::mac(&mac_key, &transcript("letterbox/2 link offer", &[&offer]));
    let offered = [&offer[..], &tag].concat();
    assert_eq!(offered, vector.bytes("offer"));
    let hash = sha256(&offered);
    assert_eq!(hash.to_vec(), vector.bytes("offer_hash"));
    let digits = vector.text("digits").as_bytes();
    let proof = transcript("letterbox/2 link digits", &[&hash, digits]);
    assert_eq!(independent::mac(&mac_key, &proof).to_vec(), vector.bytes("proof"));

    let answer = &vector["answer"];
    let prekey = &answer["signed_prekey"];
    let messaging: Vec<Vec<u8>> = answer.list("messaging").iter().map(messaging_cbor).collect();
    let plaintext = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::text(answer.text("phone"))),
        Some(cbor::bytes(&answer.bytes("identity_seed"))),
        Some(cbor::array(&messaging)),
        Some(list_encodings(&answer["list"]).1),
        Some(cbor::map(&[
            Some(cbor::uint(prekey.number("key_id"))),
            Some(cbor::bytes(&prekey.bytes("public_key"))),
            Some(cbor::uint(prekey.number("created_at"))),
            Some(cbor::bytes(&prekey.bytes("signature"))),
        ])),
    ]);
    assert_eq!(plaintext, answer.bytes("cbor"));
    let info = transcript("letterbox/2 link answer", &[&id, &hash]);
    let ikm = vector.bytes("seal_randomness");
    let sealed = independent::seal_psk(&ikm, &device_key, (&psk, &id), &info, &plaintext);
    assert_eq!(sealed, vector.bytes("sealed_answer"));
}

fn capsule() -> Value {
    let mut rng = Recorder::new(41);
    let alice = Person::new(&mut rng, "+4915112345678");
    let messaging = messaging_secrets(&mut rng, &[1, 2, 3]);
    let prf = [0x5a; 32];
    rng.take();
    let code = RecoveryCode::generate(&mut rng);
    let code_bytes = rng.take();
    let secret = recovery_secret_from_prf(&prf);
    let capsule = Capsule::new(&alice.identity, messaging);
    let party = &alice.party;
    let sealed = capsule.seal(&mut rng, &secret.public(), &party.phone, &party.device_id).unwrap();
    json!({
        "prf": hex(prf),
        "prf_secret": hex(secret.expose()),
        "code": hex(code_bytes),
        "displayed": code.display(),
        "code_secret": hex(code.secret().expose()),
        "phone": party.phone.as_str(),
        "device_id": hex(party.device_id),
        "identity_seed": hex(alice.identity.expose()),
        "messaging": capsule.messaging.iter().map(messaging_vector).collect::<Vec<_>>(),
        "seal_randomness": hex(rng.take()),
        "capsule": hex(sealed),
    })
}

#[test]
fn recovery_capsules_are_as_published() {
    compare("recovery-capsule", &capsule());
    let vector = committed("recovery-capsule");
    let secret = hkdf::<32>(None, &vector.bytes("prf"), b"letterbox/2 recovery passkey");
    assert_eq!(secret, vector.key("prf_secret"));
    let code = vector.bytes("code");
    let from_code = hkdf::<32>(None, &code, b"letterbox/2 recovery code");
    assert_eq!(from_code, vector.key("code_secret"));
    let check = sha256(&transcript("letterbox/2 recovery code check", &[&code]));
    let characters = base32(&bits(&code)) + &base32(&bits(&check)[..10]);
    assert_eq!(in_fours(&characters), vector.text("displayed"));
    let messaging: Vec<Vec<u8>> = vector.list("messaging").iter().map(messaging_cbor).collect();
    let plaintext = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::bytes(&vector.bytes("identity_seed"))),
        Some(cbor::array(&messaging)),
    ]);
    let padded = independent::pad(&plaintext, 1_024 - 48);
    let info = transcript(
        "letterbox/2 recovery capsule",
        &[vector.text("phone").as_bytes(), &vector.bytes("device_id")],
    );
    let ikm = vector.bytes("seal_randomness");
    let sealed = independent::seal(&ikm, &public(&secret), &info, b"", &padded);
    assert_eq!(sealed, vector.bytes("capsule"));
    assert_eq!(sealed.len(), 1_024);
}

#[test]
fn safety_numbers_are_as_published() {
    let mut rng = Recorder::new(42);
    let alice = Person::new(&mut rng, "+4915112345678").party;
    let bob = Person::new(&mut rng, "+12025550123").party;
    let of = |party: &Party| Fingerprint::of((&party.phone, &party.identity_key));
    let number = SafetyNumber::of(of(&alice), of(&bob));
    compare(
        "safety-number",
        &json!({
            "people": [party_vector(&alice), party_vector(&bob)],
            "digits": number.digits,
            "code": number.code,
        }),
    );
    let vector = committed("safety-number");
    let mut prints: Vec<[u8; 32]> = Vec::new();
    for person in vector.list("people") {
        let key = person.bytes("identity_key");
        let mut hash = [&[0, 0][..], &key, person.text("phone").as_bytes()].concat();
        for _ in 0..5_200 {
            hash = sha512(&[&hash[..], &key].concat()).to_vec();
        }
        prints.push(hash[..32].try_into().unwrap());
    }
    prints.sort();
    let mut groups = Vec::new();
    for five in prints.iter().flat_map(|print| print[..30].chunks(5)) {
        let number = five.iter().fold(0u64, |number, byte| number * 256 + u64::from(*byte));
        groups.push(format!("{:05}", number % 100_000));
    }
    assert_eq!(groups.join(" "), vector.text("digits"));
    let base64 = vector.text("code").strip_prefix("letterbox-safety:2:").unwrap();
    let bytes = prints.concat();
    assert_eq!(independent::base64url(&bytes), base64);
}

fn account_keys() -> Value {
    let mut rng = Recorder::new(43);
    let alice = Person::with_devices(&mut rng, "+4915112345678", 2);
    let bob = Person::new(&mut rng, "+12025550123");
    let secret = alice.messaging.clone();
    let messaging = MessagingSecret { key_version: 4, created_at: NOW, secret };
    let keys = AccountKeys {
        version: PAYLOAD_VERSION,
        sender: alice.party.clone(),
        purpose: PURPOSE_ACCOUNT,
        list: alice.list.clone(),
        messaging: messaging.clone(),
        identity: Some(alice.identity.clone()),
    };
    let without = AccountKeys { identity: None, ..keys.clone() };
    let rekeyed = RekeyedSession {
        version: PAYLOAD_VERSION,
        session_id: Bytes([1; 16]),
        key: Secret::from_bytes([2; 32]),
        sender: alice.party.clone(),
        purpose: PURPOSE_REKEY,
        replaces: Bytes([3; 16]),
        exchange: Bytes([4; 16]),
        offering: bob.party.clone(),
    };
    json!({
        "sender": party_vector(&alice.party),
        "list": list_vector(&alice),
        "messaging": messaging_vector(&messaging),
        "identity_seed": hex(alice.identity.expose()),
        "account_keys": hex(&*without.to_cbor()),
        "account_keys_with_identity": hex(&*keys.to_cbor()),
        "rekeyed": {
            "session_id": hex(rekeyed.session_id),
            "key": hex(rekeyed.key.expose()),
            "replaces": hex(rekeyed.replaces),
            "exchange": hex(rekeyed.exchange),
            "offering": party_vector(&rekeyed.offering),
            "cbor": hex(&*rekeyed.to_cbor()),
        },
    })
}

#[test]
fn what_siblings_wrap_is_as_published() {
    compare("account-keys", &account_keys());
    let vector = committed("account-keys");
    let sender = party_cbor(&vector["sender"]);
    let list = list_encodings(&vector["list"]).1;
    let messaging = messaging_cbor(&vector["messaging"]);
    let with = |seed: Option<Vec<u8>>| {
        let mut fields: Vec<Option<Vec<u8>>> = vec![None; 15];
        fields[0] = Some(cbor::uint(1));
        fields[3] = Some(sender.clone());
        fields[6] = Some(cbor::uint(2));
        fields[9] = Some(list.clone());
        fields[13] = Some(messaging.clone());
        fields[14] = seed;
        cbor::map(&fields)
    };
    assert_eq!(with(None), vector.bytes("account_keys"));
    let seed = cbor::bytes(&vector.bytes("identity_seed"));
    assert_eq!(with(Some(seed)), vector.bytes("account_keys_with_identity"));
    let rekeyed = &vector["rekeyed"];
    let mut fields: Vec<Option<Vec<u8>>> = vec![None; 18];
    fields[0] = Some(cbor::uint(1));
    fields[1] = Some(cbor::bytes(&rekeyed.bytes("session_id")));
    fields[2] = Some(cbor::bytes(&rekeyed.bytes("key")));
    fields[3] = Some(sender);
    fields[6] = Some(cbor::uint(3));
    fields[15] = Some(cbor::bytes(&rekeyed.bytes("replaces")));
    fields[16] = Some(cbor::bytes(&rekeyed.bytes("exchange")));
    fields[17] = Some(party_cbor(&rekeyed["offering"]));
    assert_eq!(cbor::map(&fields), rekeyed.bytes("cbor"));
}

#[test]
fn touches_are_as_published() {
    let (method, path) = ("DELETE", "/v1/devices/AAECAwQFBgcICQoLDA0ODw?x=1");
    let body = br#"{"some":"body"}"#;
    let touch = |method, path, body| hex(touch_digest(method, path, body));
    compare(
        "touch",
        &json!({ "requests": [
            { "method": method, "path": path, "body": hex(body), "digest": touch(method, path, body) },
            { "method": "POST", "path": "/v1/recovery", "body": "", "digest": touch("POST", "/v1/recovery", b"") },
        ]}),
    );
    for request in committed("touch").list("requests") {
        let fields = [request.text("method").as_bytes(), request.text("path").as_bytes()];
        let digest = sha256(&transcript(
            "letterbox/2 touch",
            &[fields[0], fields[1], &request.bytes("body")],
        ));
        assert_eq!(digest.to_vec(), request.bytes("digest"));
    }
}
