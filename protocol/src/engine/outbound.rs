//! Sessions for sending: one for each contact, made from a checked bundle, with an envelope for
//! every device that is not dormant.

use super::account::Account;
use super::certificates::OwnCertificate;
use super::channels::ChannelRecord;
use super::contacts::Contact;
use super::interface::{ContactId, Millis};
use super::letters::Letter;
use super::own_list::OwnList;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::bundle::{BundleDevice, Prekeys, VerifiedBundle};
use crate::certificate::SenderCertificate;
use crate::channel::{Channel, OwnDevice};
use crate::content::{CONTENT_VERSION, Content};
use crate::handshake::Party;
use crate::json::from_json;
use crate::limits::{CLOCK_SKEW, LIST_REFUSED, SESSION_BEFORE_CERTIFICATE_END};
use crate::sealing::{EnvelopeBinding, LetterBinding, seal_envelope, seal_letter};
use crate::secret::Secret;
use crate::session_key::SessionKeyPayload;
use crate::sessions::{OutboundSession, PAYLOAD_VERSION, PURPOSE_LETTERS, SessionId};
use crate::sizes::ExpiryClass;
use crate::types::{Blob, Bytes, DAY, DeviceId, Key, MessageId, Phone, SessionLabel, UnixTime};
use crate::wire::{Envelope, ListedDevice, SealedMessage, SessionKeyUpload};
use minicbor::{Decode, Encode};

/// The session in which a contact is written to: `out/<contact>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OutSession {
    #[n(0)]
    pub(super) ratchet: OutboundSession,
    #[n(1)]
    made_at: Millis,
    /// The contact's device list that it was made for.
    #[n(2)]
    pub(super) list_version: u64,
    #[n(3)]
    messaging_key: Key,
    #[n(4)]
    key_version: u32,
    /// The devices that got an envelope, in the list's order.
    #[n(5)]
    pub(super) devices: Vec<DeviceId>,
    /// [`SessionKeyUpload`] as JSON, until it went out with the first letter.
    #[n(6)]
    upload: Option<String>,
    /// The server has the envelopes.
    #[n(7)]
    confirmed: bool,
}

impl Record for OutSession {
    const KIND: &'static str = "out";
}

impl OutSession {
    pub(super) fn id(&self) -> SessionId {
        *self.ratchet.id()
    }

    /// The session that takes its place after a re-keying. Its key has reached the same devices.
    pub(super) fn rekeyed(self, id: SessionId, key: Secret) -> Self {
        Self { ratchet: self.ratchet.rekeyed(id, key), ..self }
    }

    /// When its letters have to be on the server.
    fn until(&self) -> Millis {
        self.ratchet.ends_at().0 * 1_000
    }

    pub(super) fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// The last session to a contact whose envelopes the server has had: `last-session/<contact>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct LastSession {
    #[n(0)]
    id: SessionId,
}

impl Record for LastSession {
    const KIND: &'static str = "last-session";
}

impl LastSession {
    fn key(contact: ContactId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text()])
    }
}

/// A session with one's own mailbox, by which this device knows its own letters when they come
/// back: `own-session/<id>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct OwnSession {
    #[n(0)]
    pub(super) begun_at: UnixTime,
}

impl Record for OwnSession {
    const KIND: &'static str = "own-session";
}

impl OwnSession {
    pub(super) fn key(id: Bytes<16>) -> RecordKey<Self> {
        RecordKey::of(&[&id.to_text()])
    }
}

/// What there is to write in.
pub(super) enum Opening {
    /// The server has this session's envelopes.
    Established(OutSession),
    /// A new session, whose envelopes go with the next letter.
    New(OutSession),
    /// The envelopes are under way with an earlier letter.
    Unconfirmed,
    /// No sender certificate that lasts long enough, or no device list of one's own that receivers
    /// would still take. Both are on their way.
    NotReady,
    /// The contact's keys were asked for.
    LookingUp,
    /// No device can be written to.
    AllDormant,
    /// The contact's keys do not hold.
    Refused,
}

/// A letter ready to leave.
pub(super) struct Encrypted {
    pub(super) session: Bytes<16>,
    pub(super) body: String,
    /// When its session is over.
    pub(super) until: Millis,
}

/// How long letters lie in the mailbox.
pub(super) const EXPIRY: ExpiryClass = ExpiryClass::Month;

