//! What siblings wrap for each other: it fits, it comes from a sibling, and it holds together.

use crate::people::{NOW, Person, Recorder, random};
use letterbox_protocol::account_keys::*;
use letterbox_protocol::channel::{Channel, ChannelMessage};
use letterbox_protocol::device_list::{DeviceList, ListError};
use letterbox_protocol::handshake::Party;
use letterbox_protocol::keys::{ExchangeSecret, IdentitySecret, verify_messaging_key};
use letterbox_protocol::sealing::{EnvelopeBinding, seal_envelope};
use letterbox_protocol::secret::Secret;
use letterbox_protocol::session_key::{PAYLOAD_VERSION, PayloadError, SessionKeyPayload};
use letterbox_protocol::types::{Bytes, DAY};
use letterbox_protocol::wire::SignedDeviceList;
use proptest::prelude::*;

/// Two devices of one person with six more, and what the first wraps for the second.
struct Siblings {
    rng: Recorder,
    alice: Person,
    sibling: Party,
    keys: AccountKeys,
}

fn siblings(seed: u64) -> Siblings {
    let mut rng = Recorder::new(seed);
    let alice = Person::with_devices(&mut rng, "+491511234567890", 8);
    let other = alice.list.devices.iter().find(|d| d.device_id != alice.party.device_id).unwrap();
    let (device_id, device_key) = (other.device_id, other.device_key);
    let sibling = Party { device_id, device_key, ..alice.party.clone() };
    let secret = ExchangeSecret::generate(&mut rng);
    let list = next_list(&alice, &alice.identity, &secret);
    let messaging = MessagingSecret { key_version: u32::MAX, created_at: NOW, secret };
    let keys = AccountKeys {
        version: PAYLOAD_VERSION,
        sender: alice.party.clone(),
        purpose: PURPOSE_ACCOUNT,
        list,
        messaging,
        identity: None,
    };
    Siblings { rng, alice, sibling, keys }
}

fn next_list(
    alice: &Person,
    identity: &IdentitySecret,
    messaging: &ExchangeSecret,
) -> SignedDeviceList {
    let devices = alice.list.devices.clone();
    DeviceList::sign(identity, &alice.party.phone, 2, NOW, &messaging.public(), devices)
}

impl Siblings {
    fn check(&self, keys: &AccountKeys) -> Result<u64, SiblingError> {
        let context = SiblingContext {
            channel_peer: &self.alice.party,
            own: &self.sibling,
            own_list: &self.alice.list,
            stored: NOW,
        };
        keys.check(&context).map(|list| list.version())
    }

    /// Puts a payload into an envelope as the first message of a new channel.
    fn envelope(&mut self, payload: &[u8]) -> usize {
        let one_time = self.alice.one_time();
        let prekey = &self.alice.prekey;
        let channel = Channel::initiate(
            &mut self.rng,
            &self.alice.own(),
            &self.sibling,
            prekey,
            Some(&one_time),
        );
        let (_, message) = channel.unwrap().encrypt(&mut self.rng, payload);
        let message = ChannelMessage { ..message };
        let binding = EnvelopeBinding {
            phone: &self.sibling.phone,
            registration_id: (1 << 31) - 1,
            session_key_id: &Bytes([1; 16]),
            device_id: &self.sibling.device_id,
        };
        let content = message.to_cbor();
        seal_envelope(&mut self.rng, &self.sibling.device_key, &binding, &content).unwrap();
        content.len()
    }

    fn rekeyed(&mut self) -> RekeyedSession {
        let offering = Person::new(&mut self.rng, "+123456789012345").party;
        RekeyedSession {
            version: PAYLOAD_VERSION,
            session_id: random(&mut self.rng),
            key: Secret::generate(&mut self.rng),
            sender: self.alice.party.clone(),
            purpose: PURPOSE_REKEY,
            replaces: random(&mut self.rng),
            exchange: random(&mut self.rng),
            offering,
        }
    }
}

#[test]
fn every_payload_fits_into_an_envelope_with_eight_devices_and_a_handshake() {
    let mut siblings = siblings(40);
    siblings.keys.identity = Some(siblings.alice.identity.clone());
    let keys = siblings.keys.to_cbor();
    assert!(siblings.envelope(&keys) < 1_500);
    let rekeyed = siblings.rekeyed();
    assert!(siblings.envelope(&rekeyed.to_cbor()) < 1_000);
    let server = IdentitySecret::generate(&mut siblings.rng);
    let mut payload = own_session(&mut siblings, &server);
    let length = siblings.envelope(&payload.to_cbor());
    payload.messaging = None;
    let without = siblings.envelope(&payload.to_cbor());
    assert!(length < 1_960, "{length} bytes, {without} without the secret");
}

