//! Revoking a device, and what the account's other devices and its contacts' devices do once one is
//! gone: nothing more is taken from it, and with it goes, where it is not in its owner's hands, the
//! identity that it knew.

use super::account::{Account, MessagingSecret, PrekeyIds, SignedPrekeySecret};
use super::certificates::OwnCertificate;
use super::contacts::Contact;
use super::devices::OwnDevices;
use super::envelopes::InSession;
use super::interface::{ContactId, Event};
use super::lookup::CachedBundle;
use super::outbound::OutSession;
use super::own_list::OwnList;
use super::records::{Record, RecordKey};
use super::rotation::{Change, Intent};
use super::turn::Turn;
use crate::handshake::Party;
use crate::keys::{IdentitySecret, sign_prekey};
use crate::limits::{CLOCK_SKEW, ENVELOPE_AGE};
use crate::types::{DAY, DeviceId, Key, UnixTime};
use crate::wire::{Devices, ReplaceIdentity, ResignedPrekey, SignedDeviceList};
use minicbor::{Decode, Encode};

/// An identity key that this account had: `former-identity/<key>`. What was under way when it was
/// replaced was still made for it.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct FormerIdentity {
    #[n(0)]
    pub(super) key: Key,
    #[n(1)]
    replaced_at: UnixTime,
    /// Its secret signs nothing any more. It tells whose the sessions are that were made for it.
    #[n(2)]
    pub(super) secret: Option<IdentitySecret>,
}

impl Record for FormerIdentity {
    const KIND: &'static str = "former-identity";
}

impl FormerIdentity {
    fn key(key: &Key) -> RecordKey<Self> {
        RecordKey::of(&[&key.to_text()])
    }
}

/// Nothing made for an identity arrives later: a sender learns of the next one within a day.
const FORMER_KEPT: i64 = ENVELOPE_AGE + 2 * DAY;

