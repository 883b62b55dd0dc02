//! A hundred mailboxes with three devices each, and sends to them.

use letterbox::db::{CreateAccount, CredentialRow, Db, NewCredential, SealedSend, SpentToken};
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, Phone, UnixTime},
    wire::{
        ListedDevice, NewAccount, SUITE, SealedMessage, SignedDeviceList, SignedMessagingKey,
        SignedPrekey,
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::AssertSqlSafe;

pub(crate) const NOW: UnixTime = UnixTime(20_000 * DAY + 3_600);
pub(crate) const MAILBOXES: u32 = 100;

pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

pub(crate) fn phone(number: u32) -> Phone {
    format!("+49151{:07}", number % MAILBOXES).parse().unwrap()
}

/// Opens a new database with its people; answers every mailbox's three device rows.
pub(crate) async fn open(url: &str) -> (Db, Vec<[i64; 3]>) {
    let rng = &mut rng();
    let db = Db::open(url, rng).await.unwrap();
    let mut devices = Vec::new();
    for number in 0..MAILBOXES {
        let first = sign_up(&db, &phone(number), rng).await;
        let siblings = [first.0 ^ 1, first.0 ^ 2];
        for row in siblings {
            copy_device(&db, first.0, row).await;
        }
        devices.push([first.0, siblings[0], siblings[1]]);
    }
    (db, devices)
}

async fn sign_up(db: &Db, phone: &Phone, rng: &mut StdRng) -> CredentialRow {
    let device = ListedDevice {
        device_id: Bytes::random(rng),
        registration_id: 1,
        device_key: Bytes::random(rng),
    };
    let account = NewAccount {
        identity_key: Bytes::random(rng),
        device_list: SignedDeviceList {
            suite: SUITE,
            phone: phone.clone(),
            version: 1,
            signed_at: NOW,
            messaging_key: Bytes([1; 32]),
            devices: vec![device],
            signature: Bytes([2; 64]),
        },
        messaging_key: SignedMessagingKey {
            public_key: Bytes([1; 32]),
            key_version: 1,
            created_at: NOW,
            signature: Bytes([2; 64]),
        },
        signed_prekey: SignedPrekey {
            key_id: 1,
            public_key: Bytes([3; 32]),
            created_at: NOW,
            signature: Bytes([4; 64]),
        },
        one_time_prekeys: Vec::new(),
        encrypted_name: Blob(vec![0]),
    };
    let credential = NewCredential {
        user_handle: uuid::Builder::from_random_bytes(Bytes::<16>::random(rng).0).into_uuid(),
        credential_id: Bytes::<32>::random(rng).0.to_vec(),
        passkey: "{}".to_owned(),
    };
    match db.create_account(phone, &credential, &account, NOW, rng).await.unwrap() {
        CreateAccount::Created(row) => row,
        other => unreachable!("{other:?}"),
    }
}

/// A sibling made by hand: linking is not built yet.
async fn copy_device(db: &Db, from: i64, to: i64) {
    let random = match db {
        Db::Sqlite { .. } => ("randomblob(16)", "randomblob(16)"),
        Db::Postgres(_) => ("gen_random_uuid()", "uuid_send(gen_random_uuid())"),
    };
    let copies = [
        format!(
            "INSERT INTO webauthn_credentials (id, user_id, user_handle, device_id, credential_id, passkey, \
             encrypted_name, created_on, last_used_on) SELECT {to}, user_id, {}, {}, {}, passkey, encrypted_name, \
             created_on, last_used_on FROM webauthn_credentials WHERE id = {from}",
            random.0, random.1, random.1
        ),
        format!(
            "INSERT INTO signed_prekeys (webauthn_credential_id, key_id, public_key, signature, created_at, expires_at) \
             SELECT {to}, key_id, public_key, signature, created_at, expires_at FROM signed_prekeys \
             WHERE webauthn_credential_id = {from}"
        ),
    ];
    for copy in copies {
        match db {
            Db::Sqlite { writer, .. } => {
                sqlx::query(AssertSqlSafe(copy)).execute(writer).await.unwrap();
            }
            Db::Postgres(pool) => {
                sqlx::query(AssertSqlSafe(copy)).execute(pool).await.unwrap();
            }
        }
    }
}

pub(crate) fn send(rng: &mut StdRng) -> SealedSend {
    let token = SpentToken {
        nullifier: Bytes::random(rng),
        request_digest: Bytes::random(rng),
        issuer_key_id: 1,
        expires_on: NOW.plus(3 * DAY),
    };
    let message = SealedMessage {
        destination: phone(rng.next_u32()),
        list_version: 1,
        message_id: Bytes::random(rng),
        expiry_days: 7,
        encrypted_content: Blob(vec![7; 1_024]),
        session_keys: None,
    };
    SealedSend::parse(token, message).unwrap()
}
