//! Envelopes coming in: session keys over channels, every binding checked before anything is kept.

use super::account::{Account, OneTimeSecret, OwnList, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::certificates::ServerRecord;
use super::channels::ChannelRecord;
use super::contacts::Contact;
use super::interface::{ContactId, Standing};
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
use crate::types::{Bytes, DAY, DeviceId, UnixTime};
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

/// The most envelopes that wait in memory for the server's certificate keys.
const HELD: usize = 1_000;
/// Own letters come back for as long as they lie in the mailbox.
const OWN_SESSION_KEPT: i64 = SESSION_GRACE + 32 * DAY;

impl Turn<'_> {
    /// Takes an envelope up. What can never be opened is acknowledged too, so that rubbish does not
    /// fill the mailbox; what may open later is not.
    pub(super) fn receive_envelope(&mut self, envelope: InboxEnvelope, acks: &mut Acks) {
        let Some(account) = self.account() else { return };
        match self.take_envelope(&account, &envelope, acks) {
            Fate::Taken | Fate::Useless => acks.envelopes.push(envelope.session_key_id),
            Fate::Held => {
                let held = &mut self.memory.held.envelopes;
                let label = envelope.session_key_id;
                let twice = held.iter().any(|other| other.session_key_id == label);
                if !twice && held.len() < HELD {
                    held.push(envelope);
                }
            }
        }
    }

    /// The server's certificate keys have come.
    pub(super) fn try_held_envelopes(&mut self) {
        let mut acks = Acks::default();
        for envelope in std::mem::take(&mut self.memory.held.envelopes) {
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
            // From a device that was believed before: perhaps for a newer version to read.
            return if opened.known.is_some() { Fate::Held } else { Fate::Useless };
        };
        let stored = envelope.created_at;
        let known = self.contact_by_phone(&payload.sender.phone);
        let contact = known.as_ref().map(|(_, contact)| contact);
        match self.check_payload(account, &payload, &opened, contact, stored) {
            Ok(list) => {
                let contact = self.sender(known, &payload, list);
                self.keep_channel(contact, &payload, opened);
                self.keep_session(contact, &payload, acks);
                Fate::Taken
            }
            Err(PayloadError::IdentityChanged) => {
                // Whether it truly is another identity, or a forgery, only the rest can tell.
                let real = self.check_payload(account, &payload, &opened, None, stored).is_ok();
                if let (true, Some((id, _))) = (real, known) {
                    self.identity_differs(id);
                    return Fate::Held;
                }
                Fate::Useless
            }
            Err(PayloadError::Certificate(CertificateError::Signature))
                if self.may_have_new_certificate_keys() =>
            {
                self.ask_server_info();
                Fate::Held
            }
            Err(_) => Fate::Useless,
        }
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
            None => OwnList::current(self.records).ok_or(PayloadError::Recipient)?,
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
        let (id, mut contact) = known.unwrap_or_else(|| {
            let sender = &payload.sender;
            let contact =
                Contact::new(sender.phone.clone(), sender.identity_key, Standing::Request);
            (ContactId::random(&mut self.rng), Contact { hidden: true, ..contact })
        });
        if list.version > contact.list_version() {
            contact.list = Some(list);
        }
        self.put_contact(id, &contact);
        id
    }

    /// The channel has received: it is the active one. A one-time prekey has had its use.
    fn keep_channel(&mut self, contact: ContactId, payload: &SessionKeyPayload, opened: Opened) {
        let Opened { channel, accepted, known, .. } = opened;
        if let Some(header) = accepted {
            let base_key = BaseKey::key(header.signed_prekey_id, &header.base_key);
            self.records.put(&base_key, &BaseKey {});
            if let Some(id) = header.one_time_prekey_id {
                self.records.delete(&OneTimeSecret::key(id));
                self.prekey_used();
            }
        }
        let sender = payload.sender.device_id;
        let listed = payload.sender_list.devices.iter().find(|d| d.device_id == sender);
        let registration_id = listed.map_or(0, |device| device.registration_id);
        let begun_at = known.map_or(self.time(), |record| record.begun_at);
        self.activate(&ChannelRecord { contact, registration_id, channel, begun_at });
    }

    fn keep_session(&mut self, contact: ContactId, payload: &SessionKeyPayload, acks: &mut Acks) {
        let key = InSession::key(payload.session_id);
        if !self.records.has(&key) {
            let (session, device) = (InboundSession::begin(payload), payload.sender.device_id);
            self.records.put(&key, &InSession { contact, device, session });
        }
        self.try_held_letters(payload.session_id, acks);
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
