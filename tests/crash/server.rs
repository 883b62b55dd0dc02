//! The server is killed with SIGKILL under load, over and over.
//!
//! `LETTERBOX_CRASH_ROUNDS` says how often (1,000 for the figure in the documentation).

use crate::support::{
    databases::on_both_engines,
    member::now,
    mint::Mint,
    person::{Device, Person},
    process::ServerProcess,
    raw_letter::RawLetter,
};
use letterbox::{
    client::Link,
    db::{Cell, Db, Dump},
};
use letterbox_protocol::types::{MessageId, Phone};
use rand::{SeedableRng as _, rngs::StdRng};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::JoinSet;

const ROUNDS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
/// Senders that send at the same time, so that the server commits in groups.
const SENDERS: usize = 16;
const ROOM: [(&str, &str); 2] =
    [("mailbox-letters", "100000000"), ("mailbox-bytes", "1000000000000")];

on_both_engines! {
    /// Letters that nobody can open, for a mailbox whose device is off: only storing counts.
    async fn no_acknowledged_letter_is_lost_and_none_doubled(db) {
        let mut server = ServerProcess::start(&db.url, &ROOM).await;
        let (bob, device) = Person::sign_up(&server, "+33612345602", 1).await;
        drop(device);
        let mint = Arc::new(Mint::open(&db, now()).await);
        // Nobody else has the file open when the server recovers it.
        db.db.close().await;
        let mut acknowledged = Vec::new();
        let mut retried = Vec::new();
        for round in 0..rounds() {
            let load = Load::start(&server, &bob.phone, &mint, round as u64);
            load.after_answers(30 + round * 37 % 400).await;
            server.kill().await;
            let (answered, unanswered): (Vec<Send>, _) =
                load.end().await.into_iter().partition(|send| send.acknowledged);
            server.restart().await;
            let link = Link::new(server.server());
            for send in &unanswered {
                send.is_answered_alike(&link).await;
            }
            acknowledged.extend(answered);
            retried.extend(unanswered);
        }
        server.kill().await;
        assert!(!retried.is_empty(), "every kill came at a quiet moment");
        // Nothing that was acknowledged has been sent again so far: a lost letter would be missing.
        assert_stored_once(&db.url, acknowledged.iter().chain(&retried)).await;
        server.restart().await;
        let link = Link::new(server.server());
        for send in acknowledged.iter().rev().take(500) {
            send.is_answered_alike(&link).await;
        }
        server.kill().await;
        assert_stored_once(&db.url, acknowledged.iter().chain(&retried)).await;
    }

    /// Fifty at once with one token, and the server killed among them: one letter, and the same
    /// answer to whoever asks again.
    async fn one_token_has_one_effect_across_a_kill(db) {
        let mut server = ServerProcess::start(&db.url, &ROOM).await;
        let (bob, device) = Person::sign_up(&server, "+33612345602", 1).await;
        drop(device);
        let mint = Mint::open(&db, now()).await;
        db.db.close().await;
        let mut rng = StdRng::seed_from_u64(3);
        let mut expected = Vec::new();
        for round in 0..4 {
            let letter = RawLetter::new(&bob.phone, MessageId::random(&mut rng), &mint, &mut rng);
            let letter = Arc::new(letter);
            let mut racing = JoinSet::new();
            for _ in 0..50 {
                let (link, letter) = (Link::new(server.server()), letter.clone());
                racing.spawn(async move { letter.post(&link).await.ok().map(|answer| answer.status) });
            }
            tokio::time::sleep(Duration::from_millis(5 * round)).await;
            server.kill().await;
            let answers = racing.join_all().await;
            assert!(answers.iter().flatten().all(|status| *status == 202), "{answers:?}");
            server.restart().await;
            let link = Link::new(server.server());
            let send = Send { letter: Arc::into_inner(letter).expect("nobody else's"), acknowledged: false };
            for _ in 0..3 {
                send.is_answered_alike(&link).await;
            }
            expected.push(send);
        }
        server.kill().await;
        assert_stored_once(&db.url, expected.iter()).await;
    }

    /// Whole clients on both sides: what is written while the server is killed arrives once, in
    /// both directions.
    async fn conversations_survive_the_kills(db) {
        let mut server = ServerProcess::start(&db.url, &ROOM).await;
        let (ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let bob_at_ann = ann_device.find(&bob.phone).await.expect("found");
        let ann_at_bob = bob_device.find(&ann.phone).await.expect("found");
        let (mut to_bob, mut to_ann) = (Vec::new(), Vec::new());
        for round in 0..3 {
            for number in 0..8 {
                to_bob.push(format!("to Bob {round} {number}"));
                to_ann.push(format!("to Ann {round} {number}"));
                ann_device.write(bob_at_ann, &to_bob[to_bob.len() - 1]).await.expect("written");
                bob_device.write(ann_at_bob, &to_ann[to_ann.len() - 1]).await.expect("written");
            }
            // Some are on their way now, some stored, some delivered and not acknowledged.
            let seen = format!("to Bob {round} {}", round * 2);
            bob_device.received(&seen).await.expect("received");
            server.kill().await;
            server.restart().await;
        }
        arrive_once(&mut bob_device, &bob, &to_bob).await;
        arrive_once(&mut ann_device, &ann, &to_ann).await;
    }
}

fn rounds() -> usize {
    let set = std::env::var("LETTERBOX_CRASH_ROUNDS").ok();
    set.map_or(ROUNDS, |rounds| rounds.parse().expect("LETTERBOX_CRASH_ROUNDS is a number"))
}

async fn arrive_once(device: &mut Device, person: &Person, expected: &[String]) {
    for words in expected {
        device.received(words).await.unwrap_or_else(|error| panic!("{words}: {error}"));
    }
    let mut incoming: Vec<_> = person.threads();
    incoming.retain(|words| words.starts_with(&expected[0][..6]));
    incoming.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(incoming, expected);
}

/// Every letter has one row, and one delivery row for Bob's one device.
async fn assert_stored_once(url: &str, sends: impl Iterator<Item = &Send>) {
    let mut expected: Vec<String> = sends.map(|send| send.letter.message_id.to_text()).collect();
    let db = Db::open(url, &mut StdRng::seed_from_u64(0)).await.expect("the database opens");
    let messages = db.dump("messages").await.expect("readable");
    let mut stored: Vec<String> = column(&messages, "message_id").map(text).collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored.len(), expected.len(), "rows and letters");
    assert!(stored == expected, "the rows are other letters than were sent");
    let deliveries = db.dump("message_deliveries").await.expect("readable");
    let letters: BTreeSet<&Cell> = column(&messages, "id").collect();
    let delivered: BTreeSet<&Cell> = column(&deliveries, "message_id").collect();
    assert_eq!(deliveries.rows.len(), expected.len(), "one delivery row a letter");
    assert!(letters == delivered, "delivery rows and letters belong together");
    db.close().await;
}

