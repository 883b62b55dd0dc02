//! The protocol's constructions a second time, from the primitives and `docs/protocol.md` alone:
//! nothing here calls the code under test. What a stranger's implementation would do.

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::Aead as _, aead::Payload};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use hpke::{Deserializable as _, Serializable as _};
use sha2::{Digest as _, Sha256, Sha512};
use std::collections::BTreeMap;
use x25519_dalek::{PublicKey, StaticSecret};

pub(super) type Key = [u8; 32];

pub(super) fn transcript(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in std::iter::once(&label.as_bytes()).chain(fields) {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(*field);
    }
    bytes
}

pub(super) fn sign(seed: &Key, message: &[u8]) -> Vec<u8> {
    SigningKey::from_bytes(seed).sign(message).to_bytes().to_vec()
}

pub(super) fn identity(seed: &Key) -> Key {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

pub(super) fn sha256(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

pub(super) fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

pub(super) fn mac(key: &Key, message: &[u8]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// HKDF-SHA-512.
pub(super) fn hkdf<const N: usize>(salt: Option<&[u8]>, input: &[u8], info: &[u8]) -> [u8; N] {
    let mut output = [0; N];
    Hkdf::<Sha512>::new(salt, input).expand(info, &mut output).unwrap();
    output
}

/// RFC 4648 section 5, unpadded.
pub(super) fn base64url(bytes: &[u8]) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let three = |three: &[u8]| {
        let number = (0..3).fold(0, |n, at| n << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        let four = [18, 12, 6, 0].map(|shift| char::from(alphabet[number >> shift & 63]));
        four[..three.len() + 1].iter().collect::<String>()
    };
    bytes.chunks(3).map(three).collect()
}

pub(super) fn public(secret: &Key) -> Key {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

pub(super) fn exchange(secret: &Key, public: &Key) -> Key {
    StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public)).to_bytes()
}

pub(super) fn x3dh_root(exchanges: &[Key]) -> Key {
    let input = [&[0xff; 32][..], &exchanges.concat()].concat();
    let mut root = [0; 32];
    Hkdf::<Sha512>::new(Some(&[0; 64]), &input).expand(b"letterbox/2 X3DH", &mut root).unwrap();
    root
}

/// The key under which a device's name is kept.
pub(super) fn name_key(seed: &Key, phone: &str) -> Key {
    let info = transcript("letterbox/2 device name", &[phone.as_bytes()]);
    let mut key = [0; 32];
    Hkdf::<Sha512>::new(None, seed).expand(&info, &mut key).unwrap();
    key
}

/// The next root key and a chain key.
fn root_step(root: &Key, exchanged: &Key) -> (Key, Key) {
    let mut output = [0; 64];
    let kdf = Hkdf::<Sha512>::new(Some(root), exchanged);
    kdf.expand(b"letterbox/2 ratchet", &mut output).unwrap();
    (output[..32].try_into().unwrap(), output[32..].try_into().unwrap())
}

/// The message key and the next chain key.
pub(super) fn chain_step(chain: &Key) -> (Key, Key) {
    let hmac = |constant: u8| {
        let mut mac = Hmac::<Sha256>::new_from_slice(chain).unwrap();
        mac.update(&[constant]);
        mac.finalize().into_bytes().into()
    };
    (hmac(1), hmac(2))
}

/// Nonce, ciphertext, tag.
pub(super) fn encrypt(key: &Key, nonce: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; 12] = nonce.try_into().unwrap();
    let payload = Payload { msg: plaintext, aad };
    let sealed = Aes256Gcm::new(key.into()).encrypt(&nonce.into(), payload).unwrap();
    [&nonce[..], &sealed].concat()
}

type Kem = hpke::kem::X25519HkdfSha256;

/// HPKE base mode with the given randomness for `DeriveKeyPair`: encapsulated key, ciphertext.
pub(super) fn seal(ikm: &[u8], to: &Key, info: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    seal_in(&hpke::OpModeS::Base, ikm, to, info, aad, plaintext)
}

/// HPKE PSK mode; the pre-shared key and its id.
pub(super) fn seal_psk(
    ikm: &[u8],
    to: &Key,
    (psk, id): (&Key, &[u8]),
    info: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mode = hpke::OpModeS::Psk(hpke::PskBundle::new(psk, id).unwrap());
    seal_in(&mode, ikm, to, info, b"", plaintext)
}

fn seal_in(
    mode: &hpke::OpModeS<'_, Kem>,
    ikm: &[u8],
    to: &Key,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let to = <Kem as hpke::Kem>::PublicKey::from_bytes(to).unwrap();
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<
        hpke::aead::AesGcm256,
        hpke::kdf::HkdfSha256,
        Kem,
    >(mode, &to, info, plaintext, aad, &mut Fixed(ikm.to_vec()))
    .unwrap();
    [&enc.to_bytes()[..], &ciphertext].concat()
}

pub(super) fn pad(plaintext: &[u8], length: usize) -> Vec<u8> {
    let mut padded = [plaintext, &[0x80]].concat();
    assert!(padded.len() <= length);
    padded.resize(length, 0);
    padded
}

/// Just enough CBOR (RFC 8949): maps with integer keys.
pub(super) mod cbor {
    fn head(major: u8, number: u64) -> Vec<u8> {
        let major = major << 5;
        match number {
            0..24 => vec![major | number as u8],
            24..0x100 => vec![major | 24, number as u8],
            0x100..0x1_0000 => [&[major | 25][..], &(number as u16).to_be_bytes()].concat(),
            0x1_0000..0x1_0000_0000 => [&[major | 26][..], &(number as u32).to_be_bytes()].concat(),
            _ => [&[major | 27][..], &number.to_be_bytes()].concat(),
        }
    }

    pub(in super::super) fn uint(number: u64) -> Vec<u8> {
        head(0, number)
    }

    /// A number that may be below 0.
    pub(in super::super) fn int(number: i64) -> Vec<u8> {
        if number < 0 { head(1, !number as u64) } else { uint(number as u64) }
    }

    pub(in super::super) fn boolean(value: bool) -> Vec<u8> {
        vec![0xf4 + u8::from(value)]
    }

    pub(in super::super) fn bytes(bytes: &[u8]) -> Vec<u8> {
        [head(2, bytes.len() as u64), bytes.to_vec()].concat()
    }

    pub(in super::super) fn text(text: &str) -> Vec<u8> {
        [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
    }

    pub(in super::super) fn array(items: &[Vec<u8>]) -> Vec<u8> {
        [head(4, items.len() as u64), items.concat()].concat()
    }

    /// Keys count up from 0; `None` leaves one out.
    pub(in super::super) fn map(values: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut map = head(5, values.iter().flatten().count() as u64);
        for (key, value) in values.iter().enumerate() {
            if let Some(value) = value {
                map.extend(uint(key as u64));
                map.extend(value);
            }
        }
        map
    }
}

/// One end of a Double Ratchet.
pub(super) struct End {
    own: Key,
    peer: Key,
    root: Key,
    sending: Key,
    receiving: Key,
    sent: u32,
    received: u32,
    sent_before: u32,
    skipped: BTreeMap<(Key, u32), Key>,
}

impl End {
    pub(super) fn initiator(root: &Key, own: Key, peer: Key) -> Self {
        let (root, sending) = root_step(root, &exchange(&own, &peer));
        let (receiving, skipped) = ([0; 32], BTreeMap::new());
        Self { own, peer, root, sending, receiving, sent: 0, received: 0, sent_before: 0, skipped }
    }

    pub(super) fn responder(root: Key, own: Key) -> Self {
        let (none, skipped) = ([0; 32], BTreeMap::new());
        let (peer, sending, receiving) = (none, none, none);
        Self { own, peer, root, sending, receiving, sent: 0, received: 0, sent_before: 0, skipped }
    }

    /// The message key and the message.
    pub(super) fn send(&mut self, nonce: &[u8], ad: &[u8], plaintext: &[u8]) -> (Key, Vec<u8>) {
        let header =
            [&public(&self.own)[..], &self.sent_before.to_be_bytes(), &self.sent.to_be_bytes()]
                .concat();
        let (key, chain) = chain_step(&self.sending);
        self.sending = chain;
        self.sent += 1;
        let data = transcript("letterbox/2 channel message", &[ad, &header]);
        (key, [header, encrypt(&key, nonce, &data, plaintext)].concat())
    }

    /// The key of a message that arrives; `fresh` is the next ratchet key, if one is drawn.
    pub(super) fn receive(&mut self, message: &[u8], fresh: &[u8]) -> Key {
        let peer: Key = message[..32].try_into().unwrap();
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let (before, number) = (number(32), number(36));
        if let Some(key) = self.skipped.remove(&(peer, number)) {
            return key;
        }
        if peer != self.peer {
            self.skip(before);
            self.turn(peer, fresh.try_into().unwrap());
        }
        self.skip(number);
        let (key, chain) = chain_step(&self.receiving);
        self.receiving = chain;
        self.received += 1;
        key
    }

    fn skip(&mut self, until: u32) {
        while self.received < until {
            let (key, chain) = chain_step(&self.receiving);
            self.skipped.insert((self.peer, self.received), key);
            self.receiving = chain;
            self.received += 1;
        }
    }

    fn turn(&mut self, peer: Key, fresh: Key) {
        (self.root, self.receiving) = root_step(&self.root, &exchange(&self.own, &peer));
        (self.root, self.sending) = root_step(&self.root, &exchange(&fresh, &peer));
        (self.own, self.peer) = (fresh, peer);
        (self.sent_before, self.sent, self.received) = (self.sent, 0, 0);
    }
}

/// A random source that gives the bytes it was made of.
struct Fixed(Vec<u8>);

impl rand::TryRng for Fixed {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        unreachable!("HPKE draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        unreachable!("HPKE draws bytes")
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Self::Error> {
        let given: Vec<u8> = self.0.drain(..destination.len()).collect();
        destination.copy_from_slice(&given);
        Ok(())
    }
}

impl rand::TryCryptoRng for Fixed {}