impl Turn<'_> {
    pub(super) fn session_for(&mut self, id: ContactId, contact: &Contact) -> Opening {
        self.begin_agreed_session(id);
        let session: Option<OutSession> = self.records.get(&OutSession::key(id));
        match session.filter(|session| self.is_usable(session, contact)) {
            Some(session) if session.confirmed => Opening::Established(session),
            Some(session) if session.upload.is_some() => Opening::New(session),
            Some(_) => Opening::Unconfirmed,
            None => self.new_session(id, contact),
        }
    }

    /// The session of now, where the server has its envelopes.
    pub(super) fn established_session(
        &self,
        id: ContactId,
        contact: &Contact,
    ) -> Option<OutSession> {
        let session: OutSession = self.records.get(&OutSession::key(id))?;
        (session.confirmed && self.is_usable(&session, contact)).then_some(session)
    }

    fn is_usable(&self, session: &OutSession, contact: &Contact) -> bool {
        let Some(own_list) = OwnList::current(self.records) else { return false };
        let over = session.ratchet.is_over(self.time(), own_list.version, contact.list_version());
        // A clock that was put back would stretch the session.
        !over && self.now >= session.made_at - CLOCK_SKEW * 1_000
    }

    fn new_session(&mut self, id: ContactId, contact: &Contact) -> Opening {
        let (Some(account), Some(certificate)) =
            (self.account(), self.certificate(2 * SESSION_BEFORE_CERTIFICATE_END))
        else {
            return Opening::NotReady;
        };
        if !self.own_list_is_young() {
            return Opening::NotReady;
        }
        match self.fresh_bundle(id, contact) {
            None => {
                self.look_up(id, contact);
                Opening::LookingUp
            }
            Some(bundle) if self.devices_to_write_to(id, &bundle).is_empty() => {
                self.bundle_used(id);
                Opening::AllDormant
            }
            Some(bundle) => match self.make_session(id, contact, &account, certificate, &bundle) {
                Some(session) => Opening::New(session),
                None => Opening::Refused,
            },
        }
    }

    /// Whoever was away for weeks signs the list anew before writing.
    fn own_list_is_young(&self) -> bool {
        let list = OwnList::current(self.records);
        list.is_some_and(|list| self.time().since(list.signed_at) <= LIST_REFUSED - 2 * DAY)
    }

    /// The devices that get an envelope: those with a young prekey, and those with a channel.
    pub(super) fn devices_to_write_to(
        &self,
        id: ContactId,
        bundle: &VerifiedBundle,
    ) -> Vec<DeviceId> {
        let awake = |device: &&BundleDevice| {
            device.prekeys != Prekeys::Dormant || self.live_channel(id, &device.device).is_some()
        };
        bundle.devices.iter().filter(awake).map(|device| device.device.device_id).collect()
    }

    fn make_session(
        &mut self,
        id: ContactId,
        contact: &Contact,
        account: &Account,
        certificate: OwnCertificate,
        bundle: &VerifiedBundle,
    ) -> Option<OutSession> {
        let devices = self.devices_to_write_to(id, bundle);
        let payload = self.new_session_key(id, contact, account, certificate, bundle)?;
        let upload = self.make_envelopes(id, contact, account, bundle, &payload.to_cbor())?;
        let ratchet = OutboundSession::begin(&payload);
        if contact.phone == account.phone {
            let begun_at = self.time();
            self.records.put(&OwnSession::key(payload.session_id), &OwnSession { begun_at });
        }
        self.bundle_used(id);
        let session = OutSession {
            ratchet,
            made_at: self.now,
            list_version: bundle.list.version(),
            messaging_key: bundle.messaging_key.public_key,
            key_version: bundle.messaging_key.key_version,
            devices,
            upload: Some(serde_json::to_string(&upload).ok()?),
            confirmed: false,
        };
        self.records.put(&OutSession::key(id), &session);
        Some(session)
    }

    fn new_session_key(
        &mut self,
        id: ContactId,
        contact: &Contact,
        account: &Account,
        certificate: OwnCertificate,
        bundle: &VerifiedBundle,
    ) -> Option<SessionKeyPayload> {
        let sender_list = OwnList::current(self.records)?;
        let messaging = if contact.phone == account.phone {
            self.messaging_secret_of(&sender_list)
        } else {
            None
        };
        Some(SessionKeyPayload {
            version: PAYLOAD_VERSION,
            session_id: self.draw_session_id(contact)?,
            key: Secret::generate(self.rng),
            sender: account.party(),
            recipient: contact.phone.clone(),
            recipient_identity: contact.identity,
            purpose: PURPOSE_LETTERS,
            created_at: self.time(),
            certificate: SenderCertificate::from_cbor(&certificate.bytes).ok()?,
            sender_list,
            recipient_list_version: bundle.list.version(),
            recipient_list_hash: Bytes(bundle.list.hash()),
            directory_digest: self.seen_directory(),
            messaging,
            previous: self.records.get(&LastSession::key(id)).map(|last: LastSession| last.id),
        })
    }

    fn make_envelopes(
        &mut self,
        id: ContactId,
        contact: &Contact,
        account: &Account,
        bundle: &VerifiedBundle,
        payload: &[u8],
    ) -> Option<SessionKeyUpload> {
        let devices = self.devices_to_write_to(id, bundle);
        let session_key_id = SessionLabel::random(&mut self.rng);
        let mut envelopes = Vec::new();
        for device in bundle.devices.iter().filter(|d| devices.contains(&d.device.device_id)) {
            let own = device.device.device_id == account.device_id;
            let content = if own {
                // As long as any other once sealed, and of no use to anybody.
                Vec::new()
            } else {
                self.seal_for(id, contact, account, device, payload)?
            };
            let (phone, to) = (&contact.phone, &device.device);
            envelopes.push(self.seal_envelope_to(phone, to, &session_key_id, &content)?);
        }
        Some(SessionKeyUpload { session_key_id, envelopes })
    }

    /// Seals what a device is to get into an envelope of the one size.
    pub(super) fn seal_envelope_to(
        &mut self,
        phone: &Phone,
        device: &ListedDevice,
        session_key_id: &SessionLabel,
        content: &[u8],
    ) -> Option<Envelope> {
        let binding = EnvelopeBinding {
            phone,
            registration_id: device.registration_id,
            session_key_id,
            device_id: &device.device_id,
        };
        let sealed = seal_envelope(self.rng, &device.device_key, &binding, content).ok()?;
        Some(Envelope { device_id: device.device_id, encrypted_session_key: Blob(sealed) })
    }

    /// Seals a device's envelope over its channel; a device without one gets one now.
    pub(super) fn seal_for(
        &mut self,
        id: ContactId,
        contact: &Contact,
        account: &Account,
        device: &BundleDevice,
        payload: &[u8],
    ) -> Option<Vec<u8>> {
        let record = match self.live_channel(id, &device.device) {
            Some(record) => record,
            None => self.begin_channel(id, contact, account, device)?,
        };
        let (channel, message) = record.channel.encrypt(self.rng, payload);
        self.activate(&ChannelRecord { channel, ..record });
        Some(message.to_cbor())
    }

    fn begin_channel(
        &mut self,
        id: ContactId,
        contact: &Contact,
        account: &Account,
        device: &BundleDevice,
    ) -> Option<ChannelRecord> {
        let Prekeys::Active { signed, one_time } = &device.prekeys else { return None };
        let peer = Party {
            phone: contact.phone.clone(),
            identity_key: contact.identity,
            device_id: device.device.device_id,
            device_key: device.device.device_key,
        };
        let party = account.party();
        let own = OwnDevice { party: &party, secret: &account.device };
        let channel = Channel::initiate(self.rng, &own, &peer, signed, one_time.as_ref()).ok()?;
        Some(ChannelRecord {
            contact: id,
            registration_id: device.device.registration_id,
            channel,
            begun_at: self.time(),
            ended: false,
        })
    }

    /// Encrypts and seals a letter in a session, and steps the session.
    pub(super) fn encrypt_letter(
        &mut self,
        session: OutSession,
        contact: &Contact,
        letter: &Letter,
    ) -> Option<Encrypted> {
        let account = self.account()?;
        let content = content(account, letter);
        let (ratchet, part) =
            session.ratchet.encrypt_at_least(self.rng, &content, letter.least_size()).ok()?;
        let message_id = MessageId::random(&mut self.rng);
        let binding = LetterBinding {
            phone: &contact.phone,
            key_version: session.key_version,
            message_id: &message_id,
            expiry: EXPIRY,
        };
        let sealed = seal_letter(self.rng, &session.messaging_key, &binding, &part).ok()?;
        let session_keys = match &session.upload {
            Some(upload) => Some(from_json(upload).ok()?),
            None => None,
        };
        let message = SealedMessage {
            destination: contact.phone.clone(),
            list_version: session.list_version,
            message_id,
            expiry_days: EXPIRY.days(),
            encrypted_content: Blob(sealed),
            session_keys,
        };
        let body = serde_json::to_string(&message).ok()?;
        let (id, until) = (*ratchet.id(), session.until());
        let stepped = OutSession { ratchet, upload: None, ..session };
        self.records.put(&OutSession::key(letter.contact), &stepped);
        Some(Encrypted { session: id, body, until })
    }

    /// The server has taken a letter of this session, and with the first one the envelopes.
    pub(super) fn confirm_session(&mut self, id: ContactId, session: Bytes<16>) {
        let key = OutSession::key(id);
        if let Some(out) = self.records.get(&key).filter(|out| out.id() == session) {
            self.records.put(&LastSession::key(id), &LastSession { id: session });
            self.records.put(&key, &OutSession { confirmed: true, ..out });
        }
    }

    /// The first letter, with the envelopes, did not arrive: the next one needs another session.
    pub(super) fn drop_unconfirmed_session(&mut self, id: ContactId, session: Bytes<16>) {
        let key = OutSession::key(id);
        let out = self.records.get(&key);
        if out.is_some_and(|out| out.id() == session && !out.confirmed) {
            self.records.delete(&key);
        }
    }
}

/// What goes into a letter's innermost layer.
fn content(account: Account, letter: &Letter) -> Content {
    Content {
        version: CONTENT_VERSION,
        sender: account.phone,
        sender_device: account.device_id,
        inner_id: letter.id,
        sent_at: letter.at,
        kind: letter.kind,
        body: letter.body.clone(),
    }
}
