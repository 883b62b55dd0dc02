//! X3DH, the Double Ratchet, and the session-key envelope that they carry.

use super::independent::{self, End, cbor, exchange, public, seal, transcript, x3dh_root};
use super::signatures::{certificate_encodings, certificate_vector, list_encodings, list_vector};
use super::{Fields, committed, compare, hex};
use crate::people::{NOW, Person, Recorder, random};
use letterbox_protocol::channel::{Channel, PrekeySecrets};
use letterbox_protocol::handshake::{HandshakeHeader, Party, associated_data};
use letterbox_protocol::keys::{ExchangeSecret, IdentitySecret};
use letterbox_protocol::ratchet::Ratchet;
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::sealing::{EnvelopeBinding, open_envelope, seal_envelope};
use letterbox_protocol::secret::Secret;
use letterbox_protocol::session_key::SessionKeyPayload;
use letterbox_protocol::types::Bytes;
use serde_json::{Value, json};

pub(super) fn party_vector(party: &Party) -> Value {
    json!({
        "phone": party.phone.as_str(),
        "identity_key": hex(party.identity_key),
        "device_id": hex(party.device_id),
        "device_key": hex(party.device_key),
    })
}

pub(super) fn party_cbor(party: &Value) -> Vec<u8> {
    cbor::map(&[
        Some(cbor::text(party.text("phone"))),
        Some(cbor::bytes(&party.bytes("identity_key"))),
        Some(cbor::bytes(&party.bytes("device_id"))),
        Some(cbor::bytes(&party.bytes("device_key"))),
    ])
}

/// A handshake with its first message, everything that either side knows, and what was drawn.
fn handshake(rng: &mut Recorder, with_one_time: bool) -> Value {
    let alice = Person::new(rng, "+4915112345678");
    let bob = Person::new(rng, "+12025550123");
    let one_time = with_one_time.then(|| bob.one_time());
    rng.take();
    let channel =
        Channel::initiate(rng, &alice.own(), &bob.party, &bob.prekey, one_time.as_ref()).unwrap();
    let drawn = rng.take();
    let (_, message) = channel.encrypt(rng, b"first payload");
    let nonce = rng.take();
    let header = channel.handshake().clone();
    let secrets = PrekeySecrets {
        one_time: with_one_time.then_some((7, &bob.one_time_secret)),
        ..bob.prekey_secrets()
    };
    let (_, read) = Channel::accept(rng, &bob.own(), &secrets, &message, NOW).unwrap();
    assert_eq!(**read, *b"first payload");
    let mut vector = json!({
        "initiator": party_vector(&alice.party),
        "initiator_device_secret": hex(alice.device.expose()),
        "responder": party_vector(&bob.party),
        "responder_device_secret": hex(bob.device.expose()),
        "signed_prekey_id": header.signed_prekey_id,
        "signed_prekey_secret": hex(bob.prekey_secret.expose()),
        "one_time_prekey_id": header.one_time_prekey_id,
        "one_time_prekey_secret": one_time.map(|_| hex(bob.one_time_secret.expose())),
        "channel_id": hex(&drawn[..16]),
        "base_secret": hex(&drawn[16..48]),
        "base_key": hex(header.base_key),
        "initiator_ratchet_secret": hex(&drawn[48..]),
        "associated_data": hex(associated_data(channel.id(), &header, &bob.party)),
        "handshake_cbor": hex(to_cbor(&header)),
        "nonce": hex(nonce),
        "payload": hex(b"first payload"),
        "message": hex(&message.message),
        "channel_message_cbor": hex(message.to_cbor()),
    });
    let exchanges = exchanges(&vector);
    vector["root"] = hex(x3dh_root(&exchanges));
    vector["exchanges"] = exchanges.into_iter().map(hex).collect();
    vector
}

fn exchanges(vector: &Value) -> Vec<[u8; 32]> {
    let base = vector.key("base_secret");
    let signed = public(&vector.key("signed_prekey_secret"));
    let responder = public(&vector.key("responder_device_secret"));
    let mut exchanges = vec![
        exchange(&vector.key("initiator_device_secret"), &signed),
        exchange(&base, &responder),
        exchange(&base, &signed),
    ];
    if !vector["one_time_prekey_id"].is_null() {
        exchanges.push(exchange(&base, &public(&vector.key("one_time_prekey_secret"))));
    }
    exchanges
}

