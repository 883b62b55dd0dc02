//! The published vectors of the RFCs underneath, through the very functions used here.

use crate::kdf::hkdf;
use crate::keys::{ExchangeSecret, IdentitySecret, verify};
use crate::sealing::{open, open_in, seal, seal_in};
use crate::types::Bytes;
use hkdf::Hkdf;
use hpke::{OpModeR, OpModeS, PskBundle, aead::AesGcm128};
use rand::{Rng, TryCryptoRng, TryRng};
use sha2::{Sha256, Sha512};
use std::convert::Infallible;

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hex32(text: &str) -> [u8; 32] {
    hex(text).try_into().unwrap()
}

/// A random source that gives the bytes it was made of.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
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
        let given: Vec<u8> = self.0.drain(..destination.len()).collect();
        destination.copy_from_slice(&given);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

#[test]
fn rfc_7748_section_6_1() {
    let secret = |text| ExchangeSecret::from_bytes(hex32(text));
    let alice = secret("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let bob = secret("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    let alices = hex32("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    let bobs = hex32("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    let shared = hex32("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!((alice.public().0, bob.public().0), (alices, bobs));
    assert_eq!(*alice.agree(&bob.public()).unwrap().expose(), shared);
    assert_eq!(*bob.agree(&alice.public()).unwrap().expose(), shared);
}

#[test]
fn rfc_7748_section_5_2() {
    let scalar = hex32("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
    let point = hex32("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    let shared = ExchangeSecret::from_bytes(scalar).agree(&Bytes(point)).unwrap();
    let expected = hex32("c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    assert_eq!(*shared.expose(), expected);
    // One thousand iterations, as published.
    let (mut scalar, mut point) = ([0; 32], [0; 32]);
    (scalar[0], point[0]) = (9, 9);
    for _ in 0..1_000 {
        let next = *ExchangeSecret::from_bytes(scalar).agree(&Bytes(point)).unwrap().expose();
        (point, scalar) = (scalar, next);
    }
    let expected = hex32("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    assert_eq!(scalar, expected);
}

#[test]
fn rfc_8032_section_7_1() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let secret = IdentitySecret::from_bytes(hex32(seed));
        assert_eq!(secret.public().0, hex32(public));
        let signed = secret.sign(&hex(message));
        assert_eq!(signed.0.to_vec(), hex(signature));
        assert!(verify(&secret.public(), &hex(message), &signed).is_ok());
        assert!(verify(&secret.public(), b"another message", &signed).is_err());
    }
}

#[test]
fn rfc_5869_appendix_a() {
    let mut output = [0; 42];
    let salt = hex("000102030405060708090a0b0c");
    let info = hex("f0f1f2f3f4f5f6f7f8f9");
    let (key, kdf) = Hkdf::<Sha256>::extract(Some(&salt), &[0x0b; 22]);
    kdf.expand(&info, &mut output).unwrap();
    assert_eq!(
        key.to_vec(),
        hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    );
    assert_eq!(
        output.to_vec(),
        hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    );
    Hkdf::<Sha256>::new(None, &[0x0b; 22]).expand(b"", &mut output).unwrap();
    assert_eq!(
        output.to_vec(),
        hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    );
}

/// RFC 5869 has no vectors for SHA-512; its inputs through SHA-512 have well-known results, and
/// both ways of calling must agree.
#[test]
fn hkdf_with_sha_512_on_the_inputs_of_rfc_5869() {
    let salt = hex("000102030405060708090a0b0c");
    let info = hex("f0f1f2f3f4f5f6f7f8f9");
    let expected =
        "832390086cda71fb47625bb5ceb168e4c8e26a1a16ed34d9fc7fe92c1481579338da362cb8d9f925d7cb";
    let output = hkdf::<42>(&salt, &[0x0b; 22], &info);
    assert_eq!(output.to_vec(), hex(expected));
    let mut other = [0; 42];
    Hkdf::<Sha512>::new(Some(&salt), &[0x0b; 22]).expand(&info, &mut other).unwrap();
    assert_eq!(*output, other);
}

/// Base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Appendix A prints the suites
/// with AES-128 and ChaCha20; this one is in the test-vectors.json that the appendix points to.
#[test]
fn rfc_9180_base_mode_with_aes_256() {
    let ephemeral = hex("2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab20f9");
    let secret = hex32("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d");
    let public = hex32("430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
    let enc = hex("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
    let ciphertext = hex(
        "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a",
    );
    let (info, aad) = (b"Ode on a Grecian Urn", b"Count-0");
    let plaintext = b"Beauty is truth, truth beauty";
    let secret = ExchangeSecret::from_bytes(secret);
    assert_eq!(secret.public().0, public);
    let sealed = seal(&mut Fixed(ephemeral), &Bytes(public), info, aad, plaintext).unwrap();
    assert_eq!(sealed, [enc, ciphertext].concat());
    assert_eq!(open(&secret, info, aad, &sealed).unwrap(), plaintext);
}

/// Appendix A.1.2: PSK mode with AES-128-GCM; the mode is the same with every cipher.
#[test]
fn rfc_9180_psk_mode() {
    let ephemeral = hex("78628c354e46f3e169bd231be7b2ff1c77aa302460a26dbfa15515684c00130b");
    let secret = hex32("c5eb01eb457fe6c6f57577c5413b931550a162c71a03ac8d196babbd4e5ce0fd");
    let public = hex32("9fed7e8c17387560e92cc6462a68049657246a09bfa8ade7aefe589672016366");
    let psk = hex32("0247fd33b913760fa1fa51e1892d9f307fbe65eb171e8132c2af18555a738b82");
    let enc = hex("0ad0950d9fb9588e59690b74f1237ecdf1d775cd60be2eca57af5a4b0471c91b");
    let ciphertext = hex(
        "e52c6fed7f758d0cf7145689f21bc1be6ec9ea097fef4e959440012f4feb73fb611b946199e681f4cfc34db8ea",
    );
    let (info, aad) = (b"Ode on a Grecian Urn", b"Count-0");
    let plaintext = b"Beauty is truth, truth beauty";
    let psk = PskBundle::new(&psk, b"Ennyn Durin aran Moria").unwrap();
    let (to, rng) = (Bytes(public), &mut Fixed(ephemeral));
    let mode = OpModeS::Psk(psk);
    let sealed = seal_in::<AesGcm128>(&mode, rng, &to, info, aad, plaintext).unwrap();
    assert_eq!(sealed, [enc, ciphertext].concat());
    let secret = ExchangeSecret::from_bytes(secret);
    let opened = open_in::<AesGcm128>(&OpModeR::Psk(psk), &secret, info, aad, &sealed);
    assert_eq!(opened.unwrap(), plaintext);
    assert!(open_in::<AesGcm128>(&OpModeR::Base, &secret, info, aad, &sealed).is_err());
}
