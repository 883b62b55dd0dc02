//! Tables and indexes that have the right names and columns, and are defined in another way.

use super::*;

/// Has SQLite read another definition of a table.
fn redefined(table: &str, from: &str, to: &str) -> Vec<String> {
    let (from, to) = (from.replace('\'', "''"), to.replace('\'', "''"));
    vec![
        "PRAGMA writable_schema = ON".to_owned(),
        format!(
            "UPDATE sqlite_schema SET sql = replace(sql, '{from}', '{to}') WHERE name = '{table}'"
        ),
        "PRAGMA writable_schema = RESET".to_owned(),
    ]
}

pub(super) fn plants(engine: Engine) -> Vec<Plant> {
    let mut plants = vec![
        plant(
            "an index in the other direction",
            &[
                "DROP INDEX idx_messages_expires_at",
                "CREATE INDEX idx_messages_expires_at ON messages (expires_at DESC)",
            ],
            ["definitions", "messages", "idx_messages_expires_at"],
        ),
        plant(
            "an index of other rows",
            &[
                "DROP INDEX idx_ephemeral_unused",
                "CREATE INDEX idx_ephemeral_unused ON ephemeral_keys (destination_phone) WHERE used",
            ],
            ["definitions", "ephemeral_keys", "idx_ephemeral_unused"],
        ),
    ];
    plants.extend(match engine {
        Engine::Sqlite => sqlites_own(),
        Engine::Postgres => postgres_own(),
    });
    plants
}

fn sqlites_own() -> Vec<Plant> {
    let of = |what, statements, finding| Plant { what, statements, finding };
    let mut hidden = redefined("pairs", "pairs", "sqlite_pairs");
    hidden.insert(0, "CREATE TABLE pairs (one TEXT, other TEXT)".to_owned());
    hidden[2] = "UPDATE sqlite_schema SET name = 'sqlite_pairs', tbl_name = 'sqlite_pairs', \
        sql = 'CREATE TABLE sqlite_pairs (one TEXT, other TEXT)' WHERE name = 'pairs'"
        .to_owned();
    let mut untyped = redefined("ephemeral_keys", ") STRICT", ")");
    untyped.push("UPDATE ephemeral_keys SET used = 'by Ann'".to_owned());
    vec![
        of("a table under a name of the engine's", hidden, ["schema", "sqlite_pairs", ""]),
        plant(
            "a table of the engine's that anybody may write to",
            &[
                "CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT)",
                "DROP TABLE counted",
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('Ann', 2)",
            ],
            ["schema", "sqlite_sequence", ""],
        ),
        of("a table of any types", untyped.clone(), ["definitions", "ephemeral_keys", "strict"]),
        of("a text in a column of numbers", untyped, ["values", "ephemeral_keys", "used"]),
        of(
            "a default that is the time",
            redefined(
                "message_deliveries",
                "delivered_at INTEGER,",
                "delivered_at INTEGER DEFAULT (unixepoch()),",
            ),
            ["definitions", "message_deliveries", ""],
        ),
        of(
            "a check that lets more pass",
            redefined("messages", "IN ('text', 'media', 'system')", "<> ''"),
            ["definitions", "messages", ""],
        ),
        plant(
            "a table that keeps the order of its rows",
            &[
                "DROP TABLE spent_tokens",
                "CREATE TABLE spent_tokens (nullifier BLOB PRIMARY KEY, issuer_key_id INTEGER NOT NULL, \
                 request_digest BLOB NOT NULL, status INTEGER NOT NULL, expires_on INTEGER NOT NULL) STRICT",
                "CREATE INDEX idx_spent_tokens_expires ON spent_tokens (expires_on)",
            ],
            ["definitions", "spent_tokens", "rowid"],
        ),
        plant(
            "a truth of several kinds",
            &["UPDATE ephemeral_keys SET used = 7"],
            ["values", "ephemeral_keys", "used"],
        ),
        plant(
            "a number that is too long for its column",
            &["UPDATE device_keys SET registration_id = (SELECT id FROM users LIMIT 1)"],
            ["values", "device_keys", "registration_id"],
        ),
    ]
}

fn postgres_own() -> Vec<Plant> {
    vec![
        plant(
            "a default that is the time",
            &["ALTER TABLE message_deliveries ALTER COLUMN delivered_at SET DEFAULT now()"],
            ["definitions", "message_deliveries", "delivered_at"],
        ),
        plant(
            "a check that lets more pass",
            &["ALTER TABLE messages DROP CONSTRAINT messages_message_type_check, \
                 ADD CONSTRAINT messages_message_type_check CHECK (message_type <> '')"],
            ["definitions", "messages", "messages_message_type_check"],
        ),
        plant(
            "a check more",
            &["ALTER TABLE messages ADD CONSTRAINT more CHECK (id > 0)"],
            ["definitions", "messages", "more"],
        ),
    ]
}
