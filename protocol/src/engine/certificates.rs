//! The server's certificate keys, and the certificate by which others know this device.

use super::interface::Millis;
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::certificate::{CertificateError, SenderCertificate};
use crate::limits::{CERTIFICATE_LONGEST, CLOCK_SKEW};
use crate::types::{DAY, HOUR, Key, UnixTime};
use crate::wire::{Certificate, ServerInfo};
use minicbor::{Decode, Encode};

/// The server's certificate keys, and the epoch of its database.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct ServerRecord {
    #[n(0)]
    pub(super) certificate_keys: Vec<Key>,
    #[n(1)]
    pub(super) epoch: String,
    /// Tokens in a batch; 0 where the server has not said.
    #[n(2)]
    #[cbor(default)]
    pub(super) tokens: u32,
}

impl Record for ServerRecord {
    const KIND: &'static str = "server";
}

/// The sender certificate, as it goes into envelopes.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct OwnCertificate {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(super) bytes: Vec<u8>,
    #[n(1)]
    pub(super) valid_until: UnixTime,
}

impl Record for OwnCertificate {
    const KIND: &'static str = "certificate";
}

/// A certificate with less than this left is renewed.
const CERTIFICATE_MARGIN: i64 = 10 * HOUR;
/// The server's keys are asked for at every sign-in, and then about once a day.
const A_DAY: Millis = DAY * SECOND;
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;

impl Turn<'_> {
    pub(super) fn ask_server_info(&mut self) {
        if !self.is_asked(|purpose| *purpose == Purpose::ServerInfo) {
            self.ask(Purpose::ServerInfo, Method::Get, "/v1/server", None);
        }
    }

    pub(super) fn server_info_answered(&mut self, answer: &Answer) {
        let Some(info) = answer.read::<ServerInfo>() else { return };
        let tokens = info.limits.tokens;
        let (certificate_keys, epoch) = (info.certificate_keys, info.epoch);
        let record = ServerRecord { certificate_keys, epoch, tokens };
        self.records.put(&RecordKey::only(), &record);
        self.memory.upkeep.server_known_at = Some(self.now);
        self.settle_changed_keys();
        self.try_held_envelopes();
    }

    /// The server's keys, at a random moment of each day. Never because of something received: a
    /// server could mark a sender by a certificate key of their own, and see who asks for it.
    pub(super) fn ask_server_info_if_due(&mut self) {
        if self.memory.upkeep.server_at.is_some_and(|at| at <= self.now) {
            let at = self.now + self.around(A_DAY);
            self.memory.upkeep.server_at = Some(at);
            self.ask_server_info();
        }
    }

    /// Whether the server has told its certificate keys since whatever was stored in that hour.
    pub(super) fn server_known_since(&self, stored: UnixTime) -> bool {
        let settled = stored.plus(HOUR + CLOCK_SKEW);
        self.memory.upkeep.server_known_at.is_some_and(|at| at.div_euclid(SECOND) >= settled.0)
    }

    /// The certificate, where it is still good for `seconds` more.
    pub(super) fn certificate(&self, seconds: i64) -> Option<OwnCertificate> {
        let certificate: OwnCertificate = self.records.get(&RecordKey::only())?;
        (certificate.valid_until.since(self.time()) > seconds).then_some(certificate)
    }

    /// Not before the server has told the keys that the certificate will be held against.
    pub(super) fn certificate_due_at(&self) -> Option<Millis> {
        let upkeep = &self.memory.upkeep;
        upkeep.certificate_at.filter(|_| upkeep.server_known_at.is_some())
    }

    pub(super) fn fetch_certificate_if_due(&mut self) {
        if self.certificate_due_at().is_none_or(|at| at > self.now) {
            return;
        }
        // The answer plans the next one.
        self.memory.upkeep.certificate_at = None;
        if let Some(certificate) = self.certificate(CERTIFICATE_MARGIN) {
            self.plan_certificate(certificate.valid_until);
        } else if !self.is_asked(|purpose| *purpose == Purpose::Certificate) {
            self.ask(Purpose::Certificate, Method::Post, "/v1/sender-certificate", None);
        }
    }

    /// Between 10 and 5 hours before its end, at a random moment.
    pub(super) fn plan_certificate(&mut self, valid_until: UnixTime) {
        let margin = CERTIFICATE_MARGIN * SECOND;
        let at = valid_until.0 * SECOND - margin + self.around(margin / 3);
        self.memory.upkeep.certificate_at = Some(at.max(self.now + MINUTE));
    }

    pub(super) fn certificate_answered(&mut self, answer: &Answer) {
        let at = self.now + self.around(10 * MINUTE);
        self.memory.upkeep.certificate_at = Some(at);
        let Some(Certificate { certificate }) = answer.read() else { return };
        let Some(account) = self.account() else { return };
        let Ok(read) = SenderCertificate::from_cbor(&certificate.0) else { return };
        if !self.is_signed_by_the_server(&read) {
            // A key that the server does not tell is a mark, or newer than what it told.
            return self.ask_server_info();
        }
        let lasts = (1..=CERTIFICATE_LONGEST + DAY).contains(&read.valid_until.since(self.time()));
        let mine = lasts
            && read.phone == account.phone
            && read.identity_key == account.identity.public()
            && read.device_id == account.device_id
            && read.device_key == account.device.public();
        if mine {
            let valid_until = read.valid_until;
            let record = OwnCertificate { bytes: certificate.0, valid_until };
            self.records.put(&RecordKey::only(), &record);
            if valid_until.since(self.time()) > CERTIFICATE_MARGIN {
                self.plan_certificate(valid_until);
            }
        }
    }

    /// Others hold the certificate against the keys that the server tells everybody, so its own
    /// device does as well. How long it lasts is looked at apart, with more patience for a clock
    /// that is off.
    fn is_signed_by_the_server(&self, certificate: &SenderCertificate) -> bool {
        let server: Option<ServerRecord> = self.records.get(&RecordKey::only());
        let keys = server.map(|server| server.certificate_keys).unwrap_or_default();
        let refusal = certificate.check(&keys, self.time()).err();
        !matches!(refusal, Some(CertificateError::Form | CertificateError::Signature))
    }
}
