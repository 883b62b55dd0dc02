//! A small model of the server, faithful to the wire: it spends tokens, keeps lists, fans letters
//! out to devices and hands them out until they are acknowledged.

mod account;
mod device;
mod devices;
mod links;
mod sealed;
mod tokens;

pub(super) use links::ServerLink;

use crate::engine::{Half, Request};
use crate::keys::IdentitySecret;
use crate::tokens::{Issuer, KeyWeek};
use crate::types::*;
use crate::wire::*;
use rand::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Server {
    pub(super) certificate_secret: IdentitySecret,
    pub(super) accounts: BTreeMap<Phone, ServerAccount>,
    pub(super) tokens: BTreeMap<Bytes<32>, (String, u16, String)>,
    /// The weeks' issuer keys.
    pub(super) issuers: BTreeMap<KeyWeek, Issuer>,
    /// The keys that these people are shown, and that issue to them, instead.
    pub(super) marked: BTreeMap<Phone, Issuer>,
    /// The database's epoch.
    pub(super) epoch: String,
    /// Tokens in a batch.
    pub(super) batch: u32,
    /// How many requests were refused for their token.
    pub(super) refused_tokens: u32,
    /// Whether the issuer answers that it is in trouble.
    pub(super) issuer_down: bool,
    /// Which batch a device had on which day, and every time one was asked for.
    pub(super) issuance: BTreeMap<(DeviceId, UnixTime), Blob>,
    pub(super) issue_log: Vec<(DeviceId, UnixTime)>,
    /// What the next sealed requests are answered with, instead of being looked at.
    pub(super) refusals: Vec<(u16, &'static str)>,
    /// Every sealed request that was looked at, as `path body`.
    pub(super) sealed_log: Vec<String>,
    pub(super) certificates_issued: u32,
    /// What the server tells as its certificate key, where that is not the one it signs with.
    pub(super) told_key: Option<Key>,
    /// Every request of the account half, as `method path`.
    pub(super) account_log: Vec<String>,
    pub(super) links: BTreeMap<LinkId, ServerLink>,
    /// Who asks for the first one's keys is shown the second one's.
    pub(super) shown_to_strangers: Option<(Phone, Phone)>,
    /// Every letter and envelope that was ever stored for a number.
    pub(super) all_letters: BTreeMap<Phone, Vec<InboxLetter>>,
    pub(super) all_envelopes: BTreeMap<Phone, Vec<InboxEnvelope>>,
}

#[derive(Clone)]
pub(super) struct ServerAccount {
    pub(super) identity_key: Key,
    pub(super) list: SignedDeviceList,
    pub(super) messaging_key: SignedMessagingKey,
    pub(super) devices: BTreeMap<DeviceId, ServerDevice>,
    pub(super) letters: BTreeMap<MessageId, InboxLetter>,
    pub(super) ephemeral: BTreeMap<KeyExchangeId, ServerEphemeral>,
    pub(super) reset: Option<Reset>,
    pub(super) full: bool,
}

#[derive(Clone)]
pub(super) struct ServerDevice {
    pub(super) signed_prekey: SignedPrekey,
    pub(super) one_time: Vec<OneTimePrekey>,
    pub(super) last_one_time: u32,
    pub(super) envelopes: Vec<InboxEnvelope>,
    pub(super) pending: BTreeSet<MessageId>,
    pub(super) failed: BTreeSet<MessageId>,
    pub(super) encrypted_name: Blob,
    pub(super) counter: u64,
    pub(super) capsule: Option<Blob>,
    pub(super) created_on: UnixTime,
}

/// A live re-keying's row.
#[derive(Clone)]
pub(super) struct ServerEphemeral {
    pub(super) key: Key,
    pub(super) used: bool,
    pub(super) expires_at: UnixTime,
}

/// A cookie session.
#[derive(Default, Clone)]
pub(super) struct Cookie {
    pub(super) registered: bool,
    pub(super) device: Option<(Phone, DeviceId)>,
    pub(super) proved: bool,
    pub(super) challenge: Option<Key>,
    /// The session has registered a passkey for this link.
    pub(super) link: Option<LinkId>,
}

pub(super) type Reply = (u16, String);

fn problem(status: u16, kind: &str) -> Reply {
    let problem = Problem { kind: kind.into(), title: String::new(), status, field: None };
    (status, serde_json::to_string(&problem).unwrap())
}

fn ok(answer: &impl serde::Serialize) -> Reply {
    (200, serde_json::to_string(answer).unwrap())
}

fn body<T: serde::de::DeserializeOwned>(request: &Request) -> T {
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}

impl Server {
    pub(super) fn new(rng: &mut dyn CryptoRng) -> Self {
        Self {
            certificate_secret: IdentitySecret::generate(rng),
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            issuers: BTreeMap::new(),
            marked: BTreeMap::new(),
            epoch: "e".into(),
            batch: 100,
            refused_tokens: 0,
            issuer_down: false,
            issuance: BTreeMap::new(),
            issue_log: Vec::new(),
            refusals: Vec::new(),
            sealed_log: Vec::new(),
            certificates_issued: 0,
            told_key: None,
            account_log: Vec::new(),
            links: BTreeMap::new(),
            shown_to_strangers: None,
            all_letters: BTreeMap::new(),
            all_envelopes: BTreeMap::new(),
        }
    }

    pub(super) fn handle(
        &mut self,
        rng: &mut dyn CryptoRng,
        now: UnixTime,
        cookie: &mut Cookie,
        request: &Request,
    ) -> Reply {
        match request.half {
            Half::Sealed => self.sealed(now, request),
            Half::Account => self.account_half(rng, now, cookie, request),
        }
    }
}
