//! What a device wraps for its siblings: counted, and taken once.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{BadWraps, Db, UserRow, Wrap, Wraps};
use letterbox_protocol::{
    types::{Blob, Bytes},
    wire::{Envelope, SiblingKeys},
};
use rand::rngs::StdRng;

async fn user_of(db: &Db, person: &Person) -> UserRow {
    db.credential(person.devices[0].0).await.unwrap().unwrap().user
}

async fn wrap(db: &Db, person: &Person, at: usize, wraps: &Wraps, rng: &mut StdRng) -> Wrap {
    let (user, device) = (user_of(db, person).await, person.devices[at].0);
    db.wrap_for_siblings(device, user, wraps, 4_000, NOW, rng).await.unwrap()
}

#[test]
fn an_upload_is_one_envelope_of_two_kib_for_each_of_one_to_seven_siblings() {
    let rng = &mut rng();
    let own = Bytes::random(rng);
    let mut envelopes = |count: usize, bytes: usize| -> Vec<_> {
        let sealed = || Blob(vec![1; bytes]);
        (0..count)
            .map(|_| Envelope { device_id: Bytes::random(rng), encrypted_session_key: sealed() })
            .collect()
    };
    let twice = vec![envelopes(1, 2_048).remove(0); 2];
    let mut to_itself = envelopes(2, 2_048);
    to_itself[1].device_id = own;
    let bad = [
        envelopes(0, 2_048),
        envelopes(8, 2_048),
        envelopes(1, 2_047),
        envelopes(1, 2_049),
        twice,
        to_itself,
    ];
    let upload = |key_rotation_counter, envelopes| SiblingKeys {
        session_key_id: Bytes([1; 16]),
        key_rotation_counter,
        envelopes,
    };
    for envelopes in bad {
        assert_eq!(Wraps::parse(&own, upload(1, envelopes)).unwrap_err(), BadWraps::Envelopes);
    }
    let high = Wraps::parse(&own, upload(u64::MAX, envelopes(1, 2_048)));
    assert_eq!(high.unwrap_err(), BadWraps::Counter);
    assert!(Wraps::parse(&own, upload(1, envelopes(7, 2_048))).is_ok());
}

on_both_engines! {
    async fn each_device_counts_for_itself_and_only_up_by_one(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        for at in 0..2 {
            let others: Vec<_> = bob.devices.iter().copied().filter(|d| d.1 != bob.devices[at].1).collect();
            for (counter, done) in [(0, false), (2, false), (1, true), (1, false), (3, false), (2, true)] {
                let wraps = wraps(bob.devices[at].1, &others, counter, rng);
                let outcome = wrap(&db, &bob, at, &wraps, rng).await;
                assert_eq!(matches!(outcome, Wrap::Done(ref to) if to.len() == 2), done, "{outcome:?}");
                assert_eq!(outcome == Wrap::Stale, !done);
            }
        }
        assert_eq!(count(&db, "device_session_keys").await, 8);
    }

    async fn the_last_upload_is_known_again_and_no_other_is_taken_for_it(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let (device, id) = bob.devices[0];
        let first = wraps(id, &bob.devices[1..], 1, rng);
        let other = wraps(id, &bob.devices[1..], 1, rng);
        assert!(!db.holds_wraps(device, &first).await.unwrap());
        assert!(matches!(wrap(&db, &bob, 0, &first, rng).await, Wrap::Done(_)));
        // Also when the sibling has fetched it meanwhile.
        let waiting = db.envelopes_page(bob.devices[1].0, None, 10, NOW).await.unwrap();
        db.ack_envelopes(bob.devices[1].0, &[waiting[0].envelope.session_key_id]).await.unwrap();
        assert!(db.holds_wraps(device, &first).await.unwrap());
        assert!(!db.holds_wraps(device, &other).await.unwrap());
        assert_eq!(wrap(&db, &bob, 0, &first, rng).await, Wrap::Stale);
        assert_eq!(count(&db, "device_session_keys").await, 0);
        assert!(matches!(wrap(&db, &bob, 0, &wraps(id, &bob.devices[1..], 2, rng), rng).await, Wrap::Done(_)));
        assert!(!db.holds_wraps(device, &first).await.unwrap());
    }

    async fn only_active_siblings_are_wrapped_for(db) {
        let rng = &mut rng();
        let (bob, carol) = (person(&db, 1, 3, rng).await, person(&db, 2, 1, rng).await);
        let id = bob.devices[0].1;
        revoke(&db, &bob, 2, rng).await;
        for to in [&carol.devices, &bob.devices[2..], &bob.devices[1..]] {
            let wraps = wraps(id, to, 1, rng);
            assert_eq!(wrap(&db, &bob, 0, &wraps, rng).await, Wrap::Stale);
        }
        // Nothing was counted.
        let good = wraps(id, &bob.devices[1..2], 1, rng);
        assert_eq!(wrap(&db, &bob, 0, &good, rng).await, Wrap::Done(vec![bob.devices[1].0]));
        assert_eq!(count(&db, "device_session_keys").await, 1);
    }

    async fn envelopes_of_siblings_count_towards_the_mailboxs(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let user = user_of(&db, &bob).await;
        let (device, id) = bob.devices[0];
        for (counter, limit, done) in [(1, 1, false), (1, 2, true), (2, 3, false), (2, 4, true)] {
            let wraps = wraps(id, &bob.devices[1..], counter, rng);
            let outcome = db.wrap_for_siblings(device, user, &wraps, limit, NOW, rng).await.unwrap();
            assert_eq!(matches!(outcome, Wrap::Done(_)), done);
            assert_eq!(outcome == Wrap::MailboxFull, !done);
        }
    }

    async fn of_racing_uploads_with_one_count_one_is_taken(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let user = user_of(&db, &bob).await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (db, device) = (db.db.clone(), bob.devices[0].0);
            let wraps = wraps(bob.devices[0].1, &bob.devices[1..], 1, rng);
            let mut rng: StdRng = rand::SeedableRng::from_rng(rng);
            racing.spawn(async move {
                db.wrap_for_siblings(device, user, &wraps, 4_000, NOW, &mut rng).await.unwrap()
            });
        }
        let outcomes = racing.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| matches!(outcome, Wrap::Done(_))).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Wrap::Stale).count(), 19);
        assert_eq!(count(&db, "device_session_keys").await, 1);
    }
}