fn handshake_encodings(vector: &Value) -> (Vec<u8>, Vec<u8>) {
    let (initiator, responder) = (&vector["initiator"], &vector["responder"]);
    let one_time = vector["one_time_prekey_id"].as_u64();
    let mut fields = vec![2u64.to_be_bytes().to_vec(), vector.bytes("channel_id")];
    for party in [initiator, responder] {
        fields.push(party.text("phone").as_bytes().to_vec());
        fields.extend(["identity_key", "device_id", "device_key"].map(|name| party.bytes(name)));
    }
    fields.push(vector.bytes("base_key"));
    fields.push(vector.eight("signed_prekey_id").to_vec());
    fields.push(one_time.map_or(Vec::new(), |id| id.to_be_bytes().to_vec()));
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let header = cbor::map(&[
        Some(party_cbor(initiator)),
        Some(cbor::bytes(&vector.bytes("base_key"))),
        Some(cbor::uint(vector.number("signed_prekey_id"))),
        one_time.map(cbor::uint),
    ]);
    (transcript("letterbox/2 channel", &fields), header)
}

#[test]
fn handshakes_are_as_published() {
    let mut rng = Recorder::new(20);
    let made = json!({ "handshakes": [handshake(&mut rng, true), handshake(&mut rng, false)] });
    compare("handshake", &made);
    for vector in committed("handshake").list("handshakes") {
        let exchanges = exchanges(vector);
        let published: Vec<Value> = exchanges.iter().map(hex).collect();
        assert_eq!(vector["exchanges"], Value::Array(published));
        assert_eq!(public(&vector.key("base_secret")), vector.key("base_key"));
        let root = x3dh_root(&exchanges);
        assert_eq!(root, vector.key("root"));
        let (ad, header) = handshake_encodings(vector);
        assert_eq!(ad, vector.bytes("associated_data"));
        assert_eq!(header, vector.bytes("handshake_cbor"));
        let prekey = public(&vector.key("signed_prekey_secret"));
        let mut end = End::initiator(&root, vector.key("initiator_ratchet_secret"), prekey);
        let (_, message) = end.send(&vector.bytes("nonce"), &ad, &vector.bytes("payload"));
        assert_eq!(message, vector.bytes("message"));
        let encoded = cbor::map(&[
            Some(cbor::bytes(&vector.bytes("channel_id"))),
            Some(header),
            Some(cbor::bytes(&message)),
        ]);
        assert_eq!(encoded, vector.bytes("channel_message_cbor"));
    }
}

/// Who sends (0 is the initiator), or which earlier message arrives now.
const CONVERSATION: [(&str, usize); 18] = [
    ("send", 0),
    ("receive", 0),
    ("send", 0),
    ("send", 0),
    ("receive", 2),
    ("send", 1),
    ("send", 1),
    ("receive", 4),
    ("send", 0),
    ("receive", 5),
    ("receive", 1),
    ("send", 1),
    ("receive", 3),
    ("receive", 6),
    ("send", 0),
    ("receive", 7),
    ("send", 1),
    ("receive", 8),
];

