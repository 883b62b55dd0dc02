//! The client engine: everything a client does, as one state machine without I/O.
//!
//! `step(now, rng, input)` returns what to write, what to send and what to show. State is keyed
//! records; see [`interface`]. A step works on those records through `turn::Turn`, to which every
//! module adds what it does:
//!
//! | module | what |
//! | --- | --- |
//! | `records` | the keyed records and what changed in them |
//! | `requests`, `purpose`, `retries` | the request queue: exact bytes, tokens, patience |
//! | `account`, `session` | the account's keys, the device's proof |
//! | `upkeep`, `certificates`, `renewal`, `sweep` | what a device does by itself |
//! | `contacts`, `lookup` | people and their keys |
//! | `outbox`, `outbound`, `outcomes` | letters going out, their sessions, and the answers |
//! | `live`, `envelopes`, `inbox` | letters coming in |
//! | `rest` | why nothing goes out in the same step |
//! | `channels`, `base_keys` | channels to other devices |
//! | `letters` | the records that the host shows |
//! | `printed` | what `Debug` tells of inputs and outputs: next to nothing |
//!
//! The records, by the first word of their keys. Ids are random and mean nothing outside the
//! vault; no key holds a phone number or a name.
//!
//! | key | what, and until when |
//! | --- | --- |
//! | `account` | the number, the identity and device secrets |
//! | `messaging/<version>` | messaging secrets, while something sealed to them can arrive |
//! | `signed-prekey/<id>` | signed prekeys' secrets, for 54 days |
//! | `base-key/<prekey id>/<key>` | handshakes accepted with a signed prekey, as long as it |
//! | `one-time/<id>` | one-time prekeys' secrets, until used, at most 137 days |
//! | `prekey-ids` | the ids given last |
//! | `own-list/<version>` | own device lists, while letters made for them can arrive |
//! | `server`, `certificate` | the server's certificate keys, the own certificate |
//! | `contact/<contact>` | number, name, pinned identity, newest device list, unread count |
//! | `bundle/<contact>` | the last look-up |
//! | `peer/<contact>/<device>`, `channel/<id>` | channels to other devices |
//! | `out/<contact>`, `own-session/<id>` | sessions for sending |
//! | `in/<session id>` | sessions for receiving, until no letter of theirs can arrive |
//! | `outbox/<contact>/<time>-<letter>` | letters until the server has them |
//! | `sending/<contact>` | what holds sending to a contact up |
//! | `request/<id>` | requests with their exact bytes, until answered |
//! | `refused-tokens` | when tokens were refused lately |
//! | `seen/<contact>/<letter>` | inner ids, 60 days beyond the letter's expiry |
//! | `letter/<contact>/<time>-<letter>` | the letters themselves, written here, read by the host |

mod account;
mod base_keys;
mod certificates;
mod channels;
mod contacts;
mod envelopes;
mod inbox;
pub mod interface;
mod letters;
mod live;
mod lookup;
mod outbound;
mod outbox;
mod outcomes;
mod printed;
mod purpose;
mod records;
mod renewal;
mod requests;
mod rest;
mod retries;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
mod turn;
mod upkeep;

pub use interface::*;
pub use letters::NotALetter;

use rand::CryptoRng;
use records::Records;
use turn::{Memory, Turn};

/// One account's client on one device. See [`interface`] for what the host owes it.
pub struct Engine {
    records: Records,
    memory: Memory,
}

impl Engine {
    /// Opens the engine on the vault's records: all of them but those under [`LETTER_PREFIX`].
    /// No records at all make a new, empty engine.
    ///
    /// # Errors
    ///
    /// [`OpenError::Unreadable`] where a record was damaged or written by a newer version.
    pub fn open(records: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, OpenError> {
        let records = Records::load(records, readable)?;
        let flights = requests::unanswered(&records);
        Ok(Self { records, memory: Memory { flights, ..Memory::default() } })
    }

    /// Takes one input up. The host commits, sends and shows what comes out, in that order.
    pub fn step(&mut self, now: Millis, rng: &mut impl CryptoRng, input: Input) -> Output {
        let Self { records, memory } = self;
        Turn { records, memory, now, rng, out: Output::default() }.run(input)
    }

    /// The account and the contacts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        contacts::snapshot(&self.records)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine(…)")
    }
}

/// Whether a record of this kind can be read. Kinds of later versions are left alone.
fn readable(kind: &str, bytes: &[u8]) -> bool {
    fn reads<T: records::Record>(kind: &str, bytes: &[u8]) -> bool {
        kind != T::KIND || minicbor::decode::<T>(bytes).is_ok()
    }
    [
        reads::<account::Account>,
        reads::<account::MessagingSecret>,
        reads::<account::SignedPrekeySecret>,
        reads::<account::OneTimeSecret>,
        reads::<account::PrekeyIds>,
        reads::<account::OwnList>,
        reads::<base_keys::BaseKey>,
        reads::<channels::PeerDevice>,
        reads::<channels::ChannelRecord>,
        reads::<contacts::Contact>,
        reads::<contacts::Seen>,
        reads::<envelopes::InSession>,
        reads::<lookup::CachedBundle>,
        reads::<outbound::OutSession>,
        reads::<outbound::OwnSession>,
        reads::<outbox::Outgoing>,
        reads::<outbox::Sending>,
        reads::<requests::Pending>,
        reads::<retries::RefusedTokens>,
        reads::<certificates::OwnCertificate>,
        reads::<certificates::ServerRecord>,
    ]
    .into_iter()
    .all(|reads| reads(kind, bytes))
}
