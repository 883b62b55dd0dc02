//! What a batch needs to know: its tokens' past, its mailboxes' devices, their fullness.

use crate::db::{
    Error, SealedSend, Tx,
    columns::{Raw, Stamp},
    within,
};
use letterbox_protocol::types::{Bytes, DAY, DeviceId, MessageId, Phone, UnixTime};
use sqlx::{AssertSqlSafe, Encode, FromRow, QueryBuilder, Sqlite, Type};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Seconds after which a signed prekey makes its device dormant: senders refuse it then.
const DORMANT_AFTER: i64 = 14 * DAY;

/// What is known when a batch begins.
#[derive(Default)]
pub(super) struct Facts {
    /// Tokens of the batch that were spent before: the request's digest and the status.
    pub(super) spent: HashMap<Bytes<32>, (Bytes<32>, i16)>,
    /// Mailboxes that exist.
    pub(super) mailboxes: HashMap<Phone, Mailbox>,
    /// Envelopes that a user's devices hold, for users who are to get some.
    pub(super) envelopes: HashMap<i64, i64>,
    /// Letters of the batch that crowded mailboxes hold already.
    pub(super) known: HashMap<Phone, HashSet<MessageId>>,
}

impl Facts {
    /// Whether a crowded mailbox holds this letter already.
    pub(super) fn holds(&self, mailbox: &Phone, letter: &MessageId) -> bool {
        self.known.get(mailbox).is_some_and(|letters| letters.contains(letter))
    }
}

pub(super) struct Mailbox {
    pub(super) user: i64,
    pub(super) list_version: i64,
    pub(super) devices: Vec<Device>,
}

pub(super) struct Device {
    pub(super) row: i64,
    pub(super) id: DeviceId,
    /// Its signed prekey is old, so that senders may leave it out.
    pub(super) dormant: bool,
}

/// A mailbox to be counted, and from how many letters on they must be weighed as well.
pub(super) struct Uncounted {
    pub(super) phone: Phone,
    pub(super) weigh_from: i64,
}

/// A mailbox's letters and, where they could reach the limit, their bytes.
pub(super) struct Count {
    pub(super) phone: Phone,
    pub(super) letters: i64,
    pub(super) bytes: Option<i64>,
}

#[derive(FromRow)]
struct SpentColumns {
    nullifier: Raw<32>,
    request_digest: Raw<32>,
    status: i16,
}

#[derive(FromRow)]
struct DeviceColumns {
    user_id: i64,
    phone: String,
    device_list_version: i64,
    id: i64,
    device_id: Raw<16>,
    #[sqlx(try_from = "Stamp")]
    created_at: UnixTime,
}

const DEVICES: &str = "SELECT u.id AS user_id, u.phone, u.device_list_version, c.id, c.device_id, s.created_at \
     FROM users u JOIN webauthn_credentials c ON c.user_id = u.id AND c.is_active \
     JOIN signed_prekeys s ON s.webauthn_credential_id = c.id AND s.is_active WHERE u.phone ";

impl Tx {
    pub(super) async fn facts(
        &mut self,
        batch: &[&SealedSend],
        now: UnixTime,
    ) -> Result<Facts, Error> {
        let spent = self.spent_of(batch).await?.into_iter();
        let mut facts = Facts {
            spent: spent.map(|s| (s.nullifier.0, (s.request_digest.0, s.status))).collect(),
            ..Facts::default()
        };
        for row in self.devices_of(batch).await? {
            let phone: Phone = row.phone.parse().map_err(|_| Error::corrupt("users.phone"))?;
            let mailbox = facts.mailboxes.entry(phone).or_insert(Mailbox {
                user: row.user_id,
                list_version: row.device_list_version,
                devices: Vec::new(),
            });
            let dormant = now.since(row.created_at) >= DORMANT_AFTER;
            mailbox.devices.push(Device { row: row.id, id: row.device_id.0, dormant });
        }
        facts.envelopes = self.count_envelopes(batch, &facts).await?;
        Ok(facts)
    }

    async fn spent_of(&mut self, batch: &[&SealedSend]) -> Result<Vec<SpentColumns>, Error> {
        const SELECT: &str =
            "SELECT nullifier, request_digest, status FROM spent_tokens WHERE nullifier ";
        let nullifiers = batch.iter().map(|send| Raw(send.token.nullifier));
        match self {
            Self::Sqlite(tx) => {
                let mut select = QueryBuilder::new(SELECT);
                push_in(&mut select, nullifiers);
                Ok(select.build_query_as().fetch_all(&mut **tx).await?)
            }
            Self::Postgres(tx) => {
                let nullifiers: Vec<_> = nullifiers.collect();
                Ok(sqlx::query_as(any(SELECT)).bind(nullifiers).fetch_all(&mut **tx).await?)
            }
        }
    }

