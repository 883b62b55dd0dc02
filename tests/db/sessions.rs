//! tower-sessions' store.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::{
    clock::Clock,
    db::{CREDENTIAL_KEY, Sessions},
};
use letterbox_protocol::types::{DAY, UnixTime};
use std::collections::HashMap;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};

fn record(id: i128, data: HashMap<String, serde_json::Value>) -> Record {
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(NOW.plus(DAY).0).unwrap();
    Record { id: Id(id), data, expiry_date }
}

fn at(now: UnixTime) -> Clock {
    Clock::manual(now)
}

on_both_engines! {
    async fn a_session_lives_a_day(db) {
        let sessions = Sessions::new(db.db.clone(), at(NOW));
        let data = HashMap::from([("step".to_owned(), serde_json::json!("verified"))]);
        let mut one = record(1, data);
        sessions.create(&mut one).await.unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), Some(one.clone()));
        assert_eq!(sessions.load(&Id(2)).await.unwrap(), None);
        one.data.insert("more".to_owned(), serde_json::json!(1));
        sessions.save(&one).await.unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), Some(one.clone()));
        let later = Sessions::new(db.db.clone(), at(NOW.plus(DAY)));
        assert_eq!(later.load(&one.id).await.unwrap(), None);
        sessions.delete(&one.id).await.unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), None);
        // A request that was under way does not bring it back.
        sessions.save(&one).await.unwrap();
        assert_eq!(count(&db, "sessions").await, 0);
    }

    async fn a_session_ends_with_its_device(db) {
        let rng = &mut rng();
        let (bob, eve) = (sign_up(&db, 1, 1, rng).await, sign_up(&db, 2, 1, rng).await);
        let sessions = Sessions::new(db.db.clone(), at(NOW));
        for (id, of) in [(1, &bob), (2, &eve)] {
            let row = serde_json::to_value(of.devices[0].0).unwrap();
            let mut signed_in = record(id, HashMap::new());
            sessions.create(&mut signed_in).await.unwrap();
            signed_in.data.insert(CREDENTIAL_KEY.to_owned(), row);
            sessions.save(&signed_in).await.unwrap();
        }
        run(&db, format!("DELETE FROM webauthn_credentials WHERE id = {}", bob.devices[0].0.0)).await;
        assert_eq!(sessions.load(&Id(1)).await.unwrap(), None);
        assert!(sessions.load(&Id(2)).await.unwrap().is_some());
    }
}
