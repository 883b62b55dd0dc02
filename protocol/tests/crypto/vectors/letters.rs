//! Letters: content, hash ratchet, padding, seal; sizes and lifetimes; the device session's
//! challenge.

use super::independent::{cbor, chain_step, encrypt, pad, public, seal, transcript};
use super::{Fields, committed, compare, hex};
use crate::people::{NOW, Person, Recorder, random};
use letterbox_protocol::content::Content;
use letterbox_protocol::keys::IdentitySecret;
use letterbox_protocol::sealing::{
    LetterBinding, open_challenge, open_letter, seal_challenge, seal_letter,
};
use letterbox_protocol::sessions::{InboundSession, OutboundSession, SessionPart};
use letterbox_protocol::sizes::{ExpiryClass, LetterSize};
use letterbox_protocol::types::{Bytes, HOUR, UnixTime};
use serde_json::{Value, json};

const TEXTS: [(&str, usize, ExpiryClass); 4] = [
    ("Dear Bob, it works. 💌", 1, ExpiryClass::Month),
    ("A long letter. ", 100, ExpiryClass::Week),
    ("", 1, ExpiryClass::Day),
    ("Once more.", 1, ExpiryClass::Month),
];

fn letters() -> Value {
    let mut rng = Recorder::new(30);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    let payload = alice.session_key(&mut rng, &server, &bob);
    let mut outbound = OutboundSession::begin(&payload);
    let mut inbound = InboundSession::begin(&payload);
    let mut letters = Vec::new();
    for (number, (text, times, expiry)) in TEXTS.into_iter().enumerate() {
        let sent_at = NOW.0 * 1_000 + number as i64;
        let inner: Bytes<16> = random(&mut rng);
        let (phone, device) = (&alice.party.phone, &alice.party.device_id);
        let content = Content::text(phone, device, inner, sent_at, &text.repeat(times));
        let message_id: Bytes<16> = random(&mut rng);
        rng.take();
        let (next, part) = outbound.encrypt(&mut rng, &content).unwrap();
        let nonce = rng.take();
        outbound = next;
        let binding = LetterBinding {
            phone: &bob.party.phone,
            key_version: 1,
            message_id: &message_id,
            expiry,
        };
        let sealed = seal_letter(&mut rng, &bob.messaging.public(), &binding, &part).unwrap();
        let ikm = rng.take();
        let opened = open_letter(&bob.messaging, &binding, &sealed).unwrap();
        let (next, read) = inbound.decrypt(&SessionPart::parse(&opened).unwrap(), NOW).unwrap();
        assert_eq!(read, content);
        inbound = next;
        letters.push(json!({
            "inner_id": hex(inner),
            "sent_at": sent_at,
            "kind": content.kind,
            "body": hex(&content.body),
            "content_cbor": hex(content.to_cbor()),
            "nonce": hex(nonce),
            "session_part": hex(&part),
            "message_id": hex(message_id),
            "expiry_days": expiry.days(),
            "seal_randomness": hex(ikm),
            "size": sealed.len(),
            "sealed": hex(sealed),
        }));
    }
    let mut vector = json!({
        "session_id": hex(payload.session_id),
        "session_key": hex(payload.key.expose()),
        "sender": alice.party.phone.as_str(),
        "sender_identity": hex(alice.party.identity_key),
        "sender_device": hex(alice.party.device_id),
        "recipient": bob.party.phone.as_str(),
        "recipient_identity": hex(bob.party.identity_key),
        "messaging_secret": hex(bob.messaging.expose()),
        "messaging_key_version": 1,
        "letters": letters,
    });
    let mut chain = vector.key("session_key");
    for letter in vector["letters"].as_array_mut().unwrap() {
        let (key, next) = chain_step(&chain);
        chain = next;
        (letter["message_key"], letter["next_chain_key"]) = (hex(key), hex(chain));
    }
    vector
}

