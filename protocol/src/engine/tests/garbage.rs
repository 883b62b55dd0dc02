//! Whatever a server, a socket or a sender says, the engine neither panics nor forgets itself.

use super::world::*;
use crate::engine::*;
use crate::types::{Blob, Bytes, UnixTime};
use crate::wire::{InboxEnvelope, InboxLetter, ServerFrame};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// Answers as a broken or hostile server gives them: true ones with bytes changed, numbers at the
/// ends of their range, and anything at all.
fn spoiled(body: String, at: usize, with: u8) -> String {
    let mut bytes = body.into_bytes();
    if !bytes.is_empty() {
        let at = at % bytes.len();
        bytes[at] = with;
    }
    String::from_utf8_lossy(&bytes).replace("1767", "9223372036854775")
}

fn frames() -> impl Strategy<Value = String> {
    let bytes = prop::collection::vec(any::<u8>(), 0..2_100);
    let letter =
        (bytes.clone(), any::<i64>(), any::<i64>()).prop_map(|(bytes, stored, expires)| {
            let letter = InboxLetter {
                message_id: Bytes([1; 16]),
                timestamp: UnixTime(stored),
                expires_at: UnixTime(expires),
                read: false,
                encrypted_content: Blob(bytes),
            };
            serde_json::to_string(&ServerFrame::Letters { letters: vec![letter] }).unwrap()
        });
    let envelope = (bytes, any::<i64>()).prop_map(|(bytes, stored)| {
        let envelope = InboxEnvelope {
            session_key_id: Bytes([1; 16]),
            created_at: UnixTime(stored),
            encrypted_session_key: Blob(bytes),
        };
        serde_json::to_string(&ServerFrame::Envelopes { envelopes: vec![envelope] }).unwrap()
    });
    prop_oneof![".{0,200}", letter, envelope]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn frames_of_any_kind_leave_the_vault_as_it_was(frame in frames()) {
        let mut world = World::new(1, 80);
        let before = world.people[ALICE].vault.clone();
        let mut engine = Engine::open(HOST, world.people[ALICE].records()).unwrap();
        let out = engine.step(world.now, &mut world.rng, Input::LiveFrame { text: frame });
        prop_assert!(out.writes.is_empty());
        prop_assert_eq!(&world.people[ALICE].vault, &before);
    }

    #[test]
    fn answers_of_any_kind_are_survived(
        seed in any::<u64>(),
        spoils in prop::collection::vec((any::<usize>(), any::<u8>(), 0..12u8), 1..80),
    ) {
        let mut world = World::new(2, seed);
        for (at, with, kind) in spoils {
            world.write_if_known(ALICE, BOB);
            world.spoil(ALICE, |status, body| match kind {
                0 => (500 + u16::from(with) % 20, String::new()),
                1 => (400 + u16::from(with) % 30, "{}".into()),
                2 => (status, String::new()),
                3 => (200, "null".into()),
                _ => (status, spoiled(body, at, with)),
            });
        }
        let records = world.people[ALICE].records();
        let mut engine = Engine::open(HOST, records).unwrap();
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        engine.step(world.now, &mut rng, Input::Resume);
    }
}
