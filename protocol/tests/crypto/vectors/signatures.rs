//! Transcripts and what is signed: messaging key, prekey, device list, certificate; and the key
//! check.

use super::independent::{cbor, encrypt, identity, name_key, sha256, sign, transcript};
use super::{Fields, committed, compare, hex};
use crate::people::{NOW, Person, Recorder};
use letterbox_protocol::certificate::SenderCertificate;
use letterbox_protocol::device_list;
use letterbox_protocol::device_name::seal_name;
use letterbox_protocol::encoding::Transcript;
use letterbox_protocol::key_check::key_check_digest;
use letterbox_protocol::keys::{IdentitySecret, messaging_key_transcript, prekey_transcript};
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::types::UnixTime;
use serde_json::{Value, json};

#[test]
fn transcripts_are_as_published() {
    let made = Transcript::new("letterbox/2 example")
        .field(b"")
        .field(&[0xff; 3])
        .u64(300)
        .time(UnixTime(-1))
        .phone(&"+4915112345678".parse().unwrap())
        .finish();
    compare(
        "transcript",
        &json!({
            "label": "letterbox/2 example",
            "fields": ["", "ffffff", hex(300u64.to_be_bytes()), hex((-1i64).to_be_bytes()), hex("+4915112345678")],
            "transcript": hex(made),
        }),
    );
    let vector = committed("transcript");
    let fields: Vec<Vec<u8>> =
        vector.list("fields").iter().map(|field| json!({ "f": field }).bytes("f")).collect();
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    assert_eq!(transcript(vector.text("label"), &fields), vector.bytes("transcript"));
}

fn signed_keys() -> (Person, Value) {
    let mut rng = Recorder::new(10);
    let person = Person::with_devices(&mut rng, "+4915112345678", 3);
    let bundle = person.bundle();
    let (messaging, prekey) = (&bundle.messaging_key, &person.prekey);
    let party = &person.party;
    let messaging_transcript =
        messaging_key_transcript(&party.phone, 1, messaging.created_at, &messaging.public_key);
    let vector = json!({
        "identity_seed": hex(person.identity.expose()),
        "identity_key": hex(party.identity_key),
        "phone": party.phone.as_str(),
        "messaging_key": {
            "public_key": hex(messaging.public_key),
            "key_version": messaging.key_version,
            "created_at": messaging.created_at,
            "transcript": hex(messaging_transcript),
            "signature": hex(messaging.signature),
        },
        "signed_prekey": {
            "device_id": hex(party.device_id),
            "key_id": prekey.key_id,
            "created_at": prekey.created_at,
            "public_key": hex(prekey.public_key),
            "transcript": hex(prekey_transcript(&party.device_id, 1, NOW, &prekey.public_key)),
            "signature": hex(prekey.signature),
        },
        "key_check_digest": hex(key_check_digest(
            &party.identity_key, &person.list, messaging, &party.device_id, prekey,
        )),
        "device_list": list_vector(&person),
    });
    (person, vector)
}

pub(super) fn list_vector(person: &Person) -> Value {
    let list = &person.list;
    let devices = list.devices.iter().map(|device| {
        json!({
            "device_id": hex(device.device_id),
            "registration_id": device.registration_id,
            "device_key": hex(device.device_key),
        })
    });
    json!({
        "suite": list.suite,
        "phone": list.phone.as_str(),
        "version": list.version,
        "signed_at": list.signed_at,
        "messaging_key": hex(list.messaging_key),
        "devices": devices.collect::<Vec<_>>(),
        "transcript": hex(device_list::transcript(list)),
        "signature": hex(list.signature),
        "hash": hex(device_list::hash(list)),
        "cbor": hex(to_cbor(list)),
    })
}

/// Computes a list's transcript and CBOR from its fields.
pub(super) fn list_encodings(list: &Value) -> (Vec<u8>, Vec<u8>) {
    let mut fields = vec![
        list.eight("suite").to_vec(),
        list.text("phone").as_bytes().to_vec(),
        list.eight("version").to_vec(),
        list.eight("signed_at").to_vec(),
        list.bytes("messaging_key"),
        (list.list("devices").len() as u64).to_be_bytes().to_vec(),
    ];
    let mut devices = Vec::new();
    for device in list.list("devices") {
        fields.push(device.bytes("device_id"));
        fields.push(device.eight("registration_id").to_vec());
        fields.push(device.bytes("device_key"));
        devices.push(cbor::map(&[
            Some(cbor::bytes(&device.bytes("device_id"))),
            Some(cbor::uint(device.number("registration_id"))),
            Some(cbor::bytes(&device.bytes("device_key"))),
        ]));
    }
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let encoded = cbor::map(&[
        Some(cbor::uint(list.number("suite"))),
        Some(cbor::text(list.text("phone"))),
        Some(cbor::uint(list.number("version"))),
        Some(cbor::uint(list.number("signed_at"))),
        Some(cbor::bytes(&list.bytes("messaging_key"))),
        Some(cbor::array(&devices)),
        Some(cbor::bytes(&list.bytes("signature"))),
    ]);
    (transcript("letterbox/2 device list", &fields), encoded)
}

