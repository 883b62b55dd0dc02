//! People, devices and sends for these tests. Keys are random bytes: storage does not look inside.

use crate::support::databases::TestDb;
use letterbox::db::{CreateAccount, CredentialRow, Db, NewCredential, SealedSend, SpentToken};
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, DeviceId, HOUR, Phone, UnixTime},
    wire::*,
};
use rand::{Rng, rngs::StdRng};
use sqlx::AssertSqlSafe;

pub(crate) const NOW: UnixTime = UnixTime(20_000 * DAY + 7 * HOUR + 123);

pub(crate) struct Person {
    pub(crate) phone: Phone,
    pub(crate) devices: Vec<(CredentialRow, DeviceId)>,
}

pub(crate) fn phone(number: u32) -> Phone {
    format!("+49151{number:07}").parse().unwrap()
}

pub(crate) fn new_account(phone: &Phone, prekeys: u32, rng: &mut StdRng) -> NewAccount {
    let (messaging, signature) = (Bytes::random(rng), Bytes::random(rng));
    let device = ListedDevice {
        device_id: Bytes::random(rng),
        registration_id: rng.next_u32() >> 1,
        device_key: Bytes::random(rng),
    };
    NewAccount {
        identity_key: Bytes::random(rng),
        device_list: SignedDeviceList {
            suite: SUITE,
            phone: phone.clone(),
            version: 1,
            signed_at: NOW.hour(),
            messaging_key: messaging,
            devices: vec![device],
            signature,
        },
        messaging_key: SignedMessagingKey {
            public_key: messaging,
            key_version: 1,
            created_at: NOW.hour(),
            signature: Bytes::random(rng),
        },
        signed_prekey: signed_prekey(1, NOW, rng),
        one_time_prekeys: one_time_prekeys(1, prekeys, rng),
        encrypted_name: Blob(vec![7; 64]),
    }
}

pub(crate) fn signed_prekey(key_id: u32, at: UnixTime, rng: &mut StdRng) -> SignedPrekey {
    let (public_key, signature) = (Bytes::random(rng), Bytes::random(rng));
    SignedPrekey { key_id, public_key, created_at: at.hour(), signature }
}

pub(crate) fn one_time_prekeys(from: u32, count: u32, rng: &mut StdRng) -> Vec<OneTimePrekey> {
    (from..from + count)
        .map(|key_id| OneTimePrekey { key_id, public_key: Bytes::random(rng) })
        .collect()
}

pub(crate) fn credential(rng: &mut StdRng) -> NewCredential {
    NewCredential {
        user_handle: uuid::Builder::from_random_bytes(Bytes::<16>::random(rng).0).into_uuid(),
        credential_id: Bytes::<32>::random(rng).0.to_vec(),
        passkey: "{}".to_owned(),
    }
}

pub(crate) async fn sign_up(db: &Db, number: u32, prekeys: u32, rng: &mut StdRng) -> Person {
    let phone = phone(number);
    let account = new_account(&phone, prekeys, rng);
    let created = db.create_account(&phone, &credential(rng), &account, NOW, rng).await.unwrap();
    let CreateAccount::Created(row) = created else { panic!("{created:?}") };
    Person { phone, devices: vec![(row, account.device_list.devices[0].device_id)] }
}

/// A person with so many devices.
pub(crate) async fn person(db: &TestDb, number: u32, devices: usize, rng: &mut StdRng) -> Person {
    let mut person = sign_up(db, number, 3, rng).await;
    while person.devices.len() < devices {
        add_device(db, &mut person, NOW, rng).await;
    }
    person
}

