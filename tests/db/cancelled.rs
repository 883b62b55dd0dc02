//! Requests whose clients went away while the database was at work.

use super::world::{NOW, phone};
use crate::support::databases::{on_both_engines, rng};
use letterbox::db::{CodeLimits, Db, StartVerification};
use std::{future::Future, pin::pin, task::Poll, time::Duration};

const ROUNDS: u32 = 40;
const LIMITS: CodeLimits = CodeLimits { tries: 5, lifetime: 600, an_hour: 1 };

/// Polls so many times, a moment apart, and lets go.
async fn let_go_after(polls: u32, work: impl Future) {
    let mut work = pin!(work);
    for _ in 0..polls {
        let done = std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await;
        if done {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

on_both_engines! {
    /// A connection that came back inside somebody's transaction would refuse what the next one
    /// writes, or never make it durable.
    async fn a_transaction_ends_with_whoever_began_it(db) {
        for round in 0..ROUNDS {
            let_go_after(round % 5, db.may_begin_account(&phone(round), NOW)).await;
            let started =
                db.start_verification(&phone(round), "123456", LIMITS, NOW, &mut rng()).await;
            assert_eq!(started.unwrap(), StartVerification::Send, "{round}");
        }
        let other = Db::open(&db.url, &mut rng()).await.unwrap();
        for round in 0..ROUNDS {
            let again =
                other.start_verification(&phone(round), "123456", LIMITS, NOW, &mut rng()).await;
            assert_eq!(again.unwrap(), StartVerification::TooMany, "{round}: it was written");
        }
    }
}
