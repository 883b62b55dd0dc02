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
//! | `own_list`, `devices`, `wraps` | the account's devices, and the keys that they give each other |
//! | `rotation`, `revocation` | the account's keys replaced, with a device less or another identity |
//! | `consistency`, `keys_view` | whether the server serves what was published; how the keys are |
//! | `contacts`, `lookup` | people and their keys |
//! | `identities`, `safety` | what is done when those change; safety numbers |
//! | `outbox`, `outbound`, `outcomes` | letters going out, their sessions, and the answers |
//! | `live`, `envelopes`, `opening`, `inbox` | letters coming in, and the keys that open them |
//! | `linking`, `newcomer`, `approval` | a new browser becomes a device: both sides of it |
//! | `capsules`, `recovery`, `beginning` | a vault that is lost or old: the capsule, noticing, beginning anew |
//! | `tokens`, `token_keys` | the daily batch, the stock, the issuer's keys as others see them |
//! | `touches`, `leaving` | what asks for a passkey touch; the waiting period, the account's end |
//! | `rest` | why nothing goes out in the same step |
//! | `pool`, `notes` | what is said besides letters, going out at its own time and coming in |
//! | `siblings`, `copies`, `sync`, `settings` | the own mailbox as a peer, and what is told through it |
//! | `sent`, `receipts` | what became of letters that were sent |
//! | `unopened`, `marks`, `broken`, `resends` | what does not open, whose it is, who is told, and what is sent again |
//! | `history` | giving another own device the letters of this one |
//! | `jobs` | letters that the host has to read for the engine |
//! | `rekey`, `rekey_offer`, `rekey_answer`, `rekey_next` | live re-keying |
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
//! | `devices` | the devices as the server told them last, and their names |
//! | `change` | the account's next keys, until the server is known to have them or not |
//! | `wraps` | the counter of what was wrapped for siblings |
//! | `former-identity/<key>` | identity keys of before, while something made for them can arrive |
//! | `key-state` | how the keys were served last |
//! | `server`, `certificate` | the server's certificate keys, the own certificate |
//! | `contact/<contact>` | number, name, pinned identity, newest device list, unread count |
//! | `fingerprint/<contact>`, `fingerprint/own` | the two halves of safety numbers |
//! | `bundle/<contact>` | the last look-up |
//! | `peer/<contact>/<device>`, `channel/<id>` | channels to other devices |
//! | `out/<contact>`, `own-session/<id>` | sessions for sending |
//! | `last-session/<contact>` | the id of the last one whose envelopes the server had |
//! | `in/<session id>` | sessions for receiving, until no letter of theirs can arrive |
//! | `outbox/<contact>/<time>-<letter>` | letters until the server has them |
//! | `sending/<contact>` | what holds sending to a contact up |
//! | `pool/<contact>/<number>`, `pool-due/<contact>` | notes that wait for their moment |
//! | `part/<contact>/<id>` | pieces of a large note, until it is whole, at most 33 days |
//! | `talk/<contact>` | how lively a conversation is, and when its next re-keying is due |
//! | `rekey/<contact>` | an offer made, until answered, at most 24 hours |
//! | `rekey-heard/<exchange>`, `rekey-answer/<exchange>` | an offer heard, an answer under way |
//! | `next-session/<session id>` | a key agreed on, until its first letter |
//! | `request/<id>` | requests with their exact bytes, until answered |
//! | `token/<expiry>-<random>` | tokens, until used, or their key expires |
//! | `token-batch` | the batch asked for, until answered |
//! | `token-plan` | when the next one is fetched |
//! | `token-keys` | digests of the issuer's keys seen here, and of those that contacts saw, for five weeks |
//! | `refused-tokens` | when tokens were refused lately |
//! | `told-keys/<hash of the list>` | what a sibling told of the account's keys, until the server serves it |
//! | `link` | a new browser's offer, its keys, and what it was answered |
//! | `recovery` | what the recovery capsule is sealed to, and what is in the server's one |
//! | `outdated` | this vault is an older copy |
//! | `beginning` | what the device is to be, until the server has taken it |
//! | `reset` | a waiting period that would take the account away |
//! | `settings` | the account's settings |
//! | `contact-told/<contact>` | when and where what is said of a contact was last changed |
//! | `clearing/<contact>` | letters that a sibling deleted, until they are found |
//! | `sent/<contact>/<letter>` | where letters sent in the last 33 days are |
//! | `remark/<contact>/<letter>` | what was said of a letter that has not come, at most 33 days |
//! | `unopened/<message>` | letters in the mailbox that do not open, until they are given up |
//! | `broken/<contact>` | what did not open from a contact, and when they were told |
//! | `healed/<contact>/<device>` | when a device last had letters sent again, and what it waits for, 33 days |
//! | `resend/<contact>`, `answering/<device>` | what is sent again, until all of it is in the pool |
//! | `history/<device>` | how far giving a device the history has got |
//! | `seen/<contact>/<letter>` | inner ids, 60 days beyond the letter's expiry |
//! | `letter/<contact>/<time>-<letter>` | the letters themselves, written here, read by the host |

