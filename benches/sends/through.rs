//! Sends through the writer, so many under way at once.

use crate::{postgres, world};
use letterbox::{
    clock::Clock,
    db::{Db, Limits, SendOutcome},
    mailbox::writer,
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) async fn sqlite(folder: &Path, at_once: usize, time: Duration) -> f64 {
    let path = folder.join(format!("through-{at_once}.db"));
    let (db, _) = world::open(&format!("sqlite:{}", path.display())).await;
    sends_a_second(db, at_once, time).await
}

pub(crate) async fn postgres(at_once: usize, time: Duration) -> f64 {
    let url =
        postgres::durable_database(&format!("through_{at_once}_{}", std::process::id())).await;
    let (db, _) = world::open(&url).await;
    sends_a_second(db, at_once, time).await
}

async fn sends_a_second(db: Db, at_once: usize, time: Duration) -> f64 {
    let limits = Limits { letters: i64::MAX / 2, bytes: i64::MAX / 2, envelopes: 4_000 };
    let clock = Clock::manual(world::NOW);
    let (writer, running) =
        writer::start(db.clone(), limits, clock, world::rng(), Arc::new(|_| {}));
    let mut seeds = StdRng::seed_from_u64(2);
    let mut senders = tokio::task::JoinSet::new();
    let start = Instant::now();
    for _ in 0..at_once {
        let (writer, mut rng) = (writer.clone(), StdRng::from_rng(&mut seeds));
        senders.spawn(async move {
            let mut sent = 0_u32;
            while start.elapsed() < time {
                assert_eq!(writer.store(world::send(&mut rng)).await.unwrap(), SendOutcome::Stored);
                sent += 1;
            }
            sent
        });
    }
    let sent: u32 = senders.join_all().await.into_iter().sum();
    let rate = f64::from(sent) / start.elapsed().as_secs_f64();
    running.drain().await;
    db.close().await;
    rate
}
