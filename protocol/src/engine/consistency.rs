//! Whether the server serves what this account published: to this device, which asks for itself, and to
//! a stranger, as which it asks at random times, because the server that one asks may be the one that
//! lies.

use super::account::{MessagingSecret, SignedPrekeySecret};
use super::interface::{Event, Millis};
use super::own_list::OwnList;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::recovery::is_outdated;
use super::requests::{Answer, Method};
use super::session::Session;
use super::turn::Turn;
use crate::bundle::check_bundle;
use crate::device_list::{check_undated, hash};
use crate::key_check::key_check_digest;
use crate::types::{DAY, Key};
use crate::wire::{
    CheckKeys, KeyBundle, KeysChecked, Lookup, SignedPrekey, WantedPrekeys, problems,
};
use minicbor::{Decode, Encode};

/// What is known of how the keys are served: `key-state`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct KeyState {
    /// One-time prekeys at the server, by its last answer.
    #[n(0)]
    pub(super) one_time_prekeys: Option<u32>,
    /// When this device was last served what it published.
    #[n(1)]
    pub(super) checked_at: Option<Millis>,
    /// When a stranger was.
    #[n(2)]
    pub(super) looked_up_at: Option<Millis>,
    /// When to ask as a stranger next.
    #[n(3)]
    look_up_at: Option<Millis>,
    /// The last answer to this device was something else.
    #[n(4)]
    altered_here: bool,
    /// The last answer to a stranger was.
    #[n(5)]
    altered_outside: bool,
}

impl Record for KeyState {
    const KIND: &'static str = "key-state";
}

/// What was known to be published when a stranger's look-up was asked: the answer may be from then,
/// however long it took.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) list: u64,
    pub(super) prekey: u32,
}

const MINUTE: Millis = 60_000;
const A_DAY: Millis = DAY * 1_000;

