//! The issuer's keys as this device and its contacts see them. Every session-key envelope says which
//! key its sender saw for the week: a server that shows different keys to different people is found
//! out by both.

use super::certificates::ServerRecord;
use super::contacts::Contact;
use super::interface::{ContactId, Event, Standing};
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::session_key::{NO_DIRECTORY, SessionKeyPayload};
use crate::tokens::{KEY_WEEK, KeyWeek, directory_digest};
use crate::types::{Bytes, Key, UnixTime};
use minicbor::{Decode, Encode};

/// What is known of issuer keys: `token-keys`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct TokenKeys {
    /// The keys seen here, the newest last. A database that was restored has two for one week.
    #[n(0)]
    seen: Vec<Seen>,
    /// What contacts saw and this device has not, until it has looked again.
    #[n(1)]
    doubted: Vec<Doubt>,
    /// A week's key changed here. It does with the epoch of the server's database, and is looked into
    /// once that is known.
    #[n(2)]
    changed: bool,
}

impl TokenKeys {
    fn has_seen(&self, key: &WeekKey) -> bool {
        self.seen.iter().any(|seen| seen.key == *key)
    }

    fn has_seen_week(&self, week: UnixTime) -> bool {
        self.seen.iter().any(|seen| seen.key.week == week)
    }
}

impl Record for TokenKeys {
    const KIND: &'static str = "token-keys";
}

/// A week's key, by its digest.
#[derive(Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct WeekKey {
    #[n(0)]
    week: UnixTime,
    #[n(1)]
    digest: Key,
}

#[derive(Clone, Encode, Decode)]
#[cbor(map)]
struct Seen {
    #[n(0)]
    key: WeekKey,
    /// The server's epoch when it was last seen here.
    #[n(1)]
    epoch: String,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct Doubt {
    #[n(0)]
    contact: ContactId,
    #[n(1)]
    told: WeekKey,
}

/// Weeks after which what was seen, and what was doubted, is forgotten.
const KEPT: i64 = 5 * KEY_WEEK;
/// The most doubts at once.
const DOUBTS: usize = 64;

impl Turn<'_> {
    /// What the envelopes of a session that begins now say of the directory; zeros where this week's
    /// key has not been seen yet.
    pub(super) fn seen_directory(&self) -> Key {
        let week = KeyWeek::of(self.time()).begins();
        let keys: TokenKeys = self.records.get(&RecordKey::only()).unwrap_or_default();
        let seen = keys.seen.iter().rev().find(|seen| seen.key.week == week);
        seen.map_or(Bytes(NO_DIRECTORY), |seen| seen.key.digest)
    }

    /// The directory was looked at: what contacts saw otherwise before is compared.
    pub(super) fn learn_issuer_keys(&mut self, weeks: &[(KeyWeek, Key)]) {
        let mut keys: TokenKeys = self.records.get(&RecordKey::only()).unwrap_or_default();
        let since = self.time().plus(-KEPT);
        let known: Vec<WeekKey> = keys.seen.iter().map(|seen| seen.key).collect();
        for (week, key) in weeks {
            let key = WeekKey { week: week.begins(), digest: directory_digest(*week, key) };
            let of_week = known.iter().any(|known| known.week == key.week);
            keys.changed |= of_week && !known.contains(&key);
            keys.seen.retain(|seen| seen.key != key && seen.key.week > since);
            keys.seen.push(Seen { key, epoch: self.epoch() });
        }
        let mut doubted = std::mem::take(&mut keys.doubted);
        // The key of a week that is over is not told any more.
        let oldest = weeks.iter().map(|(week, _)| week.begins()).min();
        doubted.retain(|doubt| {
            let seen = keys.has_seen_week(doubt.told.week);
            seen || oldest.is_none_or(|oldest| doubt.told.week >= oldest)
        });
        let mut differ = Vec::new();
        for doubt in doubted.into_iter().filter(|doubt| doubt.told.week > since) {
            if !keys.has_seen_week(doubt.told.week) {
                keys.doubted.push(doubt);
            } else if !keys.has_seen(&doubt.told) {
                differ.push(doubt.contact);
            }
        }
        self.records.put(&RecordKey::only(), &keys);
        if keys.changed {
            self.ask_server_info();
        }
        differ.sort_unstable();
        differ.dedup();
        for contact in differ {
            self.token_keys_differ(contact);
        }
    }

    /// The server has told its epoch: a week's key changes only with it, so that two of one epoch are
    /// one too many.
    pub(super) fn settle_changed_keys(&mut self) {
        let mut keys: TokenKeys = self.records.get(&RecordKey::only()).unwrap_or_default();
        if !std::mem::take(&mut keys.changed) {
            return;
        }
        let epoch = self.epoch();
        // What was seen last was seen in this one, whatever was known of it then.
        let mut weeks: Vec<UnixTime> = Vec::new();
        let mut disputed = false;
        for seen in keys.seen.iter_mut().rev() {
            if weeks.contains(&seen.key.week) {
                disputed |= seen.epoch == epoch;
            } else {
                weeks.push(seen.key.week);
                seen.epoch.clone_from(&epoch);
            }
        }
        self.records.put(&RecordKey::only(), &keys);
        if disputed {
            self.tell(Event::TokenKeysDisputed { contact: None });
        }
    }

    fn epoch(&self) -> String {
        let server: Option<ServerRecord> = self.records.get(&RecordKey::only());
        server.map(|server| server.epoch).unwrap_or_default()
    }

    /// An envelope that holds in all else says which key its sender saw. One that this device has not
    /// seen is looked for once more, at the next look at the directory: a database may have been
    /// restored in between.
    pub(super) fn compare_directory(&mut self, contact: ContactId, payload: &SessionKeyPayload) {
        if payload.directory_digest.0 == NO_DIRECTORY {
            return;
        }
        let week = KeyWeek::of(payload.created_at).begins();
        let told = WeekKey { week, digest: payload.directory_digest };
        let mut keys: TokenKeys = self.records.get(&RecordKey::only()).unwrap_or_default();
        let doubt = Doubt { contact, told };
        let known = keys.has_seen(&told) || keys.doubted.contains(&doubt);
        if !known && keys.doubted.len() < DOUBTS {
            keys.doubted.push(doubt);
            self.records.put(&RecordKey::only(), &keys);
        }
    }

    fn token_keys_differ(&mut self, id: ContactId) {
        let blocked = |contact: &Contact| contact.standing == Standing::Blocked;
        match self.contact(id) {
            Some(contact) if !blocked(&contact) => {
                self.tell(Event::TokenKeysDisputed { contact: Some(id) });
            }
            _ => {}
        }
    }
}
