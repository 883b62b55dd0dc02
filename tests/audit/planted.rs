//! Each violation is planted in a fresh database, and the audit names it.

mod defined;
mod tied;

use crate::{
    db::world::*,
    support::databases::{Engine, TestDb, rng},
};
use letterbox::{
    audit::{Manifest, Report, Verdict, audit},
    db::{Db, LetterStore, Limits, SealedSend, SpentToken},
};
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, HOUR, UnixTime},
    wire::{Envelope, SealedEphemeralKey, SessionKeyUpload},
};

const GRACE: i64 = 600;
const ANN: u32 = 1;
const BOB: u32 = 2;

/// What is wrong, how it comes about, and where the audit finds it: check, table, name.
struct Plant {
    what: &'static str,
    statements: Vec<String>,
    finding: [&'static str; 3],
}

fn plant(what: &'static str, statements: &[&str], finding: [&'static str; 3]) -> Plant {
    Plant { what, statements: statements.iter().map(|&sql| sql.to_owned()).collect(), finding }
}

/// Two people with a letter, an envelope and a re-keying each, and a code.
async fn world(engine: Engine) -> TestDb {
    let (db, rng) = (TestDb::open(engine).await, &mut rng());
    let issuer_key_id = db.issuer_keys(NOW, rng).await.unwrap().remove(0).id;
    for number in [ANN, BOB] {
        let person = sign_up(&db, number, 3, rng).await;
        let mut letter = message(&person, rng);
        letter.encrypted_content = Blob(vec![number as u8; 1024]);
        letter.session_keys = Some(SessionKeyUpload {
            session_key_id: Bytes::random(rng),
            envelopes: vec![Envelope {
                device_id: person.devices[0].1,
                encrypted_session_key: Blob(vec![number as u8; 2048]),
            }],
        });
        let send = SealedSend::parse(SpentToken { issuer_key_id, ..token(rng) }, letter).unwrap();
        LetterStore::new(db.db.clone(), Limits::default()).store(&[send], NOW, rng).await.unwrap();
        let key = SealedEphemeralKey {
            destination: person.phone.clone(),
            key_exchange_id: Bytes::random(rng),
            ephemeral_public_key: Bytes::random(rng),
        };
        let token = SpentToken { issuer_key_id, ..token(rng) };
        db.open_exchange(&token, &key, NOW, rng).await.unwrap();
        db.start_verification(&person.phone, "123456", Default::default(), NOW, rng).await.unwrap();
    }
    db
}

async fn look(db: &TestDb) -> Report {
    let seen = Db::open_read_only(&db.url).await.unwrap();
    let report = audit(&seen, &Manifest::load().unwrap(), NOW, GRACE).await.unwrap();
    seen.close().await;
    report
}

fn shapes() -> Vec<Plant> {
    let view = "CREATE VIEW letters_of_people AS SELECT u.id, m.message_id FROM users u \
                JOIN messages m ON m.destination_phone = u.phone";
    let pairs = "CREATE TABLE deliveries_log (sender_phone TEXT, destination_phone TEXT)";
    vec![
        plant(
            "a sender column",
            &["ALTER TABLE messages ADD COLUMN sender_phone TEXT"],
            ["forbidden", "messages", "sender_phone"],
        ),
        plant(
            "any other column",
            &["ALTER TABLE ephemeral_keys ADD COLUMN note TEXT"],
            ["schema", "ephemeral_keys", "note"],
        ),
        plant(
            "who claimed a prekey",
            &["ALTER TABLE one_time_prekeys ADD COLUMN used_by INTEGER"],
            ["forbidden", "one_time_prekeys", "used_by"],
        ),
        plant("a table of pairs", &[pairs], ["schema", "deliveries_log", ""]),
        plant(
            "a table of pairs, whatever it is called",
            &[pairs],
            ["forbidden", "deliveries_log", ""],
        ),
        plant(
            "a key from letters to people",
            &[
                "ALTER TABLE messages ADD COLUMN owner INTEGER REFERENCES users (id) ON DELETE CASCADE",
            ],
            ["forbidden", "messages", "owner"],
        ),
        plant(
            "a key that the manifest does not know",
            &[
                "ALTER TABLE spent_tokens ADD COLUMN spender INTEGER REFERENCES users (id) ON DELETE CASCADE",
            ],
            ["foreign keys", "spent_tokens", "spender"],
        ),
        plant("a view", &[view], ["objects", "", "letters_of_people"]),
        plant(
            "a dropped index",
            &["DROP INDEX idx_messages_expires_at"],
            ["indexes", "messages", "idx_messages_expires_at"],
        ),
        plant(
            "an index more",
            &["CREATE INDEX by_hour ON messages (created_at)"],
            ["indexes", "messages", "by_hour"],
        ),
        plant(
            "a dropped column",
            &["ALTER TABLE phone_verifications DROP COLUMN attempts"],
            ["schema", "phone_verifications", "attempts"],
        ),
    ]
}

