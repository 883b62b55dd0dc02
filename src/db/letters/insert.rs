//! The bulk writes of a batch: tokens, letters, deliveries, envelopes.
//!
//! SQLite gets rows of values, in groups of a power of two so that each text stays prepared;
//! PostgreSQL gets arrays. On PostgreSQL every table is written in the order of its key, so that
//! batches which meet wait for each other and do not deadlock.

use super::{decide::Decision, facts::Facts};
use crate::db::{
    CredentialRow, Error, SealedSend, SendOutcome, Tx,
    columns::{Raw, Stamp},
    ids,
};
use letterbox_protocol::types::{Bytes, DAY, UnixTime};
use rand::CryptoRng;
use sqlx::{QueryBuilder, Sqlite, query_builder::Separated};
use std::collections::HashSet;

/// Seconds an envelope is kept.
const ENVELOPE_LIFETIME: i64 = 32 * DAY;
/// Rows in one statement on SQLite, which takes 32,766 values.
const GROUP: usize = 256;

/// What a batch wrote.
#[derive(Default)]
pub(super) struct Written {
    /// Tokens that a racing transaction spent first: nothing was written for their sends.
    pub(super) lost: HashSet<Bytes<32>>,
    /// The devices that have something new.
    pub(super) wake: Vec<CredentialRow>,
}

struct LetterRow<'a> {
    id: i64,
    send: &'a SealedSend,
    expires_at: UnixTime,
}

struct DeliveryRow {
    id: i64,
    letter: i64,
    device: i64,
}

struct EnvelopeRow<'a> {
    id: i64,
    user: i64,
    device: i64,
    label: String,
    sealed: &'a [u8],
}

impl Tx {
    pub(super) async fn insert_sends(
        &mut self,
        batch: &[&SealedSend],
        decisions: &[Decision],
        facts: &Facts,
        now: UnixTime,
        rng: &mut impl CryptoRng,
    ) -> Result<Written, Error> {
        let mut written = Written::default();
        let mut writing: Vec<(&SealedSend, SendOutcome)> = (batch.iter().zip(decisions))
            .filter(|(_, decision)| decision.write)
            .map(|(send, decision)| (*send, decision.outcome))
            .collect();
        writing.sort_by_key(|(send, _)| send.token.nullifier);
        written.lost = self.insert_tokens(&writing).await?;
        let stored = writing.iter().filter(|(send, outcome)| {
            *outcome == SendOutcome::Stored && !written.lost.contains(&send.token.nullifier)
        });
        let mut letters: Vec<LetterRow<'_>> = stored
            .map(|(send, _)| LetterRow {
                id: ids::hourly(now, rng),
                send,
                expires_at: now.plus(i64::from(send.expiry_days) * DAY).day_up(),
            })
            .collect();
        letters.sort_by(|a, b| {
            (&a.send.destination, a.send.message_id).cmp(&(&b.send.destination, b.send.message_id))
        });
        let new: HashSet<i64> = self.insert_letters(&letters, now).await?.into_iter().collect();
        letters.retain(|letter| new.contains(&letter.id));
        let deliveries = deliveries_of(&letters, facts, now, rng);
        self.insert_deliveries(&deliveries).await?;
        self.insert_envelopes(&envelopes_of(&letters, facts, now, rng), now).await?;
        written.wake = deliveries.iter().map(|row| CredentialRow(row.device)).collect();
        Ok(written)
    }

    /// Answers the tokens that were not fresh any more.
    async fn insert_tokens(
        &mut self,
        writing: &[(&SealedSend, SendOutcome)],
    ) -> Result<HashSet<Bytes<32>>, Error> {
        let status = |outcome: &SendOutcome| outcome.spent_status().unwrap_or_default();
        match self {
            // The one writer has looked: none is spent.
            Self::Sqlite(tx) => {
                const INSERT: &str = "INSERT INTO spent_tokens (nullifier, issuer_key_id, request_digest, status, expires_on) ";
                for group in groups(writing) {
                    let mut insert = rows(INSERT, group, |mut row, (send, outcome)| {
                        row.push_bind(Raw(send.token.nullifier))
                            .push_bind(send.token.issuer_key_id)
                            .push_bind(Raw(send.token.request_digest))
                            .push_bind(status(outcome))
                            .push_bind(Stamp(send.token.expires_on.day_up()));
                    });
                    insert.build().execute(&mut **tx).await?;
                }
                Ok(HashSet::new())
            }
            Self::Postgres(tx) => {
                const INSERT: &str = "INSERT INTO spent_tokens (nullifier, issuer_key_id, request_digest, status, expires_on) \
                     SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[], $4::smallint[], $5::timestamptz[]) \
                     ON CONFLICT (nullifier) DO NOTHING RETURNING nullifier";
                let column = || writing.iter().map(|(send, _)| &send.token);
                let fresh: Vec<Raw<32>> = sqlx::query_scalar(INSERT)
                    .bind(column().map(|t| Raw(t.nullifier)).collect::<Vec<_>>())
                    .bind(column().map(|t| t.issuer_key_id).collect::<Vec<_>>())
                    .bind(column().map(|t| Raw(t.request_digest)).collect::<Vec<_>>())
                    .bind(writing.iter().map(|(_, outcome)| status(outcome)).collect::<Vec<_>>())
                    .bind(column().map(|t| Stamp(t.expires_on.day_up())).collect::<Vec<_>>())
                    .fetch_all(&mut **tx)
                    .await?;
                let mut lost: HashSet<Bytes<32>> = column().map(|token| token.nullifier).collect();
                for nullifier in fresh {
                    lost.remove(&nullifier.0);
                }
                Ok(lost)
            }
        }
    }

