//! The same rows straight to the engine: no token check, no list check, no limits, no waiting
//! senders; prepared statements on the same schema, a commit a group.

use crate::{postgres, world};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rusqlite::{Connection, params};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const TOKEN: &str = "INSERT INTO spent_tokens (nullifier, request_digest, status, expires_on) VALUES (?1, ?1, 202, ?2)";
const LETTER: &str = "INSERT INTO messages (id, destination_phone, message_id, timestamp, created_at, expires_at, \
     encrypted_content) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)";
const DELIVERY: &str =
    "INSERT INTO message_deliveries (id, message_id, webauthn_credential_id) VALUES (?1, ?2, ?3)";

pub(crate) async fn sqlite(folder: &Path, group: usize, time: Duration) -> f64 {
    let path = folder.join(format!("straight-{group}.db"));
    let (db, devices) = world::open(&format!("sqlite:{}", path.display())).await;
    db.close().await;
    tokio::task::spawn_blocking(move || sqlite_rows(&path, &devices, group, time)).await.unwrap()
}

fn sqlite_rows(path: &Path, devices: &[[i64; 3]], group: usize, time: Duration) -> f64 {
    let mut engine = Connection::open(path).unwrap();
    let settings = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; \
         PRAGMA secure_delete=ON; PRAGMA cache_size=-16384;";
    engine.execute_batch(settings).unwrap();
    let (mut rng, content) = (world::rng(), [7_u8; 1_024]);
    let (start, mut sent) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        let tx =
            engine.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        for _ in 0..group {
            write_send(&tx, devices, &content, &mut rng);
            sent += 1;
        }
        tx.commit().unwrap();
    }
    f64::from(sent) / start.elapsed().as_secs_f64()
}

fn write_send(tx: &Connection, devices: &[[i64; 3]], content: &[u8], rng: &mut StdRng) {
    let (mut nullifier, to, letter) = ([0; 32], rng.next_u32(), id(rng));
    rng.fill_bytes(&mut nullifier);
    let expires = world::NOW.plus(8 * 86_400).0;
    tx.prepare_cached(TOKEN).unwrap().execute(params![nullifier, expires]).unwrap();
    let phone = world::phone(to);
    let row = params![letter, phone.as_str(), message_id(rng), world::NOW.0, expires, content];
    tx.prepare_cached(LETTER).unwrap().execute(row).unwrap();
    for device in devices[(to % world::MAILBOXES) as usize] {
        tx.prepare_cached(DELIVERY).unwrap().execute(params![id(rng), letter, device]).unwrap();
    }
}

/// As the server draws them: the hour above, random below.
fn id(rng: &mut StdRng) -> i64 {
    ((world::NOW.0 / 3_600) << 43) | (rng.next_u64() >> 21) as i64
}

fn message_id(rng: &mut StdRng) -> String {
    letterbox_protocol::types::Bytes::<16>::random(rng).to_text()
}

pub(crate) async fn postgres(group: usize, time: Duration) -> f64 {
    let url = postgres::durable_database(&format!("straight_{group}_{}", std::process::id())).await;
    let (db, devices) = world::open(&url).await;
    let letterbox::db::Db::Postgres(pool) = db else { unreachable!() };
    let mut seeds = StdRng::seed_from_u64(3);
    let mut connections = tokio::task::JoinSet::new();
    let start = Instant::now();
    for _ in 0..4 {
        let (pool, devices, mut rng) =
            (pool.clone(), devices.clone(), StdRng::from_rng(&mut seeds));
        connections.spawn(async move {
            let mut sent = 0_u32;
            while start.elapsed() < time {
                postgres_group(&pool, &devices, group, &mut rng).await;
                sent += group as u32;
            }
            sent
        });
    }
    let sent: u32 = connections.join_all().await.into_iter().sum();
    let rate = f64::from(sent) / start.elapsed().as_secs_f64();
    pool.close().await;
    rate
}

async fn postgres_group(pool: &sqlx::PgPool, devices: &[[i64; 3]], group: usize, rng: &mut StdRng) {
    const TOKENS: &str = "INSERT INTO spent_tokens (nullifier, request_digest, status, expires_on) \
         SELECT n, n, 202, to_timestamp($2) FROM unnest($1::bytea[]) AS t (n)";
    const LETTERS: &str = "INSERT INTO messages (id, destination_phone, message_id, timestamp, created_at, expires_at, \
         encrypted_content) SELECT i, p, m, to_timestamp($5), to_timestamp($5), to_timestamp($6), c \
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[]) AS l (i, p, m, c)";
    const DELIVERIES: &str = "INSERT INTO message_deliveries (id, message_id, webauthn_credential_id) \
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])";
    let (expires, to): (f64, Vec<u32>) =
        (world::NOW.plus(8 * 86_400).0 as f64, (0..group).map(|_| rng.next_u32()).collect());
    let letters: Vec<i64> = to.iter().map(|_| id(rng)).collect();
    let nullifiers: Vec<Vec<u8>> = to.iter().map(|_| message_id(rng).into_bytes()).collect();
    let rows = to.iter().zip(&letters);
    let deliveries: Vec<(i64, i64, i64)> = rows
        .flat_map(|(to, letter)| {
            devices[(to % world::MAILBOXES) as usize].map(|device| (*letter, device))
        })
        .map(|(letter, device)| (id(rng), letter, device))
        .collect();
    let mut tx = pool.begin().await.unwrap();
    sqlx::query(TOKENS).bind(nullifiers).bind(expires).execute(&mut *tx).await.unwrap();
    sqlx::query(LETTERS)
        .bind(&letters)
        .bind(to.iter().map(|to| world::phone(*to).as_str().to_owned()).collect::<Vec<_>>())
        .bind(to.iter().map(|_| message_id(rng)).collect::<Vec<_>>())
        .bind(vec![vec![7_u8; 1_024]; group])
        .bind(world::NOW.0 as f64)
        .bind(expires)
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(DELIVERIES)
        .bind(deliveries.iter().map(|row| row.0).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|row| row.1).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|row| row.2).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
