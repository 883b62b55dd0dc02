//! What goes into the engine and what comes out of it.
//!
//! Inputs, requests and events cross into JavaScript as JSON; the names here are the names there.

mod event;
mod input;
mod output;
mod view;

pub use event::*;
pub use input::*;
pub use output::*;
pub use view::*;

use crate::types::Bytes;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, by the host's clock.
pub type Millis = i64;
/// A contact's local random id. It means nothing outside this vault.
pub type ContactId = Bytes<16>;
/// A letter's inner id: random, sealed inside it, the same on every device that holds it.
pub type LetterId = Bytes<16>;
/// A request's local random id.
pub type RequestId = Bytes<16>;
/// A question to the host for letters' records; random.
pub type JobId = Bytes<16>;

/// The longest text of one letter, in bytes of UTF-8.
pub const TEXT_LIMIT: usize = 60_000;

/// The most characters of a letter's text that [`ContactView::last`] holds.
pub const PREVIEW_CHARS: usize = 160;

/// The vault's records are not such as this version can go on from. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Written by a newer version, or damaged: a record of this kind (the key's first word) could
    /// not be read.
    #[error("a record of the kind {kind:?} cannot be read")]
    Unreadable {
        /// The first word of the record's key.
        kind: String,
    },
}