fn column<'a>(dump: &'a Dump, name: &str) -> impl Iterator<Item = &'a Cell> {
    let at = dump.columns.iter().position(|column| column == name).expect("a column");
    dump.rows.iter().map(move |row| &row[at])
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        _ => panic!("not text"),
    }
}

/// A letter, and whether the server has said that it has it.
struct Send {
    letter: RawLetter,
    acknowledged: bool,
}

impl Send {
    /// The same bytes under the same token are answered alike, whether or not an answer came
    /// before; other bytes under that token are refused.
    async fn is_answered_alike(&self, link: &Link) {
        let again = self.letter.post(link).await.expect("an answer");
        assert_eq!(again.status, 202, "acknowledged before: {}", self.acknowledged);
        let other = self.letter.body.replace("\"expiry_days\":7", "\"expiry_days\":1");
        let refused = self.letter.post_as(link, other).await.expect("an answer");
        assert_eq!(refused.status, 401);
    }
}

/// Senders at work.
struct Load {
    answers: Arc<AtomicUsize>,
    answered: Arc<tokio::sync::Notify>,
    senders: JoinSet<Vec<Send>>,
}

impl Load {
    fn start(server: &ServerProcess, to: &Phone, mint: &Arc<Mint>, round: u64) -> Self {
        let (answers, answered) = (Arc::default(), Arc::default());
        let mut load = Self { answers, answered, senders: JoinSet::new() };
        for sender in 0..SENDERS as u64 {
            let rng = StdRng::seed_from_u64(round << 32 | sender);
            let (link, to, mint) = (Link::new(server.server()), to.clone(), mint.clone());
            let (answers, answered) = (load.answers.clone(), load.answered.clone());
            load.senders.spawn(async move {
                send_until_it_fails(link, to, &mint, rng, || {
                    answers.fetch_add(1, Ordering::Relaxed);
                    answered.notify_one();
                })
                .await
            });
        }
        load
    }

    async fn after_answers(&self, wanted: usize) {
        while self.answers.load(Ordering::Relaxed) < wanted {
            let answered = tokio::time::timeout(PATIENCE, self.answered.notified()).await;
            assert!(answered.is_ok(), "the server stopped answering before it was killed");
        }
    }

    /// Every letter that a sender tried to send.
    async fn end(self) -> Vec<Send> {
        self.senders.join_all().await.into_iter().flatten().collect()
    }
}

async fn send_until_it_fails(
    link: Link,
    to: Phone,
    mint: &Mint,
    mut rng: StdRng,
    on_answer: impl Fn(),
) -> Vec<Send> {
    let mut sends = Vec::new();
    loop {
        let message_id = MessageId::random(&mut rng);
        let letter = RawLetter::new(&to, message_id, mint, &mut rng);
        let Ok(answer) = letter.post(&link).await else {
            sends.push(Send { letter, acknowledged: false });
            return sends;
        };
        assert_eq!(answer.status, 202);
        sends.push(Send { letter, acknowledged: true });
        on_answer();
    }
}
