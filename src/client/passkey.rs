//! A passkey in software: the browser's `navigator.credentials` and the authenticator behind it, in
//! one value (WebAuthn Level 3). For the native client and for tests, which may also tell it to
//! misbehave.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox_protocol::types::Blob;
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use url::Url;

/// COSE's number for ECDSA over P-256 with SHA-256 (RFC 9053 §2.1).
const ES256: i64 = -7;

/// Flags of the authenticator data (WebAuthn §6.1).
mod flags {
    pub(super) const USER_PRESENT: u8 = 0x01;
    pub(super) const USER_VERIFIED: u8 = 0x04;
    pub(super) const ATTESTED_CREDENTIAL: u8 = 0x40;
}

/// A browser's passkeys, all of them discoverable. Clones are the same authenticator, but for their
/// quirks.
#[derive(Clone)]
pub struct Authenticator {
    origin: String,
    host: String,
    credentials: Arc<Mutex<Vec<Credential>>>,
    /// What this authenticator does differently from a good one.
    pub quirks: Quirks,
}

/// Departures from good behaviour, for tests. The default has none.
#[derive(Clone, Default)]
pub struct Quirks {
    /// The person touched the key but gave neither finger nor PIN.
    pub skip_verification: bool,
    /// The page stands on this origin instead.
    pub origin: Option<String>,
    /// Sign this challenge instead of the one that was asked.
    pub challenge: Option<Vec<u8>>,
    /// Count like authenticators that always say zero.
    pub constant_counter: bool,
    /// Draw credential ids of so many bytes.
    pub credential_id_bytes: Option<usize>,
    /// Leave this in `clientExtensionResults`.
    pub extension_results: Option<Value>,
}

/// One passkey.
#[derive(Clone)]
struct Credential {
    id: Vec<u8>,
    relying_party: String,
    user_handle: Vec<u8>,
    key: SigningKey,
    counter: u32,
}

/// Why no credential came back.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// The options are not WebAuthn's JSON.
    #[error("the options are not WebAuthn's JSON")]
    Options(#[from] serde_json::Error),
    /// The page's origin may not use this relying party.
    #[error("the relying party is not the page's host, nor above it")]
    RelyingParty,
    /// The server does not take ES256.
    #[error("the server does not take ES256")]
    Algorithm,
    /// A passkey that the server excludes is already here.
    #[error("a passkey for this account is already here")]
    Excluded,
    /// No passkey here is for this relying party.
    #[error("no passkey here is for this server")]
    NoPasskey,
    /// The origin has no host.
    #[error("the origin has no host")]
    Origin,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped<T> {
    public_key: T,
}

/// The part of `PublicKeyCredentialCreationOptionsJSON` that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreationOptions {
    rp: Entity<String>,
    user: Entity<Blob>,
    challenge: Blob,
    pub_key_cred_params: Vec<Parameters>,
    #[serde(default)]
    exclude_credentials: Vec<Entity<Blob>>,
}

/// The part of `PublicKeyCredentialRequestOptionsJSON` that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestOptions {
    rp_id: String,
    challenge: Blob,
    #[serde(default)]
    allow_credentials: Vec<Entity<Blob>>,
}

#[derive(Deserialize)]
struct Entity<Id> {
    id: Id,
}

#[derive(Deserialize)]
struct Parameters {
    alg: i64,
}

impl Authenticator {
    /// An authenticator without passkeys, in a browser that shows a page of this origin.
    ///
    /// # Errors
    /// The origin has no host.
    pub fn new(origin: &Url) -> Result<Self, PasskeyError> {
        Ok(Self {
            origin: origin.origin().ascii_serialization(),
            host: origin.host_str().ok_or(PasskeyError::Origin)?.to_owned(),
            credentials: Arc::default(),
            quirks: Quirks::default(),
        })
    }