    /// Answers the ids of the letters that are new: a known message id is stored once.
    async fn insert_letters(
        &mut self,
        letters: &[LetterRow<'_>],
        now: UnixTime,
    ) -> Result<Vec<i64>, Error> {
        match self {
            Self::Sqlite(tx) => {
                const INSERT: &str = "INSERT INTO messages (id, destination_phone, message_id, timestamp, created_at, \
                     expires_at, encrypted_content) ";
                let mut new = Vec::with_capacity(letters.len());
                for group in groups(letters) {
                    let mut insert = rows(INSERT, group, |mut row, letter| {
                        row.push_bind(letter.id)
                            .push_bind(letter.send.destination.as_str().to_owned())
                            .push_bind(letter.send.message_id.to_text())
                            .push_bind(Stamp(now.hour()))
                            .push_bind(Stamp(now.hour()))
                            .push_bind(Stamp(letter.expires_at))
                            .push_bind(letter.send.content.clone());
                    });
                    insert.push(
                        " ON CONFLICT (destination_phone, message_id) DO NOTHING RETURNING id",
                    );
                    new.extend(insert.build_query_scalar::<i64>().fetch_all(&mut **tx).await?);
                }
                Ok(new)
            }
            Self::Postgres(tx) => {
                const INSERT: &str = "INSERT INTO messages (id, destination_phone, message_id, timestamp, created_at, \
                     expires_at, encrypted_content) SELECT l.id, l.phone, l.message_id, $5, $5, l.expires_at, l.content \
                     FROM unnest($1::bigint[], $2::text[], $3::text[], $4::timestamptz[], $6::bytea[]) \
                     AS l (id, phone, message_id, expires_at, content) \
                     ON CONFLICT (destination_phone, message_id) DO NOTHING RETURNING id";
                let sends = || letters.iter().map(|letter| letter.send);
                Ok(sqlx::query_scalar(INSERT)
                    .bind(letters.iter().map(|letter| letter.id).collect::<Vec<_>>())
                    .bind(sends().map(|send| send.destination.as_str()).collect::<Vec<_>>())
                    .bind(sends().map(|send| send.message_id.to_text()).collect::<Vec<_>>())
                    .bind(letters.iter().map(|letter| Stamp(letter.expires_at)).collect::<Vec<_>>())
                    .bind(Stamp(now.hour()))
                    .bind(sends().map(|send| send.content.as_slice()).collect::<Vec<_>>())
                    .fetch_all(&mut **tx)
                    .await?)
            }
        }
    }

    async fn insert_deliveries(&mut self, deliveries: &[DeliveryRow]) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => {
                const INSERT: &str =
                    "INSERT INTO message_deliveries (id, message_id, webauthn_credential_id) ";
                for group in groups(deliveries) {
                    let mut insert = rows(INSERT, group, |mut row, delivery| {
                        row.push_bind(delivery.id)
                            .push_bind(delivery.letter)
                            .push_bind(delivery.device);
                    });
                    insert.build().execute(&mut **tx).await?;
                }
            }
            Self::Postgres(tx) => {
                const INSERT: &str = "INSERT INTO message_deliveries (id, message_id, webauthn_credential_id) \
                     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])";
                if !deliveries.is_empty() {
                    sqlx::query(INSERT)
                        .bind(deliveries.iter().map(|row| row.id).collect::<Vec<_>>())
                        .bind(deliveries.iter().map(|row| row.letter).collect::<Vec<_>>())
                        .bind(deliveries.iter().map(|row| row.device).collect::<Vec<_>>())
                        .execute(&mut **tx)
                        .await?;
                }
            }
        }
        Ok(())
    }

    async fn insert_envelopes(
        &mut self,
        envelopes: &[EnvelopeRow<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let (created_at, expires_at) =
            (Stamp(now.hour()), Stamp(now.plus(ENVELOPE_LIFETIME).day_up()));
        match self {
            Self::Sqlite(tx) => {
                const INSERT: &str = "INSERT INTO device_session_keys (id, user_id, webauthn_credential_id, \
                     session_key_id, encrypted_session_key, key_rotation_counter, created_at, expires_at) ";
                for group in groups(envelopes) {
                    let mut insert = rows(INSERT, group, |mut row, envelope| {
                        row.push_bind(envelope.id)
                            .push_bind(envelope.user)
                            .push_bind(envelope.device)
                            .push_bind(envelope.label.clone())
                            .push_bind(envelope.sealed.to_vec())
                            .push_bind(0_i64)
                            .push_bind(created_at)
                            .push_bind(expires_at);
                    });
                    insert.push(
                        " ON CONFLICT (user_id, session_key_id, webauthn_credential_id) DO NOTHING",
                    );
                    insert.build().execute(&mut **tx).await?;
                }
            }
            Self::Postgres(tx) => {
                const INSERT: &str = "INSERT INTO device_session_keys (id, user_id, webauthn_credential_id, \
                     session_key_id, encrypted_session_key, key_rotation_counter, created_at, expires_at) \
                     SELECT e.id, e.owner, e.device, e.label, e.sealed, 0, $6, $7 \
                     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[]) \
                     AS e (id, owner, device, label, sealed) \
                     ON CONFLICT (user_id, session_key_id, webauthn_credential_id) DO NOTHING";
                if !envelopes.is_empty() {
                    sqlx::query(INSERT)
                        .bind(envelopes.iter().map(|row| row.id).collect::<Vec<_>>())
                        .bind(envelopes.iter().map(|row| row.user).collect::<Vec<_>>())
                        .bind(envelopes.iter().map(|row| row.device).collect::<Vec<_>>())
                        .bind(envelopes.iter().map(|row| row.label.as_str()).collect::<Vec<_>>())
                        .bind(envelopes.iter().map(|row| row.sealed).collect::<Vec<_>>())
                        .bind(created_at)
                        .bind(expires_at)
                        .execute(&mut **tx)
                        .await?;
                }
            }
        }
        Ok(())
    }
}