impl Turn<'_> {
    fn key_state(&self) -> KeyState {
        self.records.get(&RecordKey::only()).unwrap_or_default()
    }

    fn put_key_state(&mut self, state: &KeyState) {
        self.records.put(&RecordKey::only(), state);
    }

    pub(super) fn count_one_time_prekeys(&mut self, left: u32) {
        let one_time_prekeys = Some(left);
        self.put_key_state(&KeyState { one_time_prekeys, ..self.key_state() });
    }

    /// A day after the last check, in whichever session that was; soon where that is past, because
    /// somebody may not stay for long.
    pub(super) fn plan_check(&mut self) {
        let next = self.key_state().checked_at.map_or(self.now, |at| at + A_DAY);
        let next = next.clamp(self.now, self.now + A_DAY);
        self.memory.upkeep.check_at = Some(next + self.around(MINUTE));
    }

    /// Once a day, and after every upload.
    pub(super) fn check_keys_if_due(&mut self) {
        if self.memory.upkeep.check_at.is_some_and(|at| at <= self.now) {
            self.memory.upkeep.check_at = Some(self.now + self.around(A_DAY));
            self.check_keys();
        }
    }

    /// Not while a change is in doubt: the server may or may not have it.
    pub(super) fn check_keys(&mut self) {
        if self.is_unsettled() || self.is_asked(|purpose| *purpose == Purpose::CheckKeys) {
            return;
        }
        let Some(digest) = self.served_digest() else { return };
        let body = serde_json::to_string(&CheckKeys { digest }).ok();
        self.memory.keys.checked_digest = Some(digest);
        self.ask(Purpose::CheckKeys, Method::Post, "/v1/keys/check", body);
    }

    /// Whether something that this device published may or may not be at the server.
    pub(super) fn is_unsettled(&self) -> bool {
        let ids = self.prekey_ids();
        ids.signed > ids.published
            || self.pending_list().is_some()
            || self.is_asked(Purpose::publishes_keys)
    }

    /// What the server should be serving for this device; `None` where a sibling has replaced the
    /// messaging key and this device has yet to receive it.
    fn served_digest(&self) -> Option<Key> {
        let account = self.account()?;
        let list = OwnList::current(self.records)?;
        let secrets = self.messaging_secrets();
        let messaging_key = secrets.first().map(MessagingSecret::signed)?;
        if messaging_key.public_key != list.messaging_key {
            return None;
        }
        let prekey = self.served_prekey()?;
        let identity = account.identity.public();
        Some(key_check_digest(&identity, &list, &messaging_key, &account.device_id, &prekey))
    }

    fn served_prekey(&self) -> Option<SignedPrekey> {
        let (key_id, prekey) = self.newest_signed_prekey()?;
        Some(prekey.signed(key_id))
    }

    pub(super) fn keys_checked(&mut self, answer: &Answer) {
        let Some(checked) = answer.read::<KeysChecked>() else { return };
        if checked.matches {
            self.memory.keys.check_doubted = false;
            let (checked_at, altered_here) = (Some(self.now), false);
            self.put_key_state(&KeyState { checked_at, altered_here, ..self.key_state() });
            self.tell_intact();
        } else if self.is_unsettled() || self.memory.keys.checked_digest != self.served_digest() {
            // The keys have changed here since it was asked.
            let soon = self.now + self.around(10 * MINUTE);
            self.memory.upkeep.check_at = Some(soon);
        } else if std::mem::take(&mut self.memory.keys.check_doubted) {
            self.served_altered();
        } else {
            // A sibling may have changed them.
            self.memory.keys.check_doubted = true;
            self.want_devices();
        }
    }

    /// A check that did not hold is made once more, now that the devices are known as they are.
    pub(super) fn check_doubted_keys(&mut self) {
        if self.memory.keys.check_doubted {
            self.check_keys();
        }
    }

    fn tell_intact(&mut self) {
        let state = self.key_state();
        if !state.altered_here && !state.altered_outside {
            self.tell(Event::KeysIntact);
        }
    }

    /// The server serves this device something else than was published.
    pub(super) fn served_altered(&mut self) {
        self.put_key_state(&KeyState { altered_here: true, ..self.key_state() });
        self.tell(Event::KeysAltered);
    }

    /// A stranger is served something else.
    fn served_altered_outside(&mut self) {
        self.put_key_state(&KeyState { altered_outside: true, ..self.key_state() });
        self.tell(Event::KeysAltered);
    }

    // ---- as a stranger ----

    /// Asks as a stranger soon: somebody says that they were shown another list.
    pub(super) fn look_up_soon(&mut self) {
        let soon = self.now + self.around(10 * MINUTE);
        self.plan_look_up(soon);
    }

    fn plan_look_up(&mut self, at: Millis) {
        let state = self.key_state();
        let look_up_at = Some(state.look_up_at.map_or(at, |planned| planned.min(at)));
        self.put_key_state(&KeyState { look_up_at, ..state });
    }

    /// About once a day, at a moment that has nothing to do with what else this device does.
    pub(super) fn look_up_itself_if_due(&mut self) {
        let state = self.key_state();
        match state.look_up_at {
            _ if !self.knows_its_keys() => {}
            Some(at) if at > self.now && at <= self.now + 2 * A_DAY => {}
            // Not with what opened the vault, which the moment would tell; and however short the
            // visits are, in one of them its moment comes.
            Some(at) if at <= self.now && !std::mem::replace(&mut self.memory.keys.awake, true) => {
                let look_up_at = Some(self.now + self.pool_pause());
                self.put_key_state(&KeyState { look_up_at, ..state });
            }
            Some(at) if at <= self.now => {
                let look_up_at = Some(self.now + self.around(A_DAY));
                self.put_key_state(&KeyState { look_up_at, ..state });
                self.look_up_itself();
            }
            _ => {
                let look_up_at = Some(self.now + self.around(A_DAY));
                self.put_key_state(&KeyState { look_up_at, ..state });
            }
        }
    }

    pub(super) fn next_look_up_at(&self) -> Option<Millis> {
        self.key_state().look_up_at.filter(|_| self.knows_its_keys())
    }

    /// Whether what this device knows of the account's keys is what should be served.
    fn knows_its_keys(&self) -> bool {
        let published = self.account().is_some_and(|account| account.published);
        published && self.is_listed() && !is_outdated(self.records)
    }

    fn look_up_itself(&mut self) {
        let (Some(account), Some(list)) = (self.account(), OwnList::current(self.records)) else {
            return;
        };
        if self.is_asked(|purpose| matches!(purpose, Purpose::OwnLookup { .. })) {
            return;
        }
        let lookup = Lookup { phone: account.phone, prekeys: WantedPrekeys::Devices(Vec::new()) };
        if let Ok(body) = serde_json::to_string(&lookup) {
            let prekey = self.prekey_ids().published;
            let purpose = Purpose::OwnLookup { known: list.version, prekey };
            self.ask_sealed(purpose, "/v1/sealed/lookup", body);
        }
    }

    pub(super) fn own_look_up_answered(&mut self, asked: Asked, answer: &Answer) {
        if !self.knows_its_keys() {
            return;
        }
        if answer.problem().as_deref() == Some(problems::NO_SUCH_MAILBOX) {
            return self.another_served_outside();
        }
        let (Some(bundle), Some(account)) = (answer.read::<KeyBundle>(), self.account()) else {
            return;
        };
        let identity = account.identity.public();
        if bundle.identity_key != identity && self.memory.session == Session::Lost {
            return self.another_served_outside();
        }
        let list = check_undated(&bundle.device_list, &identity, &account.phone);
        let without_this = list.ok().filter(|list| list.device(&account.device_id).is_none());
        match without_this.filter(|list| list.version() > asked.list) {
            Some(list) => self.take_own_list(list.signed()), // Revoked.
            None => self.compare_look_up(asked, bundle, true),
        }
    }

    /// Another account has the number, or none: for a device that cannot sign in either, its own is
    /// gone.
    fn another_served_outside(&mut self) {
        if self.memory.session == Session::Lost {
            self.device_unknown();
        } else {
            self.served_altered_outside();
        }
    }

    /// A list that this device has not seen may be a sibling's: it is fetched first, then compared.
    pub(super) fn compare_waiting_look_up(&mut self) {
        if let Some((asked, bundle)) = self.memory.keys.looked_up.take() {
            self.compare_look_up(asked, bundle, false);
        }
    }

    fn compare_look_up(&mut self, asked: Asked, bundle: KeyBundle, may_fetch: bool) {
        let current = OwnList::current(self.records).map_or(0, |list| list.version);
        let unsettled = self.is_unsettled();
        match self.holds_outside(asked, &bundle) {
            Some(true) => {
                let (looked_up_at, altered_outside) = (Some(self.now), false);
                let state = self.key_state();
                self.put_key_state(&KeyState { looked_up_at, altered_outside, ..state });
                self.tell_intact();
            }
            // Overtaken by a change of this device's own: the next one tells.
            _ if unsettled || self.is_overtaken(asked, &bundle) => self.look_up_soon(),
            Some(false) if bundle.device_list.version == current || !may_fetch => {
                self.served_altered_outside();
            }
            _ if may_fetch => {
                self.memory.keys.looked_up = Some((asked, bundle));
                self.want_devices();
            }
            _ => self.served_altered_outside(),
        }
    }

    /// Whether what a stranger is served is what this device knows to be published; `None` where its
    /// list is newer than any known here.
    fn holds_outside(&self, asked: Asked, bundle: &KeyBundle) -> Option<bool> {
        let account = self.account()?;
        let (identity, time) = (account.identity.public(), self.time());
        let verified = check_bundle(bundle, &account.phone, Some(&identity), time, asked.list);
        let Ok(verified) = verified else { return Some(false) };
        let own: Option<OwnList> = self.records.get(&OwnList::key(verified.list.version()));
        let newest = OwnList::current(self.records)?.version;
        let same = match own.filter(|own| own.published) {
            Some(own) => hash(&own.list) == verified.list.hash(),
            None if verified.list.version() > newest => return None,
            None => true, // A version that a sibling published and replaced meanwhile.
        };
        let mine = bundle.prekeys.iter().find(|mine| mine.device_id == account.device_id)?;
        let id = mine.signed_prekey.key_id;
        let prekey: Option<SignedPrekeySecret> = self.records.get(&SignedPrekeySecret::key(id));
        let published = asked.prekey..=self.prekey_ids().published;
        let prekey = prekey.is_some_and(|own| own.signed(id) == mine.signed_prekey);
        Some(same && prekey && published.contains(&id))
    }

    /// The identity was replaced while the answer was under way, or this vault is an older copy of
    /// what the device was, which the status tells.
    fn is_overtaken(&self, asked: Asked, bundle: &KeyBundle) -> bool {
        let device = self.account().map(|account| account.device_id);
        let mut mine = bundle.prekeys.iter().filter(|mine| Some(mine.device_id) == device);
        if mine.any(|mine| mine.signed_prekey.key_id > self.prekey_ids().signed) {
            return true;
        }
        let newest = OwnList::current(self.records).map_or(0, |list| list.version);
        let own = self.account().map(|account| self.own_parties(&account)).unwrap_or_default();
        own.iter().skip(1).any(|former| former.identity_key == bundle.identity_key)
            && (asked.list..newest).contains(&bundle.device_list.version)
    }
}