    /// `navigator.credentials.create`: makes a discoverable passkey and returns the JSON of the new
    /// credential, with attestation "none".
    ///
    /// # Errors
    /// The options cannot be met.
    pub fn create(
        &mut self,
        options: &Value,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<Value, PasskeyError> {
        let Wrapped { public_key: options } = Wrapped::<CreationOptions>::deserialize(options)?;
        self.check_relying_party(&options.rp.id)?;
        if !options.pub_key_cred_params.iter().any(|p| p.alg == ES256) {
            return Err(PasskeyError::Algorithm);
        }
        let excluded = |c: &Credential| options.exclude_credentials.iter().any(|e| e.id.0 == c.id);
        if self.lock().iter().any(excluded) {
            return Err(PasskeyError::Excluded);
        }
        let mut id = random_bytes(rng).to_vec();
        id.resize(self.quirks.credential_id_bytes.unwrap_or(id.len()), 0);
        let credential = Credential {
            id,
            relying_party: options.rp.id,
            user_handle: options.user.id.0,
            key: random_key(rng),
            counter: 0,
        };
        let answer = self.attest(&credential, &options.challenge.0);
        self.lock().push(credential);
        Ok(answer)
    }

    /// `navigator.credentials.get`: signs in with the newest passkey that fits, and returns the
    /// assertion's JSON with its user handle.
    ///
    /// # Errors
    /// No passkey fits the options.
    pub fn get(&self, options: &Value) -> Result<Value, PasskeyError> {
        let Wrapped { public_key: options } = Wrapped::<RequestOptions>::deserialize(options)?;
        self.check_relying_party(&options.rp_id)?;
        let allowed = &options.allow_credentials;
        let fits = |c: &&mut Credential| {
            c.relying_party == options.rp_id
                && (allowed.is_empty() || allowed.iter().any(|a| a.id.0 == c.id))
        };
        let credential = {
            let mut credentials = self.lock();
            let credential =
                credentials.iter_mut().rev().find(fits).ok_or(PasskeyError::NoPasskey)?;
            if !self.quirks.constant_counter {
                credential.counter += 1;
            }
            credential.clone()
        };
        Ok(self.assert(&credential, &options.challenge.0))
    }

    /// Another authenticator with copies of the passkeys here, as no good one allows.
    pub fn copied(&self) -> Self {
        let credentials = self.lock().clone();
        Self { credentials: Arc::new(Mutex::new(credentials)), ..self.clone() }
    }

    /// What the PRF extension gives for this salt with the newest passkey here (WebAuthn Level 3
    /// §10.1.4): the same whenever it is asked, and nothing that leaves the browser. `None` without
    /// a passkey.
    pub fn prf(&self, salt: &[u8]) -> Option<[u8; 32]> {
        let credentials = self.lock();
        let secret = credentials.last()?.key.to_bytes();
        let input = [b"WebAuthn PRF\0", salt].concat();
        let key: [u8; 32] = Sha256::digest([b"prf\0", secret.as_slice()].concat()).into();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(&Sha256::digest(input));
        Some(mac.finalize().into_bytes().into())
    }

    /// The credential ids of the passkeys here, oldest first.
    pub fn credential_ids(&self) -> Vec<Vec<u8>> {
        self.lock().iter().map(|c| c.id.clone()).collect()
    }

    /// The user handles of the passkeys here, oldest first.
    pub fn user_handles(&self) -> Vec<Vec<u8>> {
        self.lock().iter().map(|c| c.user_handle.clone()).collect()
    }

    /// Nothing that panics is done under the lock.
    fn lock(&self) -> MutexGuard<'_, Vec<Credential>> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a browser checks before it asks the authenticator (WebAuthn §5.1.3, step 8).
    fn check_relying_party(&self, id: &str) -> Result<(), PasskeyError> {
        let above = self.host.strip_suffix(id).is_some_and(|rest| rest.ends_with('.'));
        if id == self.host || above { Ok(()) } else { Err(PasskeyError::RelyingParty) }
    }

    fn attest(&self, credential: &Credential, challenge: &[u8]) -> Value {
        let mut data = self.authenticator_data(credential, flags::ATTESTED_CREDENTIAL);
        data.extend_from_slice(&[0; 16]); // no model is named
        data.extend_from_slice(&(credential.id.len() as u16).to_be_bytes());
        data.extend_from_slice(&credential.id);
        data.extend_from_slice(&cose_key(&credential.key));
        let response = json!({
            "attestationObject": base64url(&attestation_object(&data)),
            "clientDataJSON": base64url(self.client_data("webauthn.create", challenge).as_bytes()),
            "transports": ["internal"],
        });
        self.credential_json(credential, response)
    }

    fn assert(&self, credential: &Credential, challenge: &[u8]) -> Value {
        let data = self.authenticator_data(credential, 0);
        let client_data = self.client_data("webauthn.get", challenge);
        let signed = [data.as_slice(), &Sha256::digest(client_data.as_bytes())].concat();
        let signature: DerSignature = credential.key.sign(&signed);
        let response = json!({
            "authenticatorData": base64url(&data),
            "clientDataJSON": base64url(client_data.as_bytes()),
            "signature": base64url(signature.as_bytes()),
            "userHandle": base64url(&credential.user_handle),
        });
        self.credential_json(credential, response)
    }

    fn credential_json(&self, credential: &Credential, response: Value) -> Value {
        json!({
            "id": base64url(&credential.id),
            "rawId": base64url(&credential.id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": self.quirks.extension_results.clone().unwrap_or(json!({})),
        })
    }

    /// The fixed head of the authenticator data (WebAuthn §6.1).
    fn authenticator_data(&self, credential: &Credential, more: u8) -> Vec<u8> {
        let verified = if self.quirks.skip_verification { 0 } else { flags::USER_VERIFIED };
        let mut data = Sha256::digest(credential.relying_party.as_bytes()).to_vec();
        data.push(flags::USER_PRESENT | verified | more);
        data.extend_from_slice(&credential.counter.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, challenge: &[u8]) -> String {
        let challenge = self.quirks.challenge.as_deref().unwrap_or(challenge);
        json!({
            "type": kind,
            "challenge": base64url(challenge),
            "origin": self.quirks.origin.as_deref().unwrap_or(&self.origin),
            "crossOrigin": false,
        })
        .to_string()
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("passkeys", &self.lock().len()).finish()
    }
}

fn random_bytes(rng: &mut impl rand::CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// All but one in 2^32 strings are a scalar in range; the others are drawn again.
fn random_key(rng: &mut impl rand::CryptoRng) -> SigningKey {
    loop {
        if let Ok(key) = SigningKey::from_bytes(&random_bytes(rng).into()) {
            return key;
        }
    }
}

/// `{1: 2, 3: -7, -1: 1, -2: x, -3: y}` (RFC 9052 §7, RFC 9053 §7.1.1). The head's numbers are
/// single bytes in CBOR, so the map is written out.
fn cose_key(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    let mut cose = vec![0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01];
    for (label, coordinate) in [(0x21, x), (0x22, y)] {
        cose.extend_from_slice(&[label, 0x58, 32]);
        cose.extend_from_slice(coordinate);
    }
    cose
}

/// `{"fmt": "none", "attStmt": {}, "authData": …}` (WebAuthn §8.7).
fn attestation_object(data: &[u8]) -> Vec<u8> {
    let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59".to_vec();
    object.extend_from_slice(&(data.len() as u16).to_be_bytes());
    object.extend_from_slice(data);
    object
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
