//! One device's delivery over the storage: what happens goes in, frames come out. Who carries the
//! frames, a socket or a test, is no concern of this.

use super::{
    Delivery,
    delivery::{Do, Happened},
};
use crate::db::{self, Credential, Db, PendingHeader, Position};
use letterbox_protocol::{
    types::{MessageId, UnixTime},
    wire::ServerFrame,
};
use std::collections::VecDeque;

/// Letters or envelopes in one frame at most.
const BATCH: u32 = 16;
/// Bytes of letters in one frame, where it holds more than one. A socket's write buffer keeps the
/// size of the largest frame it ever held.
const FRAME: usize = 32 * 1024;
/// Pending letters that are looked at for a frame, by their headers.
const SCAN: u32 = 1_000;

/// A device's delivery, with the rows that it is about.
pub struct Feed {
    db: Db,
    device: Credential,
    delivery: Delivery,
    todo: VecDeque<Do>,
}

/// Why a feed ends.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The client breaks the protocol.
    #[error("the client breaks the protocol")]
    Refused,
    /// The database is out of reach.
    #[error(transparent)]
    Storage(#[from] db::Error),
}

impl Feed {
    /// A delivery that has not begun: [`Happened::Opened`] begins it.
    pub fn new(db: Db, device: Credential) -> Self {
        Self { db, device, delivery: Delivery::default(), todo: VecDeque::new() }
    }

    /// Takes up what happened. What comes of it is done by [`Feed::next_frame`].
    pub fn tell(&mut self, happened: Happened) {
        self.todo.extend(self.delivery.step(happened));
    }

    /// Does what is to be done up to the next frame; none where nothing is left to do.
    ///
    /// # Errors
    /// Where the connection is to be closed.
    pub async fn next_frame(&mut self, now: UnixTime) -> Result<Option<ServerFrame>, FeedError> {
        while let Some(next) = self.todo.pop_front() {
            if let Some(frame) = self.perform(next, now).await? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    async fn perform(&mut self, todo: Do, now: UnixTime) -> Result<Option<ServerFrame>, FeedError> {
        let (db, device) = (&self.db, self.device.row);
        match todo {
            Do::AcknowledgeLetters(acks) => {
                db.ack_letters(device, &self.device.phone, &acks, now).await?;
            }
            Do::AcknowledgeEnvelopes(labels) => db.ack_envelopes(device, &labels).await?,
            Do::ReadLetters(after) => {
                let headers = db.pending_letters(device, after, SCAN, now).await?;
                let (chosen, next) = one_frame(&headers, |letter| self.delivery.has_sent(letter));
                let rows = db.letters_at(device, &chosen, now).await?;
                let page = rows.into_iter().map(|row| row.letter).collect();
                self.tell(Happened::Letters { page, next });
            }
            Do::ReadEnvelopes(after) => {
                let rows = db.envelopes_page(device, after, BATCH, now).await?;
                let next = more(rows.len(), rows.last().map(|row| row.position));
                let page = rows.into_iter().map(|row| row.envelope).collect();
                self.tell(Happened::Envelopes { page, next });
            }
            Do::Send(frame) => return Ok(Some(frame)),
            Do::Refuse => return Err(FeedError::Refused),
        }
        Ok(None)
    }
}

/// The positions of the first letters that were not sent yet, as many as one frame takes, and where
/// the search goes on, if there may be more.
fn one_frame(
    headers: &[PendingHeader],
    is_sent: impl Fn(&MessageId) -> bool,
) -> (Vec<Position>, Option<Position>) {
    let (mut chosen, mut bytes, mut looked_at) = (Vec::new(), 0, None);
    for header in headers {
        if !is_sent(&header.message_id) {
            bytes += header.bytes;
            if chosen.len() == BATCH as usize || (bytes > FRAME && !chosen.is_empty()) {
                return (chosen, looked_at);
            }
            chosen.push(header.position);
        }
        looked_at = Some(header.position);
    }
    (chosen, looked_at.filter(|_| headers.len() >= SCAN as usize))
}

/// Where the next page begins, if this one was full.
fn more(count: usize, last: Option<Position>) -> Option<Position> {
    last.filter(|_| count >= BATCH as usize)
}
