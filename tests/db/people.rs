//! Accounts, credentials, renewals.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{CreateAccount, Publish};
use letterbox_protocol::{
    types::{Bytes, DAY},
    wire::KeyRenewal,
};

on_both_engines! {
    async fn an_account_is_served_as_it_was_published(db) {
        let rng = &mut rng();
        let (phone, passkey) = (phone(1), credential(rng));
        let account = new_account(&phone, 5, rng);
        let created = db.create_account(&phone, &passkey, &account, NOW, rng).await.unwrap();
        let CreateAccount::Created(row) = created else { panic!("{created:?}") };
        let served = db.served_bundle(&phone).await.unwrap().unwrap();
        assert_eq!(served.identity_key, account.identity_key);
        assert_eq!(served.device_list, account.device_list);
        assert_eq!(served.messaging_key, account.messaging_key);
        assert_eq!(served.prekeys[0].signed_prekey, account.signed_prekey);
        assert_eq!(served.prekeys[0].one_time_prekey, None);
        let found = db.credential_by_credential_id(&passkey.credential_id).await.unwrap().unwrap();
        assert_eq!((found.row, found.user_handle), (row, passkey.user_handle));
        assert_eq!(found.phone, phone);
        assert_eq!(found.device_key, account.device_list.devices[0].device_key);
        assert_eq!(found.registration_id, account.device_list.devices[0].registration_id);
        db.passkey_used(row, r#"{"counter":2}"#, NOW.plus(DAY)).await.unwrap();
        assert_eq!(db.credential(row).await.unwrap().unwrap().passkey, r#"{"counter":2}"#);
    }

    async fn a_phone_and_a_passkey_are_taken_once(db) {
        let rng = &mut rng();
        let (one, two) = (credential(rng), credential(rng));
        let account = new_account(&phone(1), 5, rng);
        db.create_account(&phone(1), &one, &account, NOW, rng).await.unwrap();
        let other = new_account(&phone(1), 5, rng);
        let taken = db.create_account(&phone(1), &two, &other, NOW, rng).await.unwrap();
        assert_eq!(taken, CreateAccount::PhoneTaken);
        let other = new_account(&phone(2), 5, rng);
        let taken = db.create_account(&phone(2), &one, &other, NOW, rng).await.unwrap();
        assert_eq!(taken, CreateAccount::CredentialTaken);
        // Nothing of the refused ones is left, so that the phone is not locked out.
        assert_eq!(count(&db, "users").await, 1);
        assert_eq!(count(&db, "webauthn_credentials").await, 1);
        let other = new_account(&phone(2), 5, rng);
        let created = db.create_account(&phone(2), &two, &other, NOW, rng).await.unwrap();
        assert!(matches!(created, CreateAccount::Created(_)));
    }

    async fn racing_sign_ups_make_one_account(db) {
        let rng = &mut rng();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (db, passkey, account) = (db.db.clone(), credential(rng), new_account(&phone(1), 5, rng));
            let mut rng = rand::SeedableRng::from_rng(rng);
            racing.spawn(async move {
                db.create_account(&phone(1), &passkey, &account, NOW, &mut rng as &mut rand::rngs::StdRng).await.unwrap()
            });
        }
        let outcomes = racing.join_all().await;
        let created = outcomes.iter().filter(|outcome| matches!(outcome, CreateAccount::Created(_)));
        assert_eq!(created.count(), 1);
        assert_eq!(count(&db, "users").await, 1);
    }

    async fn a_renewal_takes_only_the_next_of_each(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        let device = bob.devices[0].0;
        let identity = identity_of(&db, &bob).await;
        let mut list = db.served_bundle(&bob.phone).await.unwrap().unwrap().device_list;
        list.signature = Bytes::random(rng);
        list.signed_at = NOW.plus(7 * DAY).hour();
        for (version, expected) in [(1, Publish::Stale), (3, Publish::Stale), (u64::MAX, Publish::Stale), (2, Publish::Done)] {
            list.version = version;
            let renewal = KeyRenewal { device_list: Some(list.clone()), signed_prekey: None };
            assert_eq!(db.publish_renewal(device, &renewal, &identity).await.unwrap(), expected);
        }
        assert_eq!(db.served_bundle(&bob.phone).await.unwrap().unwrap().device_list, list);
        for (key_id, expected) in [(1, Publish::Stale), (3, Publish::Stale), (0, Publish::Stale), (2, Publish::Done)] {
            let prekey = signed_prekey(key_id, NOW.plus(2 * DAY), rng);
            let renewal = KeyRenewal { device_list: None, signed_prekey: Some(prekey) };
            assert_eq!(db.publish_renewal(device, &renewal, &identity).await.unwrap(), expected);
        }
        // Both or none: a good list beside a stale prekey changes nothing.
        list.version = 3;
        let renewal = KeyRenewal { device_list: Some(list), signed_prekey: Some(signed_prekey(9, NOW, rng)) };
        assert_eq!(db.publish_renewal(device, &renewal, &identity).await.unwrap(), Publish::Stale);
        let status = db.key_status(device, NOW.plus(2 * DAY)).await.unwrap().unwrap();
        assert_eq!((status.device_list_version, status.signed_prekey_id), (2, 2));
    }

    async fn of_racing_renewals_one_wins(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let identity = identity_of(&db, &bob).await;
        let mut list = db.served_bundle(&bob.phone).await.unwrap().unwrap().device_list;
        list.version = 2;
        let mut racing = tokio::task::JoinSet::new();
        for at in 0..10 {
            let (db, device) = (db.db.clone(), bob.devices[at % 2].0);
            let renewal = KeyRenewal { device_list: Some(list.clone()), signed_prekey: None };
            racing.spawn(async move { db.publish_renewal(device, &renewal, &identity).await.unwrap() });
        }
        let won = racing.join_all().await.into_iter().filter(|outcome| *outcome == Publish::Done).count();
        assert_eq!(won, 1);
    }

    async fn the_certificate_key_is_drawn_once(db) {
        let rng = &mut rng();
        let first = db.certificate_keys(NOW, rng).await.unwrap();
        let again = db.certificate_keys(NOW.plus(DAY), rng).await.unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].secret, again[0].secret);
        assert_ne!(first[0].secret, [0; 32]);
    }
}