    /// The active devices of every destination.
    async fn devices_of(&mut self, batch: &[&SealedSend]) -> Result<Vec<DeviceColumns>, Error> {
        let phones: BTreeSet<&str> = batch.iter().map(|send| send.destination.as_str()).collect();
        match self {
            Self::Sqlite(tx) => {
                let mut select = QueryBuilder::new(DEVICES);
                push_in(&mut select, phones.into_iter().map(str::to_owned));
                Ok(select.build_query_as().fetch_all(&mut **tx).await?)
            }
            // The lock keeps the list as it is until the letters are in; a statement of its own,
            // because one that waited for a lock would see the devices as before.
            Self::Postgres(tx) => {
                const LOCK: &str =
                    "SELECT id FROM users WHERE phone = ANY ($1) ORDER BY id FOR SHARE";
                let phones: Vec<String> = phones.into_iter().map(str::to_owned).collect();
                sqlx::query(LOCK).bind(&phones).execute(&mut **tx).await?;
                Ok(sqlx::query_as(any(DEVICES)).bind(phones).fetch_all(&mut **tx).await?)
            }
        }
    }

    async fn count_envelopes(
        &mut self,
        batch: &[&SealedSend],
        facts: &Facts,
    ) -> Result<HashMap<i64, i64>, Error> {
        const SELECT: &str = "SELECT user_id, count(*) FROM device_session_keys WHERE user_id ";
        let with_session = batch.iter().filter(|send| send.session.is_some());
        let users =
            with_session.filter_map(|send| Some(facts.mailboxes.get(&send.destination)?.user));
        let users: BTreeSet<i64> = users.collect();
        if users.is_empty() {
            return Ok(HashMap::new());
        }
        let counts: Vec<(i64, i64)> = match self {
            Self::Sqlite(tx) => {
                let mut select = QueryBuilder::new(SELECT);
                push_in(&mut select, users.into_iter());
                select.push(" GROUP BY user_id");
                select.build_query_as().fetch_all(&mut **tx).await?
            }
            Self::Postgres(tx) => {
                let users: Vec<i64> = users.into_iter().collect();
                let select = AssertSqlSafe(format!("{SELECT} = ANY ($1) GROUP BY user_id"));
                sqlx::query_as(select).bind(users).fetch_all(&mut **tx).await?
            }
        };
        Ok(counts.into_iter().collect())
    }

    /// Counts the letters of these mailboxes from the index alone, and adds up their bytes where
    /// so many letters could be too large.
    pub(super) async fn count_letters(
        &mut self,
        mailboxes: &[Uncounted],
    ) -> Result<Vec<Count>, Error> {
        const LETTERS: &str = "SELECT count(*) FROM messages WHERE destination_phone = $1";
        const BYTES: &str = "SELECT coalesce(sum(length(encrypted_content)), 0) FROM messages WHERE destination_phone = $1";
        let mut counts = Vec::with_capacity(mailboxes.len());
        for Uncounted { phone, weigh_from } in mailboxes {
            let letters: i64 = within!(self, c => {
                sqlx::query_scalar(LETTERS).bind(phone.as_str()).fetch_one(c).await?
            });
            let mut bytes = None;
            if letters >= *weigh_from {
                bytes = Some(within!(self, c => {
                    sqlx::query_scalar(BYTES).bind(phone.as_str()).fetch_one(c).await?
                }));
            }
            counts.push(Count { phone: phone.clone(), letters, bytes });
        }
        Ok(counts)
    }

    /// Which letters of the batch these mailboxes hold already.
    pub(super) async fn known_letters(
        &mut self,
        mailboxes: &[&Phone],
        batch: &[&SealedSend],
    ) -> Result<HashMap<Phone, HashSet<MessageId>>, Error> {
        const SELECT: &str = "SELECT message_id FROM messages WHERE destination_phone = ";
        let mut known = HashMap::new();
        for mailbox in mailboxes {
            let held: Vec<String> = within!(self, c => {
                let mut select = QueryBuilder::new(SELECT);
                select.push_bind(mailbox.as_str().to_owned()).push(" AND message_id IN (");
                let mut ids = select.separated(", ");
                for send in batch.iter().filter(|send| send.destination == **mailbox) {
                    ids.push_bind(send.message_id.to_text());
                }
                select.push(")");
                select.build_query_scalar().persistent(false).fetch_all(c).await?
            });
            let held: Result<_, _> = held.iter().map(|id| id.parse()).collect();
            let held = held.map_err(|_| Error::corrupt("messages.message_id"))?;
            known.insert((*mailbox).clone(), held);
        }
        Ok(known)
    }
}

fn any(select: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!("{select} = ANY ($1)"))
}

/// `IN (…)`, filled up to a power of two with the last value: so few texts that each stays prepared.
fn push_in<T>(select: &mut QueryBuilder<Sqlite>, values: impl ExactSizeIterator<Item = T>)
where
    T: Clone + for<'q> Encode<'q, Sqlite> + Type<Sqlite>,
{
    let mut missing = values.len().next_power_of_two() - values.len();
    select.push(" IN (");
    let mut list = select.separated(", ");
    let mut values = values.peekable();
    while let Some(value) = values.next() {
        while values.peek().is_none() && missing > 0 {
            list.push_bind(value.clone());
            missing -= 1;
        }
        list.push_bind(value);
    }
    select.push(")");
}