/// A session key of the first device to the own mailbox, with the messaging secret.
fn own_session(siblings: &mut Siblings, server: &IdentitySecret) -> SessionKeyPayload {
    let alice = &siblings.alice;
    let payload = alice.session_key(&mut siblings.rng, server, alice);
    let secret = alice.messaging.clone();
    let messaging = Some(MessagingSecret { key_version: u32::MAX, created_at: NOW, secret });
    SessionKeyPayload { messaging, ..payload }
}

#[test]
fn the_purpose_decides_what_a_payload_is() {
    let mut siblings = siblings(41);
    let server = IdentitySecret::generate(&mut siblings.rng);
    let session = own_session(&mut siblings, &server);
    let read = |bytes: &[u8]| ChannelPayload::from_cbor(bytes);
    assert_eq!(read(&session.to_cbor()), Ok(ChannelPayload::Session(Box::new(session))));
    let keys = siblings.keys.clone();
    assert_eq!(read(&keys.to_cbor()), Ok(ChannelPayload::Account(Box::new(keys.clone()))));
    let rekeyed = siblings.rekeyed();
    assert_eq!(read(&rekeyed.to_cbor()), Ok(ChannelPayload::Rekey(Box::new(rekeyed.clone()))));
    let unknown = AccountKeys { purpose: 4, ..keys.clone() };
    assert_eq!(read(&unknown.to_cbor()), Err(UnknownPayload));
    let newer = AccountKeys { version: 2, ..keys.clone() };
    assert_eq!(read(&newer.to_cbor()), Err(UnknownPayload));
    let mixed = AccountKeys { purpose: PURPOSE_REKEY, ..keys };
    assert_eq!(read(&mixed.to_cbor()), Err(UnknownPayload));
    assert_eq!(read(b""), Err(UnknownPayload));
}

#[test]
fn a_messaging_secret_is_taken_from_the_own_mailbox_only() {
    let mut siblings = siblings(42);
    let server = IdentitySecret::generate(&mut siblings.rng);
    let keys = [server.public()];
    let own = own_session(&mut siblings, &server);
    let alice = &siblings.alice;
    assert!(own.check(&alice.context(alice, &keys)).is_ok());
    let mut other = own.clone();
    other.messaging.as_mut().unwrap().secret = ExchangeSecret::generate(&mut siblings.rng);
    let refused = other.check(&alice.context(alice, &keys)).map(|_| ());
    assert_eq!(refused, Err(PayloadError::MessagingSecret), "not the one in the list");
    let bob = Person::new(&mut siblings.rng, "+12025550123");
    let to_bob = alice.session_key(&mut siblings.rng, &server, &bob);
    let to_bob = SessionKeyPayload { messaging: own.messaging, ..to_bob };
    let refused = to_bob.check(&bob.context(alice, &keys)).map(|_| ());
    assert_eq!(refused, Err(PayloadError::MessagingSecret), "from somebody else");
}

#[test]
fn the_accounts_keys_are_taken_from_siblings_only() {
    let mut siblings = siblings(43);
    let keys = siblings.keys.clone();
    assert_eq!(siblings.check(&keys), Ok(2));
    let signed = keys.messaging.signed(&siblings.alice.identity, &siblings.alice.party.phone);
    let (phone, identity) = (&siblings.alice.party.phone, &siblings.alice.party.identity_key);
    assert!(verify_messaging_key(identity, phone, &signed).is_ok());
    let stranger = Person::new(&mut siblings.rng, "+12025550123");
    let posing = AccountKeys { sender: stranger.party.clone(), ..keys.clone() };
    assert_eq!(siblings.check(&posing), Err(SiblingError::Sender));
    let context = |peer| SiblingContext {
        channel_peer: peer,
        own: &siblings.sibling,
        own_list: &siblings.alice.list,
        stored: NOW,
    };
    let foreign = posing.check(&context(&stranger.party)).map(|_| ());
    assert_eq!(foreign, Err(SiblingError::NotSibling));
    let key = stranger.party.device_key;
    let revoked = Party { device_key: key, ..siblings.alice.party.clone() };
    let unlisted = AccountKeys { sender: revoked.clone(), ..keys.clone() };
    let unlisted = unlisted.check(&context(&revoked)).map(|_| ());
    assert_eq!(unlisted, Err(SiblingError::NotSibling));
    let own = AccountKeys { sender: siblings.sibling.clone(), ..keys };
    let own = own.check(&context(&siblings.sibling)).map(|_| ());
    assert_eq!(own, Err(SiblingError::NotSibling));
}