mod account;
mod approval;
mod base_keys;
mod beginning;
mod broken;
mod capsules;
mod certificates;
mod channels;
mod consistency;
mod contacts;
mod copies;
mod devices;
mod envelopes;
mod history;
mod identities;
mod inbox;
pub mod interface;
mod jobs;
mod keys_view;
mod leaving;
mod letters;
mod linking;
mod live;
mod lookup;
mod marks;
mod newcomer;
mod notes;
mod opening;
mod outbound;
mod outbox;
mod outcomes;
mod own_list;
mod pool;
mod printed;
mod purpose;
mod receipts;
mod records;
mod recovery;
mod rekey;
mod rekey_answer;
mod rekey_next;
mod rekey_offer;
mod renewal;
mod requests;
mod resends;
mod rest;
mod retries;
mod revocation;
mod rotation;
mod safety;
mod sent;
mod session;
mod settings;
mod siblings;
mod sweep;
mod sync;
#[cfg(test)]
#[cfg(not(target_family = "wasm"))]
mod tests;
mod token_keys;
mod tokens;
mod touches;
mod turn;
mod unopened;
mod upkeep;
mod wraps;

pub use interface::*;
pub use letters::NotALetter;
pub use pool::POOL_MEAN;

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
    /// No records at all make a new, empty engine. `host` is the server's name without a port, as the
    /// host reached it: tokens are bound to it.
    ///
    /// # Errors
    ///
    /// [`OpenError::Unreadable`] where a record was damaged or written by a newer version.
    pub fn open(
        host: &str,
        records: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, OpenError> {
        let records = Records::load(records, readable)?;
        let flights = requests::unanswered(&records);
        let tokens = tokens::TokenMemory::of(host);
        Ok(Self { records, memory: Memory { flights, tokens, ..Memory::default() } })
    }

    /// Lets notes wait in the delayed pool so many milliseconds on average, instead of [`POOL_MEAN`]:
    /// for the demo and for tests, where nobody waits. A shorter time hides less.
    #[must_use]
    pub fn with_pool_mean(mut self, mean: Millis) -> Self {
        self.memory.pool_mean = pool::PoolMean(mean.max(1));
        self
    }

    /// Takes one input up. The host commits, sends and shows what comes out, in that order.
    pub fn step(&mut self, now: Millis, rng: &mut impl CryptoRng, input: Input) -> Output {
        let Self { records, memory } = self;
        Turn { records, memory, now, rng, out: Output::default() }.run(input)
    }

    /// Puts a note into the pool that the engine would not put there by itself.
    #[cfg(test)]
    #[cfg(not(target_family = "wasm"))]
    fn pool_note_for_test(
        &mut self,
        now: Millis,
        rng: &mut impl CryptoRng,
        contact: ContactId,
        note: &crate::notes::Note,
    ) {
        let Self { records, memory } = self;
        Turn { records, memory, now, rng, out: Output::default() }.pool_note(contact, note);
    }

    /// The account and the contacts as they are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            link: linking::link_view(&self.records, &self.memory.linking),
            outdated: recovery::is_outdated(&self.records),
            devices: devices::device_views(&self.records),
            keys: keys_view::keys_view(&self.records),
            reset_ends_at: leaving::reset_ends_at(&self.records),
            ..contacts::snapshot(&self.records)
        }
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
        reads::<own_list::OwnList>,
        reads::<devices::OwnDevices>,
        reads::<rotation::Change>,
        reads::<wraps::WrapCounter>,
        reads::<revocation::FormerIdentity>,
        reads::<consistency::KeyState>,
        reads::<base_keys::BaseKey>,
        reads::<beginning::Beginning>,
        reads::<capsules::Recovery>,
        reads::<channels::PeerDevice>,
        reads::<channels::ChannelRecord>,
        reads::<contacts::Contact>,
        reads::<contacts::Seen>,
        reads::<envelopes::InSession>,
        reads::<leaving::WaitingPeriod>,
        reads::<lookup::CachedBundle>,
        reads::<newcomer::Newcomer>,
        reads::<outbound::OutSession>,
        reads::<outbound::LastSession>,
        reads::<outbound::OwnSession>,
        reads::<outbox::Outgoing>,
        reads::<outbox::Sending>,
        reads::<notes::Parts>,
        reads::<history::Giving>,
        reads::<broken::Broken>,
        reads::<resends::Answering>,
        reads::<resends::Healed>,
        reads::<resends::Resending>,
        reads::<unopened::Unopened>,
        reads::<receipts::Remark>,
        reads::<sent::Sent>,
        reads::<settings::Settings>,
        reads::<sync::Clearing>,
        reads::<sync::ContactTold>,
        reads::<rekey::Talk>,
        reads::<rekey_offer::OfferMade>,
        reads::<rekey_answer::OfferHeard>,
        reads::<rekey_answer::Answering>,
        reads::<rekey_next::NextSession>,
        reads::<pool::Pooled>,
        reads::<pool::PoolDue>,
        reads::<requests::Pending>,
        reads::<recovery::Outdated>,
        reads::<wraps::ToldKeys>,
        reads::<retries::RefusedTokens>,
        reads::<tokens::Stocked>,
        reads::<tokens::Batch>,
        reads::<tokens::TokenPlan>,
        reads::<token_keys::TokenKeys>,
        reads::<safety::KnownFingerprint>,
        reads::<certificates::OwnCertificate>,
        reads::<certificates::ServerRecord>,
    ]
    .into_iter()
    .all(|reads| reads(kind, bytes))
}
