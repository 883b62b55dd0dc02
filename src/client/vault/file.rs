//! A vault in one file: a journal of transactions, each with its length and a checksum, so that a
//! transaction that a crash cut short is told from a whole one and dropped.
//!
//! The file is as secret as the keys in it: it is readable by its owner only, and not encrypted.

use super::{LettersRead, Records, Vault, VaultError};
use letterbox_protocol::engine::{ContactId, LetterQuery, LetterView, Write};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A vault in a file. Clones are the same vault; another process cannot open it meanwhile.
#[derive(Clone)]
pub struct FileVault {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    file: File,
    records: Records,
    /// A write failed, and nobody knows how the file ends: it has to be opened anew.
    broken: bool,
}

/// Four bytes of length (big-endian), eight of SHA-256 over the payload.
const HEAD: usize = 12;
/// A journal that is this much longer than its records is written anew at the opening.
const SLACK: u64 = 8 << 20;

impl FileVault {
    /// Opens the vault in this file, or begins it.
    ///
    /// # Errors
    /// When the file cannot be read or written, is open elsewhere, or holds something else.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let mut file = open_locked(path)?;
        let mut journal = Vec::new();
        file.read_to_end(&mut journal)?;
        let mut records = Records::default();
        let good = replay(&journal, &mut records)?;
        let whole = transaction(&records.as_writes());
        if good > whole.len() as u64 + SLACK {
            file = rewrite(path, &whole)?;
        } else if good < journal.len() as u64 {
            file.set_len(good)?;
            file.sync_all()?;
        }
        file.seek(SeekFrom::End(0))?;
        let shared = Shared { file, records, broken: false };
        Ok(Self { shared: Arc::new(Mutex::new(shared)) })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for FileVault {
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
        if shared.broken {
            return Err(VaultError::Damaged);
        }
        shared.broken = true;
        shared.file.write_all(&transaction(writes))?;
        shared.file.sync_data()?;
        shared.broken = false;
        shared.records.apply(writes);
        Ok(())
    }
}

fn open_locked(path: &Path) -> Result<File, VaultError> {
    let mut options = OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::from(io::ErrorKind::ResourceBusy).into()),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Puts a journal of one transaction in the old one's place, in one step.
fn rewrite(path: &Path, whole: &[u8]) -> Result<File, VaultError> {
    let fresh: PathBuf = path.with_extension("new");
    let mut file = open_locked(&fresh)?;
    file.set_len(0)?;
    file.write_all(whole)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// Takes up every whole transaction, and says where the last one ends. What follows that can only
/// be the beginning of one that was cut short; anything else is damage.
fn replay(journal: &[u8], records: &mut Records) -> Result<u64, VaultError> {
    let mut rest = journal;
    while let Some((head, tail)) = rest.split_first_chunk::<HEAD>() {
        let ([a, b, c, d, ..], sum) = (head, &head[4..]);
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let Some(payload) = tail.get(..length) else { break };
        if checksum(payload) != sum {
            // A length can reach the disk before the bytes that it counts.
            if tail.len() == length { break } else { return Err(VaultError::Damaged) }
        }
        records.apply(&parse(payload).ok_or(VaultError::Damaged)?);
        rest = &tail[length..];
    }
    Ok((journal.len() - rest.len()) as u64)
}

fn transaction(writes: &[Write]) -> Vec<u8> {
    let mut payload = Vec::new();
    for write in writes {
        put(&mut payload, write.key.as_bytes());
        payload.push(u8::from(write.value.is_some()));
        put(&mut payload, write.value.as_deref().unwrap_or_default());
    }
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(&checksum(&payload));
    bytes.extend_from_slice(&payload);
    bytes
}

fn parse(mut payload: &[u8]) -> Option<Vec<Write>> {
    let mut writes = Vec::new();
    while !payload.is_empty() {
        let key = String::from_utf8(take(&mut payload)?.to_vec()).ok()?;
        let is_put = *payload.split_off_first()? == 1;
        let value = take(&mut payload)?;
        writes.push(Write { key, value: is_put.then(|| value.to_vec()) });
    }
    Some(writes)
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend_from_slice(&(field.len() as u32).to_be_bytes());
    bytes.extend_from_slice(field);
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (field, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *bytes = rest;
    Some(field)
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = Sha256::digest(payload).into();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_write(key: &str, value: &[u8]) -> Write {
        Write { key: key.into(), value: Some(value.to_vec()) }
    }

    fn delete(key: &str) -> Write {
        Write { key: key.into(), value: None }
    }

    fn reopened(path: &Path) -> Vec<(String, Vec<u8>)> {
        FileVault::open(path).unwrap().records().unwrap()
    }

    #[test]
    fn what_was_committed_is_there_after_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let vault = FileVault::open(&path).unwrap();
        vault
            .commit(&[put_write("a", b"1"), put_write("b/x", b"2"), put_write("b/y", b"")])
            .unwrap();
        vault.commit(&[delete("a"), put_write("b/y", b"3")]).unwrap();
        drop(vault);
        assert_eq!(reopened(&path), [("b/x".into(), b"2".into()), ("b/y".into(), b"3".into())]);
        FileVault::open(&path).unwrap().commit(&[delete("b/")]).unwrap();
        assert_eq!(reopened(&path), []);
    }

    #[test]
    fn a_transaction_cut_short_anywhere_is_dropped_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        FileVault::open(&path).unwrap().commit(&[put_write("kept", b"1")]).unwrap();
        let kept = std::fs::read(&path).unwrap();
        let cut = transaction(&[put_write("kept", b"2"), put_write("more", b"3")]);
        for length in 0..cut.len() {
            std::fs::write(&path, [&kept, &cut[..length]].concat()).unwrap();
            assert_eq!(reopened(&path), [("kept".into(), b"1".into())], "cut after {length}");
            assert_eq!(std::fs::read(&path).unwrap(), kept);
        }
    }

    #[test]
    fn damage_before_the_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let vault = FileVault::open(&path).unwrap();
        vault.commit(&[put_write("a", b"1")]).unwrap();
        vault.commit(&[put_write("b", b"2")]).unwrap();
        drop(vault);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEAD + 4] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(FileVault::open(&path), Err(VaultError::Damaged)));
    }

    #[test]
    fn a_journal_much_longer_than_its_records_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let vault = FileVault::open(&path).unwrap();
        let large = vec![7; 1 << 20];
        for _ in 0..10 {
            vault.commit(&[put_write("a", &large)]).unwrap();
        }
        drop(vault);
        assert_eq!(reopened(&path), [("a".into(), large.clone())]);
        assert!(std::fs::metadata(&path).unwrap().len() < 2 << 20);
        assert_eq!(reopened(&path), [("a".into(), large)]);
    }

    #[test]
    fn a_vault_is_open_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let _open = FileVault::open(&path).unwrap();
        assert!(matches!(FileVault::open(&path), Err(VaultError::Io(_))));
    }
}