#[test]
fn signed_keys_are_as_published() {
    compare("signed-keys", &signed_keys().1);
    let vector = committed("signed-keys");
    let seed = vector.key("identity_seed");
    assert_eq!(identity(&seed).to_vec(), vector.bytes("identity_key"));
    let suite = 2u64.to_be_bytes();

    let key = &vector["messaging_key"];
    let made = transcript(
        "letterbox/2 messaging key",
        &[
            &suite,
            vector.text("phone").as_bytes(),
            &key.eight("key_version"),
            &key.eight("created_at"),
            &key.bytes("public_key"),
        ],
    );
    assert_eq!(made, key.bytes("transcript"));
    assert_eq!(sign(&seed, &made), key.bytes("signature"));

    let prekey = &vector["signed_prekey"];
    let made = transcript(
        "letterbox/2 signed prekey",
        &[
            &suite,
            &prekey.bytes("device_id"),
            &prekey.eight("key_id"),
            &prekey.eight("created_at"),
            &prekey.bytes("public_key"),
        ],
    );
    assert_eq!(made, prekey.bytes("transcript"));
    assert_eq!(sign(&seed, &made), prekey.bytes("signature"));

    let list = &vector["device_list"];
    let (list_transcript, encoded) = list_encodings(list);
    assert_eq!(list_transcript, list.bytes("transcript"));
    assert_eq!(sign(&seed, &list_transcript), list.bytes("signature"));
    assert_eq!(sha256(&list_transcript).to_vec(), list.bytes("hash"));
    assert_eq!(encoded, list.bytes("cbor"));

    let check = transcript(
        "letterbox/2 key check",
        &[
            &vector.bytes("identity_key"),
            &list_transcript,
            &list.bytes("signature"),
            &key.bytes("public_key"),
            &key.eight("key_version"),
            &key.eight("created_at"),
            &key.bytes("signature"),
            &prekey.bytes("device_id"),
            &prekey.eight("key_id"),
            &prekey.bytes("public_key"),
            &prekey.eight("created_at"),
            &prekey.bytes("signature"),
        ],
    );
    assert_eq!(sha256(&check).to_vec(), vector.bytes("key_check_digest"));
}

pub(super) fn certificate_vector(certificate: &SenderCertificate) -> Value {
    json!({
        "phone": certificate.phone.as_str(),
        "identity_key": hex(certificate.identity_key),
        "device_id": hex(certificate.device_id),
        "device_key": hex(certificate.device_key),
        "valid_until": certificate.valid_until,
        "transcript": hex(certificate.transcript()),
        "signature": hex(certificate.signature),
        "cbor": hex(certificate.to_cbor()),
    })
}

/// Computes a certificate's transcript and CBOR from its fields.
pub(super) fn certificate_encodings(certificate: &Value) -> (Vec<u8>, Vec<u8>) {
    let made = transcript(
        "letterbox/2 sender certificate",
        &[
            &2u64.to_be_bytes(),
            certificate.text("phone").as_bytes(),
            &certificate.bytes("identity_key"),
            &certificate.bytes("device_id"),
            &certificate.bytes("device_key"),
            &certificate.eight("valid_until"),
        ],
    );
    let encoded = cbor::map(&[
        Some(cbor::text(certificate.text("phone"))),
        Some(cbor::bytes(&certificate.bytes("identity_key"))),
        Some(cbor::bytes(&certificate.bytes("device_id"))),
        Some(cbor::bytes(&certificate.bytes("device_key"))),
        Some(cbor::uint(certificate.number("valid_until"))),
        Some(cbor::bytes(&certificate.bytes("signature"))),
    ]);
    (made, encoded)
}

#[test]
fn certificates_are_as_published() {
    let mut rng = Recorder::new(11);
    let party = Person::new(&mut rng, "+4915112345678").party;
    let server = IdentitySecret::generate(&mut rng);
    let (phone, identity_key) = (&party.phone, &party.identity_key);
    let (id, key) = (&party.device_id, &party.device_key);
    let issued = SenderCertificate::issue(&server, phone, identity_key, id, key, NOW);
    compare(
        "sender-certificate",
        &json!({
            "server_seed": hex(server.expose()),
            "server_key": hex(server.public()),
            "issued_at": NOW,
            "certificate": certificate_vector(&issued),
        }),
    );
    let vector = committed("sender-certificate");
    let certificate = &vector["certificate"];
    let (made, encoded) = certificate_encodings(certificate);
    assert_eq!(made, certificate.bytes("transcript"));
    assert_eq!(sign(&vector.key("server_seed"), &made), certificate.bytes("signature"));
    assert_eq!(encoded, certificate.bytes("cbor"));
    let day = vector.number("issued_at") / 86_400;
    assert_eq!(certificate.number("valid_until"), (day + 2) * 86_400);
}

#[test]
fn a_devices_name_is_as_published() {
    let mut rng = Recorder::new(14);
    let person = Person::new(&mut rng, "+4915112345678");
    rng.take();
    let (party, name) = (&person.party, "Zoë’s laptop");
    let sealed = seal_name(&mut rng, &person.identity, &party.phone, &party.device_id, name);
    compare(
        "device-name",
        &json!({
            "identity_seed": hex(person.identity.expose()),
            "phone": party.phone.as_str(),
            "device_id": hex(party.device_id),
            "name": name,
            "nonce": hex(rng.take()),
            "encrypted_name": hex(&sealed),
        }),
    );
    let vector = committed("device-name");
    let key = name_key(&vector.key("identity_seed"), vector.text("phone"));
    let mut padded = vector.text("name").as_bytes().to_vec();
    padded.resize(128, 0);
    let (nonce, aad) = (vector.bytes("nonce"), vector.bytes("device_id"));
    assert_eq!(encrypt(&key, &nonce, &aad, &padded), vector.bytes("encrypted_name"));
    // A longer name is cut between characters.
    let long = "ü".repeat(100);
    let cut = seal_name(&mut rng, &person.identity, &party.phone, &party.device_id, &long);
    let all = "ü".repeat(64);
    assert_eq!(cut[12..], encrypt(&key, &cut[..12], &aad, all.as_bytes())[12..]);
}
