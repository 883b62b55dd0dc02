//! The group-commit writer: sends that arrive while a commit is under way go together in the next.

use crate::{
    clock::Clock,
    db::{CredentialRow, Db, Error, LetterStore, Limits, SealedSend, SendOutcome},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{fmt, sync::Arc};
use tokio::{
    sync::{Mutex, mpsc, oneshot, watch},
    task::JoinSet,
};

/// Sends written in one transaction at most.
const BATCH: usize = 256;

/// Sends that may wait for the next commit.
const QUEUE: usize = 4_096;

/// PostgreSQL commits side by side; SQLite has one writer.
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
    queue: mpsc::Sender<Waiting>,
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
    let lanes = if matches!(db, Db::Sqlite { .. }) { 1 } else { POSTGRES_LANES };
    let (queue, receiver) = mpsc::channel(QUEUE);
    let (closing, closed) = watch::channel(false);
    let receiver = Arc::new(Mutex::new(receiver));
    let store = Arc::new(LetterStore::new(db, limits));
    let mut running = JoinSet::new();
    for _ in 0..lanes {
        let lane = Lane {
            store: Arc::clone(&store),
            queue: Arc::clone(&receiver),
            closing: closed.clone(),
            clock: clock.clone(),
            rng: StdRng::from_rng(&mut rng),
            wake: Arc::clone(&wake),
        };
        running.spawn(lane.run());
    }
    (MailboxWriter { queue }, Writer { closing, lanes: running })
}

impl MailboxWriter {
    /// Stores a send; returns once its commit is durable. Waits where the queue is full.
    ///
    /// # Errors
    /// The batch failed or the server is closing: nothing is known of the send, and the same bytes
    /// may be sent again.
    pub async fn store(&self, send: SealedSend) -> Result<SendOutcome, WriteError> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { send, answer }).await.map_err(|_| WriteError::Closed)?;
        answered.await.map_err(|_| WriteError::Closed)?.map_err(WriteError::Database)
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
    store: Arc<LetterStore>,
    queue: Arc<Mutex<mpsc::Receiver<Waiting>>>,
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
    async fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut closing = self.closing.clone();
        let mut queue = self.queue.lock().await;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                taken = queue.recv_many(&mut batch, BATCH) => return (taken > 0).then_some(batch),
                // Closed, the queue takes nothing more and gives out what it holds.
                _ = closing.wait_for(|closing| *closing) => queue.close(),
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
