//! People with keys, a server that certifies them, and a random source that keeps what it gave.

use letterbox_protocol::certificate::SenderCertificate;
use letterbox_protocol::channel::{Channel, OwnDevice, PrekeySecrets};
use letterbox_protocol::device_list::{self, DeviceList};
use letterbox_protocol::handshake::Party;
use letterbox_protocol::keys::{ExchangeSecret, IdentitySecret, sign_messaging_key, sign_prekey};
use letterbox_protocol::secret::Secret;
use letterbox_protocol::session_key::{
    NO_DIRECTORY, PAYLOAD_VERSION, PURPOSE_LETTERS, PayloadContext, SessionKeyPayload,
};
use letterbox_protocol::types::{Bytes, Key, Phone, UnixTime};
use letterbox_protocol::wire::{
    DevicePrekeys, KeyBundle, ListedDevice, OneTimePrekey, SignedDeviceList, SignedPrekey,
};
use rand::{CryptoRng, Rng, SeedableRng, TryCryptoRng, TryRng};
use rand_chacha::ChaCha20Rng;
use std::convert::Infallible;

/// The time of every test: 2027-01-15T08:00:00Z, a whole hour.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);

/// A random source with a fixed seed that remembers what it gave.
pub(crate) struct Recorder {
    source: ChaCha20Rng,
    given: Vec<u8>,
}

impl Recorder {
    pub(crate) fn new(seed: u64) -> Self {
        Self { source: ChaCha20Rng::seed_from_u64(seed), given: Vec::new() }
    }

    /// What was given since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.given)
    }
}

impl TryRng for Recorder {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        self.source.fill_bytes(destination);
        self.given.extend_from_slice(destination);
        Ok(())
    }
}

impl TryCryptoRng for Recorder {}

/// A person with one device.
pub(crate) struct Person {
    pub(crate) identity: IdentitySecret,
    pub(crate) party: Party,
    pub(crate) device: ExchangeSecret,
    pub(crate) messaging: ExchangeSecret,
    pub(crate) list: SignedDeviceList,
    pub(crate) prekey_secret: ExchangeSecret,
    pub(crate) prekey: SignedPrekey,
    pub(crate) one_time_secret: ExchangeSecret,
}

impl Person {
    pub(crate) fn new(rng: &mut dyn CryptoRng, phone: &str) -> Self {
        Self::with_devices(rng, phone, 1)
    }

    /// A person of whose devices only the first is of flesh and blood.
    pub(crate) fn with_devices(rng: &mut dyn CryptoRng, phone: &str, devices: usize) -> Self {
        let phone: Phone = phone.parse().unwrap();
        let identity = IdentitySecret::generate(rng);
        let device = ExchangeSecret::generate(rng);
        let messaging = ExchangeSecret::generate(rng);
        let prekey_secret = ExchangeSecret::generate(rng);
        let one_time_secret = ExchangeSecret::generate(rng);
        let device_id = random(rng);
        let mut listed = vec![listed(rng, device_id, device.public())];
        for _ in 1..devices {
            let (id, key) = (random(rng), ExchangeSecret::generate(rng).public());
            listed.push(self::listed(rng, id, key));
        }
        let list = DeviceList::sign(&identity, &phone, 1, NOW, &messaging.public(), listed);
        let prekey = sign_prekey(&identity, &device_id, 1, NOW, &prekey_secret.public());
        let identity_key = identity.public();
        let party = Party { phone, identity_key, device_id, device_key: device.public() };
        Self { identity, party, device, messaging, list, prekey_secret, prekey, one_time_secret }
    }

    pub(crate) fn own(&self) -> OwnDevice<'_> {
        OwnDevice { party: &self.party, secret: &self.device }
    }

    pub(crate) fn one_time(&self) -> OneTimePrekey {
        OneTimePrekey { key_id: 7, public_key: self.one_time_secret.public() }
    }

    pub(crate) fn prekey_secrets(&self) -> PrekeySecrets<'_> {
        PrekeySecrets {
            signed: (1, &self.prekey_secret),
            one_time: Some((7, &self.one_time_secret)),
        }
    }

    pub(crate) fn bundle(&self) -> KeyBundle {
        let messaging_key =
            sign_messaging_key(&self.identity, &self.party.phone, 1, NOW, &self.messaging.public());
        let prekeys = DevicePrekeys {
            device_id: self.party.device_id,
            signed_prekey: self.prekey.clone(),
            one_time_prekey: Some(self.one_time()),
        };
        KeyBundle {
            identity_key: self.party.identity_key,
            messaging_key,
            device_list: self.list.clone(),
            prekeys: vec![prekeys],
        }
    }

    pub(crate) fn begin_channel(&self, rng: &mut dyn CryptoRng, peer: &Self) -> Channel {
        let one_time = peer.one_time();
        Channel::initiate(rng, &self.own(), &peer.party, &peer.prekey, Some(&one_time)).unwrap()
    }

    /// A session key for `peer`, certified by `server`.
    pub(crate) fn session_key(
        &self,
        rng: &mut dyn CryptoRng,
        server: &IdentitySecret,
        peer: &Self,
    ) -> SessionKeyPayload {
        let party = &self.party;
        let certificate = SenderCertificate::issue(
            server,
            &party.phone,
            &party.identity_key,
            &party.device_id,
            &party.device_key,
            NOW,
        );
        SessionKeyPayload {
            version: PAYLOAD_VERSION,
            session_id: random(rng),
            key: Secret::generate(rng),
            sender: party.clone(),
            recipient: peer.party.phone.clone(),
            recipient_identity: peer.party.identity_key,
            purpose: PURPOSE_LETTERS,
            created_at: NOW,
            certificate,
            sender_list: self.list.clone(),
            recipient_list_version: peer.list.version,
            recipient_list_hash: Bytes(device_list::hash(&peer.list)),
            directory_digest: Bytes(NO_DIRECTORY),
            messaging: None,
            previous: None,
        }
    }

    /// What this person holds against a session key from `sender`, whom they do not know yet.
    pub(crate) fn context<'a>(
        &'a self,
        sender: &'a Self,
        server_keys: &'a [Key],
    ) -> PayloadContext<'a> {
        PayloadContext {
            channel_peer: &sender.party,
            phone: &self.party.phone,
            identity_key: &self.party.identity_key,
            own_list: &self.list,
            pinned_identity: None,
            known_list: None,
            unlisted_until: None,
            server_keys,
            stored: NOW,
        }
    }
}

pub(crate) fn random<const N: usize>(rng: &mut dyn CryptoRng) -> Bytes<N> {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    Bytes(bytes)
}

fn listed(rng: &mut dyn CryptoRng, device_id: Bytes<16>, device_key: Key) -> ListedDevice {
    ListedDevice { device_id, registration_id: rng.next_u32() >> 1, device_key }
}
