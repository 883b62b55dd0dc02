//! Unambiguous transcripts: what is signed, hashed, or bound to a ciphertext.

use crate::types::{Phone, UnixTime};

/// Bytes that can be read in one way only: a label, then fields, each preceded by its length as
/// four bytes, big-endian.
///
/// The label separates the domains: no transcript of one kind can be taken for one of another.
pub struct Transcript(Vec<u8>);

impl Transcript {
    /// A transcript that begins with its label, like `letterbox/2 device list`.
    pub fn new(label: &str) -> Self {
        Self(Vec::with_capacity(256)).field(label.as_bytes())
    }

    /// Appends bytes.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        debug_assert!(u32::try_from(bytes.len()).is_ok(), "fields are far below 4 GiB");
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Appends a number as eight bytes, big-endian.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.field(&number.to_be_bytes())
    }

    /// Appends a time as its seconds in eight bytes, big-endian, two's complement.
    #[must_use]
    pub fn time(self, time: UnixTime) -> Self {
        self.field(&time.0.to_be_bytes())
    }

    /// Appends a phone number as ASCII, with its plus sign.
    #[must_use]
    pub fn phone(self, phone: &Phone) -> Self {
        self.field(phone.as_str().as_bytes())
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Transcript;

    #[test]
    fn fields_cannot_run_into_each_other() {
        let one = Transcript::new("t").field(b"ab").field(b"c").finish();
        let other = Transcript::new("t").field(b"a").field(b"bc").finish();
        assert_ne!(one, other);
        assert_eq!(one, b"\0\0\0\x01t\0\0\0\x02ab\0\0\0\x01c");
    }
}
