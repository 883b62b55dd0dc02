//! Live re-keyings: opened once a token, claimed once.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{ClaimExchange, OpenExchange};
use letterbox_protocol::types::Bytes;
use rand::{SeedableRng as _, rngs::StdRng};

on_both_engines! {
    async fn of_racing_claims_one_wins(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        let key = exchange(&bob.phone, rng);
        db.open_exchange(&token(rng), &key, NOW, rng).await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let (db, by, phone) = (db.db.clone(), bob.devices[0].0, bob.phone.clone());
            let id = key.key_exchange_id;
            racing.spawn(async move { db.claim_exchange(by, &phone, &id, NOW).await.unwrap() });
        }
        let outcomes = racing.join_all().await;
        let count = |wanted| outcomes.iter().filter(|outcome| **outcome == Some(wanted)).count();
        assert_eq!(count(ClaimExchange::Claimed), 1);
        assert_eq!(count(ClaimExchange::AlreadyClaimed), 49);
        assert!(db.open_exchanges(&bob.phone, NOW).await.unwrap()[0].used);
    }

    async fn the_same_request_opens_once_and_gets_the_same_answer(db) {
        let rng = &mut rng();
        let (bob, ann) = (sign_up(&db, 1, 3, rng).await, sign_up(&db, 2, 3, rng).await);
        let (key, spent) = (exchange(&bob.phone, rng), token(rng));
        for _ in 0..2 {
            let opened = db.open_exchange(&spent, &key, NOW, rng).await.unwrap();
            assert_eq!(opened, OpenExchange::Open);
        }
        // The same content under another token is there already.
        assert_eq!(db.open_exchange(&token(rng), &key, NOW, rng).await.unwrap(), OpenExchange::Open);
        assert_eq!(count(&db, "ephemeral_keys").await, 1);
        let mut other = spent.clone();
        other.request_digest = Bytes::random(rng);
        let reused = db.open_exchange(&other, &exchange(&bob.phone, rng), NOW, rng).await.unwrap();
        assert_eq!(reused, OpenExchange::TokenReused);
        // Another key, or another mailbox, under a taken id: the refusal is remembered as well.
        let mut another_key = key.clone();
        another_key.ephemeral_public_key = Bytes::random(rng);
        let mut another_mailbox = key.clone();
        another_mailbox.destination = ann.phone.clone();
        for taken in [another_key, another_mailbox] {
            let spent = token(rng);
            for _ in 0..2 {
                let refused = db.open_exchange(&spent, &taken, NOW, rng).await.unwrap();
                assert_eq!(refused, OpenExchange::IdTaken);
            }
        }
        let (nobody, spent) = (exchange(&phone(9), rng), token(rng));
        for _ in 0..2 {
            let refused = db.open_exchange(&spent, &nobody, NOW, rng).await.unwrap();
            assert_eq!(refused, OpenExchange::NoSuchMailbox);
        }
        assert_eq!(count(&db, "ephemeral_keys").await, 1);
        assert_eq!(count(&db, "spent_tokens").await, 5);
    }

    async fn a_mailbox_holds_32_and_a_refused_token_stays_good(db) {
        let rng = &mut rng();
        let (bob, ann) = (sign_up(&db, 1, 3, rng).await, sign_up(&db, 2, 3, rng).await);
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (db, token, key) = (db.db.clone(), token(rng), exchange(&bob.phone, rng));
            let mut rng = StdRng::from_rng(rng);
            racing.spawn(async move { db.open_exchange(&token, &key, NOW, &mut rng).await.unwrap() });
        }
        let outcomes = racing.join_all().await;
        let open = outcomes.iter().filter(|outcome| **outcome == OpenExchange::Open).count();
        assert_eq!((open, count(&db, "ephemeral_keys").await), (32, 32));
        assert_eq!(count(&db, "spent_tokens").await, 32);
        let (spent, key) = (token(rng), exchange(&bob.phone, rng));
        let full = db.open_exchange(&spent, &key, NOW, rng).await.unwrap();
        assert_eq!(full, OpenExchange::MailboxFull);
        let elsewhere = db.open_exchange(&token(rng), &exchange(&ann.phone, rng), NOW, rng).await;
        assert_eq!(elsewhere.unwrap(), OpenExchange::Open);
        // Expired ones take no room, swept or not.
        let later = NOW.plus(300).minute();
        assert_eq!(db.open_exchange(&spent, &key, later, rng).await.unwrap(), OpenExchange::Open);
    }

    async fn a_window_ends_at_a_whole_minute_within_five(db) {
        let rng = &mut rng();
        let (bob, ann) = (sign_up(&db, 1, 3, rng).await, sign_up(&db, 2, 3, rng).await);
        let key = exchange(&bob.phone, rng);
        let id = key.key_exchange_id;
        db.open_exchange(&token(rng), &key, NOW, rng).await.unwrap();
        let end = NOW.plus(300).minute();
        let claim = async |by: &Person, at| {
            db.claim_exchange(by.devices[0].0, &by.phone, &id, at).await.unwrap()
        };
        assert_eq!(claim(&ann, NOW).await, Some(ClaimExchange::Unknown));
        assert_eq!(db.open_exchanges(&ann.phone, NOW).await.unwrap(), []);
        assert_eq!(db.open_exchanges(&bob.phone, end.plus(-1)).await.unwrap().len(), 1);
        assert_eq!(db.open_exchanges(&bob.phone, end).await.unwrap(), []);
        assert_eq!(claim(&bob, end).await, Some(ClaimExchange::Unknown));
        assert_eq!(claim(&bob, end.plus(-1)).await, Some(ClaimExchange::Claimed));
        db.sweep(end.plus(-1), 10).await.unwrap();
        assert_eq!(count(&db, "ephemeral_keys").await, 1);
        db.sweep(end, 10).await.unwrap();
        assert_eq!(count(&db, "ephemeral_keys").await, 0);
    }
}