/// One delivery for every device that is active now.
fn deliveries_of(
    letters: &[LetterRow<'_>],
    facts: &Facts,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Vec<DeliveryRow> {
    let mut rows = Vec::with_capacity(letters.len() * 3);
    for letter in letters {
        let mailbox = facts.mailboxes.get(&letter.send.destination);
        for device in mailbox.iter().flat_map(|mailbox| &mailbox.devices) {
            rows.push(DeliveryRow {
                id: ids::hourly(now, rng),
                letter: letter.id,
                device: device.row,
            });
        }
    }
    rows
}

/// The envelopes of new letters. Those of a known letter came with it, and may be opened by now.
fn envelopes_of<'a>(
    letters: &[LetterRow<'a>],
    facts: &Facts,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Vec<EnvelopeRow<'a>> {
    let mut rows = Vec::new();
    for send in letters.iter().map(|letter| letter.send) {
        let (Some((label, sealed)), Some(mailbox)) =
            (&send.session, facts.mailboxes.get(&send.destination))
        else {
            continue;
        };
        for (id, sealed) in sealed {
            if let Some(device) = mailbox.devices.iter().find(|device| device.id == *id) {
                rows.push(EnvelopeRow {
                    id: ids::hourly(now, rng),
                    user: mailbox.user,
                    device: device.row,
                    label: label.to_text(),
                    sealed,
                });
            }
        }
    }
    rows.sort_by(|a, b| (a.user, &a.label, a.device).cmp(&(b.user, &b.label, b.device)));
    rows
}

/// Slices of [`GROUP`] rows, then of falling powers of two.
fn groups<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let largest = rows.len().min(GROUP).checked_ilog2()?;
        let (group, rest) = rows.split_at_checked(1 << largest)?;
        rows = rest;
        Some(group)
    })
}

fn rows<T>(
    insert: &'static str,
    group: &[T],
    bind: impl FnMut(Separated<'_, Sqlite, &'static str>, &T),
) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(insert);
    query.push_values(group, bind);
    query
}
