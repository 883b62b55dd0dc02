//! People, devices and sends for these tests. Keys are random bytes: storage does not look inside.

use crate::support::databases::TestDb;
use letterbox::db::{
    Cell, CreateAccount, CredentialRow, Db, Dump, NewCredential, Revocation, Rotate, Rotation,
    SealedSend, SpentToken, Wraps,
};
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, DeviceId, HOUR, Key, Phone, UnixTime},
    wire::*,
};
use rand::{Rng, rngs::StdRng};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;

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

/// Adds a device by hand, its signed prekey made at this time.
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
    let (now, then) = (time(db, NOW.day()), time(db, prekey_at));
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

/// The key that signs for a person now.
pub(crate) async fn identity_of(db: &Db, person: &Person) -> Key {
    db.served_bundle(&person.phone).await.unwrap().unwrap().identity_key
}

/// What one device of a person publishes when the messaging key is rotated.
pub(crate) struct Turn {
    pub(crate) device_list: SignedDeviceList,
    pub(crate) messaging_key: SignedMessagingKey,
    pub(crate) identity_key: Key,
    pub(crate) wraps: Option<Wraps>,
    pub(crate) envelope_limit: i64,
}

impl Turn {
    /// The one that follows on what is served, without this device.
    pub(crate) async fn next(
        db: &Db,
        person: &Person,
        without: Option<DeviceId>,
        rng: &mut StdRng,
    ) -> Self {
        let served = db.served_bundle(&person.phone).await.unwrap().unwrap();
        let mut device_list = served.device_list;
        device_list.version += 1;
        device_list.messaging_key = Bytes::random(rng);
        device_list.signature = Bytes::random(rng);
        device_list.devices.retain(|device| Some(device.device_id) != without);
        let messaging_key = SignedMessagingKey {
            public_key: device_list.messaging_key,
            key_version: served.messaging_key.key_version + 1,
            created_at: NOW.hour(),
            signature: Bytes::random(rng),
        };
        let identity_key = served.identity_key;
        Self { device_list, messaging_key, identity_key, wraps: None, envelope_limit: 4_000 }
    }

    pub(crate) fn rotation(&self) -> Rotation<'_> {
        Rotation {
            device_list: &self.device_list,
            messaging_key: &self.messaging_key,
            identity_key: &self.identity_key,
            wraps: self.wraps.as_ref(),
            envelope_limit: self.envelope_limit,
        }
    }

    pub(crate) async fn rotate(&self, db: &Db, by: CredentialRow, rng: &mut StdRng) -> Rotate {
        let user = db.credential(by).await.unwrap().unwrap().user;
        db.rotate_messaging_key(by, user, &self.rotation(), NOW, rng).await.unwrap()
    }

    pub(crate) async fn revoke(
        &self,
        db: &Db,
        by: CredentialRow,
        device: CredentialRow,
        identity: Option<&ReplaceIdentity>,
        rng: &mut StdRng,
    ) -> Rotate {
        let user = db.credential(by).await.unwrap().unwrap().user;
        let revocation = Revocation { device, rotation: self.rotation(), identity };
        db.revoke_device(by, user, &revocation, NOW, rng).await.unwrap()
    }
}

/// Envelopes of a device for these siblings.
pub(crate) fn wraps(
    from: DeviceId,
    siblings: &[(CredentialRow, DeviceId)],
    counter: u64,
    rng: &mut StdRng,
) -> Wraps {
    let SessionKeyUpload { session_key_id, envelopes } = session_for(siblings, rng).unwrap();
    let upload = SiblingKeys { session_key_id, key_rotation_counter: counter, envelopes };
    Wraps::parse(&from, upload).unwrap()
}

/// The first device revokes another.
pub(crate) async fn revoke(db: &Db, person: &Person, at: usize, rng: &mut StdRng) {
    let (device, id) = person.devices[at];
    let turn = Turn::next(db, person, Some(id), rng).await;
    let done = turn.revoke(db, person.devices[0].0, device, None, rng).await;
    assert_eq!(done, Rotate::Done(Vec::new()));
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

/// Every table's rows, in a fixed order.
pub(crate) async fn dumped(db: &Db) -> BTreeMap<String, Vec<Vec<Cell>>> {
    let mut tables = BTreeMap::new();
    for table in db.tables().await.unwrap() {
        let Dump { mut rows, .. } = db.dump(&table).await.unwrap();
        rows.sort();
        tables.insert(table, rows);
    }
    tables
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
        issuer_key_id: 1,
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

/// A live re-keying that somebody opens in this mailbox.
pub(crate) fn exchange(destination: &Phone, rng: &mut StdRng) -> SealedEphemeralKey {
    SealedEphemeralKey {
        destination: destination.clone(),
        key_exchange_id: Bytes::random(rng),
        ephemeral_public_key: Bytes::random(rng),
    }
}
