//! Envelopes coming in: session keys, every binding checked before anything is kept.

use super::account::Account;
use super::certificates::ServerRecord;
use super::contacts::Contact;
use super::identities::Change;
use super::interface::{ContactId, Event, Standing};
use super::live::Acks;
use super::opening::Opened;
use super::outbound::OwnSession;
use super::own_list::OwnList;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::account_keys::{ChannelPayload, UnknownPayload};
use crate::certificate::CertificateError;
use crate::channel::ChannelMessage;
use crate::limits::SESSION_GRACE;
use crate::order::put_in_order;
use crate::sealing::{EnvelopeBinding, open_envelope};
use crate::session_key::SessionKeyPayload;
use crate::sessions::{InboundSession, PayloadContext, PayloadError};
use crate::types::{Bytes, DAY, DeviceId, Key, MessageId, UnixTime};
use crate::wire::{InboxEnvelope, SignedDeviceList};
use minicbor::{Decode, Encode};

/// A session in which somebody writes to this mailbox: `in/<session id>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct InSession {
    #[n(0)]
    pub(super) contact: ContactId,
    #[n(1)]
    pub(super) device: DeviceId,
    #[n(2)]
    pub(super) session: InboundSession,
    /// The letters taken from it: what comes again under another name was not among them.
    #[n(3)]
    #[cbor(default)]
    pub(super) taken: Vec<MessageId>,
    /// When its device was seen to be revoked: of letters stored later none is taken.
    #[n(4)]
    pub(super) closed_at: Option<UnixTime>,
    /// The version of the own list whose devices got its key.
    #[n(5)]
    #[cbor(default)]
    pub(super) made_for: u64,
}

impl Record for InSession {
    const KIND: &'static str = "in";
}

impl InSession {
    pub(super) fn key(id: Bytes<16>) -> RecordKey<Self> {
        RecordKey::of(&[&id.to_text()])
    }
}

/// What became of an envelope.
pub(super) enum Fate {
    /// Its session key is in the vault, or was before.
    Taken,
    /// It will never open: forged, damaged, repeated, or for keys that are gone.
    Useless,
    /// It may hold, but not with what is known now. It stays at the server.
    Held,
}

/// The most sessions kept for one of a contact's devices. Somebody who writes 100 letters a day
/// begins about 66 in the time for which sessions are kept.
const SESSIONS: usize = 70;
/// The most sessions kept for one contact, whatever its devices are called.
const SESSIONS_OF_ALL: usize = 280;
/// As many for somebody blocked: enough to know, and acknowledge, what they write now.
const SESSIONS_BLOCKED: usize = 4;
/// The most envelopes of one contact that wait for a version of this program that can read them.
const UNREADABLE: usize = 4;
/// Own letters come back for as long as they lie in the mailbox.
const OWN_SESSION_KEPT: i64 = SESSION_GRACE + 32 * DAY;

