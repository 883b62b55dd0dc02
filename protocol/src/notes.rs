//! Notes: what devices tell each other besides text. Several travel in one letter's body.
//!
//! A letter of the kind [`KIND_NOTES`] is never shown. Its body is an array of notes, each with its
//! kind's number and its own bytes, so that a reader passes over what it does not know.

use crate::record::to_cbor;
use crate::rekey::RekeyAnswer;
use crate::session_key::SessionId;
use crate::types::{Blob, Bytes, DeviceId, Key, Phone};
use minicbor::{Decode, Encode};

mod parts;

pub use parts::{Joining, PART_BYTES, PARTS, PartError, split};

/// The kind of [`crate::content::Content`] whose body holds notes.
pub const KIND_NOTES: u16 = 2;
/// The longest note, encoded, in bytes: what a letter of the largest size holds, and a little.
pub const NOTE_LIMIT: usize = 66_560;
/// The most notes in one letter. Readers pass over the rest.
pub const NOTES: usize = 500;
/// The most ids in one note, so that it always fits into a letter of 4 KiB. Readers refuse more.
pub const NOTE_IDS: usize = 100;
/// The longest name of a contact, in bytes of UTF-8. Readers refuse more.
pub const NAME_LIMIT: usize = 400;
/// The bytes of notes that fit into the body of a letter of 4 KiB, whoever sends it.
pub const BODY_IN_4_KIB: usize = 3_900;

/// A letter's body that does not hold notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter's body does not hold notes")]
pub struct NotNotes;

/// Something said between devices. Times are in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, PartialEq, Eq)]
pub enum Note {
    /// Letters have arrived, or were read.
    Receipt(Receipt),
    /// Letters could not be opened.
    Heal(Heal),
    /// A letter, once more.
    Resend(Resend),
    /// A piece of a note that is too large for its letter.
    Part(Part),
    /// The answer to a re-keying.
    RekeyAnswer(RekeyAnswer),
    /// A letter of some conversation of the account's.
    Letter(LetterNote),
    /// Letters were read on a sibling.
    Read(Read),
    /// Letters were deleted on a sibling.
    Deleted(Deleted),
    /// How the account stands with a contact.
    Contact(ContactNote),
    /// Letters are missing here.
    Missing(Missing),
    /// How far giving the history has got.
    History(History),
    /// The account's settings.
    Settings(Settings),
}

/// Kind 1: to the one who wrote the letters.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// Inner ids, at most [`NOTE_IDS`].
    #[n(0)]
    pub letters: Vec<Bytes<16>>,
    /// Read, not only arrived.
    #[n(1)]
    pub read: bool,
}

/// Kind 2: begin new channels and a new session to this device, and send it again what was written
/// since.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Heal {
    /// Since when; `None` for what belongs to these sessions only.
    #[n(0)]
    pub since: Option<i64>,
    /// Sessions whose letters did not open, at most [`NOTE_IDS`].
    #[n(1)]
    pub sessions: Vec<SessionId>,
}

/// Kind 3: a letter that was sent before.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Resend {
    /// The letter's inner id, as it was.
    #[n(0)]
    pub id: Bytes<16>,
    /// When it was written.
    #[n(1)]
    pub sent_at: i64,
    /// Its kind. Notes and re-keyings are not resent.
    #[n(2)]
    pub kind: u16,
    /// Its body.
    #[n(3)]
    pub body: Blob,
    /// The session of the heal that asked for it.
    #[n(4)]
    pub session: Option<SessionId>,
}

/// Kind 4: a piece of one encoded note.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Part {
    /// Random, the same for all pieces.
    #[n(0)]
    pub id: Bytes<16>,
    /// Which piece, from 0.
    #[n(1)]
    pub index: u16,
    /// How many there are, 2 to [`PARTS`].
    #[n(2)]
    pub count: u16,
    /// The piece, 1 to [`PART_BYTES`] bytes.
    #[n(3)]
    pub bytes: Blob,
}

