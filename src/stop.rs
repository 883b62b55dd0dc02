//! The word to stop, heard by everything that runs for long.

use tokio::sync::watch;

/// Gives the word. Dropping it gives it as well.
#[derive(Debug)]
pub struct StopGiver(watch::Sender<bool>);

/// Hears the word.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A giver and its hearer.
pub fn channel() -> (StopGiver, Stop) {
    let (sender, receiver) = watch::channel(false);
    (StopGiver(sender), Stop(receiver))
}

impl StopGiver {
    /// Gives the word.
    pub fn give(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits for the word. Safe to cancel.
    pub async fn given(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether it was given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }
}
