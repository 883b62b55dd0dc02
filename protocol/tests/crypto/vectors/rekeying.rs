//! Live re-keying: offer, key, answer.

use super::channels::party_vector;
use super::independent::{self, cbor, exchange, hkdf, public, transcript, x3dh_root};
use super::{Fields, committed, compare, hex};
use crate::people::{Person, Recorder, random};
use letterbox_protocol::keys::ExchangeSecret;
use letterbox_protocol::record::to_cbor;
use letterbox_protocol::rekey::{REKEY_VERSION, RekeyOffer, answer, conclude, rekey_secret};
use letterbox_protocol::secret::Secret;
use serde_json::{Value, json};

fn rekeying() -> Value {
    let mut rng = Recorder::new(44);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let session_key = Secret::generate(&mut rng);
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
    let rekey = rekey_secret(&session_key);
    rng.take();
    let (key, answered) = answer(&mut rng, &rekey, &offer, &alice.party, &bob.own(), 4).unwrap();
    let drawn = rng.take();
    let concluded =
        conclude(&rekey, &offer, &alice.own(), &ephemeral, &bob.party, &answered).unwrap();
    assert!(concluded == key);
    json!({
        "session_key": hex(session_key.expose()),
        "rekey_secret": hex(rekey.expose()),
        "offering": party_vector(&alice.party),
        "offering_device_secret": hex(alice.device.expose()),
        "offering_ephemeral_secret": hex(ephemeral.expose()),
        "answering": party_vector(&bob.party),
        "answering_device_secret": hex(bob.device.expose()),
        "answering_ephemeral_secret": hex(drawn),
        "exchange": hex(offer.exchange),
        "session": hex(offer.session),
        "next_session": hex(offer.next_session),
        "sender_list_version": offer.sender_list_version,
        "recipient_list_version": offer.recipient_list_version,
        "list_version": answered.list_version,
        "offer": hex(offer.to_cbor()),
        "answer": hex(to_cbor(&answered)),
        "confirmation": hex(answered.confirmation),
        "next_session_key": hex(key.expose()),
    })
}

#[test]
fn rekeyings_are_as_published() {
    compare("rekeying", &rekeying());
    let vector = committed("rekeying");
    let rekey = hkdf::<32>(None, &vector.bytes("session_key"), b"letterbox/2 rekey");
    assert_eq!(rekey, vector.key("rekey_secret"));
    let (ea, eb) =
        (vector.key("offering_ephemeral_secret"), vector.key("answering_ephemeral_secret"));
    let (offer_key, answer_key) = (public(&ea), public(&eb));
    let (offering, answering) = (&vector["offering"], &vector["answering"]);
    let ids = ["exchange", "session", "next_session"].map(|name| vector.bytes(name));
    let offer = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::bytes(&ids[0])),
        Some(cbor::bytes(&offer_key)),
        Some(cbor::bytes(&ids[1])),
        Some(cbor::bytes(&ids[2])),
        Some(cbor::bytes(&offering.bytes("device_id"))),
        Some(cbor::uint(vector.number("sender_list_version"))),
        Some(cbor::uint(vector.number("recipient_list_version"))),
    ]);
    assert_eq!(offer, vector.bytes("offer"));
    let secret = x3dh_root(&[
        exchange(&vector.key("answering_device_secret"), &offer_key),
        exchange(&eb, &offering.key("device_key")),
        exchange(&eb, &offer_key),
    ]);
    let mut fields = vec![2u64.to_be_bytes().to_vec()];
    fields.extend(ids.clone());
    for party in [offering, answering] {
        fields.push(party.text("phone").as_bytes().to_vec());
        fields.extend(["identity_key", "device_id", "device_key"].map(|name| party.bytes(name)));
    }
    fields.extend([offer_key.to_vec(), answer_key.to_vec()]);
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let info = transcript("letterbox/2 rekey session", &fields);
    let key = hkdf::<32>(Some(&rekey), &secret, &info);
    assert_eq!(key, vector.key("next_session_key"));
    let confirmed = transcript(
        "letterbox/2 rekey confirmation",
        &[
            &info,
            &vector.eight("sender_list_version"),
            &vector.eight("recipient_list_version"),
            &vector.eight("list_version"),
        ],
    );
    let confirmation = independent::mac(&key, &confirmed);
    assert_eq!(confirmation, vector.key("confirmation"));
    let answer = cbor::map(&[
        Some(cbor::uint(1)),
        Some(cbor::bytes(&ids[0])),
        Some(cbor::bytes(&answer_key)),
        Some(cbor::bytes(&answering.bytes("device_id"))),
        Some(cbor::uint(vector.number("list_version"))),
        Some(cbor::bytes(&confirmation)),
    ]);
    assert_eq!(answer, vector.bytes("answer"));
}