/// Kind 16: an own copy of a letter, an answer to [`Missing`], or history.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LetterNote {
    /// In whose conversation.
    #[n(0)]
    pub contact: Phone,
    /// Under which identity key this device knows them.
    #[n(1)]
    pub identity: Key,
    /// The letter's inner id.
    #[n(2)]
    pub id: Bytes<16>,
    /// Written by the account's own devices.
    #[n(3)]
    pub outgoing: bool,
    /// Where it stands in the conversation.
    #[n(4)]
    pub at: i64,
    /// When it was written, as it was sealed.
    #[n(5)]
    pub sealed_at: i64,
    /// Its kind.
    #[n(6)]
    pub kind: u16,
    /// Its body.
    #[n(7)]
    pub body: Blob,
    /// Seen by the account's owner.
    #[n(8)]
    pub read: bool,
    /// How far it has got.
    #[n(9)]
    pub progress: Progress,
}

/// How far a letter has got, as one device tells its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Progress {
    /// Outgoing: the server has it.
    #[n(0)]
    Sent,
    /// Outgoing: the contact says that it arrived.
    #[n(1)]
    Arrived,
    /// Outgoing: the contact says that it was read.
    #[n(2)]
    Read,
    /// Outgoing: it will not go out.
    #[n(3)]
    Failed,
    /// From the contact.
    #[n(4)]
    Received,
}

/// Kind 17.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Read {
    /// In whose conversation.
    #[n(0)]
    pub contact: Phone,
    /// Inner ids, at most [`NOTE_IDS`].
    #[n(1)]
    pub letters: Vec<Bytes<16>>,
}

/// Kind 18.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Deleted {
    /// In whose conversation.
    #[n(0)]
    pub contact: Phone,
    /// Inner ids, at most [`NOTE_IDS`].
    #[n(1)]
    pub letters: Vec<Bytes<16>>,
    /// The whole conversation, up to this moment.
    #[n(2)]
    pub until: Option<i64>,
}

/// Kind 19. The one with the highest `(changed_at, device)` holds.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ContactNote {
    /// Whom.
    #[n(0)]
    pub contact: Phone,
    /// The own name for them, at most [`NAME_LIMIT`] bytes; empty where there is none.
    #[n(1)]
    pub name: String,
    /// How one stands with them.
    #[n(2)]
    pub standing: NotedStanding,
    /// The identity key that was seen, verified or accepted.
    #[n(3)]
    pub identity: Key,
    /// Whether its safety number was compared.
    #[n(4)]
    pub verified: bool,
    /// When this was changed.
    #[n(5)]
    pub changed_at: i64,
    /// By which of the account's devices.
    #[n(6)]
    pub device: DeviceId,
}

/// How the account stands with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum NotedStanding {
    /// Written to, or accepted.
    #[n(0)]
    Accepted,
    /// Wrote first and has not been accepted.
    #[n(1)]
    Request,
    /// Blocked.
    #[n(2)]
    Blocked,
}

/// Kind 20: siblings answer with [`LetterNote`]s.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Missing {
    /// Since when letters may be missing.
    #[n(0)]
    pub since: i64,
    /// Sessions that were never heard of here, at most [`NOTE_IDS`].
    #[n(1)]
    pub sessions: Vec<SessionId>,
}

/// Kind 21.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct History {
    /// Random, one for each time that history is given.
    #[n(0)]
    pub job: Bytes<16>,
    /// Letters given so far.
    #[n(1)]
    pub letters: u32,
    /// That was all.
    #[n(2)]
    pub done: bool,
}

/// Kind 22. The one with the highest `(changed_at, sending device)` holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Settings {
    /// Whether contacts are told when letters arrived and were read.
    #[n(0)]
    pub receipts: bool,
    /// When this was changed.
    #[n(1)]
    pub changed_at: i64,
}

/// A note as it stands in a letter's body.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Noted {
    #[n(0)]
    kind: u16,
    #[n(1)]
    body: Blob,
}

impl Note {
    /// Its kind's number.
    pub fn kind(&self) -> u16 {
        match self {
            Self::Receipt(_) => 1,
            Self::Heal(_) => 2,
            Self::Resend(_) => 3,
            Self::Part(_) => 4,
            Self::RekeyAnswer(_) => 5,
            Self::Letter(_) => 16,
            Self::Read(_) => 17,
            Self::Deleted(_) => 18,
            Self::Contact(_) => 19,
            Self::Missing(_) => 20,
            Self::History(_) => 21,
            Self::Settings(_) => 22,
        }
    }

    /// Whether it is only heeded when it comes from the account's own devices.
    pub fn is_for_siblings(&self) -> bool {
        self.kind() >= 16
    }