#[test]
fn what_goes_with_the_keys_has_to_hold() {
    let mut siblings = siblings(44);
    let keys = siblings.keys.clone();
    let alice = &siblings.alice;
    let other_secret = ExchangeSecret::generate(&mut siblings.rng);
    let mut wrong = keys.clone();
    wrong.messaging.secret = other_secret.clone();
    assert_eq!(siblings.check(&wrong), Err(SiblingError::MessagingKey));
    let mut changed = keys.clone();
    changed.list.version = 3;
    assert_eq!(siblings.check(&changed), Err(SiblingError::List(ListError::Signature)));
    let mut old = keys.clone();
    old.list = DeviceList::sign(
        &alice.identity,
        &alice.party.phone,
        2,
        NOW.plus(-15 * DAY),
        &old.list.messaging_key,
        alice.list.devices.clone(),
    );
    assert_eq!(siblings.check(&old), Err(SiblingError::List(ListError::Old)));
    let without = |id| {
        let devices = alice.list.devices.iter().filter(|d| d.device_id != id).cloned().collect();
        let key = keys.list.messaging_key;
        let phone = &alice.party.phone;
        let list = DeviceList::sign(&alice.identity, phone, 2, NOW, &key, devices);
        AccountKeys { list, ..keys.clone() }
    };
    let (sender, receiver) = (alice.party.device_id, siblings.sibling.device_id);
    assert_eq!(siblings.check(&without(sender)), Err(SiblingError::NotListed));
    assert_eq!(siblings.check(&without(receiver)), Err(SiblingError::NotListed));
    let same_version = {
        let mut list = keys.list.clone();
        let (phone, devices) = (&alice.party.phone, list.devices.clone());
        let key = keys.messaging.secret.public();
        list = DeviceList::sign(&alice.identity, phone, 1, NOW, &key, devices);
        AccountKeys { list, ..keys.clone() }
    };
    assert_eq!(siblings.check(&same_version), Err(SiblingError::ListsDiffer));
}

#[test]
fn a_replaced_identity_signs_the_list_that_comes_with_it() {
    let mut siblings = siblings(45);
    let next = IdentitySecret::generate(&mut siblings.rng);
    let secret = siblings.keys.messaging.secret.clone();
    let list = next_list(&siblings.alice, &next, &secret);
    let keys = AccountKeys { list, identity: Some(next), ..siblings.keys.clone() };
    assert_eq!(siblings.check(&keys), Ok(2));
    let old_list = AccountKeys { list: siblings.keys.list.clone(), ..keys.clone() };
    assert_eq!(siblings.check(&old_list), Err(SiblingError::List(ListError::Signature)));
    let no_seed = AccountKeys { identity: None, ..keys };
    assert_eq!(siblings.check(&no_seed), Err(SiblingError::List(ListError::Signature)));
}

#[test]
fn a_rekeyed_sessions_key_is_taken_from_siblings_only() {
    let mut siblings = siblings(46);
    let rekeyed = siblings.rekeyed();
    let context = |peer| SiblingContext {
        channel_peer: peer,
        own: &siblings.sibling,
        own_list: &siblings.alice.list,
        stored: NOW,
    };
    assert_eq!(rekeyed.check(&context(&siblings.alice.party)), Ok(()));
    assert_eq!(rekeyed.check(&context(&rekeyed.offering)), Err(SiblingError::Sender));
    let foreign = RekeyedSession { sender: rekeyed.offering.clone(), ..rekeyed.clone() };
    assert_eq!(foreign.check(&context(&rekeyed.offering)), Err(SiblingError::NotSibling));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn keys_with_any_byte_changed_are_refused_or_the_same(
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let siblings = siblings(47);
        let mut bytes = siblings.keys.to_cbor().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(ChannelPayload::Account(read)) = ChannelPayload::from_cbor(&bytes)
            && siblings.check(&read).is_ok()
        {
            // Version and time are the sibling's word; everything else is bound or signed.
            let mut same = siblings.keys.clone();
            same.messaging.key_version = read.messaging.key_version;
            same.messaging.created_at = read.messaging.created_at;
            // X25519 clamps five bits of a secret away.
            same.messaging.secret = read.messaging.secret.clone();
            prop_assert_eq!(*read, same);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = ChannelPayload::from_cbor(&bytes);
    }
}

#[test]
fn no_secret_is_printed() {
    let mut siblings = siblings(48);
    siblings.keys.identity = Some(siblings.alice.identity.clone());
    let rekeyed = siblings.rekeyed();
    let text = format!("{:?} {rekeyed:?}", siblings.keys);
    for secret in [siblings.keys.messaging.secret.expose(), siblings.alice.identity.expose()] {
        let run = format!("{}, {}, {}", secret[0], secret[1], secret[2]);
        assert!(!text.contains(&run));
    }
    assert!(!text.contains("15112345"));
}
