//! Notes that are larger than their letters: cut into pieces, and put together again.

use super::{NOTE_LIMIT, Note, Part};
use crate::types::{Blob, Bytes};
use minicbor::{Decode, Encode};

/// The longest piece, in bytes: with all that is around it, it fits into a letter of 4 KiB.
pub const PART_BYTES: usize = 3_840;
/// The most pieces.
pub const PARTS: u16 = NOTE_LIMIT.div_ceil(PART_BYTES) as u16;

/// Pieces that do not belong together, or not to a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a piece does not belong to the others of its note")]
pub struct PartError;

impl Part {
    pub(super) fn is_within_limits(&self) -> bool {
        let length = self.bytes.0.len();
        let last = u32::from(self.index) + 1 == u32::from(self.count);
        (2..=PARTS).contains(&self.count)
            && self.index < self.count
            && (length == PART_BYTES || last && (1..PART_BYTES).contains(&length))
    }
}

/// Cuts an encoded note into pieces of [`PART_BYTES`]; the last one is shorter. `None` where one
/// letter of 4 KiB is enough, or the note is longer than [`NOTE_LIMIT`].
pub fn split(id: Bytes<16>, note: &[u8]) -> Option<Vec<Note>> {
    if note.len() <= PART_BYTES || note.len() > NOTE_LIMIT {
        return None;
    }
    let count = note.len().div_ceil(PART_BYTES) as u16;
    let piece = |(index, bytes): (u16, &[u8])| {
        Note::Part(Part { id, index, count, bytes: Blob(bytes.to_vec()) })
    };
    Some((0..).zip(note.chunks(PART_BYTES)).map(piece).collect())
}

/// The pieces of one note that have come so far; a CBOR record.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Joining {
    #[n(0)]
    pieces: Vec<Option<Blob>>,
}

impl Joining {
    /// Nothing yet of a note of so many pieces, as any of them says.
    pub fn of(part: &Part) -> Self {
        Self { pieces: vec![None; part.count.min(PARTS).into()] }
    }

    /// Takes a piece, in any order, each as often as it comes. Gives the note once it is whole:
    /// `Some(None)` where it is of an unknown kind, or itself a piece.
    ///
    /// # Errors
    /// [`PartError`]: the piece contradicts the others. What has come stays.
    pub fn take(&mut self, part: &Part) -> Result<Option<Option<Note>>, PartError> {
        if !part.is_within_limits() || usize::from(part.count) != self.pieces.len() {
            return Err(PartError);
        }
        let place = self.pieces.get_mut(usize::from(part.index)).ok_or(PartError)?;
        if place.as_ref().is_some_and(|there| *there != part.bytes) {
            return Err(PartError);
        }
        *place = Some(part.bytes.clone());
        let whole: Option<Vec<&[u8]>> =
            self.pieces.iter().map(|piece| piece.as_ref().map(|piece| &piece.0[..])).collect();
        let read =
            |note: Vec<u8>| Note::from_cbor(&note).filter(|note| !matches!(note, Note::Part(_)));
        Ok(whole.map(|pieces| read(pieces.concat())))
    }
}