    /// The encoded note, as [`write()`] and [`split`] take it.
    pub fn to_cbor(&self) -> Vec<u8> {
        let body = match self {
            Self::Receipt(note) => to_cbor(note),
            Self::Heal(note) => to_cbor(note),
            Self::Resend(note) => to_cbor(note),
            Self::Part(note) => to_cbor(note),
            Self::RekeyAnswer(note) => to_cbor(note),
            Self::Letter(note) => to_cbor(note),
            Self::Read(note) => to_cbor(note),
            Self::Deleted(note) => to_cbor(note),
            Self::Contact(note) => to_cbor(note),
            Self::Missing(note) => to_cbor(note),
            Self::History(note) => to_cbor(note),
            Self::Settings(note) => to_cbor(note),
        };
        to_cbor(&Noted { kind: self.kind(), body: Blob(body) })
    }

    /// Reads one encoded note; `None` for one of an unknown kind, or not of its kind's form.
    pub fn from_cbor(bytes: &[u8]) -> Option<Self> {
        let within = bytes.len() <= NOTE_LIMIT;
        within.then(|| minicbor::decode(bytes).ok()).flatten().and_then(|noted| Self::read(&noted))
    }

    fn read(noted: &Noted) -> Option<Self> {
        let body = &noted.body.0;
        let note = match noted.kind {
            1 => Self::Receipt(minicbor::decode(body).ok()?),
            2 => Self::Heal(minicbor::decode(body).ok()?),
            3 => Self::Resend(minicbor::decode(body).ok()?),
            4 => Self::Part(minicbor::decode(body).ok()?),
            5 => Self::RekeyAnswer(RekeyAnswer::from_cbor(body).ok()?),
            16 => Self::Letter(minicbor::decode(body).ok()?),
            17 => Self::Read(minicbor::decode(body).ok()?),
            18 => Self::Deleted(minicbor::decode(body).ok()?),
            19 => Self::Contact(minicbor::decode(body).ok()?),
            20 => Self::Missing(minicbor::decode(body).ok()?),
            21 => Self::History(minicbor::decode(body).ok()?),
            22 => Self::Settings(minicbor::decode(body).ok()?),
            _ => return None,
        };
        note.is_within_limits().then_some(note)
    }

    fn is_within_limits(&self) -> bool {
        match self {
            Self::Receipt(note) => note.letters.len() <= NOTE_IDS,
            Self::Heal(note) => note.sessions.len() <= NOTE_IDS,
            Self::Part(part) => part.is_within_limits(),
            Self::Read(note) => note.letters.len() <= NOTE_IDS,
            Self::Deleted(note) => note.letters.len() <= NOTE_IDS,
            Self::Contact(note) => note.name.len() <= NAME_LIMIT,
            Self::Missing(note) => note.sessions.len() <= NOTE_IDS,
            Self::Resend(_)
            | Self::RekeyAnswer(_)
            | Self::Letter(_)
            | Self::History(_)
            | Self::Settings(_) => true,
        }
    }
}

/// The body of a letter of the kind [`KIND_NOTES`] that holds these encoded notes, of which there
/// are at most [`NOTES`]: three bytes at most, then the notes.
pub fn write(notes: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut body = array_head(notes.len());
    notes.iter().for_each(|note| body.extend_from_slice(note.as_ref()));
    body
}

/// The notes in a letter's body, at most [`NOTES`], without those that are not known or not of
/// their kind's form.
///
/// # Errors
/// [`NotNotes`].
pub fn read(body: &[u8]) -> Result<Vec<Note>, NotNotes> {
    let noted: Vec<Noted> = minicbor::decode(body).map_err(|_| NotNotes)?;
    let within = |noted: &&Noted| noted.body.0.len() <= NOTE_LIMIT;
    Ok(noted.iter().take(NOTES).filter(within).filter_map(Note::read).collect())
}

/// The head of a CBOR array (RFC 8949 §3) of less than 65,536 items.
fn array_head(length: usize) -> Vec<u8> {
    match length {
        0..24 => vec![0x80 | length as u8],
        24..0x100 => vec![0x98, length as u8],
        _ => [&[0x99][..], &(length as u16).to_be_bytes()].concat(),
    }
}

impl std::fmt::Debug for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Note(kind {})", self.kind())
    }
}

impl std::fmt::Debug for ContactNote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContactNote").finish_non_exhaustive()
    }
}
