//! One-time prekeys: refilled, counted, claimed once.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{AddPrekeys, LookedUp};
use letterbox_protocol::{
    types::{Bytes, DAY},
    wire::{Lookup, OneTimePrekey, WantedPrekeys},
};
use std::collections::HashSet;

fn all(of: &Person) -> Lookup {
    Lookup { phone: of.phone.clone(), prekeys: WantedPrekeys::All }
}

fn claimed(answer: LookedUp) -> Vec<Option<OneTimePrekey>> {
    let LookedUp::Found(bundle) = answer else { panic!("{answer:?}") };
    bundle.prekeys.into_iter().map(|device| device.one_time_prekey).collect()
}

on_both_engines! {
    async fn no_key_is_claimed_twice(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 100, rng).await;
        db.add_one_time_prekeys(bob.devices[0].0, &[], NOW).await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (db, token, lookup) = (db.db.clone(), token(rng), all(&bob));
            racing.spawn(async move { claimed(db.lookup(&token, &lookup, || true, NOW).await.unwrap()) });
        }
        let answers: Vec<_> = racing.join_all().await.into_iter().flatten().flatten().collect();
        let keys: HashSet<_> = answers.iter().map(|key| key.key_id).collect();
        assert_eq!((answers.len(), keys.len()), (100, 100));
        assert_eq!(count(&db, "one_time_prekeys").await, 0);
        assert_eq!(count(&db, "spent_tokens").await, 200);
    }

    async fn of_several_devices_no_key_is_claimed_twice(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 4, rng).await;
        for (device, _) in &bob.devices {
            let from = db.key_status(*device, NOW).await.unwrap().unwrap().last_one_time_key_id + 1;
            db.add_one_time_prekeys(*device, &one_time_prekeys(from, 97, rng), NOW).await.unwrap();
        }
        revoke(&db, &bob, 3, rng).await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let (db, token, lookup) = (db.db.clone(), token(rng), all(&bob));
            racing.spawn(async move {
                let LookedUp::Found(bundle) = db.lookup(&token, &lookup, || true, NOW).await.unwrap() else { panic!() };
                let claimed = bundle.prekeys.into_iter();
                claimed.filter_map(|d| Some((d.device_id, d.one_time_prekey?.public_key))).collect::<Vec<_>>()
            });
        }
        let answers: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
        let keys: HashSet<_> = answers.iter().map(|(_, key)| *key).collect();
        // The first has three from its beginning; the revoked one gives none.
        assert_eq!((answers.len(), keys.len()), (100 + 2 * 97, 100 + 2 * 97));
        assert!(answers.iter().all(|(device, _)| *device != bob.devices[3].1));
        assert_eq!(count(&db, "one_time_prekeys").await, 0);
    }

    async fn the_oldest_goes_first_where_it_is_wanted(db) {
        let rng = &mut rng();
        let mut bob = sign_up(&db, 1, 3, rng).await;
        add_device(&db, &mut bob, NOW, rng).await;
        db.add_one_time_prekeys(bob.devices[1].0, &one_time_prekeys(7, 2, rng), NOW).await.unwrap();
        let wanted = |devices| Lookup { phone: bob.phone.clone(), prekeys: WantedPrekeys::Devices(devices) };
        let only_second = wanted(vec![bob.devices[1].1, Bytes::random(rng)]);
        let ids = |answer| claimed(answer).into_iter().flatten().map(|key| key.key_id).collect::<Vec<_>>();
        let mut lookups = Vec::new();
        for lookup in [&only_second, &wanted(vec![]), &all(&bob), &all(&bob), &all(&bob), &all(&bob)] {
            let mut found = ids(db.lookup(&token(rng), lookup, || true, NOW).await.unwrap());
            found.sort();
            lookups.push(found);
        }
        assert_eq!(lookups, [vec![7], vec![], vec![1, 8], vec![2], vec![3], vec![]]);
    }

    async fn a_lookup_can_be_repeated_but_claims_once(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        let first = token(rng);
        assert_eq!(claimed(db.lookup(&first, &all(&bob), || true, NOW).await.unwrap()).into_iter().flatten().count(), 1);
        // A spent token does not count towards the mailbox's cap.
        let uncounted = || panic!("the cap is asked of fresh tokens only");
        assert_eq!(claimed(db.lookup(&first, &all(&bob), uncounted, NOW).await.unwrap()), [None]);
        let mut other = first.clone();
        other.request_digest = Bytes::random(rng);
        assert_eq!(db.lookup(&other, &all(&bob), uncounted, NOW).await.unwrap(), LookedUp::TokenReused);
        assert_eq!(count(&db, "one_time_prekeys").await, 2);
        // Past the mailbox's cap a lookup answers without.
        assert_eq!(claimed(db.lookup(&token(rng), &all(&bob), || false, NOW).await.unwrap()), [None]);
        // An expired prekey is not handed out.
        let late = NOW.plus(91 * DAY);
        assert_eq!(claimed(db.lookup(&token(rng), &all(&bob), || true, late).await.unwrap()), [None]);
    }

    async fn an_unknown_phone_costs_a_token(db) {
        let rng = &mut rng();
        let (spent, lookup) = (token(rng), Lookup { phone: phone(5), prekeys: WantedPrekeys::All });
        for _ in 0..2 {
            assert_eq!(db.lookup(&spent, &lookup, || true, NOW).await.unwrap(), LookedUp::NoSuchMailbox);
        }
        assert_eq!(count(&db, "spent_tokens").await, 1);
    }

    async fn a_racing_token_claims_once(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 50, rng).await;
        let shared = token(rng);
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (db, token, lookup) = (db.db.clone(), shared.clone(), all(&bob));
            racing.spawn(async move { claimed(db.lookup(&token, &lookup, || true, NOW).await.unwrap()) });
        }
        assert_eq!(racing.join_all().await.into_iter().flatten().flatten().count(), 1);
        assert_eq!(count(&db, "one_time_prekeys").await, 49);
    }

    async fn ids_rise_and_a_hundred_is_the_most(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 98, rng).await;
        let device = bob.devices[0].0;
        let mut add = async |from, count| {
            db.add_one_time_prekeys(device, &one_time_prekeys(from, count, rng), NOW).await.unwrap()
        };
        assert_eq!(add(98, 1).await, AddPrekeys::Stale);
        assert_eq!(add(99, 3).await, AddPrekeys::TooMany);
        assert_eq!(add(99, 2).await, AddPrekeys::Added);
        let rng = &mut crate::support::databases::rng();
        for _ in 0..100 {
            db.lookup(&token(rng), &all(&bob), || true, NOW).await.unwrap();
        }
        // Claimed ids do not come back, even when none is left.
        assert_eq!(count(&db, "one_time_prekeys").await, 0);
        let again = one_time_prekeys(100, 1, rng);
        assert_eq!(db.add_one_time_prekeys(device, &again, NOW).await.unwrap(), AddPrekeys::Stale);
        let mut twice = one_time_prekeys(101, 1, rng);
        twice.push(twice[0].clone());
        assert_eq!(db.add_one_time_prekeys(device, &twice, NOW).await.unwrap(), AddPrekeys::Stale);
    }

    async fn the_status_says_what_is_due(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 20, rng).await;
        let device = bob.devices[0].0;
        let status = db.key_status(device, NOW).await.unwrap().unwrap();
        assert_eq!((status.available_prekeys, status.needs_replenish), (20, false));
        assert!(status.has_key_bundle && !status.signed_prekey_stale);
        assert_eq!((status.key_version, status.device_list_version, status.signed_prekey_id), (1, 1, 1));
        assert_eq!(status.device_list_signed_at, NOW.hour());
        db.lookup(&token(rng), &all(&bob), || true, NOW).await.unwrap();
        let status = db.key_status(device, NOW.plus(8 * DAY)).await.unwrap().unwrap();
        assert_eq!((status.available_prekeys, status.needs_replenish), (19, true));
        assert!(status.signed_prekey_stale);
    }
}
