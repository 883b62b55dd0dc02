//! Whatever bytes arrive, they are refused or read, and nothing panics.

use crate::people::{Person, Recorder};
use letterbox_protocol::certificate::SenderCertificate;
use letterbox_protocol::channel::{Channel, ChannelMessage};
use letterbox_protocol::content::Content;
use letterbox_protocol::keys::IdentitySecret;
use letterbox_protocol::ratchet::Ratchet;
use letterbox_protocol::session_key::{PayloadError, SessionKeyPayload};
use letterbox_protocol::sessions::{InboundSession, OutboundSession, SessionPart};
use letterbox_protocol::wire::SignedDeviceList;
use proptest::prelude::*;

fn read_everything(bytes: &[u8]) {
    let _ = SenderCertificate::from_cbor(bytes);
    let _ = ChannelMessage::from_cbor(bytes);
    let _ = SessionKeyPayload::from_cbor(bytes);
    let _ = minicbor::decode::<SignedDeviceList>(bytes);
    let _ = minicbor::decode::<Content>(bytes);
    let _ = minicbor::decode::<Channel>(bytes);
    let _ = minicbor::decode::<Ratchet>(bytes);
    let _ = minicbor::decode::<InboundSession>(bytes);
    let _ = minicbor::decode::<OutboundSession>(bytes);
    let _ = SessionPart::parse(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes);
    }

    #[test]
    fn a_payload_with_any_byte_changed_is_refused_or_is_the_same_session(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut rng = Recorder::new(9);
        let alice = Person::new(&mut rng, "+4915112345678");
        let bob = Person::new(&mut rng, "+12025550123");
        let server = IdentitySecret::generate(&mut rng);
        let keys = [server.public()];
        let payload = alice.session_key(&mut rng, &server, &bob);
        let mut bytes = payload.to_cbor().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_everything(&bytes);
        let checked = SessionKeyPayload::from_cbor(&bytes)
            .and_then(|read| read.check(&bob.context(&alice, &keys)).map(|_| read));
        // What a channel's peer may choose freely; everything else is bound or signed.
        if let Ok(read) = checked {
            let free = SessionKeyPayload {
                session_id: read.session_id,
                key: read.key.clone(),
                created_at: read.created_at,
                recipient_list_version: read.recipient_list_version,
                recipient_list_hash: read.recipient_list_hash,
                directory_digest: read.directory_digest,
                ..payload
            };
            prop_assert_eq!(read, free);
        }
    }
}

#[test]
fn an_unknown_version_or_purpose_is_refused() {
    let mut rng = Recorder::new(9);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    let payload = alice.session_key(&mut rng, &server, &bob);
    let read = |payload: &SessionKeyPayload| SessionKeyPayload::from_cbor(&payload.to_cbor());
    assert_eq!(read(&payload), Ok(payload.clone()));
    let newer = SessionKeyPayload { version: 2, ..payload.clone() };
    assert_eq!(read(&newer), Err(PayloadError::Form));
    let other = SessionKeyPayload { purpose: 2, ..payload.clone() };
    assert_eq!(read(&other), Err(PayloadError::Form));
}