impl Turn<'_> {
    /// Takes a device off the account, with another identity where it is `lost`. A touch is asked for.
    pub(super) fn revoke_device(&mut self, device: DeviceId, lost: bool) {
        if self.is_sibling(&device) {
            self.intend(Intent::Revoke { device, lost });
        }
    }

    /// A contact's list does not name some device any more: of what that device began, only letters
    /// from before are taken.
    pub(super) fn close_sessions_of_unlisted(&mut self, id: ContactId, list: &SignedDeviceList) {
        for (text, session) in self.records.list::<InSession>(&[]) {
            let listed = list.names(&session.device);
            if session.contact == id
                && !listed
                && session.closed_at.is_none()
                && let Ok(session_id) = text.parse()
            {
                let closed_at = Some(list.signed_at);
                let closed = InSession { closed_at, ..session };
                self.records.put(&InSession::key(session_id), &closed);
            }
        }
    }

    /// Whether a letter was stored when a revoked device may have had the key of its session, whoever
    /// writes in it: more than [`CLOCK_SKEW`] after the signing of a list that came after the one whose
    /// devices got the key, and names one of them no more. Where this device never saw that one, any
    /// later list counts: honest writers begin a session with each.
    pub(super) fn is_held_by_revoked(&self, session: &InSession, stored: UnixTime) -> bool {
        if session.made_for == 0 {
            return false; // A vault of an earlier version does not say for which list.
        }
        let lists: Vec<SignedDeviceList> = OwnList::taken(self.records).collect();
        let held = lists.iter().find(|list| list.version == session.made_for);
        let keeps_all = |list: &SignedDeviceList| {
            held.is_some_and(|held| held.devices.iter().all(|device| list.names(&device.device_id)))
        };
        let left = lists.iter().find(|list| list.version > session.made_for && !keeps_all(list));
        left.is_some_and(|list| stored > list.signed_at.plus(CLOCK_SKEW))
    }

    /// This device is not one of the account's any more. What the vault holds stays readable; nothing
    /// more is taken or sent.
    pub(super) fn device_revoked(&mut self) {
        self.end_sessions();
        self.records.delete(&RecordKey::<OwnCertificate>::only());
        self.device_unknown();
    }

    /// The next letter to anybody begins a new session. A session whose first letter is under way
    /// ends with that letter's answer.
    pub(super) fn end_sessions(&mut self) {
        self.records.delete_all::<OutSession>(&[]);
        self.records.delete_all::<CachedBundle>(&[]);
    }

    /// From here on the account has another identity. Everything that was made under the one before is
    /// made anew: certificate, sessions, channels, the prekey's signature.
    pub(super) fn replace_identity(&mut self, identity: IdentitySecret) {
        let Some(account) = self.account() else { return };
        let (key, replaced_at) = (account.identity.public(), self.time());
        let secret = Some(account.identity);
        let former = FormerIdentity { key, replaced_at, secret };
        self.records.put(&FormerIdentity::key(&former.key), &former);
        let account = Account { identity, ..account };
        self.records.put(&RecordKey::only(), &account);
        self.sign_prekey_anew(&account);
        self.records.delete(&RecordKey::<OwnCertificate>::only());
        self.memory.upkeep.certificate_at = Some(self.now);
        self.end_sessions();
        if let Some((id, contact)) = self.contact_by_phone(&account.phone) {
            let identity = account.identity.public();
            self.put_contact(id, &Contact { identity, ..contact });
        }
    }

    /// The device that revoked has signed the siblings' prekeys anew; Ed25519 signatures of the same
    /// are the same.
    fn sign_prekey_anew(&mut self, account: &Account) {
        let ids: PrekeyIds = self.records.get(&RecordKey::only()).unwrap_or_default();
        for id in [ids.published, ids.signed] {
            let key = SignedPrekeySecret::key(id);
            let prekey: Option<SignedPrekeySecret> = self.records.get(&key);
            if let Some(prekey) = prekey {
                let (identity, device) = (&account.identity, &account.device_id);
                let (time, public) = (prekey.created_at, prekey.secret.public());
                let signature = sign_prekey(identity, device, id, time, &public).signature;
                self.records.put(&key, &SignedPrekeySecret { signature, ..prekey });
            }
        }
    }

    /// Names are sealed under the identity: those that opened are sealed anew.
    pub(super) fn name_devices_anew(&mut self, list: &SignedDeviceList) {
        let (Some(account), Some((known, _))) = (self.account(), OwnDevices::of(self.records))
        else {
            return;
        };
        for device in &list.devices {
            if let Some(name) = known.name(&device.device_id) {
                self.upload_name(&account, device.device_id, name.to_owned());
            }
        }
    }

    /// A sibling has replaced the identity, and its word holds.
    pub(super) fn sibling_replaced_identity(
        &mut self,
        identity: IdentitySecret,
        messaging: &MessagingSecret,
        list: &SignedDeviceList,
    ) {
        self.records.delete(&RecordKey::<Change>::only());
        self.replace_identity(identity);
        self.take_messaging_secret(messaging);
        self.take_own_list(list);
        self.tell(Event::IdentityReplaced);
    }

    /// This device as others may have known it when they wrote: under the identity of now first.
    pub(super) fn own_parties(&self, account: &Account) -> Vec<Party> {
        let former = self.records.list::<FormerIdentity>(&[]).into_iter();
        let former =
            former.map(|(_, former)| Party { identity_key: former.key, ..account.party() });
        std::iter::once(account.party()).chain(former).collect()
    }

    pub(super) fn sweep_former_identities(&mut self) {
        for (_, former) in self.records.list::<FormerIdentity>(&[]) {
            if self.time().since(former.replaced_at) > FORMER_KEPT {
                self.records.delete(&FormerIdentity::key(&former.key));
            }
        }
    }
}

impl Change {
    /// The identity part of a revocation: every device that stays keeps its prekey, signed anew.
    pub(super) fn replaces(&self, identity: &IdentitySecret, known: &Devices) -> ReplaceIdentity {
        let resign = |info: &crate::wire::DeviceInfo| {
            let old = &info.signed_prekey;
            let (id, time) = (old.key_id, old.created_at);
            let signed_prekey = sign_prekey(identity, &info.device_id, id, time, &old.public_key);
            ResignedPrekey { device_id: info.device_id, signed_prekey }
        };
        let devices = known.devices.iter().filter(|info| self.list.names(&info.device_id));
        ReplaceIdentity {
            identity_key: identity.public(),
            signed_prekeys: devices.map(resign).collect(),
        }
    }
}

/// Whether a closed session still takes a letter: one that was stored before the list without its
/// device was signed, or in the same hour.
pub(super) fn takes_letter(session: &InSession, stored: UnixTime) -> bool {
    session.closed_at.is_none_or(|closed_at| stored <= closed_at)
}