/// Statements that differ between the engines.
fn engines_own(engine: Engine) -> Vec<Plant> {
    let sqlite = engine == Engine::Sqlite;
    let pick = |ours: &'static str, theirs: &'static str| if sqlite { ours } else { theirs };
    let unchecked = pick(
        "PRAGMA ignore_check_constraints = ON",
        "ALTER TABLE messages DROP CONSTRAINT messages_encrypted_content_check",
    );
    let unchecked_envelope = pick(
        "PRAGMA ignore_check_constraints = ON",
        "ALTER TABLE device_session_keys DROP CONSTRAINT device_session_keys_encrypted_session_key_check",
    );
    let function = pick(
        "SELECT 1",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    );
    let trigger = pick(
        "CREATE TRIGGER noting AFTER INSERT ON messages BEGIN SELECT 1; END",
        "CREATE TRIGGER noting AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION note()",
    );
    let unbound = pick("PRAGMA foreign_keys = OFF", "ALTER TABLE messages DISABLE TRIGGER ALL");
    let mut plants = vec![
        plant("a trigger", &[function, trigger], ["objects", "messages", "noting"]),
        plant(
            "a letter's minute",
            &[pick(
                "UPDATE messages SET created_at = created_at + 60",
                "UPDATE messages SET created_at = created_at + interval '1 minute'",
            )],
            ["times", "messages", "created_at"],
        ),
        plant(
            "when a device was last used, with the hour",
            &[
                pick(
                    "SELECT 1",
                    "ALTER TABLE webauthn_credentials ALTER COLUMN last_used_on TYPE TIMESTAMPTZ",
                ),
                pick(
                    "UPDATE webauthn_credentials SET last_used_on = last_used_on + 18000",
                    "UPDATE webauthn_credentials SET last_used_on = last_used_on + interval '5 hours'",
                ),
            ],
            ["times", "webauthn_credentials", "last_used_on"],
        ),
        plant(
            "a letter of an odd size",
            &[
                unchecked,
                pick(
                    "UPDATE messages SET encrypted_content = zeroblob(1000)",
                    "UPDATE messages SET encrypted_content = decode(repeat('00', 1000), 'hex')",
                ),
            ],
            ["sizes", "messages", "encrypted_content"],
        ),
        plant(
            "an envelope of an odd size",
            &[
                unchecked_envelope,
                pick(
                    "UPDATE device_session_keys SET encrypted_session_key = zeroblob(2047)",
                    "UPDATE device_session_keys SET encrypted_session_key = decode(repeat('00', 2047), 'hex')",
                ),
            ],
            ["sizes", "device_session_keys", "encrypted_session_key"],
        ),
        plant(
            "deliveries of a letter that is gone",
            &[unbound, "DELETE FROM messages"],
            ["orphans", "message_deliveries", "message_id"],
        ),
    ];
    if !sqlite {
        plants.push(plant(
            "a rule",
            &["CREATE RULE noting AS ON INSERT TO messages DO ALSO NOTHING"],
            ["objects", "messages", "noting"],
        ));
        plants.push(plant(
            "a copy elsewhere",
            &["CREATE SCHEMA other", "CREATE TABLE other.letters (id INTEGER)"],
            ["objects", "", "letters"],
        ));
        plants.push(plant(
            "a fraction of a second",
            &["UPDATE phone_verifications SET expires_at = expires_at + interval '0.5 seconds'"],
            ["times", "phone_verifications", "expires_at"],
        ));
    }
    plants
}

