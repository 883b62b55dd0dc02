//! Issuer keys, and who had tokens today.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::Issuance;
use letterbox_protocol::{
    tokens::KeyWeek,
    types::{Bytes, DAY},
};
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

on_both_engines! {
    async fn nodes_agree_on_a_weeks_key(db) {
        let mut racing = JoinSet::new();
        for seed in 0..16 {
            let (db, mut rng) = (db.db.clone(), StdRng::seed_from_u64(seed));
            racing.spawn(async move {
                let keys = db.issuer_keys(NOW, &mut rng).await.unwrap();
                keys.iter().map(|key| (key.week, *key.issuer.public_key())).collect::<Vec<_>>()
            });
        }
        let mut seen = racing.join_all().await;
        seen.dedup();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].len(), count(&db, "token_issuer_keys").await as usize);
        // A year of weeks: never two at once that a request's one byte could confuse.
        let mut rng = rng();
        for day in 0..365 {
            let keys = db.issuer_keys(NOW.plus(day * DAY), &mut rng).await.unwrap();
            let mut bytes: Vec<u8> = keys.iter().map(|key| key.issuer.token_key_id().0[31]).collect();
            assert!((1..=2).contains(&keys.len()), "day {day}: {}", keys.len());
            assert!(keys.iter().any(|key| key.week == KeyWeek::of(NOW.plus(day * DAY))));
            bytes.sort_unstable();
            bytes.dedup();
            assert_eq!(bytes.len(), keys.len());
            db.sweep(NOW.plus(day * DAY), 100).await.unwrap();
        }
        assert!(count(&db, "token_issuer_keys").await <= 2, "old keys are swept");
    }

    async fn of_two_batches_a_day_one_counts(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 1, rng).await;
        let device = bob.devices[0].0;
        let beginning = db.credential(device).await.unwrap().unwrap().registration_id;
        let (one, other) = (Bytes([1; 32]), Bytes([2; 32]));
        assert_eq!(db.issuance(device, one, NOW).await.unwrap(), Issuance::Open);
        let mut racing = JoinSet::new();
        for n in 0..10_u8 {
            let db = db.db.clone();
            racing.spawn(async move {
                db.note_issuance(device, beginning, Bytes([n % 2; 32]), NOW).await.unwrap()
            });
        }
        let noted = racing.join_all().await;
        let times = |wanted| noted.iter().filter(|issuance| **issuance == Some(wanted)).count();
        assert_eq!([times(Issuance::Open), times(Issuance::Repeated), times(Issuance::Used)], [1, 4, 5]);
        let tomorrow = NOW.plus(DAY);
        let note = async |beginning| db.note_issuance(device, beginning, other, tomorrow).await.unwrap();
        // What the device had asked for before it began anew takes nothing from its new beginning.
        assert_eq!(note(beginning ^ 1).await, None);
        assert_eq!(db.issuance(device, other, tomorrow).await.unwrap(), Issuance::Open);
        assert_eq!(note(beginning).await, Some(Issuance::Open));
        assert_eq!(note(beginning).await, Some(Issuance::Repeated));
        assert_eq!(db.issuance(device, other, tomorrow.plus(DAY)).await.unwrap(), Issuance::Repeated);
        assert_eq!(db.issuance(device, Bytes([9; 32]), tomorrow).await.unwrap(), Issuance::Used);
        assert_eq!(count(&db, "token_issuance").await, 2);
        db.sweep(tomorrow.plus(2 * DAY), 100).await.unwrap();
        assert_eq!(count(&db, "token_issuance").await, 0);
    }
}
