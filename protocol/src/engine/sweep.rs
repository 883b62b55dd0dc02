//! Letting secrets go once nothing can arrive for them any more.

use super::account::{MessagingSecret, OneTimeSecret, PrekeyIds, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::interface::Millis;
use super::own_list::OwnList;
use super::records::RecordKey;
use super::turn::Turn;
use crate::limits::{ENVELOPE_AGE, LETTER_AGE, SIGNED_PREKEY_REFUSED};
use crate::types::DAY;

/// How long a sender may keep a bundle before using a one-time prekey in it. Signed prekeys are
/// held to their 14 days when they are used.
const BUNDLE_LIFE: i64 = 7 * DAY;
/// How long a sender goes on naming a prekey in a channel that is not answered.
const UNANSWERED_LIFE: i64 = 7 * DAY;
/// Envelopes stay at the server for 32 days, rounded up to the day.
const ENVELOPE_LIFE: i64 = ENVELOPE_AGE + DAY;
/// 54 days.
const SIGNED_PREKEY_KEPT: i64 = SIGNED_PREKEY_REFUSED + UNANSWERED_LIFE + ENVELOPE_LIFE;
/// The server gives one-time prekeys out for 90 days: 137 days.
const ONE_TIME_KEPT: i64 = 90 * DAY + BUNDLE_LIFE + UNANSWERED_LIFE + ENVELOPE_LIFE;
/// A letter may be made for a list until the list is refused, and lie for 30 days.
const OWN_LIST_KEPT: i64 = 14 * DAY + ENVELOPE_LIFE;
/// Letters name the list version that they were made for, and each messaging key comes with a version
/// of its own: none is stored for a key after the next one is published. Letters lie for 31 days; a
/// week more, because the next key's time is when it was made.
const MESSAGING_KEPT: i64 = LETTER_AGE + 7 * DAY;
const A_DAY: Millis = DAY * 1_000;

impl Turn<'_> {
    /// Once a day, secrets for which nothing can arrive any more are deleted.
    pub(super) fn sweep_if_due(&mut self) {
        if self.memory.upkeep.sweep_at.is_some_and(|at| at > self.now) {
            return;
        }
        self.memory.upkeep.sweep_at = Some(self.now + A_DAY);
        self.sweep_prekeys();
        self.sweep_lists();
        self.sweep_messaging_secrets();
        self.sweep_former_identities();
        self.sweep_sessions();
        self.sweep_seen();
        self.sweep_outbox();
        self.sweep_parts();
        self.sweep_sent();
        self.sweep_remarks();
        self.sweep_rekeyings();
        self.sweep_broken();
        self.sweep_told_keys();
        self.sweep_unlisted();
        self.sweep_unopened();
        self.sweep_healed();
        self.sweep_tokens();
    }

    fn sweep_prekeys(&mut self) {
        let time = self.time();
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        for (text, prekey) in self.records.list::<SignedPrekeySecret>(&[]) {
            let Ok(id) = u32::from_str_radix(&text, 16) else { continue };
            if id != ids.signed && time.since(prekey.created_at) > SIGNED_PREKEY_KEPT {
                self.records.delete(&SignedPrekeySecret::key(id));
                self.records.delete_all::<BaseKey>(&[&text]);
            }
        }
        for (text, prekey) in self.records.list::<OneTimeSecret>(&[]) {
            let Ok(id) = u32::from_str_radix(&text, 16) else { continue };
            if time.since(prekey.created_at) > ONE_TIME_KEPT {
                self.records.delete(&OneTimeSecret::key(id));
            }
        }
    }

    fn sweep_lists(&mut self) {
        let current = OwnList::current(self.records).map(|list| list.version);
        for (_, own) in self.records.list::<OwnList>(&[]) {
            let version = own.list.version;
            let old = self.time().since(own.list.signed_at) > OWN_LIST_KEPT;
            if old && current.is_some_and(|current| version < current) {
                self.records.delete(&OwnList::key(version));
            }
        }
    }

    fn sweep_messaging_secrets(&mut self) {
        let secrets = self.messaging_secrets();
        for (next, secret) in secrets.iter().zip(secrets.iter().skip(1)) {
            if self.time().since(next.created_at) > MESSAGING_KEPT {
                self.records.delete(&MessagingSecret::key(secret.key_version));
            }
        }
    }
}
