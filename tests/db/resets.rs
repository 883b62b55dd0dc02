//! The waiting period, by a bent clock.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::db::CreateAccount;
use letterbox_protocol::{
    types::{DAY, HOUR, Phone, UnixTime},
    wire::ResetState::{self, *},
};

const WAIT: i64 = 7 * DAY;

async fn state(db: &TestDb, phone: &Phone, at: UnixTime) -> Option<ResetState> {
    db.reset_of(phone, at).await.unwrap().map(|reset| reset.state)
}

on_both_engines! {
    async fn it_waits_is_ready_for_as_long_and_lapses(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        assert_eq!(db.begin_reset(&phone(9), WAIT, NOW).await.unwrap(), None);
        assert_eq!(state(&db, &bob.phone, NOW).await, None);
        let begun = db.begin_reset(&bob.phone, WAIT, NOW).await.unwrap().unwrap();
        let reset = begun.reset.clone();
        assert!(begun.new);
        assert_eq!((reset.state, reset.begun_at), (Waiting, NOW.hour()));
        // A whole hour, never before the time is over.
        assert_eq!(reset.ends_at, NOW.plus(WAIT + HOUR).hour());
        let again = db.begin_reset(&bob.phone, WAIT, NOW.plus(DAY)).await.unwrap().unwrap();
        assert_eq!((again.reset, again.new), (reset.clone(), false));
        let lapses = reset.ends_at.plus(reset.ends_at.since(reset.begun_at));
        for (at, expected, may_begin) in [
            (reset.ends_at.plus(-1), Some(Waiting), false),
            (reset.ends_at, Some(Ready), true),
            (lapses.plus(-1), Some(Ready), true),
            (lapses, None, false),
        ] {
            assert_eq!(state(&db, &bob.phone, at).await, expected);
            assert_eq!(db.may_begin_account(&bob.phone, at).await.unwrap(), may_begin);
            db.sweep(at, 10).await.unwrap();
            assert_eq!(count(&db, "registration_waits").await, i64::from(expected.is_some()));
        }
        assert!(db.may_begin_account(&phone(9), NOW).await.unwrap());
    }

    async fn a_cancelled_one_blocks_another_for_as_long(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        let cancel = async |at| {
            db.cancel_reset(bob.devices[0].0, &bob.phone, WAIT, at).await.unwrap()
        };
        assert_eq!(cancel(NOW).await, Some(false));
        db.begin_reset(&bob.phone, WAIT, NOW).await.unwrap();
        let cancelled_at = NOW.plus(5 * DAY);
        assert_eq!(cancel(cancelled_at).await, Some(true));
        assert_eq!(cancel(cancelled_at.plus(DAY)).await, Some(false));
        let end = cancelled_at.plus(WAIT + HOUR).hour();
        for at in [cancelled_at, NOW.plus(WAIT + DAY), end.plus(-1)] {
            let blocked = db.begin_reset(&bob.phone, WAIT, at).await.unwrap().unwrap();
            assert_eq!((blocked.reset.state, blocked.reset.ends_at, blocked.new), (Blocked, end, false));
            assert!(!db.may_begin_account(&bob.phone, at).await.unwrap());
            db.sweep(at, 10).await.unwrap();
        }
        assert_eq!(state(&db, &bob.phone, end).await, None);
        // Swept or not, another can begin.
        let another = db.begin_reset(&bob.phone, WAIT, end).await.unwrap().unwrap();
        assert_eq!((another.reset.state, another.new), (Waiting, true));
        // One that is over can still be cancelled, as long as nobody used it.
        let ready = another.reset.ends_at;
        assert_eq!(state(&db, &bob.phone, ready).await, Some(Ready));
        assert_eq!(cancel(ready).await, Some(true));
        assert_eq!(state(&db, &bob.phone, ready).await, Some(Blocked));
        db.sweep(ready.plus(WAIT + 2 * HOUR), 10).await.unwrap();
        assert_eq!(count(&db, "registration_waits").await, 0);
        // One that was used cannot be cancelled.
        let (begun, account) = (ready.plus(30 * DAY), new_account(&bob.phone, 3, rng));
        let reset = db.begin_reset(&bob.phone, WAIT, begun).await.unwrap().unwrap().reset;
        let anew = db.create_account(&bob.phone, &credential(rng), &account, reset.ends_at, rng).await;
        assert!(matches!(anew.unwrap(), CreateAccount::Replaced(..)));
        assert_eq!(cancel(reset.ends_at).await, None);
    }

    async fn of_racing_beginnings_one_is_new(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 3, rng).await;
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (db, phone) = (db.db.clone(), bob.phone.clone());
            racing.spawn(async move { db.begin_reset(&phone, WAIT, NOW).await.unwrap().unwrap() });
        }
        let begun = racing.join_all().await;
        assert_eq!(begun.iter().filter(|begun| begun.new).count(), 1);
        assert!(begun.iter().all(|each| each.reset == begun[0].reset));
    }
}
