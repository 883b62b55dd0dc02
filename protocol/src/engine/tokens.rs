//! Blind tokens: the daily batch, the stock, and requests that wait for it.
//!
//! One batch is fetched at once when the device is new, and then one a day at a random moment, always
//! of the size that the server tells everybody, whatever was used: so fetching says nothing. No answer
//! to anything makes a device fetch earlier.

use super::certificates::ServerRecord;
use super::interface::{ContactId, Event, Millis, RequestId};
use super::purpose::Purpose;
use super::records::{Record, RecordKey};
use super::requests::{Answer, Method};
use super::retries::Delay;
use super::turn::Turn;
use crate::tokens::{
    BatchResponse, KeyWeek, MOST_TOKENS, PendingBatch, Token, TokenError, challenge_digest,
    token_key_id, weeks_of,
};
use crate::types::{Blob, Bytes, DAY, HOUR, UnixTime};
use crate::wire::{IssueTokens, IssuedTokens, IssuerDirectory};
use minicbor::{Decode, Encode};

/// A token that is in the stock: `token/<expiry>-<random>`; or with the request that it was taken for.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct Stocked {
    #[n(0)]
    token: Token,
    /// When its key expires.
    #[n(1)]
    expires_at: UnixTime,
}

impl Record for Stocked {
    const KIND: &'static str = "token";
}

impl Stocked {
    pub(super) fn to_header(&self) -> String {
        self.token.to_header()
    }
}

/// The batch under way: `token-batch`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct Batch {
    #[n(0)]
    pending: PendingBatch,
    #[n(1)]
    expires_at: UnixTime,
    /// The device had none before.
    #[n(2)]
    first: bool,
}

impl Record for Batch {
    const KIND: &'static str = "token-batch";
}

/// When the next batch is fetched: `token-plan`.
#[derive(Default, Encode, Decode)]
#[cbor(map)]
pub(super) struct TokenPlan {
    #[n(0)]
    next_at: Option<Millis>,
}

impl Record for TokenPlan {
    const KIND: &'static str = "token-plan";
}

/// What is known of tokens only while the engine runs.
#[derive(Default)]
pub(super) struct TokenMemory {
    /// What the tokens of this server are bound to.
    challenge_digest: Option<Bytes<32>>,
    /// Whether a batch that was due when the vault was opened has been put off.
    awake: bool,
}

impl TokenMemory {
    /// Of a server of this name.
    pub(super) fn of(host: &str) -> Self {
        Self { challenge_digest: challenge_digest(host).ok(), awake: false }
    }
}

/// A token is not used in the last hour of its key: the request may be under way for a while.
const MARGIN: i64 = HOUR;
/// Batches that are kept in the stock at most.
const BATCHES_KEPT: usize = 2;
/// What waited for a new device's first tokens leaves soon.
const SOON: (Millis, Millis) = (300, 1_700);
/// What waited for a later batch leaves at a moment that does not tell of the fetch.
const LATER: (Millis, Millis) = (1_000, 2 * MINUTE);
const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const A_DAY: Millis = DAY * SECOND;