impl Turn<'_> {
    /// Takes an envelope up. What can never be opened is acknowledged too, so that rubbish does not
    /// fill the mailbox; what may open later is not.
    pub(super) fn receive_envelope(&mut self, envelope: InboxEnvelope, acks: &mut Acks) {
        let Some(account) = self.account() else { return };
        if !self.may_be_stored_at(envelope.created_at) {
            return;
        }
        match self.take_envelope(&account, &envelope, acks) {
            Fate::Taken | Fate::Useless => acks.envelopes.push(envelope.session_key_id),
            Fate::Held => self.memory.held.hold_envelope(envelope),
        }
    }

    /// The server's certificate keys have come.
    pub(super) fn try_held_envelopes(&mut self) {
        let mut acks = Acks::default();
        for envelope in self.memory.held.take_envelopes() {
            self.receive_envelope(envelope, &mut acks);
        }
        self.acknowledge(acks);
    }

    fn take_envelope(
        &mut self,
        account: &Account,
        envelope: &InboxEnvelope,
        acks: &mut Acks,
    ) -> Fate {
        let binding = EnvelopeBinding {
            phone: &account.phone,
            registration_id: account.registration_id,
            session_key_id: &envelope.session_key_id,
            device_id: &account.device_id,
        };
        let message = open_envelope(&account.device, &binding, &envelope.encrypted_session_key.0)
            .ok()
            .and_then(|content| ChannelMessage::from_cbor(&content).ok());
        let Some(message) = message else { return Fate::Useless };
        let Some(opened) = self.open_message(account, &message, envelope.created_at) else {
            return Fate::Useless;
        };
        self.take_session_key(account, envelope, opened, acks)
    }

    /// Checks what the channel brought, and keeps it only where everything holds.
    fn take_session_key(
        &mut self,
        account: &Account,
        envelope: &InboxEnvelope,
        opened: Opened,
        acks: &mut Acks,
    ) -> Fate {
        let stored = envelope.created_at;
        let payload = match ChannelPayload::from_cbor(&opened.payload) {
            Ok(ChannelPayload::Session(payload)) => payload,
            Ok(ChannelPayload::Account(keys)) => {
                return self.take_account_envelope(account, *keys, opened, stored);
            }
            Ok(ChannelPayload::Rekey(rekeyed)) => {
                return self.take_rekeyed_envelope(account, *rekeyed, opened, stored, acks);
            }
            Err(UnknownPayload) => return self.fate_of_unreadable(envelope, &opened),
        };
        let known = self.contact_by_phone(&payload.sender.phone);
        let contact = known.as_ref().map(|(_, contact)| contact);
        match self.check_payload(account, &payload, &opened, contact, stored) {
            // The identity alone does not make a sibling: a device that was revoked knows it too.
            Ok(_) if self.speaks_unlisted(account, &payload.sender) => self.fate_of_unlisted(),
            Ok(list) => self.keep_checked(known, &payload, list, opened, acks),
            Err(PayloadError::IdentityChanged) => {
                // Whether it truly is another identity, or a forgery, only the rest can tell.
                match (self.check_payload(account, &payload, &opened, None, stored), known) {
                    (Ok(list), Some((id, contact))) => {
                        self.take_other_identity(id, &contact, &payload, list, opened, acks)
                    }
                    (Err(error), _) => self.fate_of_refused(error, stored),
                    (Ok(_), None) => Fate::Useless,
                }
            }
            Err(error @ (PayloadError::OwnListsDiffer | PayloadError::OwnListUnknown)) => {
                self.other_list_told(known, error);
                self.fate_of_refused(error, stored)
            }
            Err(error) => self.fate_of_refused(error, stored),
        }
    }

    /// Everything about it holds: it is kept.
    fn keep_checked(
        &mut self,
        known: Option<(ContactId, Contact)>,
        payload: &SessionKeyPayload,
        list: SignedDeviceList,
        opened: Opened,
        acks: &mut Acks,
    ) -> Fate {
        let from = known.as_ref().map(|(id, _)| *id);
        if self.is_one_handshake_too_many(from, &opened) {
            return Fate::Useless;
        }
        let contact = self.sender(known, payload, list);
        self.keep_channel(contact, &payload.sender.device_id, &payload.sender_list, opened);
        self.keep_session(contact, payload, acks);
        self.compare_directory(contact, payload);
        Fate::Taken
    }

    /// Everything holds, under another identity than the pinned one. What comes under one that was
    /// pinned before waits for the server to serve that one again: it may be late, or a thief's.
    fn take_other_identity(
        &mut self,
        id: ContactId,
        contact: &Contact,
        payload: &SessionKeyPayload,
        list: SignedDeviceList,
        opened: Opened,
        acks: &mut Acks,
    ) -> Fate {
        let identity = payload.sender.identity_key;
        if contact.former.contains(&identity) {
            return Fate::Held;
        }
        let before = payload.created_at.0.saturating_mul(1_000) - 1;
        match self.identity_differs(id, identity, before) {
            Change::Taken => {
                let known = self.contact(id).map(|contact| (id, contact));
                self.keep_checked(known, payload, list, opened, acks)
            }
            Change::Waits => {
                self.keep_quiet(id);
                Fate::Held
            }
            Change::Refused => Fate::Useless,
        }
    }

    /// Somebody was shown a list of the own devices that is not known here. A sibling may have signed
    /// it, so the devices are fetched first; if they do not explain it, the person is told, and a
    /// stranger's look-up will show whether the server shows it to others as well.
    fn other_list_told(&mut self, from: Option<(ContactId, Contact)>, error: PayloadError) {
        if error == PayloadError::OwnListUnknown && !self.memory.keys.devices_are_fresh {
            return self.want_devices();
        }
        self.look_up_soon();
        match from {
            Some((_, contact)) if contact.standing == Standing::Blocked => {}
            Some((contact, _)) => self.tell(Event::ListDisputed { contact }),
            None => {}
        }
    }

    /// From a device that was believed before it is perhaps for a newer version to read.
    fn fate_of_unreadable(&mut self, envelope: &InboxEnvelope, opened: &Opened) -> Fate {
        let Some(known) = &opened.known else { return Fate::Useless };
        let labels = self.memory.held.unreadable.entry(known.contact).or_default();
        if labels.len() < UNREADABLE || labels.contains(&envelope.session_key_id) {
            labels.insert(envelope.session_key_id);
            return Fate::Held;
        }
        Fate::Useless
    }

    /// A certificate under a key that the server has not told waits until the server tells its keys
    /// again, which happens on a schedule of its own. One that those do not sign either is forged.
    fn fate_of_refused(&self, error: PayloadError, stored: UnixTime) -> Fate {
        let waits = match error {
            PayloadError::Certificate(CertificateError::Signature) => {
                !self.server_known_since(stored)
            }
            // Where this vault is an older copy, the list may become known yet.
            PayloadError::OwnListUnknown => true,
            _ => false,
        };
        if waits { Fate::Held } else { Fate::Useless }
    }

    fn check_payload(
        &self,
        account: &Account,
        payload: &SessionKeyPayload,
        opened: &Opened,
        contact: Option<&Contact>,
        stored: UnixTime,
    ) -> Result<SignedDeviceList, PayloadError> {
        let server: Option<ServerRecord> = self.records.get(&RecordKey::only());
        let (version, made_for) = (payload.recipient_list_version, &payload.recipient_list_hash);
        let own_list = OwnList::named(self.records, version, made_for);
        let own_list = own_list.ok_or(PayloadError::Recipient)?;
        let parties = self.own_parties(account);
        let own = |key: &Key| parties.iter().map(|party| party.identity_key).find(|k| k == key);
        let identity = account.identity.public();
        // Nobody else speaks for the own number, known as a contact or not; a sibling may have
        // written before the identity was replaced.
        let sibling = self.is_a_siblings_device(&payload.sender);
        let former = own(&payload.sender.identity_key).filter(|_| sibling);
        let pinned = match contact {
            _ if payload.sender.phone == account.phone => Some(former.unwrap_or(identity)),
            Some(contact) => Some(contact.identity),
            None => None,
        };
        let context = PayloadContext {
            channel_peer: opened.channel.peer(),
            phone: &account.phone,
            identity_key: &own(&payload.recipient_identity).unwrap_or(identity),
            own_list: &own_list,
            pinned_identity: pinned.as_ref(),
            known_list: contact.and_then(|contact| contact.list.as_ref()),
            unlisted_until: contact.and_then(|contact| self.unlisted_until(contact)),
            server_keys: server.as_ref().map_or(&[], |server| &server.certificate_keys),
            stored,
        };
        payload.check(&context).map(|list| list.signed().clone())
    }

    /// The contact who sent it; somebody unknown becomes a request.
    fn sender(
        &mut self,
        known: Option<(ContactId, Contact)>,
        payload: &SessionKeyPayload,
        list: SignedDeviceList,
    ) -> ContactId {
        let account = self.account().filter(|account| account.phone == payload.sender.phone);
        if let Some(account) = account
            && let Some(id) = self.own_contact()
        {
            self.take_told_messaging_secret(&account, payload);
            if OwnList::current(self.records).is_none_or(|own| own.version < list.version) {
                self.want_devices(); // A sibling knows of a list that this device has yet to see.
            }
            return id;
        }
        let is_known = known.is_some();
        let (id, mut contact) = known.unwrap_or_else(|| {
            let sender = &payload.sender;
            let contact =
                Contact::new(sender.phone.clone(), sender.identity_key, Standing::Request);
            (ContactId::random(&mut self.rng), Contact { hidden: true, ..contact })
        });
        if list.version > contact.list_version() {
            self.replace_list(id, &mut contact, &list);
            if is_known {
                self.keep_quiet(id);
            }
        }
        self.put_contact(id, &contact);
        id
    }

    fn keep_session(&mut self, contact: ContactId, payload: &SessionKeyPayload, acks: &mut Acks) {
        let key = InSession::key(payload.session_id);
        if !self.records.has(&key) {
            let (session, device) = (InboundSession::begin(payload), payload.sender.device_id);
            let (taken, made_for) = (Vec::new(), payload.recipient_list_version);
            let closed_at = self.closing(contact, &device);
            let session = InSession { contact, device, session, taken, closed_at, made_for };
            self.records.put(&key, &session);
            self.limit_sessions(contact, device);
        }
        if let Some(previous) = payload.previous {
            self.session_was_theirs(contact, previous);
        }
        self.try_held_letters(payload.session_id, acks);
        self.try_letters_of_next(payload.session_id, acks);
    }

    /// One sender cannot fill the vault: of too many sessions, those go first that have no letters
    /// left, then the oldest.
    fn limit_sessions(&mut self, contact: ContactId, device: DeviceId) {
        let blocked = self.contact(contact).is_some_and(|c| c.standing == Standing::Blocked);
        let (most, most_of_all) = if blocked {
            (SESSIONS_BLOCKED, SESSIONS_BLOCKED)
        } else {
            (SESSIONS, SESSIONS_OF_ALL)
        };
        let all = self.records.list::<InSession>(&[]).into_iter().map(|(_, session)| session);
        let mut theirs: Vec<InSession> = all.filter(|s| s.contact == contact).collect();
        put_in_order(&mut theirs, |s| (!s.session.is_spent(), s.session.created_at()));
        let of_device = theirs.iter().filter(|s| s.device == device).count();
        let mut too_many = of_device.saturating_sub(most);
        let mut too_many_of_all = theirs.len().saturating_sub(most_of_all);
        for session in theirs {
            let of_device = session.device == device && too_many > 0;
            if of_device || too_many_of_all > 0 {
                too_many -= usize::from(of_device);
                too_many_of_all = too_many_of_all.saturating_sub(1);
                self.records.delete(&InSession::key(*session.session.id()));
            }
        }
    }

    /// Sessions from which no letter can come any more.
    pub(super) fn sweep_sessions(&mut self) {
        let time = self.time();
        for (id, session) in self.records.list::<InSession>(&[]) {
            if session.session.is_over(time)
                && let Ok(id) = id.parse()
            {
                self.records.delete(&InSession::key(id));
            }
        }
        for (id, session) in self.records.list::<OwnSession>(&[]) {
            if time.since(session.begun_at) > OWN_SESSION_KEPT
                && let Ok(id) = id.parse()
            {
                self.records.delete(&OwnSession::key(id));
            }
        }
    }
}
