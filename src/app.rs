//! What every handler shares.

use crate::{
    clock::Clock,
    config::{Config, Origin},
    db::Db,
    mailbox::{Wake, writer::MailboxWriter},
    net::Rates,
    randomness::Randomness,
    sms::Sms,
    stop::Stop,
    tokens::Issuers,
};
use letterbox_protocol::keys::IdentitySecret;
use rand::CryptoRng;
use std::{fmt, ops::Deref, sync::Arc};
use webauthn_rs::Webauthn;

/// The server's parts, shared by all requests.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The origin under which browsers reach the server.
    pub origin: Origin,
    /// The time.
    pub clock: Clock,
    /// Random numbers.
    pub randomness: Randomness,
    /// Storage.
    pub db: Db,
    /// The group-commit writer of sealed sends.
    pub writer: MailboxWriter,
    /// Wake-ups of live sockets.
    pub wake: Wake,
    /// Text messages.
    pub sms: Sms,
    /// Rate limits.
    pub rates: Rates,
    /// Passkeys.
    pub webauthn: Webauthn,
    /// The token issuer.
    pub issuers: Issuers,
    /// The keys that sign sender certificates, newest first, at least one.
    pub certificate_keys: Vec<IdentitySecret>,
    /// The database's epoch.
    pub epoch: String,
    /// The word to stop.
    pub stop: Stop,
}

impl App {
    /// Shares these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// A random source: the operating system's, outside simulations.
    pub fn rng(&self) -> impl CryptoRng + use<> {
        self.randomness.rng()
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App(…)")
    }
}
