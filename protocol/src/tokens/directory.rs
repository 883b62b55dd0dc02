//! The issuer directory (RFC 9578 section 4), and its weeks.
//!
//! There is one key a week. A week begins at midnight (UTC) between Wednesday and Thursday, as 1970
//! did. A key stands in the directory from a day before its week, and its tokens are taken until a day
//! after it.

use super::{TOKEN_TYPE, TokenError};
use crate::encoding::Transcript;
use crate::types::{Bytes, DAY, Key, UnixTime};
use crate::wire::{IssuerDirectory, TokenKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use sha2::{Digest as _, Sha256};

/// Seconds for which a key issues.
pub const KEY_WEEK: i64 = 7 * DAY;
/// Seconds for which it is announced before.
pub const KEY_ANNOUNCED: i64 = DAY;
/// Seconds for which its tokens are taken after.
pub const KEY_GRACE: i64 = DAY;
/// The most keys that a directory has: the last week's, this week's, the next one's.
const MOST_KEYS: usize = 3;

/// An issuer key's week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyWeek(UnixTime);

impl KeyWeek {
    /// The week of this moment.
    pub fn of(at: UnixTime) -> Self {
        Self(UnixTime(at.0.div_euclid(KEY_WEEK).saturating_mul(KEY_WEEK)))
    }

    /// When its key begins to issue: `not-before` in the directory.
    pub fn begins(self) -> UnixTime {
        self.0
    }

    /// When its tokens are no longer taken, a day boundary.
    pub fn expires(self) -> UnixTime {
        self.0.plus(KEY_WEEK + KEY_GRACE)
    }

    /// The weeks whose keys are in the directory at this moment, in order.
    pub fn shown(now: UnixTime) -> Vec<Self> {
        let weeks = [now.plus(-KEY_GRACE), now, now.plus(KEY_ANNOUNCED)];
        let mut weeks = weeks.map(Self::of).to_vec();
        weeks.dedup();
        weeks
    }
}

/// A directory of these keys.
pub fn directory_of(keys: impl IntoIterator<Item = (KeyWeek, Key)>) -> IssuerDirectory {
    let key = |(week, key): (KeyWeek, Key)| TokenKey {
        token_type: TOKEN_TYPE,
        token_key: URL_SAFE.encode(key.0),
        not_before: week.begins(),
    };
    IssuerDirectory {
        issuer_request_uri: "/v1/tokens".to_owned(),
        token_keys: keys.into_iter().map(key).collect(),
    }
}

/// What a directory says: one key for each of its weeks.
///
/// # Errors
/// [`TokenError::Directory`] where it says more or other things: a key that begins at no week's
/// beginning, two for one week, or many, could mark whoever is shown them.
pub fn weeks_of(directory: &IssuerDirectory) -> Result<Vec<(KeyWeek, Key)>, TokenError> {
    let of_type = directory.token_keys.iter().filter(|key| key.token_type == TOKEN_TYPE);
    let mut weeks = Vec::new();
    for key in of_type {
        let bytes = URL_SAFE.decode(&key.token_key).map_err(|_| TokenError::Directory)?;
        let bytes = bytes.try_into().map_err(|_| TokenError::Directory)?;
        let week = KeyWeek::of(key.not_before);
        let known = weeks.iter().any(|(known, _)| *known == week);
        if week.begins() != key.not_before || known || weeks.len() == MOST_KEYS {
            return Err(TokenError::Directory);
        }
        weeks.push((week, Bytes(bytes)));
    }
    Ok(weeks)
}

/// What envelopes say of the directory: a digest of the key of one week, the week in which the
/// session began. Two people who were shown the same key for a week have the same digest, whatever
/// else stood in the directory when each of them looked.
pub fn directory_digest(week: KeyWeek, key: &Key) -> Key {
    let transcript = Transcript::new("letterbox/2 issuer directory")
        .u64(TOKEN_TYPE.into())
        .time(week.begins())
        .field(&key.0)
        .finish();
    Bytes(Sha256::digest(transcript).into())
}
