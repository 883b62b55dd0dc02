//! What every handler shares.

use crate::{
    clock::Clock,
    config::{Config, Origin},
    db::Db,
    mailbox::{Wake, writer::MailboxWriter},
    net::Rates,
    sms::Sms,
    stop::Stop,
};
use letterbox_protocol::keys::IdentitySecret;
use rand::{CryptoRng, rand_core::UnwrapErr, rngs::SysRng};
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

    /// The operating system's random source. Where it fails there is no going on.
    pub fn rng(&self) -> impl CryptoRng + use<> {
        UnwrapErr(SysRng)
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
