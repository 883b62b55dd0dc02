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

/// All records, and what this step has changed.
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
        let bytes = Zeroizing::new(encoded(record));
        if self.all.get(&key.text).is_none_or(|old| *old != bytes) {
            self.changed.insert(key.text.clone(), Some(bytes.clone()));
            self.all.insert(key.text.clone(), bytes);
        }
    }

    pub(super) fn delete<T: Record>(&mut self, key: &RecordKey<T>) {
        if self.all.remove(&key.text).is_some() {
            self.changed.insert(key.text.clone(), None);
        }
    }

    /// All records of a kind whose key goes on with `parts`, in key order. The last part of each
    /// key comes with its record.
    pub(super) fn list<T: Record>(&self, parts: &[&str]) -> Vec<(String, T)> {
        let mut prefix = format!("{}/", T::KIND);
        for part in parts {
            prefix.push_str(part);
            prefix.push('/');
        }
        self.all
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .filter_map(|(key, bytes)| {
                Some((key[prefix.len()..].to_owned(), minicbor::decode(bytes).ok()?))
            })
            .collect()
    }

    /// Deletes what [`Self::list`] would list.
    pub(super) fn delete_all<T: Record>(&mut self, parts: &[&str]) {
        let prefix = parts.iter().fold(format!("{}/", T::KIND), |all, part| all + part + "/");
        let keys: Vec<String> = self
            .all
            .range(prefix.clone()..)
            .take_while(|(key, _)| key.starts_with(&prefix))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.all.remove(&key);
            self.changed.insert(key, None);
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

/// A record's bytes.
pub(super) fn encoded<T: Encode<()>>(record: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to a vector cannot fail, and no record's encoding returns an error of its own.
    let _ = minicbor::encode(record, &mut bytes);
    bytes
}
