//! The state of this device's keys, as the page "Keys" shows it.

use super::account::{Account, MessagingSecret, PrekeyIds, SignedPrekeySecret};
use super::capsules::{Recovery, recovery_method};
use super::consistency::KeyState;
use super::interface::{Event, KeysView, Millis, Write};
use super::outbound::OutSession;
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey, Records};
use super::rotation::Change;
use super::settings::Settings;
use super::turn::Turn;
use crate::types::{Bytes, Key};
use sha2::{Digest, Sha256};

const SECOND: Millis = 1_000;
/// The records from which the view is made.
const SHOWN: [&str; 9] = [
    Account::KIND,
    MessagingSecret::KIND,
    OwnList::KIND,
    PrekeyIds::KIND,
    OutSession::KIND,
    KeyState::KIND,
    Change::KIND,
    Settings::KIND,
    Recovery::KIND,
];

/// How the keys are; `None` before they are published.
pub(super) fn keys_view(records: &Records) -> Option<KeysView> {
    let account: Account = records.get(&RecordKey::only())?;
    let list = OwnList::current(records)?;
    let messaging = records.list::<MessagingSecret>(&[]).pop().map(|(_, secret)| secret)?;
    let ids: PrekeyIds = records.get(&RecordKey::only())?;
    let prekey: SignedPrekeySecret = records.get(&SignedPrekeySecret::key(ids.signed))?;
    let state: KeyState = records.get(&RecordKey::only()).unwrap_or_default();
    let settings: Settings = records.get(&RecordKey::only()).unwrap_or_default();
    Some(KeysView {
        identity_fingerprint: fingerprint(&account.identity.public()),
        messaging_version: messaging.key_version,
        messaging_since: messaging.created_at.0 * SECOND,
        list_version: list.version,
        list_since: list.signed_at.0 * SECOND,
        signed_prekey: ids.signed,
        signed_prekey_since: prekey.created_at.0 * SECOND,
        one_time_prekeys: state.one_time_prekeys,
        sessions: records.list::<OutSession>(&[]).len().try_into().unwrap_or(u32::MAX),
        checked_at: state.checked_at.min(state.looked_up_at),
        recovery: recovery_method(records),
        rotating: records.has(&RecordKey::<Change>::only()),
        receipts: settings.receipts,
    })
}

/// The first half of SHA-256.
fn fingerprint(key: &Key) -> Bytes<16> {
    let digest: [u8; 32] = Sha256::digest(key.0).into();
    let (half, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    Bytes(*half)
}

impl Turn<'_> {
    /// Tells the keys and the devices where this step's writes change how they are shown.
    pub(super) fn tell_own_state(&mut self) {
        let kinds = |write: &Write| write.key.split('/').next().unwrap_or_default().to_owned();
        let written: Vec<String> = self.out.writes.iter().map(kinds).collect();
        if written.iter().any(|kind| kind == super::devices::OwnDevices::KIND) {
            self.tell_devices();
        }
        if !written.iter().any(|kind| SHOWN.contains(&kind.as_str())) {
            return;
        }
        let published = self.account().is_some_and(|account| account.published);
        let Some(keys) = keys_view(self.records).filter(|_| published) else { return };
        let rotating = keys.rotating || self.is_asked(Purpose::publishes_keys);
        let keys = KeysView { rotating, ..keys };
        if self.memory.keys.told.as_ref() != Some(&keys) {
            self.memory.keys.told = Some(keys.clone());
            self.tell(Event::Keys { keys });
        }
    }
}
