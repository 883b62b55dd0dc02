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

/// A record that is to expire in the middle of an hour, and does at its end.
fn record(id: i128, data: HashMap<String, serde_json::Value>) -> Record {
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(NOW.plus(DAY).0).unwrap();
    Record { id: Id(id), data, expiry_date }
}

/// A day on, up to the hour: no stored time tells the second of a sign-in.
const END: UnixTime = UnixTime(20_001 * DAY + 8 * 3_600);

fn at(now: UnixTime) -> Clock {
    Clock::manual(now)
}

on_both_engines! {
    async fn a_session_lives_a_day(db) {
        let sessions = Sessions::new(db.db.clone(), at(NOW));
        let data = HashMap::from([("step".to_owned(), serde_json::json!("verified"))]);
        let mut one = record(1, data);
        sessions.create(&mut one).await.unwrap();
        one.expiry_date = time::OffsetDateTime::from_unix_timestamp(END.0).unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), Some(one.clone()));
        assert_eq!(sessions.load(&Id(2)).await.unwrap(), None);
        one.data.insert("more".to_owned(), serde_json::json!(1));
        sessions.save(&one).await.unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), Some(one.clone()));
        let last = Sessions::new(db.db.clone(), at(END.plus(-1)));
        assert!(last.load(&one.id).await.unwrap().is_some());
        let later = Sessions::new(db.db.clone(), at(END));
        assert_eq!(later.load(&one.id).await.unwrap(), None);
        sessions.delete(&one.id).await.unwrap();
        assert_eq!(sessions.load(&one.id).await.unwrap(), None);
        // A request that was under way does not bring it back.
        sessions.save(&one).await.unwrap();
        assert_eq!(count(&db, "sessions").await, 0);
    }

    /// A value that has had its time goes when the record is written next.
    async fn what_is_over_is_not_kept(db) {
        let dated = |until: UnixTime| serde_json::json!({ "until": until, "value": 1 });
        let data = HashMap::from([
            ("over".to_owned(), dated(NOW.plus(-1))),
            ("now".to_owned(), dated(NOW)),
            ("plain".to_owned(), serde_json::json!(true)),
        ]);
        let mut one = record(1, data);
        let sessions = Sessions::new(db.db.clone(), at(NOW));
        sessions.create(&mut one).await.unwrap();
        let mut kept = sessions.load(&one.id).await.unwrap().unwrap();
        assert!(!kept.data.contains_key("over") && kept.data.len() == 2, "{kept:?}");
        kept.data.insert("more".to_owned(), serde_json::json!(1));
        let later = Sessions::new(db.db.clone(), at(NOW.plus(1)));
        later.save(&kept).await.unwrap();
        let kept = later.load(&one.id).await.unwrap().unwrap().data;
        assert!(!kept.contains_key("now") && kept.len() == 2, "{kept:?}");
    }

    async fn of_racing_requests_one_takes_a_challenge(db) {
        let sessions = Sessions::new(db.db.clone(), at(NOW));
        let values = [("challenge", 7), ("other", 8)];
        let data = values.map(|(name, value)| (name.to_owned(), serde_json::json!(value)));
        let mut one = record(1, HashMap::from(data));
        sessions.create(&mut one).await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (db, id) = (db.db.clone(), one.id);
            racing.spawn(async move { db.take_from_session(&id, "challenge", NOW).await.unwrap() });
        }
        let taken: Vec<_> = racing.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken, [7]);
        let left = sessions.load(&one.id).await.unwrap().unwrap().data;
        assert_eq!(left, HashMap::from([("other".to_owned(), serde_json::json!(8))]));
        assert_eq!(db.take_from_session(&one.id, "other", END).await.unwrap(), None);
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