/// A conversation with turns, with messages overtaken within a chain and across a turn.
fn conversation() -> Value {
    let mut rng = Recorder::new(21);
    let root = Secret::generate(&mut rng);
    let prekey = ExchangeSecret::generate(&mut rng);
    rng.take();
    let ad = b"associated data";
    let mut ends = [Some(Ratchet::initiate(&mut rng, &root, &prekey.public()).unwrap()), None];
    let own = rng.take();
    let mut steps = Vec::new();
    let mut sent: Vec<(usize, Vec<u8>, Vec<u8>)> = Vec::new();
    for (what, which) in CONVERSATION {
        if what == "send" {
            let text = format!("message {}", sent.len()).into_bytes();
            let (next, message) = ends[which].as_ref().unwrap().encrypt(&mut rng, &text, ad);
            ends[which] = Some(next);
            let drawn = rng.take();
            steps.push(json!({
                "step": "send", "by": which, "number": sent.len(), "drawn": hex(drawn),
                "plaintext": hex(&text), "message": hex(&message),
            }));
            sent.push((1 - which, message, text));
        } else {
            let (to, message, text) = &sent[which];
            let (next, read) = match &ends[*to] {
                Some(end) => end.decrypt(&mut rng, message, ad, NOW).unwrap(),
                None => Ratchet::accept(&mut rng, &root, &prekey, message, ad, NOW).unwrap(),
            };
            assert_eq!(*read, *text);
            ends[*to] = Some(next);
            steps.push(
                json!({ "step": "receive", "by": to, "number": which, "drawn": hex(rng.take()) }),
            );
        }
    }
    json!({
        "root": hex(root.expose()),
        "associated_data": hex(ad),
        "signed_prekey_secret": hex(prekey.expose()),
        "initiator_ratchet_secret": hex(own),
        "steps": steps,
    })
}

/// Runs the conversation a second time and gives each step's message key.
fn message_keys(vector: &Value) -> Vec<[u8; 32]> {
    let prekey = vector.key("signed_prekey_secret");
    let (root, ad) = (vector.key("root"), vector.bytes("associated_data"));
    let initiator = End::initiator(&root, vector.key("initiator_ratchet_secret"), public(&prekey));
    let mut ends = [initiator, End::responder(root, prekey)];
    let mut sent = Vec::new();
    let mut keys = Vec::new();
    for step in vector.list("steps") {
        let end = &mut ends[step.number("by") as usize];
        if step.text("step") == "send" {
            let (key, message) = end.send(&step.bytes("drawn"), &ad, &step.bytes("plaintext"));
            assert_eq!(message, step.bytes("message"));
            sent.push((key, message));
            keys.push(key);
        } else {
            let (key, message) = &sent[step.number("number") as usize];
            assert_eq!(end.receive(message, &step.bytes("drawn")), *key);
            keys.push(*key);
        }
    }
    keys
}

#[test]
fn ratchet_conversations_are_as_published() {
    let mut made = conversation();
    let keys = message_keys(&made);
    for (step, key) in made["steps"].as_array_mut().unwrap().iter_mut().zip(keys) {
        step["message_key"] = hex(key);
    }
    compare("ratchet", &made);
    let vector = committed("ratchet");
    let published = vector.list("steps").iter().map(|step| step.key("message_key"));
    assert_eq!(message_keys(&vector), published.collect::<Vec<_>>());
}

fn payload_vector(payload: &SessionKeyPayload, sender: &Person) -> Value {
    json!({
        "version": payload.version,
        "session_id": hex(payload.session_id),
        "key": hex(payload.key.expose()),
        "sender": party_vector(&payload.sender),
        "recipient": payload.recipient.as_str(),
        "recipient_identity": hex(payload.recipient_identity),
        "purpose": payload.purpose,
        "created_at": payload.created_at,
        "certificate": certificate_vector(&payload.certificate),
        "sender_list": list_vector(sender),
        "recipient_list_version": payload.recipient_list_version,
        "recipient_list_hash": hex(payload.recipient_list_hash),
        "directory_digest": hex(payload.directory_digest),
        "cbor": hex(&*payload.to_cbor()),
    })
}

fn payload_cbor(payload: &Value) -> Vec<u8> {
    cbor::map(&[
        Some(cbor::uint(payload.number("version"))),
        Some(cbor::bytes(&payload.bytes("session_id"))),
        Some(cbor::bytes(&payload.bytes("key"))),
        Some(party_cbor(&payload["sender"])),
        Some(cbor::text(payload.text("recipient"))),
        Some(cbor::bytes(&payload.bytes("recipient_identity"))),
        Some(cbor::uint(payload.number("purpose"))),
        Some(cbor::uint(payload.number("created_at"))),
        Some(certificate_encodings(&payload["certificate"]).1),
        Some(list_encodings(&payload["sender_list"]).1),
        Some(cbor::uint(payload.number("recipient_list_version"))),
        Some(cbor::bytes(&payload.bytes("recipient_list_hash"))),
        Some(cbor::bytes(&payload.bytes("directory_digest"))),
    ])
}

