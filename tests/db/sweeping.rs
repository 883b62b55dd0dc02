//! Expiry.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::db::{LetterStore, Limits, SealedSend};
use letterbox_protocol::types::{DAY, HOUR, UnixTime};

async fn sweep_all(db: &TestDb, now: UnixTime) {
    while db.sweep(now, 10).await.unwrap().more {}
}

on_both_engines! {
    async fn everything_goes_at_its_time_and_not_before(db) {
        let rng = &mut rng();
        let bob = sign_up(&db, 1, 25, rng).await;
        let mut letters = Vec::new();
        for expiry_days in [1, 7, 30] {
            let mut letter = message(&bob, rng);
            letter.expiry_days = expiry_days;
            letter.session_keys = session_for(&bob.devices, rng);
            letters.push(SealedSend::parse(token(rng), letter).unwrap());
        }
        LetterStore::new(db.db.clone(), Limits::default()).store(&letters, NOW, rng).await.unwrap();
        db.start_verification(&phone(9), "123456", Default::default(), NOW, rng).await.unwrap();
        let tables = ["messages", "message_deliveries", "device_session_keys", "one_time_prekeys",
            "spent_tokens", "phone_verifications", "signed_prekeys", "users"];
        let counts = async |at: UnixTime| {
            sweep_all(&db, at).await;
            let mut counts = Vec::new();
            for table in tables {
                counts.push(count(&db, table).await);
            }
            counts
        };
        // A code counts for an hour, and its row goes an hour after it has expired.
        assert_eq!(counts(NOW.plus(4_199)).await, [3, 3, 3, 25, 3, 1, 1, 1]);
        assert_eq!(counts(NOW.plus(4_200)).await, [3, 3, 3, 25, 3, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(DAY)).await, [3, 3, 3, 25, 3, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(DAY).day_up()).await, [2, 2, 3, 25, 3, 0, 1, 1]);
        // A spent token is known for an hour longer than it is good.
        assert_eq!(counts(NOW.plus(3 * DAY).day_up()).await, [2, 2, 3, 25, 3, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(3 * DAY).day_up().plus(HOUR)).await, [2, 2, 3, 25, 0, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(30 * DAY).day_up()).await, [0, 0, 3, 25, 0, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(32 * DAY).day_up()).await, [0, 0, 0, 25, 0, 0, 1, 1]);
        assert_eq!(counts(NOW.plus(90 * DAY).day_up()).await, [0, 0, 0, 0, 0, 0, 1, 1]);
    }

    async fn a_sweep_is_bounded(db) {
        let rng = &mut rng();
        sign_up(&db, 1, 25, rng).await;
        let late = NOW.plus(100 * DAY);
        let first = db.sweep(late, 10).await.unwrap();
        assert_eq!((first.rows, first.more), (10, true));
        db.sweep(late, 10).await.unwrap();
        let last = db.sweep(late, 10).await.unwrap();
        assert_eq!((last.rows, last.more), (5, false));
    }
}
