//! Phone codes.

use super::world::*;
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{CodeLimits, StartVerification, Verification};

const LIMITS: CodeLimits = CodeLimits { tries: 5, lifetime: 600, an_hour: 3 };

on_both_engines! {
    async fn a_code_proves_a_phone_once(db) {
        let rng = &mut rng();
        let started = db.start_verification(&phone(1), "123456", LIMITS, NOW, rng).await.unwrap();
        assert_eq!(started, StartVerification::Send);
        let check = async |number, code| db.check_verification(&phone(number), code, LIMITS, NOW.plus(599)).await.unwrap();
        assert_eq!(check(2, "123456").await, Verification::Refused);
        assert_eq!(check(1, "123457").await, Verification::Refused);
        assert_eq!(check(1, "123456").await, Verification::Free);
        assert_eq!(check(1, "123456").await, Verification::Refused);
    }

    async fn a_code_says_whether_there_is_an_account(db) {
        let rng = &mut rng();
        sign_up(&db, 1, 1, rng).await;
        db.start_verification(&phone(1), "123456", LIMITS, NOW, rng).await.unwrap();
        let checked = db.check_verification(&phone(1), "123456", LIMITS, NOW).await.unwrap();
        assert_eq!(checked, Verification::HasAccount);
    }

    async fn a_code_ends_after_ten_minutes_or_a_newer_one(db) {
        let rng = &mut rng();
        db.start_verification(&phone(1), "111111", LIMITS, NOW, rng).await.unwrap();
        let late = db.check_verification(&phone(1), "111111", LIMITS, NOW.plus(600)).await.unwrap();
        assert_eq!(late, Verification::Refused);
        db.start_verification(&phone(1), "222222", LIMITS, NOW, rng).await.unwrap();
        let older = db.check_verification(&phone(1), "111111", LIMITS, NOW).await.unwrap();
        assert_eq!(older, Verification::Refused);
        let newer = db.check_verification(&phone(1), "222222", LIMITS, NOW).await.unwrap();
        assert_eq!(newer, Verification::Free);
    }

    async fn racing_tries_are_five(db) {
        let rng = &mut rng();
        db.start_verification(&phone(1), "123456", LIMITS, NOW, rng).await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let db = db.db.clone();
            racing.spawn(async move { db.check_verification(&phone(1), "000000", LIMITS, NOW).await.unwrap() });
        }
        assert!(racing.join_all().await.iter().all(|outcome| *outcome == Verification::Refused));
        let right = db.check_verification(&phone(1), "123456", LIMITS, NOW).await.unwrap();
        assert_eq!(right, Verification::Refused);
    }

    async fn of_racing_right_tries_one_wins(db) {
        let rng = &mut rng();
        db.start_verification(&phone(1), "123456", LIMITS, NOW, rng).await.unwrap();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..5 {
            let db = db.db.clone();
            racing.spawn(async move { db.check_verification(&phone(1), "123456", LIMITS, NOW).await.unwrap() });
        }
        let free = racing.join_all().await.into_iter().filter(|outcome| *outcome == Verification::Free);
        assert_eq!(free.count(), 1);
    }

    async fn a_phone_gets_three_codes_an_hour(db) {
        let rng = &mut rng();
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let (db, mut rng) = (db.db.clone(), <rand::rngs::StdRng as rand::SeedableRng>::from_rng(rng));
            racing.spawn(async move { db.start_verification(&phone(1), "123456", LIMITS, NOW, &mut rng).await.unwrap() });
        }
        let sent = racing.join_all().await.into_iter().filter(|outcome| *outcome == StartVerification::Send);
        assert_eq!(sent.count(), 3);
        let start = async |number, after, rng: &mut _| {
            db.start_verification(&phone(number), "123456", LIMITS, NOW.plus(after), rng).await.unwrap()
        };
        assert_eq!(start(2, 0, rng).await, StartVerification::Send);
        assert_eq!(start(1, 3_599, rng).await, StartVerification::TooMany);
        assert_eq!(start(1, 3_600, rng).await, StartVerification::Send);
    }
}