impl Turn<'_> {
    // ---- the stock ----

    /// Takes a token out of the stock, any of those that expire first: two lives of one vault that
    /// took them in the same order would show by it that they are one device.
    pub(super) fn take_token(&mut self) -> Option<Stocked> {
        let soonest = self.time().plus(MARGIN);
        let all = self.records.list::<Stocked>(&[]).into_iter();
        let (mut good, old): (Vec<_>, Vec<_>) =
            all.partition(|(_, stocked)| stocked.expires_at > soonest);
        for (key, _) in old {
            self.records.delete(&RecordKey::<Stocked>::of(&[&key]));
        }
        let first = good.first()?.1.expires_at;
        good.retain(|(_, stocked)| stocked.expires_at == first);
        let last = Millis::try_from(good.len()).ok()? - 1;
        let (key, stocked) = good.swap_remove(usize::try_from(self.up_to(last)).ok()?);
        self.records.delete(&RecordKey::<Stocked>::of(&[&key]));
        Some(stocked)
    }

    /// Tokens under another key than the directory names for their week, which a database had that
    /// was restored since: nobody takes them any more.
    fn drop_unknown_tokens(&mut self, weeks: &[(KeyWeek, Bytes<32>)]) {
        for (key, stocked) in self.records.list::<Stocked>(&[]) {
            let same_week = weeks.iter().find(|(week, _)| week.expires() == stocked.expires_at);
            let id = stocked.token.token_key_id();
            if same_week.is_some_and(|(_, issuer)| token_key_id(issuer) != id) {
                self.records.delete(&RecordKey::<Stocked>::of(&[&key]));
            }
        }
    }

    fn has_tokens(&self) -> bool {
        self.records.last_key::<Stocked>(&[]).is_some()
    }

    fn stock(&mut self, tokens: Vec<Token>, expires_at: UnixTime) {
        let most = BATCHES_KEPT * tokens.len();
        for token in tokens {
            let unique = Bytes::<8>::random(&mut self.rng).to_text();
            let key = format!("{:016x}-{unique}", expires_at.0.max(0));
            self.records.put(&RecordKey::of(&[&key]), &Stocked { token, expires_at });
        }
        let all = self.records.list::<Stocked>(&[]);
        let too_many = all.len().saturating_sub(most);
        for (key, _) in all.into_iter().take(too_many) {
            self.records.delete(&RecordKey::<Stocked>::of(&[&key]));
        }
    }

    /// Tokens whose keys have expired.
    pub(super) fn sweep_tokens(&mut self) {
        let time = self.time();
        for (key, stocked) in self.records.list::<Stocked>(&[]) {
            if stocked.expires_at <= time {
                self.records.delete(&RecordKey::<Stocked>::of(&[&key]));
            }
        }
    }

    /// The device begins anew: an older copy of a vault may hold tokens that were spent since.
    pub(super) fn drop_tokens(&mut self) {
        self.give_up(|purpose| matches!(purpose, Purpose::IssuerDirectory | Purpose::Tokens));
        self.records.delete_all::<Stocked>(&[]);
        self.records.delete(&RecordKey::<Batch>::only());
        self.records.delete(&RecordKey::<TokenPlan>::only());
    }

    // ---- waiting for it ----

    /// Gives a request that has none a token, or one whose token has expired another; `false` where it
    /// has to wait for one.
    pub(super) fn stamp(&mut self, id: RequestId) -> bool {
        let time = self.time();
        let is_good = |stocked: &Stocked| stocked.expires_at > time;
        let Some(mut pending) = self
            .pending(id)
            .filter(|pending| pending.is_sealed() && !pending.token.as_ref().is_some_and(is_good))
        else {
            return true;
        };
        pending.token = self.take_token();
        if pending.token.is_some() {
            self.keep_pending(id, pending);
            return true;
        }
        let waits = self.memory.flights.get_mut(&id).map(|flight| &mut flight.unstamped);
        if waits.is_some_and(|waits| !std::mem::replace(waits, true)) {
            if self.gives_up_on_trouble(&pending.purpose, Delay::Tokens) {
                self.forget(id);
            } else {
                self.letter_delayed(&pending.purpose, Delay::Tokens);
            }
        }
        false
    }

    /// Tokens have come: what waits for them leaves, each at a moment of its own.
    fn stamp_waiting(&mut self, (least, more): (Millis, Millis)) {
        let flights = self.memory.flights.iter();
        let waiting: Vec<RequestId> =
            flights.filter(|(_, flight)| flight.unstamped).map(|(id, _)| *id).collect();
        for id in waiting {
            let at = self.now + least + self.up_to(more);
            if let Some(flight) = self.memory.flights.get_mut(&id) {
                (flight.unstamped, flight.next) = (false, Some(at));
            }
        }
    }

    // ---- the daily batch ----

    fn next_batch_at(&self) -> Option<Millis> {
        let plan: TokenPlan = self.records.get(&RecordKey::only()).unwrap_or_default();
        // Wherever the clock stood when it was planned.
        plan.next_at.map(|at| at.min(self.now + 2 * A_DAY))
    }

    pub(super) fn next_tokens_at(&self) -> Option<Millis> {
        let known = self.memory.upkeep.server_known_at.is_some();
        let asked = self.is_asked(|p| matches!(p, Purpose::IssuerDirectory | Purpose::Tokens));
        let can = known && !asked && self.memory.tokens.challenge_digest.is_some();
        can.then(|| self.next_batch_at().unwrap_or(self.now))
    }

    /// The directory first, then the batch: not before the server has told how large one is.
    pub(super) fn fetch_tokens_if_due(&mut self) {
        if self.next_tokens_at().is_none_or(|at| at > self.now) {
            return;
        }
        let planned = self.next_batch_at().is_some();
        if !std::mem::replace(&mut self.memory.tokens.awake, true) && planned {
            // Not with what opened the vault, which the moment would tell.
            let next_at = Some(self.now + self.up_to(2 * MINUTE));
            return self.records.put(&RecordKey::only(), &TokenPlan { next_at });
        }
        let path = "/.well-known/private-token-issuer-directory";
        self.ask(Purpose::IssuerDirectory, Method::Get, path, None);
    }

    pub(super) fn directory_answered(&mut self, answer: &Answer) {
        let told = answer.read::<IssuerDirectory>();
        let weeks = told.map_or(Err(TokenError::Directory), |directory| weeks_of(&directory));
        let first = self.next_batch_at().is_none();
        // The next one is fetched tomorrow, whatever becomes of this one.
        let tomorrow = (self.time().day().0 + DAY) * SECOND;
        let next_at = Some(tomorrow + self.up_to(A_DAY - SECOND));
        self.records.put(&RecordKey::only(), &TokenPlan { next_at });
        match weeks {
            Ok(weeks) => {
                self.learn_issuer_keys(&weeks);
                self.drop_unknown_tokens(&weeks);
                let now = KeyWeek::of(self.time());
                if let Some((week, key)) = weeks.into_iter().find(|(week, _)| *week == now)
                    && self.ask_tokens(week, &key, first).is_err()
                {
                    self.tell(Event::TokenKeysDisputed { contact: None });
                }
            }
            Err(_) if answer.is_ok() => self.tell(Event::TokenKeysDisputed { contact: None }),
            Err(_) => {}
        }
    }

    fn ask_tokens(
        &mut self,
        week: KeyWeek,
        key: &Bytes<32>,
        first: bool,
    ) -> Result<(), TokenError> {
        let server: Option<ServerRecord> = self.records.get(&RecordKey::only());
        let tokens = server.and_then(|server| usize::try_from(server.tokens).ok());
        let tokens = tokens.filter(|tokens| (1..=MOST_TOKENS).contains(tokens));
        let (Some(tokens), Some(digest)) = (tokens, self.memory.tokens.challenge_digest) else {
            return Ok(());
        };
        let pending = PendingBatch::blind(key, &digest, tokens, self.rng)?;
        let token_request = Blob(pending.request().to_bytes());
        let body = serde_json::to_string(&IssueTokens { token_request }).ok();
        let batch = Batch { pending, expires_at: week.expires(), first };
        self.records.put(&RecordKey::only(), &batch);
        self.ask(Purpose::Tokens, Method::Post, "/v1/tokens", body);
        Ok(())
    }

    /// Either the tokens, or none today.
    pub(super) fn tokens_answered(&mut self, answer: &Answer) {
        let batch: Option<Batch> = self.records.get(&RecordKey::only());
        self.records.delete(&RecordKey::<Batch>::only());
        let (Some(batch), Some(issued)) = (batch, answer.read::<IssuedTokens>()) else { return };
        let response = BatchResponse::from_bytes(&issued.token_response.0);
        match response.and_then(|response| batch.pending.finish(&response)) {
            Ok(tokens) => {
                self.stock(tokens, batch.expires_at);
                self.stamp_waiting(if batch.first { SOON } else { LATER });
            }
            // Another key than everybody is told would mark these tokens: none of them is used.
            Err(_) => self.tell(Event::TokenKeysDisputed { contact: None }),
        }
    }

    pub(super) fn look_up_waits_for_tokens(&self, id: ContactId) -> bool {
        let mut flights = self.memory.flights.values().filter(|flight| flight.unstamped);
        flights.any(
            |flight| matches!(&flight.purpose, Purpose::Lookup { contact, .. } if *contact == id),
        )
    }

    /// Whether a request's next moment counts: one that waits for tokens has none.
    pub(super) fn waits_for_tokens(&self, unstamped: bool) -> bool {
        unstamped && !self.has_tokens()
    }
}