/// Makes a letter's session part and seal from a vector's inputs.
fn letter(session: &Value, index: u32, key: &[u8; 32], letter: &Value) -> (Vec<u8>, Vec<u8>) {
    let content = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::text(session.text("sender"))),
        Some(cbor::bytes(&session.bytes("sender_device"))),
        Some(cbor::bytes(&letter.bytes("inner_id"))),
        Some(cbor::uint(letter.number("sent_at"))),
        Some(cbor::uint(letter.number("kind"))),
        Some(cbor::bytes(&letter.bytes("body"))),
    ]);
    assert_eq!(content, letter.bytes("content_cbor"));
    let id = session.bytes("session_id");
    let data = transcript(
        "letterbox/2 letter",
        &[
            &id,
            &u64::from(index).to_be_bytes(),
            session.text("sender").as_bytes(),
            &session.bytes("sender_identity"),
            &session.bytes("sender_device"),
            &session.bytes("recipient_identity"),
            session.text("recipient").as_bytes(),
        ],
    );
    let size = [1, 2, 4, 8, 16, 32, 64].map(|kib| kib * 1_024);
    let size = size.into_iter().find(|size| content.len() + 1 + 96 <= *size).unwrap();
    let sealed = encrypt(key, &letter.bytes("nonce"), &data, &pad(&content, size - 96));
    let part = [&id[..], &index.to_be_bytes(), &sealed].concat();
    let info = transcript(
        "letterbox/2 sealed letter",
        &[session.text("recipient").as_bytes(), &session.eight("messaging_key_version")],
    );
    let aad = transcript(
        "letterbox/2 sealed letter data",
        &[&letter.bytes("message_id"), &(size as u64).to_be_bytes(), &letter.eight("expiry_days")],
    );
    let to = public(&session.key("messaging_secret"));
    let sealed = seal(&letter.bytes("seal_randomness"), &to, &info, &aad, &part);
    assert_eq!(sealed.len(), size);
    (part, sealed)
}

#[test]
fn letters_are_as_published() {
    compare("letters", &letters());
    let session = committed("letters");
    let mut chain = session.key("session_key");
    for (index, vector) in session.list("letters").iter().enumerate() {
        let (key, next) = chain_step(&chain);
        chain = next;
        assert_eq!((key, next), (vector.key("message_key"), vector.key("next_chain_key")));
        let (part, sealed) = letter(&session, index as u32, &key, vector);
        assert_eq!(part, vector.bytes("session_part"));
        assert_eq!(sealed, vector.bytes("sealed"));
    }
}

#[test]
fn challenges_are_as_published() {
    let mut rng = Recorder::new(31);
    let person = Person::new(&mut rng, "+4915112345678");
    let (phone, id) = (&person.party.phone, &person.party.device_id);
    let challenge: Bytes<32> = random(&mut rng);
    rng.take();
    let key = &person.party.device_key;
    let sealed = seal_challenge(&mut rng, key, phone, id, &challenge.0).unwrap();
    let drawn = rng.take();
    assert_eq!(open_challenge(&person.device, phone, id, &sealed), Ok(challenge.0));
    compare(
        "device-session-challenge",
        &json!({
            "phone": phone.as_str(),
            "device_id": hex(id),
            "device_secret": hex(person.device.expose()),
            "challenge": hex(challenge),
            "seal_randomness": hex(drawn),
            "sealed": hex(sealed),
        }),
    );
    let vector = committed("device-session-challenge");
    let info = transcript(
        "letterbox/2 device session",
        &[vector.text("phone").as_bytes(), &vector.bytes("device_id")],
    );
    let to = public(&vector.key("device_secret"));
    let sealed =
        seal(&vector.bytes("seal_randomness"), &to, &info, b"", &vector.bytes("challenge"));
    assert_eq!(sealed, vector.bytes("sealed"));
}

#[test]
fn sizes_and_lifetimes_are_as_published() {
    let content = [0, 1, 926, 927, 928, 1_950, 1_951, 1_952, 65_438, 65_439, 65_440];
    let letter = |length: usize| {
        let size = LetterSize::fitting(length + 1 + 96).map(LetterSize::bytes);
        json!({ "content": length, "letter": size })
    };
    let lifetime = |days: u8, stored: i64| {
        let class = ExpiryClass::from_days(days).unwrap();
        let expires = class.expires_at(UnixTime(stored));
        json!({
            "days": days,
            "stored_at": stored,
            "stored_hour": stored / HOUR * HOUR,
            "expires_at": expires,
        })
    };
    let midnight = NOW.day().0;
    let lifetimes: Vec<Value> = [1, 7, 30]
        .into_iter()
        .flat_map(|days| [0, 1, 86_399].map(|second| lifetime(days, midnight + second)))
        .collect();
    compare(
        "sizes",
        &json!({
            "letters": content.map(letter),
            "envelope": 2_048,
            "seal_overhead": 48,
            "letter_overhead": 96,
            "lifetimes": lifetimes,
        }),
    );
    let vector = committed("sizes");
    for case in vector.list("letters") {
        let needed = case.number("content") + 1 + 96;
        let size = [1, 2, 4, 8, 16, 32, 64].into_iter().find(|kib| needed <= kib * 1_024);
        assert_eq!(case["letter"].as_u64(), size.map(|kib| kib * 1_024));
    }
    for case in vector.list("lifetimes") {
        let end = case.number("stored_at") + case.number("days") * 86_400;
        assert_eq!(case.number("expires_at"), end.div_ceil(86_400) * 86_400);
    }
}
