//! Where a native client keeps its records.

mod file;

pub use file::FileVault;

use letterbox_protocol::{
    engine::{ContactId, LETTER_PREFIX, LetterQuery, LetterRecord, LetterView, Write},
    types::Blob,
};
use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A store of keyed records with durable transactions. Clones are the same store.
pub trait Vault: Clone + Send + 'static {
    /// Every record but the letters: what the engine is opened with.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn records(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError>;

    /// The letters of one conversation, in thread order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn letters(&self, contact: ContactId) -> Result<Vec<LetterView>, VaultError>;

    /// The letters that the engine asks for.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn read(&self, query: &LetterQuery) -> Result<LettersRead, VaultError>;

    /// Makes all the changes, or none. They are durable when this returns.
    ///
    /// # Errors
    /// When nothing was changed, or when it is unknown whether anything was: the engine is to be
    /// opened anew.
    fn commit(&self, writes: &[Write]) -> Result<(), VaultError>;
}

/// What was found for [`LetterQuery`].
pub struct LettersRead {
    /// In key order.
    pub letters: Vec<LetterRecord>,
    /// The key after which to go on, where there are more.
    pub next: Option<String>,
}

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The disk did.
    #[error("the vault's file: {0}")]
    Io(#[from] std::io::Error),
    /// The file holds something else.
    #[error("the vault is damaged")]
    Damaged,
    /// A test asked for a crash here.
    #[error("the client crashed, as it was told to")]
    Crashed,
}

/// A vault in memory. Clones are the same vault, so it outlives the client that writes to it, as a
/// disk outlives a process.
#[derive(Clone, Default)]
pub struct MemoryVault {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    records: Records,
    crash: Option<Crash>,
}

/// When a client is to crash, for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// At the first transaction that puts a record whose key begins so.
    pub at: &'static str,
    /// With the transaction committed (and nothing sent yet), or without it.
    pub committed: bool,
}

impl MemoryVault {
    /// Lets the client that writes here crash, once; or not any more.
    pub fn crash(&self, crash: Option<Crash>) {
        self.lock().crash = crash;
    }

    /// Every record, letters and all.
    pub fn dump(&self) -> Vec<(String, Vec<u8>)> {
        self.lock().records.0.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for MemoryVault {
    fn records(&self) -> Result<Vec<(String, Vec<u8>)>, VaultError> {
        Ok(self.lock().records.without_letters())
    }

    fn letters(&self, contact: ContactId) -> Result<Vec<LetterView>, VaultError> {
        self.lock().records.letters(contact)
    }

    fn read(&self, query: &LetterQuery) -> Result<LettersRead, VaultError> {
        Ok(self.lock().records.read(query))
    }

    fn commit(&self, writes: &[Write]) -> Result<(), VaultError> {
        let mut shared = self.lock();
        let puts = |at: &str| writes.iter().any(|w| w.value.is_some() && w.key.starts_with(at));
        let crash = shared.crash.take_if(|crash| puts(crash.at));
        if crash.is_none_or(|crash| crash.committed) {
            shared.records.apply(writes);
        }
        if crash.is_some() { Err(VaultError::Crashed) } else { Ok(()) }
    }
}

impl fmt::Debug for MemoryVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryVault({} records)", self.lock().records.0.len())
    }
}

/// Records in key order.
#[derive(Default)]
struct Records(BTreeMap<String, Vec<u8>>);

impl Records {
    fn apply(&mut self, writes: &[Write]) {
        for write in writes {
            match &write.value {
                Some(value) => drop(self.0.insert(write.key.clone(), value.clone())),
                None if write.is_prefix() => self.0.retain(|key, _| !key.starts_with(&write.key)),
                None => drop(self.0.remove(&write.key)),
            }
        }
    }

    fn as_writes(&self) -> Vec<Write> {
        let records = self.0.iter();
        records.map(|(key, value)| Write { key: key.clone(), value: Some(value.clone()) }).collect()
    }

    fn without_letters(&self) -> Vec<(String, Vec<u8>)> {
        let records = self.0.iter().filter(|(key, _)| !key.starts_with(LETTER_PREFIX));
        records.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn read(&self, query: &LetterQuery) -> LettersRead {
        match query {
            LetterQuery::Keys { keys } => {
                let found = keys.iter().filter_map(|key| self.0.get_key_value(key));
                LettersRead { letters: found.map(record).collect(), next: None }
            }
            LetterQuery::All { after, bytes } => self.page(after.as_deref(), *bytes as usize),
        }
    }

    /// The letters after this key: one at least, then as many as fit.
    fn page(&self, after: Option<&str>, bytes: usize) -> LettersRead {
        let from = after.unwrap_or(LETTER_PREFIX);
        let found = self.0.range::<str, _>((Bound::Excluded(from), Bound::Unbounded));
        let mut found = found.take_while(|(key, _)| key.starts_with(LETTER_PREFIX)).peekable();
        let (mut letters, mut length) = (Vec::new(), 0);
        while let Some((key, value)) =
            found.next_if(|(_, value)| letters.is_empty() || length + value.len() <= bytes)
        {
            length += value.len();
            letters.push(record((key, value)));
        }
        let last = letters.last().map(|letter: &LetterRecord| letter.key.clone());
        LettersRead { letters, next: last.filter(|_| found.peek().is_some()) }
    }

    fn letters(&self, contact: ContactId) -> Result<Vec<LetterView>, VaultError> {
        let prefix = format!("{LETTER_PREFIX}{}/", contact.to_text());
        let letters =
            self.0.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        letters
            .map(|(key, value)| {
                LetterView::from_record(key, value).map_err(|_| VaultError::Damaged)
            })
            .collect()
    }
}

fn record((key, value): (&String, &Vec<u8>)) -> LetterRecord {
    LetterRecord { key: key.clone(), value: Blob(value.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault() -> MemoryVault {
        let vault = MemoryVault::default();
        let keys = ["account", "letter/a/1", "letter/a/2", "letter/b/1", "letters", "sent/a"];
        let put = |key: &str| Write { key: key.into(), value: Some(vec![0; 10]) };
        vault.commit(&keys.map(put)).unwrap();
        vault
    }

    fn found(query: LetterQuery) -> (Vec<String>, Option<String>) {
        let LettersRead { letters, next } = vault().read(&query).unwrap();
        (letters.into_iter().map(|letter| letter.key).collect(), next)
    }

    #[test]
    fn letters_are_read_by_key_as_far_as_they_exist() {
        let keys = ["letter/b/1", "letter/c/1", "letter/a/1"].map(String::from).to_vec();
        let (read, next) = found(LetterQuery::Keys { keys });
        assert_eq!((read, next), (vec!["letter/b/1".into(), "letter/a/1".into()], None));
    }

    #[test]
    fn all_letters_come_in_pages_that_hold_one_at_least() {
        let page = |after: Option<&str>, bytes| {
            found(LetterQuery::All { after: after.map(String::from), bytes })
        };
        let two = (vec!["letter/a/1".into(), "letter/a/2".into()], Some("letter/a/2".into()));
        assert_eq!(page(None, 20), two);
        assert_eq!(page(None, 29), two);
        assert_eq!(page(Some("letter/a/2"), 20), (vec!["letter/b/1".into()], None));
        assert_eq!(page(None, 0), (vec!["letter/a/1".into()], Some("letter/a/1".into())));
        assert_eq!(page(Some("letter/b/1"), 0), (vec![], None));
    }
}
