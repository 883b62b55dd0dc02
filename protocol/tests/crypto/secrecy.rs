//! No secret, and nobody's name, in what `Debug` prints.

use crate::people::{Person, Recorder};
use letterbox_protocol::content::Content;
use letterbox_protocol::keys::IdentitySecret;
use letterbox_protocol::sessions::{InboundSession, OutboundSession};
use letterbox_protocol::types::Bytes;

/// Every run of three bytes that was ever drawn, as Rust would print it: decimal list or hex.
fn printed(text: &str, drawn: &[u8]) -> bool {
    drawn.windows(3).any(|run| {
        let decimal = format!("{}, {}, {}", run[0], run[1], run[2]);
        let hex = format!("{:02x}{:02x}{:02x}", run[0], run[1], run[2]);
        text.contains(&decimal) || text.to_lowercase().contains(&hex)
    })
}

#[test]
fn no_secret_type_prints_a_byte() {
    let mut rng = Recorder::new(3);
    let alice = Person::new(&mut rng, "+4915112345678");
    let bob = Person::new(&mut rng, "+12025550123");
    let server = IdentitySecret::generate(&mut rng);
    let payload = alice.session_key(&mut rng, &server, &bob);
    let channel = alice.begin_channel(&mut rng, &bob);
    let (channel, message) = channel.encrypt(&mut rng, &payload.to_cbor());
    let content =
        Content::text(&alice.party.phone, &alice.party.device_id, Bytes([3; 16]), 5, "a secret");
    let text = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        alice.identity,
        alice.device,
        alice.own(),
        alice.prekey_secrets(),
        alice.list,
        alice.party,
        payload,
        payload.key,
        channel,
        message.handshake,
        OutboundSession::begin(&payload),
        InboundSession::begin(&payload),
        content,
    );
    assert!(!printed(&text, &rng.take()), "drawn bytes were printed");
    for public in [alice.party.device_key, alice.party.identity_key, alice.list.messaging_key] {
        assert!(!printed(&text, &public.0), "a public key was printed");
    }
    for said in ["15112345678", "2025550123", "a secret"] {
        assert!(!text.contains(said), "{said} was printed");
    }
    assert!(printed("[1, 2, 3]", &[1, 2, 3]) && printed("010203", &[1, 2, 3]));
}
