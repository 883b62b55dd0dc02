//! Envelopes coming in: session keys over channels, every binding checked before anything is kept.

use super::account::{Account, OneTimeSecret, OwnList, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::certificates::ServerRecord;
use super::channels::ChannelRecord;
use super::contacts::Contact;
use super::interface::{ContactId, Event, Standing};
use super::live::Acks;
use super::outbound::OwnSession;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::certificate::CertificateError;
use crate::channel::{Channel, ChannelMessage, OwnDevice, PrekeySecrets};
use crate::handshake::HandshakeHeader;
use crate::limits::SESSION_GRACE;
use crate::sealing::{EnvelopeBinding, open_envelope};
use crate::session_key::SessionKeyPayload;
use crate::sessions::{InboundSession, PayloadContext, PayloadError};
use crate::types::{Bytes, DAY, DeviceId, MessageId, UnixTime};
use crate::wire::{InboxEnvelope, SignedDeviceList};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

/// A session in which somebody writes to this mailbox: `in/<session id>`.
#[derive(Encode, Decode)]
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
enum Fate {
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
        let Some(opened) = self.open_message(account, &message) else { return Fate::Useless };
        self.take_session_key(account, envelope, opened, acks)
    }

    /// Opens a channel message without keeping anything yet.
    fn open_message(&mut self, account: &Account, message: &ChannelMessage) -> Option<Opened> {
        let now = self.time();
        let known: Option<ChannelRecord> =
            self.records.get(&ChannelRecord::key(message.channel_id));
        if let Some(record) = known {
            let (channel, payload) = record.channel.decrypt(self.rng, message, now).ok()?;
            return Some(Opened { channel, payload, accepted: None, known: Some(record) });
        }
        let header = message.handshake.clone()?;
        if self.records.has(&BaseKey::key(header.signed_prekey_id, &header.base_key)) {
            return None;
        }
        let signed = self.records.get(&SignedPrekeySecret::key(header.signed_prekey_id))?;
        let one_time = match header.one_time_prekey_id {
            Some(id) => Some((id, self.records.get(&OneTimeSecret::key(id))?)),
            None => None,
        };
        let prekeys = PrekeySecrets {
            signed: (header.signed_prekey_id, &signed.secret),
            one_time: one_time.as_ref().map(|(id, prekey)| (*id, &prekey.secret)),
        };
        let party = account.party();
        let own = OwnDevice { party: &party, secret: &account.device };
        let (channel, payload) = Channel::accept(self.rng, &own, &prekeys, message, now).ok()?;
        Some(Opened { channel, payload, accepted: Some(header), known: None })
    }

    /// Checks what the channel brought, and keeps it only where everything holds.
    fn take_session_key(
        &mut self,
        account: &Account,
        envelope: &InboxEnvelope,
        opened: Opened,
        acks: &mut Acks,
    ) -> Fate {
        let Ok(payload) = SessionKeyPayload::from_cbor(&opened.payload) else {
            return self.fate_of_unreadable(envelope, &opened);
        };
        let stored = envelope.created_at;
        let known = self.contact_by_phone(&payload.sender.phone);
        let contact = known.as_ref().map(|(_, contact)| contact);
        match self.check_payload(account, &payload, &opened, contact, stored) {
            Ok(list) => {
                let from = known.as_ref().map(|(id, _)| *id);
                if self.is_one_handshake_too_many(from, &opened) {
                    return Fate::Useless;
                }
                let contact = self.sender(known, &payload, list);
                self.keep_channel(contact, &payload, opened);
                self.keep_session(contact, &payload, acks);
                Fate::Taken
            }
            Err(PayloadError::IdentityChanged) => {
                // Whether it truly is another identity, or a forgery, only the rest can tell.
                match (self.check_payload(account, &payload, &opened, None, stored), known) {
                    (Ok(_), Some((id, _))) => {
                        self.identity_differs(id);
                        self.keep_quiet(id);
                        Fate::Held
                    }
                    (Err(error), _) => self.fate_of_refused(error, stored),
                    (Ok(_), None) => Fate::Useless,
                }
            }
            Err(error @ (PayloadError::OwnListsDiffer | PayloadError::OwnListUnknown)) => {
                if contact.is_none_or(|contact| contact.standing != Standing::Blocked) {
                    self.tell(Event::KeysAltered);
                }
                self.fate_of_refused(error, stored)
            }
            Err(error) => self.fate_of_refused(error, stored),
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

    fn is_one_handshake_too_many(&self, from: Option<ContactId>, opened: &Opened) -> bool {
        match (from, &opened.accepted) {
            (Some(contact), Some(header)) => {
                self.has_too_many_handshakes(contact, header.signed_prekey_id)
            }
            _ => false,
        }
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
        let made_for = self.records.get(&OwnList::key(payload.recipient_list_version));
        let own_list = match made_for {
            Some(OwnList { list, .. }) => list,
            None => OwnList::newest(self.records).ok_or(PayloadError::Recipient)?,
        };
        // Nobody else speaks for the own number, known as a contact or not.
        let own = account.identity.public();
        let pinned = match contact {
            Some(contact) => Some(&contact.identity),
            None => (payload.sender.phone == account.phone).then_some(&own),
        };
        let context = PayloadContext {
            channel_peer: opened.channel.peer(),
            phone: &account.phone,
            identity_key: &own,
            own_list: &own_list,
            pinned_identity: pinned,
            known_list: contact.and_then(|contact| contact.list.as_ref()),
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
        let is_known = known.is_some();
        let (id, mut contact) = known.unwrap_or_else(|| {
            let sender = &payload.sender;
            let contact =
                Contact::new(sender.phone.clone(), sender.identity_key, Standing::Request);
            (ContactId::random(&mut self.rng), Contact { hidden: true, ..contact })
        });
        if list.version > contact.list_version() {
            self.drop_unlisted_devices(id, &list);
            contact.list = Some(list);
            if is_known {
                self.keep_quiet(id);
            }
        }
        self.put_contact(id, &contact);
        id
    }

    /// The channel has received: it is the active one. A one-time prekey has had its use.
    fn keep_channel(&mut self, contact: ContactId, payload: &SessionKeyPayload, opened: Opened) {
        let Opened { channel, accepted, known, .. } = opened;
        if let Some(header) = accepted {
            let base_key = BaseKey::key(header.signed_prekey_id, &header.base_key);
            self.records.put(&base_key, &BaseKey { contact: Some(contact) });
            if let Some(id) = header.one_time_prekey_id {
                self.records.delete(&OneTimeSecret::key(id));
                self.prekey_used();
            }
        }
        let sender = payload.sender.device_id;
        let registration = |list: &SignedDeviceList| {
            let listed = list.devices.iter().find(|device| device.device_id == sender);
            listed.map_or(0, |device| device.registration_id)
        };
        let registration_id = registration(&payload.sender_list);
        let newest = self.contact(contact).and_then(|contact| contact.list);
        let begun_at = known.map_or(self.time(), |record| record.begun_at);
        let record = ChannelRecord { contact, registration_id, channel, begun_at };
        if newest.is_some_and(|list| registration(&list) != registration_id) {
            self.keep_behind(&record);
        } else {
            self.activate(&record);
        }
    }

    fn keep_session(&mut self, contact: ContactId, payload: &SessionKeyPayload, acks: &mut Acks) {
        let key = InSession::key(payload.session_id);
        if !self.records.has(&key) {
            let (session, device) = (InboundSession::begin(payload), payload.sender.device_id);
            let taken = Vec::new();
            self.records.put(&key, &InSession { contact, device, session, taken });
            self.limit_sessions(contact, device);
        }
        self.try_held_letters(payload.session_id, acks);
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
        theirs.sort_by_key(|s| (!s.session.is_spent(), s.session.created_at()));
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

/// A channel message that was opened, before any of it is kept.
struct Opened {
    channel: Channel,
    payload: Zeroizing<Vec<u8>>,
    /// The handshake, where the channel is new.
    accepted: Option<HandshakeHeader>,
    known: Option<ChannelRecord>,
}
