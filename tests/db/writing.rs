//! The group-commit writer.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::{
    clock::Clock,
    db::{CredentialRow, Limits, SendOutcome},
    mailbox::writer::{self, MailboxWriter, WriteError, Writer},
};
use std::sync::{Arc, Mutex};

type Woken = Arc<Mutex<Vec<CredentialRow>>>;

fn start(db: &TestDb) -> (MailboxWriter, Writer, Woken) {
    let woken = Woken::default();
    let note = woken.clone();
    let wake = Arc::new(move |devices: &[CredentialRow]| note.lock().unwrap().extend(devices));
    let clock = Clock::manual(NOW);
    let (writer, running) = writer::start(db.db.clone(), Limits::default(), clock, rng(), wake);
    (writer, running, woken)
}

on_both_engines! {
    async fn many_sends_are_stored_and_answered(db) {
        let rng = &mut rng();
        let people = [person(&db, 1, 3, rng).await, person(&db, 2, 1, rng).await];
        let stranger = Person { phone: phone(9), devices: vec![] };
        let (writer, running, woken) = start(&db);
        let mut sending = tokio::task::JoinSet::new();
        for at in 0..900 {
            let (writer, expected, send) = match at % 3 {
                2 => (writer.clone(), SendOutcome::NoSuchMailbox, send(&stranger, rng)),
                known => (writer.clone(), SendOutcome::Stored, send(&people[known], rng)),
            };
            sending.spawn(async move { assert_eq!(writer.store(send).await.unwrap(), expected) });
        }
        sending.join_all().await;
        assert_eq!(count(&db, "messages").await, 600);
        assert_eq!(count(&db, "message_deliveries").await, 1_200);
        assert_eq!(count(&db, "spent_tokens").await, 900);
        running.drain().await;
        let mut devices: Vec<_> = people.iter().flat_map(|person| &person.devices).map(|(row, _)| *row).collect();
        devices.sort();
        let mut woken = woken.lock().unwrap().clone();
        woken.sort();
        woken.dedup();
        assert_eq!(woken, devices);
    }

    async fn racing_sends_fill_a_mailbox_to_its_limit_and_no_further(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let limits = Limits { letters: 100, ..Limits::default() };
        let wake: writer::OnStored = Arc::new(|_: &[CredentialRow]| {});
        let clock = Clock::manual(NOW);
        let (writer, running) =
            writer::start(db.db.clone(), limits, clock, crate::support::databases::rng(), wake);
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..1_200 {
            let (writer, send) = (writer.clone(), send(&bob, rng));
            sending.spawn(async move { writer.store(send).await.unwrap() });
        }
        let outcomes = sending.join_all().await;
        let stored = outcomes.iter().filter(|outcome| **outcome == SendOutcome::Stored).count();
        assert_eq!(stored, 100);
        assert_eq!(count(&db, "messages").await, 100);
        running.drain().await;
    }

    async fn draining_writes_what_waits_and_takes_no_more(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let (writer, running, _) = start(&db);
        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let (writer, send) = (writer.clone(), send(&bob, rng));
            sending.spawn(async move { writer.store(send).await.is_ok() });
        }
        tokio::task::yield_now().await;
        running.drain().await;
        let answered = sending.join_all().await.into_iter().filter(|stored| *stored).count();
        assert_eq!(count(&db, "messages").await, i64::try_from(answered).unwrap());
        let refused = writer.store(send(&bob, rng)).await;
        assert!(matches!(refused, Err(WriteError::Closed)));
    }

    async fn a_failed_commit_is_every_waiters_error(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let (writer, running, woken) = start(&db);
        run(&db, "ALTER TABLE message_deliveries RENAME TO gone".to_owned()).await;
        let mut sends = [send(&bob, rng), send(&bob, rng)];
        let (one, two) = tokio::join!(writer.store(sends[0].clone()), writer.store(sends[1].clone()));
        assert!(matches!((one, two), (Err(WriteError::Database(_)), Err(WriteError::Database(_)))));
        assert_eq!(count(&db, "messages").await, 0);
        assert_eq!(count(&db, "spent_tokens").await, 0);
        assert!(woken.lock().unwrap().is_empty());
        // The same bytes are good once the database is.
        run(&db, "ALTER TABLE gone RENAME TO message_deliveries".to_owned()).await;
        for send in &mut sends {
            assert_eq!(writer.store(send.clone()).await.unwrap(), SendOutcome::Stored);
        }
        running.drain().await;
    }
}