/// A session key from eight devices' owner, over a new channel, in its envelope.
fn envelope() -> Value {
    let mut rng = Recorder::new(22);
    let alice = Person::with_devices(&mut rng, "+4915112345678", 8);
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    let payload = alice.session_key(&mut rng, &server, &bob);
    let channel = alice.begin_channel(&mut rng, &bob);
    let ad = associated_data(channel.id(), channel.handshake(), &bob.party);
    let (_, message) = channel.encrypt(&mut rng, &payload.to_cbor());
    let label: Bytes<16> = random(&mut rng);
    let registration_id = bob.list.devices[0].registration_id;
    let binding = EnvelopeBinding {
        phone: &bob.party.phone,
        registration_id,
        session_key_id: &label,
        device_id: &bob.party.device_id,
    };
    rng.take();
    let content = message.to_cbor();
    let sealed = seal_envelope(&mut rng, &bob.party.device_key, &binding, &content).unwrap();
    let drawn = rng.take();
    assert_eq!(open_envelope(&bob.device, &binding, &sealed).unwrap(), content);
    let header: &HandshakeHeader = channel.handshake();
    json!({
        "server_key": hex(server.public()),
        "stored_in_hour": NOW,
        "payload": payload_vector(&payload, &alice),
        "associated_data": hex(ad),
        "responder_device_secret": hex(bob.device.expose()),
        "signed_prekey_id": header.signed_prekey_id,
        "signed_prekey_secret": hex(bob.prekey_secret.expose()),
        "one_time_prekey_id": header.one_time_prekey_id,
        "one_time_prekey_secret": hex(bob.one_time_secret.expose()),
        "recipient_device_id": hex(bob.party.device_id),
        "recipient_registration_id": registration_id,
        "session_key_id": hex(label),
        "handshake_cbor": hex(to_cbor(header)),
        "initiator_device_key": hex(header.initiator.device_key),
        "base_key": hex(header.base_key),
        "message": hex(&message.message),
        "channel_message_cbor": hex(&content),
        "seal_randomness": hex(drawn),
        "envelope": hex(sealed),
    })
}

#[test]
fn session_key_envelopes_are_as_published() {
    compare("session-key-envelope", &envelope());
    let vector = committed("session-key-envelope");
    let payload = &vector["payload"];
    assert_eq!(payload_cbor(payload), payload.bytes("cbor"));
    // The responder's side of X3DH, then the ratchet's first message.
    let prekey = vector.key("signed_prekey_secret");
    let base = vector.key("base_key");
    let root = x3dh_root(&[
        exchange(&prekey, &vector.key("initiator_device_key")),
        exchange(&vector.key("responder_device_secret"), &base),
        exchange(&prekey, &base),
        exchange(&vector.key("one_time_prekey_secret"), &base),
    ]);
    let message = vector.bytes("message");
    let key = End::responder(root, prekey).receive(&message, &[0; 32]);
    let data = transcript(
        "letterbox/2 channel message",
        &[&vector.bytes("associated_data"), &message[..40]],
    );
    let again = independent::encrypt(&key, &message[40..52], &data, &payload.bytes("cbor"));
    assert_eq!([&message[..40], &again].concat(), message);
    let info = transcript(
        "letterbox/2 sealed envelope",
        &[payload.text("recipient").as_bytes(), &vector.eight("recipient_registration_id")],
    );
    let aad = transcript(
        "letterbox/2 sealed envelope data",
        &[&vector.bytes("session_key_id"), &vector.bytes("recipient_device_id")],
    );
    let content = independent::pad(&vector.bytes("channel_message_cbor"), 2_000);
    let to = public(&vector.key("responder_device_secret"));
    let sealed = seal(&vector.bytes("seal_randomness"), &to, &info, &aad, &content);
    assert_eq!(sealed, vector.bytes("envelope"));
    assert_eq!(sealed.len(), 2_048);
}
