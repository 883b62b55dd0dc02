//! The engine's memory: keyed CBOR records, read and written through typed keys.
//!
//! The bytes are the truth. What a step puts is visible to the rest of that step at once and comes
//! out as [`Write`]s at its end; a record put back unchanged is no write. Records are CBOR maps
//! with integer keys, so that later versions can add fields: unknown ones are passed over.

use super::interface::{OpenError, Write};
use minicbor::{Decode, Encode};
use std::{collections::BTreeMap, marker::PhantomData};
use zeroize::Zeroizing;

/// What is kept under one record key, or under all keys of one kind.
pub(super) trait Record: Encode<()> + for<'b> Decode<'b, ()> {
    /// The key's first word.
    const KIND: &'static str;
}

/// The key of a record of type `T`.
pub(super) struct RecordKey<T> {
    text: String,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> RecordKey<T> {
    /// The one record of its kind.
    pub(super) fn only() -> Self {
        Self { text: T::KIND.to_owned(), record: PhantomData }
    }

    /// `KIND/part/part…`.
    pub(super) fn of(parts: &[&str]) -> Self {
        Self { text: format!("{}/{}", T::KIND, parts.join("/")), record: PhantomData }
    }
}

/// All records, and what this step has changed. What does not depend on a record's type is apart from
/// what does: the page fetches it once, not for each type.
#[derive(Default)]
pub(super) struct Records {
    all: BTreeMap<String, Zeroizing<Vec<u8>>>,
    changed: BTreeMap<String, Option<Zeroizing<Vec<u8>>>>,
    letters: Vec<Write>,
}

impl Records {
    /// Takes the vault's records, each of which `check` has to find readable.
    pub(super) fn load(
        records: impl IntoIterator<Item = (String, Vec<u8>)>,
        check: impl Fn(&str, &[u8]) -> bool,
    ) -> Result<Self, OpenError> {
        let mut loaded = Self::default();
        for (key, bytes) in records {
            let kind = key.split('/').next().unwrap_or_default();
            if !check(kind, &bytes) {
                return Err(OpenError::Unreadable { kind: kind.to_owned() });
            }
            loaded.all.insert(key, Zeroizing::new(bytes));
        }
        Ok(loaded)
    }

    pub(super) fn get<T: Record>(&self, key: &RecordKey<T>) -> Option<T> {
        self.all.get(&key.text).and_then(|bytes| minicbor::decode(bytes).ok())
    }

    pub(super) fn has<T: Record>(&self, key: &RecordKey<T>) -> bool {
        self.all.contains_key(&key.text)
    }

    pub(super) fn put<T: Record>(&mut self, key: &RecordKey<T>, record: &T) {
        self.put_bytes(&key.text, Zeroizing::new(encoded(record)));
    }

    fn put_bytes(&mut self, key: &str, bytes: Zeroizing<Vec<u8>>) {
        if self.all.get(key).is_none_or(|old| *old != bytes) {
            self.changed.insert(key.to_owned(), Some(bytes.clone()));
            self.all.insert(key.to_owned(), bytes);
        }
    }

    pub(super) fn delete<T: Record>(&mut self, key: &RecordKey<T>) {
        self.delete_key(&key.text);
    }

    fn delete_key(&mut self, key: &str) {
        if self.all.remove(key).is_some() {
            self.changed.insert(key.to_owned(), None);
        }
    }

    /// All records of a kind whose key goes on with `parts`, in key order. The last part of each
    /// key comes with its record.
    pub(super) fn list<T: Record>(&self, parts: &[&str]) -> Vec<(String, T)> {
        let mut records = Vec::new();
        for (last, bytes) in self.under(&prefix(T::KIND, parts)) {
            records.extend(minicbor::decode(bytes).ok().map(|record| (last, record)));
        }
        records
    }

    /// The rest of each key that begins with `prefix`, in order, and its record's bytes.
    fn under(&self, prefix: &str) -> Vec<(String, &[u8])> {
        self.all
            .range(prefix.to_owned()..)
            .map_while(|(key, bytes)| Some((key.strip_prefix(prefix)?.to_owned(), &***bytes)))
            .collect()
    }

    /// The last part of the last key that [`Self::list`] would list.
    pub(super) fn last_key<T: Record>(&self, parts: &[&str]) -> Option<String> {
        self.last_under(&prefix(T::KIND, parts))
    }

    fn last_under(&self, prefix: &str) -> Option<String> {
        // `0` is the character after the slash.
        let end = format!("{}0", prefix.trim_end_matches('/'));
        let (key, _) = self.all.range(prefix.to_owned()..end).next_back()?;
        Some(key.strip_prefix(prefix)?.to_owned())
    }

    /// Deletes what [`Self::list`] would list.
    pub(super) fn delete_all<T: Record>(&mut self, parts: &[&str]) {
        self.delete_under(&prefix(T::KIND, parts));
    }

    fn delete_under(&mut self, prefix: &str) {
        let rests: Vec<String> = self.under(prefix).into_iter().map(|(rest, _)| rest).collect();
        for rest in rests {
            self.delete_key(&(prefix.to_owned() + &rest));
        }
    }

    /// A write to a letter's record, which the engine does not hold itself.
    pub(super) fn write_letter(&mut self, write: Write) {
        self.letters.push(write);
    }

    /// What changed since the last call, in key order, letters last and in the order written.
    pub(super) fn take_writes(&mut self) -> Vec<Write> {
        let changed = std::mem::take(&mut self.changed);
        let mut writes: Vec<Write> = changed
            .into_iter()
            .map(|(key, value)| Write {
                key,
                value: value.map(|mut bytes| std::mem::take(&mut *bytes)),
            })
            .collect();
        writes.append(&mut self.letters);
        writes
    }
}

/// `KIND/part/part…/`, with which the keys of some records begin.
fn prefix(kind: &str, parts: &[&str]) -> String {
    parts.iter().fold(format!("{kind}/"), |all, part| all + part + "/")
}

/// A record's bytes.
pub(super) fn encoded<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail, and no record's encoding returns an error of its own.
    let _ = minicbor::encode(record, &mut bytes);
    bytes
}
