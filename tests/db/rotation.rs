//! The messaging key's turn: list, key and envelopes together or not at all.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{LookedUp, Rotate};
use letterbox_protocol::wire::{Lookup, WantedPrekeys};

on_both_engines! {
    async fn a_rotation_replaces_key_and_list_and_wraps_the_secret(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let mut turn = Turn::next(&db, &bob, None, rng).await;
        turn.wraps = Some(wraps(bob.devices[0].1, &bob.devices[1..], 1, rng));
        let Rotate::Done(mut wrapped) = turn.rotate(&db, bob.devices[0].0, rng).await else { panic!() };
        wrapped.sort();
        let mut siblings = vec![bob.devices[1].0, bob.devices[2].0];
        siblings.sort();
        assert_eq!(wrapped, siblings);
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert_eq!((&served.device_list, &served.messaging_key), (&turn.device_list, &turn.messaging_key));
        assert_eq!(count(&db, "messaging_public_keys").await, 2);
        assert_eq!(count(&db, "messaging_public_keys WHERE is_active AND revoked_at IS NULL").await, 1);
        assert_eq!(count(&db, "device_session_keys WHERE key_rotation_counter = 1").await, 2);
        for (device, waiting) in bob.devices.iter().zip([0, 1, 1]) {
            assert_eq!(db.envelopes_page(device.0, None, 10, NOW).await.unwrap().len(), waiting);
        }
        let status = db.key_status(bob.devices[0].0, NOW).await.unwrap().unwrap();
        assert_eq!((status.key_version, status.device_list_version, status.key_rotation_counter), (2, 2, 1));
    }

    async fn whatever_does_not_follow_changes_nothing(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let carol = person(&db, 2, 2, rng).await;
        let device = bob.devices[0];
        let before = db.served_bundle(&bob.phone).await.unwrap();
        type Spoil = fn(&mut Turn);
        let faults: [Spoil; 4] = [
            |turn| turn.device_list.version = 1,
            |turn| turn.device_list.version = 3,
            |turn| turn.messaging_key.key_version = 1,
            |turn| turn.messaging_key.key_version = 3,
        ];
        for spoil in faults {
            let mut turn = Turn::next(&db, &bob, None, rng).await;
            spoil(&mut turn);
            assert_eq!(turn.rotate(&db, device.0, rng).await, Rotate::Stale);
        }
        for (siblings, counter) in [(&bob.devices[1..], 2), (&bob.devices[1..], 0), (&carol.devices[1..], 1)] {
            let mut turn = Turn::next(&db, &bob, None, rng).await;
            turn.wraps = Some(wraps(device.1, siblings, counter, rng));
            assert_eq!(turn.rotate(&db, device.0, rng).await, Rotate::Stale);
        }
        let mut turn = Turn::next(&db, &bob, None, rng).await;
        turn.wraps = Some(wraps(device.1, &bob.devices[1..], 1, rng));
        turn.envelope_limit = 0;
        assert_eq!(turn.rotate(&db, device.0, rng).await, Rotate::MailboxFull);
        assert_eq!(db.served_bundle(&bob.phone).await.unwrap(), before);
        assert_eq!(count(&db, "device_session_keys").await, 0);
        turn.envelope_limit = 1;
        assert!(matches!(turn.rotate(&db, device.0, rng).await, Rotate::Done(_)));
    }

    async fn of_racing_rotations_one_wins(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 4, rng).await;
        let mut turns = Vec::new();
        for at in 0..20 {
            let (by, id) = bob.devices[at % 4];
            let others: Vec<_> = bob.devices.iter().copied().filter(|device| device.1 != id).collect();
            let mut turn = Turn::next(&db, &bob, None, rng).await;
            turn.wraps = Some(wraps(id, &others, 1, rng));
            turns.push((turn, by));
        }
        let mut racing = tokio::task::JoinSet::new();
        for (turn, by) in turns {
            let (db, mut rng) = (db.db.clone(), rand::SeedableRng::from_rng(rng));
            racing.spawn(async move { (turn.rotate(&db, by, &mut rng).await, turn) });
        }
        let outcomes = racing.join_all().await;
        let won: Vec<_> = outcomes.iter().filter(|(outcome, _)| matches!(outcome, Rotate::Done(_))).collect();
        assert_eq!(won.len(), 1);
        assert!(outcomes.iter().all(|(outcome, _)| matches!(outcome, Rotate::Done(_) | Rotate::Stale)));
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert_eq!((&served.device_list, &served.messaging_key), (&won[0].1.device_list, &won[0].1.messaging_key));
        assert_eq!(count(&db, "device_session_keys").await, 3);
    }

    /// A look-up that meets a rotation gets all of the old state or all of the new one.
    async fn a_look_up_never_sees_half_a_change(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let mut looking = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let tokens: Vec<_> = (0..50).map(|_| token(rng)).collect();
            let (db, phone) = (db.db.clone(), bob.phone.clone());
            looking.spawn(async move {
                for token in tokens {
                    let lookup = Lookup { phone: phone.clone(), prekeys: WantedPrekeys::Devices(vec![]) };
                    let LookedUp::Found(bundle) = db.lookup(&token, &lookup, || false, NOW).await.unwrap() else { panic!() };
                    assert_eq!(bundle.device_list.messaging_key, bundle.messaging_key.public_key);
                    assert_eq!(bundle.device_list.version, u64::from(bundle.messaging_key.key_version));
                    // The second turn takes the last device off the list.
                    let devices = if bundle.device_list.version < 3 { 3 } else { 2 };
                    assert_eq!(bundle.device_list.devices.len(), devices);
                }
            });
        }
        for turn in 1..30 {
            if turn == 2 {
                revoke(&db, &bob, 2, rng).await;
                continue;
            }
            let next = Turn::next(&db, &bob, None, rng).await;
            assert!(matches!(next.rotate(&db, bob.devices[0].0, rng).await, Rotate::Done(_)));
        }
        looking.join_all().await;
    }
}