/// Links a device by hand, its signed prekey made at this time: linking itself is not built yet.
pub(crate) async fn add_device(
    db: &TestDb,
    person: &mut Person,
    prekey_at: UnixTime,
    rng: &mut StdRng,
) {
    let first = db.credential(person.devices[0].0).await.unwrap().unwrap();
    let (row, user) = (i64::from(rng.next_u32()), first.user.0);
    let (id, key, signature) =
        (Bytes::<16>::random(rng), Bytes::<32>::random(rng), Bytes::<64>::random(rng));
    let l = |bytes: &[u8]| literal(db, bytes);
    let (now, then) = (time(db, NOW), time(db, prekey_at));
    let handle = match &db.db {
        Db::Sqlite { .. } => l(&id.0),
        Db::Postgres(_) => format!("'{}'::uuid", hex(&id.0)),
    };
    run(db, format!("INSERT INTO webauthn_credentials (id, user_id, user_handle, device_id, credential_id, passkey, \
        encrypted_name, created_on, last_used_on) VALUES ({row}, {user}, {handle}, {}, {}, '{{}}', {}, {now}, {now})",
        l(&id.0), l(&key.0), l(&[0]))).await;
    run(
        db,
        format!(
            "INSERT INTO device_keys (webauthn_credential_id, registration_id, suite, device_key) \
        VALUES ({row}, 5, 2, {})",
            l(&key.0)
        ),
    )
    .await;
    run(db, format!("INSERT INTO signed_prekeys (webauthn_credential_id, key_id, public_key, signature, created_at, \
        expires_at) VALUES ({row}, 1, {}, {}, {then}, {then})", l(&key.0), l(&signature.0))).await;
    person.devices.push((CredentialRow(row), id));
}

/// Revokes a device by hand: revoking itself is not built yet.
pub(crate) async fn revoke(db: &TestDb, device: CredentialRow) {
    run(db, format!("UPDATE webauthn_credentials SET is_active = FALSE WHERE id = {}", device.0))
        .await;
}

pub(crate) async fn run(db: &Db, sql: String) {
    let sql = AssertSqlSafe(sql);
    match db {
        Db::Sqlite { writer, .. } => {
            sqlx::query(sql).execute(writer).await.unwrap();
        }
        Db::Postgres(pool) => {
            sqlx::query(sql).execute(pool).await.unwrap();
        }
    }
}

pub(crate) async fn count(db: &Db, table: &str) -> i64 {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    match db {
        Db::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await.unwrap(),
        Db::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await.unwrap(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn literal(db: &Db, bytes: &[u8]) -> String {
    match db {
        Db::Sqlite { .. } => format!("x'{}'", hex(bytes)),
        Db::Postgres(_) => format!("'\\x{}'::bytea", hex(bytes)),
    }
}

pub(crate) fn time(db: &Db, at: UnixTime) -> String {
    match db {
        Db::Sqlite { .. } => at.0.to_string(),
        Db::Postgres(_) => format!("to_timestamp({})", at.0),
    }
}

pub(crate) fn token(rng: &mut StdRng) -> SpentToken {
    SpentToken {
        nullifier: Bytes::random(rng),
        request_digest: Bytes::random(rng),
        issuer_key_id: None,
        expires_on: NOW.plus(3 * DAY),
    }
}

pub(crate) fn message(to: &Person, rng: &mut StdRng) -> SealedMessage {
    SealedMessage {
        destination: to.phone.clone(),
        list_version: 1,
        message_id: Bytes::random(rng),
        expiry_days: 7,
        encrypted_content: Blob(vec![1; 1024]),
        session_keys: None,
    }
}

pub(crate) fn session_for(
    devices: &[(CredentialRow, DeviceId)],
    rng: &mut StdRng,
) -> Option<SessionKeyUpload> {
    let envelope = |(_, device_id): &(CredentialRow, DeviceId)| Envelope {
        device_id: *device_id,
        encrypted_session_key: Blob(vec![2; 2048]),
    };
    Some(SessionKeyUpload {
        session_key_id: Bytes::random(rng),
        envelopes: devices.iter().map(envelope).collect(),
    })
}

pub(crate) fn send(to: &Person, rng: &mut StdRng) -> SealedSend {
    SealedSend::parse(token(rng), message(to, rng)).unwrap()
}
