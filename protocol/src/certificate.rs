//! The sender certificate: the server's word that a device belongs to a phone and an identity.

use crate::encoding::Transcript;
use crate::keys::{IdentitySecret, verify};
use crate::limits::{CERTIFICATE_LONGEST, CLOCK_SKEW};
use crate::types::{DAY, DeviceId, Key, Phone, Signature, UnixTime};
use crate::wire::SUITE;
use minicbor::{Decode, Encode};

/// A sender certificate; CBOR on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SenderCertificate {
    /// The sender's phone number.
    #[n(0)]
    pub phone: Phone,
    /// The sender's identity key (Ed25519).
    #[n(1)]
    pub identity_key: Key,
    /// The sending device.
    #[n(2)]
    pub device_id: DeviceId,
    /// The sending device's key (X25519).
    #[n(3)]
    pub device_key: Key,
    /// The day boundary at which it ends.
    #[n(4)]
    pub valid_until: UnixTime,
    /// Ed25519, by the server's certificate key.
    #[n(5)]
    pub signature: Signature,
}

impl SenderCertificate {
    /// Issues a certificate to the second day boundary after `now`: 24 to 48 hours of validity.
    pub fn issue(
        server: &IdentitySecret,
        phone: &Phone,
        identity_key: &Key,
        device_id: &DeviceId,
        device_key: &Key,
        now: UnixTime,
    ) -> Self {
        let mut certificate = Self {
            phone: phone.clone(),
            identity_key: *identity_key,
            device_id: *device_id,
            device_key: *device_key,
            valid_until: now.day().plus(2 * DAY),
            signature: crate::types::Bytes([0; 64]),
        };
        certificate.signature = server.sign(&certificate.transcript());
        certificate
    }

    /// Reads a certificate. Its signature is not checked by this.
    ///
    /// # Errors
    /// [`CertificateError::Form`].
    pub fn from_cbor(bytes: &[u8]) -> Result<Self, CertificateError> {
        minicbor::decode(bytes).map_err(|_| CertificateError::Form)
    }

    /// The certificate as it travels.
    pub fn to_cbor(&self) -> Vec<u8> {
        crate::record::to_cbor(self)
    }

    /// Checks the certificate as of `at`: for a receiver, the hour in which the letter was stored.
    ///
    /// # Errors
    /// The first check that fails, in the order of [`CertificateError`].
    pub fn check(&self, server_keys: &[Key], at: UnixTime) -> Result<(), CertificateError> {
        if self.valid_until != self.valid_until.day() {
            return Err(CertificateError::Form);
        }
        let transcript = self.transcript();
        let holds = |key: &Key| verify(key, &transcript, &self.signature).is_ok();
        if !server_keys.iter().any(holds) {
            return Err(CertificateError::Signature);
        }
        if at >= self.valid_until {
            return Err(CertificateError::Ended);
        }
        if self.valid_until.since(at) > CERTIFICATE_LONGEST + CLOCK_SKEW {
            return Err(CertificateError::TooLong);
        }
        Ok(())
    }

    /// What the signature is over.
    pub fn transcript(&self) -> Vec<u8> {
        Transcript::new("letterbox/2 sender certificate")
            .u64(SUITE.into())
            .phone(&self.phone)
            .field(&self.identity_key.0)
            .field(&self.device_id.0)
            .field(&self.device_key.0)
            .time(self.valid_until)
            .finish()
    }
}

/// Why a certificate was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not a certificate, or its end is no day boundary.
    #[error("not a sender certificate")]
    Form,
    /// Not signed by a key of the server.
    #[error("the sender certificate's signature does not hold")]
    Signature,
    /// Its end had come.
    #[error("the sender certificate had ended")]
    Ended,
    /// Its end is further off than certificates last.
    #[error("the sender certificate lasts too long")]
    TooLong,
}
