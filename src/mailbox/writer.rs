//! The group-commit writer: sends that arrive while a commit is under way go together in the next.

use crate::{
    clock::Clock,
    db::{CredentialRow, Db, Error, LetterStore, Limits, SealedSend, SendOutcome},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};

/// Sends written in one transaction at most: 64 MiB where all are the largest.
const BATCH: usize = 1_024;

/// Sends that may wait for the next commit, in all lanes together.
const QUEUE: usize = 4_096;

/// PostgreSQL commits side by side; SQLite has one writer. A mailbox's letters all go through one
/// lane: its limits are exact, and two lanes never wait for each other over a letter.
const POSTGRES_LANES: usize = 4;

/// What is told after a commit: these devices have something new.
pub type OnStored = Arc<dyn Fn(&[CredentialRow]) + Send + Sync>;

/// Why a send got no outcome. The same bytes may be sent again.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The server is shutting down.
    #[error("the mailbox is closing")]
    Closed,
    /// The batch could not be committed.
    #[error(transparent)]
    Database(Arc<Error>),
}

type Answer = Result<SendOutcome, Arc<Error>>;

struct Waiting {
    send: SealedSend,
    answer: oneshot::Sender<Answer>,
}

/// Where sends are handed in. Cheap to clone; the writer ends when [`Writer::drain`] is called.
#[derive(Clone)]
pub struct MailboxWriter {
    lanes: Arc<[mpsc::Sender<Waiting>]>,
    hasher: RandomState,
}

/// The running writer. Dropped without [`Writer::drain`], it stops where it stands, and waiting
/// sends get [`WriteError::Closed`].
pub struct Writer {
    closing: watch::Sender<bool>,
    lanes: JoinSet<()>,
}

/// Starts the writer on a database. `wake` is called after each commit with the devices that have
/// something new, and must not block.
pub fn start(
    db: Db,
    limits: Limits,
    clock: Clock,
    mut rng: StdRng,
    wake: OnStored,
) -> (MailboxWriter, Writer) {
    let count = if matches!(db, Db::Sqlite { .. }) { 1 } else { POSTGRES_LANES };
    let (closing, closed) = watch::channel(false);
    let mut running = JoinSet::new();
    let mut lanes = Vec::with_capacity(count);
    for _ in 0..count {
        let (sender, queue) = mpsc::channel(QUEUE / count);
        let lane = Lane {
            store: LetterStore::new(db.clone(), limits),
            queue,
            closing: closed.clone(),
            clock: clock.clone(),
            rng: StdRng::from_rng(&mut rng),
            wake: Arc::clone(&wake),
        };
        lanes.push(sender);
        running.spawn(lane.run());
    }
    let writer = MailboxWriter { lanes: lanes.into(), hasher: RandomState::new() };
    (writer, Writer { closing, lanes: running })
}

impl MailboxWriter {
    /// Stores a send; returns once its commit is durable. Waits where the queue is full.
    ///
    /// # Errors
    /// The batch failed or the server is closing: nothing is known of the send, and the same bytes
    /// may be sent again.
    pub async fn store(&self, send: SealedSend) -> Result<SendOutcome, WriteError> {
        let (answer, answered) = oneshot::channel();
        let lane = self.lane_of(&send).ok_or(WriteError::Closed)?;
        lane.send(Waiting { send, answer }).await.map_err(|_| WriteError::Closed)?;
        answered.await.map_err(|_| WriteError::Closed)?.map_err(WriteError::Database)
    }

    /// The mailbox's lane, by a hash that nobody outside can foresee.
    fn lane_of(&self, send: &SealedSend) -> Option<&mpsc::Sender<Waiting>> {
        let hash = usize::try_from(self.hasher.hash_one(send.destination()) >> 1).unwrap_or(0);
        self.lanes.get(hash.checked_rem(self.lanes.len())?)
    }
}

impl Writer {
    /// Takes no more sends, writes those that wait, and ends.
    pub async fn drain(mut self) {
        self.closing.send_replace(true);
        while self.lanes.join_next().await.is_some() {}
    }
}

struct Lane {
    store: LetterStore,
    queue: mpsc::Receiver<Waiting>,
    closing: watch::Receiver<bool>,
    clock: Clock,
    rng: StdRng,
    wake: OnStored,
}

impl Lane {
    async fn run(mut self) {
        while let Some(batch) = self.next_batch().await {
            self.write(batch).await;
        }
    }

    /// Everything that waits, up to a batch; waits itself only where nothing does.
    async fn next_batch(&mut self) -> Option<Vec<Waiting>> {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                taken = self.queue.recv_many(&mut batch, BATCH) => return (taken > 0).then_some(batch),
                // Closed, the queue takes nothing more and gives out what it holds.
                _ = self.closing.wait_for(|closing| *closing) => self.queue.close(),
            }
        }
    }

    async fn write(&mut self, batch: Vec<Waiting>) {
        let (sends, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|w| (w.send, w.answer)).unzip();
        match self.store.store(&sends, self.clock.now(), &mut self.rng).await {
            Ok(stored) => {
                // A waiter that has gone away is nobody's loss: its send is stored.
                for (answer, outcome) in answers.into_iter().zip(stored.outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
                (self.wake)(&stored.wake);
            }
            Err(error) => {
                let error = Arc::new(error);
                for answer in answers {
                    let _ = answer.send(Err(Arc::clone(&error)));
                }
            }
        }
    }
}

impl fmt::Debug for MailboxWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailboxWriter")
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}