/// Rows that should not be as they are.
fn rows(db: &Db) -> Vec<Plant> {
    let at = |moment: UnixTime| time(db, moment);
    let day = |moment: UnixTime| match db {
        Db::Sqlite { .. } => moment.0.to_string(),
        Db::Postgres(_) => format!("(to_timestamp({}) AT TIME ZONE 'UTC')::date", moment.0),
    };
    let yesterday = NOW.plus(-DAY).day();
    let set =
        |table: &str, column: &str, value: String| format!("UPDATE {table} SET {column} = {value}");
    let first =
        |column: &str, table: &str| format!("(SELECT {column} FROM {table} ORDER BY id LIMIT 1)");
    let planted = |what, sql: String, finding| Plant { what, statements: vec![sql], finding };
    let gone = "expires_at";
    vec![
        planted("an expired letter", set("messages", gone, at(yesterday)), ["retention", "messages", gone]),
        planted("a letter that would stay for months", set("messages", gone, at(NOW.plus(60 * DAY).day())),
            ["retention", "messages", gone]),
        planted("a letter that all have", set("message_deliveries", "delivery_status", "'delivered'".to_owned()),
            ["retention", "messages", "id"]),
        planted("a spent token past its day", set("spent_tokens", "expires_on", day(yesterday)),
            ["retention", "spent_tokens", "expires_on"]),
        planted("a used re-keying past its end",
            set("ephemeral_keys", "used = TRUE, expires_at", at(NOW.plus(-HOUR).minute())),
            ["retention", "ephemeral_keys", gone]),
        planted("a code of last night", set("phone_verifications", gone, at(NOW.plus(-2 * HOUR))),
            ["retention", "phone_verifications", gone]),
        planted("a letter's id in two mailboxes", set("messages", "message_id", first("message_id", "messages")),
            ["mailboxes", "messages", "message_id"]),
        planted("a letter's id as the label of another mailbox's envelope",
            set("device_session_keys", "session_key_id", first("message_id", "messages")),
            ["mailboxes", "device_session_keys", "session_key_id"]),
        planted("a ciphertext in two mailboxes",
            set("messages", "encrypted_content", first("encrypted_content", "messages")),
            ["mailboxes", "messages", "encrypted_content"]),
        planted("an envelope in two mailboxes",
            set("device_session_keys", "encrypted_session_key", first("encrypted_session_key", "device_session_keys")),
            ["mailboxes", "device_session_keys", "encrypted_session_key"]),
        planted("ids that count up", "UPDATE message_deliveries SET id = 1 WHERE id = (SELECT min(id) FROM message_deliveries)".to_owned(),
            ["row ids", "message_deliveries", "id"]),
        planted("envelopes' ids that count up", "UPDATE device_session_keys SET id = 1 WHERE id = (SELECT min(id) FROM device_session_keys)".to_owned(),
            ["row ids", "device_session_keys", "id"]),
        planted("keys' ids that count up", "UPDATE messaging_public_keys SET id = 7 WHERE id = (SELECT min(id) FROM messaging_public_keys)".to_owned(),
            ["row ids", "messaging_public_keys", "id"]),
        planted("a letter's kind", set("messages", "message_type", "'media'".to_owned()),
            ["values", "messages", "message_type"]),
    ]
}

async fn finds(engine: Engine, plant: &Plant) {
    let db = world(engine).await;
    for statement in &plant.statements {
        run(&db, statement.clone()).await;
    }
    let report = look(&db).await;
    assert_eq!(report.verdict, Verdict::Violated, "{}: {report}", plant.what);
    let found = report.findings().any(|(check, finding)| {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        [check, &text(&finding.table), &text(&finding.name)] == plant.finding
    });
    assert!(found, "{} is not found: {report}", plant.what);
    let text = report.to_string() + &serde_json::to_string(&report).unwrap();
    for number in [ANN, BOB] {
        assert!(!text.contains(&phone(number).as_str()[1..]), "{text}");
    }
}

async fn finds_all(engine: Engine) {
    let db = world(engine).await;
    let clean = look(&db).await;
    assert_eq!(clean.verdict, Verdict::Passed, "{clean}");
    let mut plants = shapes();
    plants.extend(engines_own(engine));
    plants.extend(rows(&db));
    plants.extend(defined::plants(engine));
    plants.extend(tied::plants(&db));
    assert!(plants.len() > 60);
    for plant in &plants {
        finds(engine, plant).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_violation_is_named_on_sqlite() {
    finds_all(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_violation_is_named_on_postgres() {
    finds_all(Engine::Postgres).await;
}
