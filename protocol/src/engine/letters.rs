//! Letters as the vault keeps them, one record each. The engine writes them; the host reads them.

use super::interface::{
    ContactId, ContentView, LETTER_PREFIX, LetterId, LetterState, LetterView, Millis,
    PREVIEW_CHARS, Write,
};
use super::records::encoded;
use super::turn::Turn;
use crate::notes::{BODY_IN_4_KIB, KIND_NOTES};
use crate::rekey::KIND_REKEY_OFFER;
use crate::sizes::LetterSize;
use minicbor::{Decode, Encode};

/// The kind of a text letter; its body is UTF-8.
pub(super) const TEXT: u16 = crate::content::KIND_TEXT;
/// The kind of a letter of notes: what is said besides text, never shown.
pub(super) const NOTES: u16 = KIND_NOTES;
/// The kind of a letter that offers a live re-keying, never shown.
pub(super) const REKEY_OFFER: u16 = KIND_REKEY_OFFER;
/// The kind of a note that this device made itself: the contact's identity key has changed. Only a
/// letter that is outgoing and *received* at once is one, so that nobody can send it.
pub(super) const IDENTITY_CHANGED: u16 = 0;

/// A letter's record.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Letter {
    #[n(0)]
    pub(super) id: LetterId,
    #[n(1)]
    pub(super) contact: ContactId,
    #[n(2)]
    pub(super) outgoing: bool,
    #[n(3)]
    pub(super) at: Millis,
    #[n(4)]
    pub(super) kind: u16,
    /// Kept as it came, so that a newer version can show what this one cannot.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub(super) body: Vec<u8>,
    #[n(6)]
    pub(super) state: LetterState,
    /// The sealed time as it was: the order of letters that `at` holds to one moment.
    #[n(7)]
    pub(super) sealed_at: Millis,
}

impl Letter {
    /// `letter/<contact>/<time>-<sealed time>-<letter id>`. Times before 1970 sort as 1970.
    pub(super) fn key(&self) -> String {
        let contact = self.contact.to_text();
        let (at, sealed_at) = (self.at.max(0), self.sealed_at.max(0));
        format!("{LETTER_PREFIX}{contact}/{at:016x}-{sealed_at:016x}-{}", self.id.to_text())
    }

    /// Whether it is a note that this device made.
    pub(super) fn is_note(&self) -> bool {
        self.kind == IDENTITY_CHANGED && self.outgoing && self.state == LetterState::Received
    }

    /// Whether a person sees it, in a thread and in its list of contacts.
    pub(super) fn is_shown(&self) -> bool {
        !matches!(self.kind, NOTES | REKEY_OFFER)
    }

    /// The smallest size class that it may take. Notes leave in one, or in the largest where a
    /// history goes to an own device, so that their length says nothing.
    pub(super) fn least_size(&self) -> LetterSize {
        match self.kind {
            NOTES if self.body.len() > BODY_IN_4_KIB => LetterSize::LARGEST,
            NOTES => LetterSize::POOLED,
            _ => LetterSize::SMALLEST,
        }
    }

    pub(super) fn view(&self) -> LetterView {
        let text = (self.kind == TEXT).then(|| String::from_utf8(self.body.clone()).ok());
        LetterView {
            key: self.key(),
            id: self.id,
            contact: self.contact,
            outgoing: self.outgoing && !self.is_note(),
            at: self.at,
            content: match text.flatten() {
                Some(text) => ContentView::Text { text },
                None if self.is_note() => ContentView::IdentityChanged,
                None => ContentView::Newer,
            },
            state: self.state.clone(),
        }
    }

    /// The letter with its text cut short, for the contact list.
    pub(super) fn preview(&self) -> Self {
        let mut preview = self.clone();
        preview.body = match std::str::from_utf8(&self.body) {
            Ok(text) if self.kind == TEXT => {
                text.chars().take(PREVIEW_CHARS).collect::<String>().into_bytes()
            }
            _ => Vec::new(),
        };
        preview
    }
}

/// A record under [`LETTER_PREFIX`] that is not a letter this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a letter's record")]
pub struct NotALetter;

impl LetterView {
    /// Reads a letter's record.
    pub fn from_record(key: &str, bytes: &[u8]) -> Result<Self, NotALetter> {
        let letter: Letter = minicbor::decode(bytes).map_err(|_| NotALetter)?;
        if letter.key() == key { Ok(letter.view()) } else { Err(NotALetter) }
    }
}

impl Turn<'_> {
    pub(super) fn write_letter(&mut self, letter: &Letter) {
        let (key, value) = (letter.key(), Some(encoded(letter)));
        self.records.write_letter(Write { key, value });
    }

    pub(super) fn delete_letter_record(&mut self, key: String) {
        self.records.write_letter(Write { key, value: None });
    }

    pub(super) fn delete_letter_records(&mut self, contact: ContactId) {
        let key = format!("{LETTER_PREFIX}{}/", contact.to_text());
        self.records.write_letter(Write { key, value: None });
    }
}
