//! Rows that tie a letter to somebody, all in columns that may be there.

use super::*;

/// A device's name, and the same as a text.
const DEVICE: [u8; 16] =
    [0xfb, 0xff, 0x3e, 0x3f, 0, 1, 2, 0x80, 0x90, 0xa5, 0xb6, 0xc7, 0xd8, 0xe9, 0xfa, 0x6d];

pub(super) fn plants(db: &Db) -> Vec<Plant> {
    let mut plants = misplaced();
    plants.extend(misused(db));
    plants.extend(seen_before(db));
    plants.extend(left_over(db));
    plants
}

/// A row of one person's that points to another's.
fn misplaced() -> Vec<Plant> {
    let others = "(SELECT max(id) FROM webauthn_credentials)";
    let set = |table| format!("UPDATE {table} SET webauthn_credential_id = {others}");
    vec![
        plant(
            "a delivery to the sender's device",
            &[&set("message_deliveries")],
            ["owners", "message_deliveries", "message_id"],
        ),
        plant(
            "an envelope for the sender's device",
            &[&set("device_session_keys")],
            ["owners", "device_session_keys", "webauthn_credential_id"],
        ),
    ]
}

/// Something else than what a column is for.
fn misused(db: &Db) -> Vec<Plant> {
    let set = |what, table: &'static str, column: &'static str, value: &str| {
        plant(what, &[&format!("UPDATE {table} SET {column} = {value}")], ["values", table, column])
    };
    let long = match db {
        Db::Sqlite { .. } => "zeroblob(1)",
        Db::Postgres(_) => "'\\x00'::bytea",
    };
    let somebody = "(SELECT id FROM users LIMIT 1)";
    let text = format!("CAST({somebody} AS TEXT)");
    vec![
        set("a letter's id that is a user's", "messages", "message_id", &text),
        set("a letter's id with more behind it", "messages", "message_id", "message_id || 'A'"),
        set("a label in words", "device_session_keys", "session_key_id", "'written-by-user-no-77'"),
        set(
            "an exchange's id that is a row's",
            "ephemeral_keys",
            "key_exchange_id",
            "CAST(id AS TEXT)",
        ),
        set(
            "a counter that is somebody's id",
            "device_session_keys",
            "key_rotation_counter",
            somebody,
        ),
        set("a status that marks", "spent_tokens", "status", "201"),
        set("another suite", "device_keys", "suite", "7"),
        set(
            "a passkey with a remark",
            "webauthn_credentials",
            "passkey",
            "'{\"cred\": 1, \"from\": 2}'",
        ),
        set("a passkey that is none", "webauthn_credentials", "passkey", "'[1]'"),
        set("a migration's remark", "_sqlx_migrations", "description", "'written by Ann'"),
        set("a counter that nobody counted", "device_session_keys", "key_rotation_counter", "77"),
        plant(
            "a letter of so many hours ago as somebody's id says",
            &[&format!("UPDATE messages SET timestamp = {}", time(db, UnixTime(4_711 * HOUR)))],
            ["times", "messages", "timestamp"],
        ),
        plant(
            "an envelope that was read years ahead",
            &[&format!(
                "UPDATE message_deliveries SET read_at = {}",
                time(db, UnixTime(800_000 * HOUR))
            )],
            ["times", "message_deliveries", "read_at"],
        ),
        plant(
            "a token's key that is somebody",
            &[&format!("UPDATE spent_tokens SET issuer_key_id = {somebody}")],
            ["orphans", "spent_tokens", "issuer_key_id"],
        ),
        plant(
            "a migration's sum that is something else",
            &[&format!("UPDATE _sqlx_migrations SET checksum = {long}")],
            ["sizes", "_sqlx_migrations", "checksum"],
        ),
    ]
}

/// What came with a sealed request, and is known from somebody's account.
fn seen_before(db: &Db) -> Vec<Plant> {
    let hex: String = DEVICE.iter().map(|byte| format!("{byte:02x}")).collect();
    let (bytes, day) = match db {
        Db::Sqlite { .. } => (format!("x'{hex}'"), NOW.day().0.to_string()),
        Db::Postgres(_) => (
            format!("'\\x{hex}'::bytea"),
            format!("(to_timestamp({}) AT TIME ZONE 'UTC')::date", NOW.0),
        ),
    };
    let named = format!(
        "UPDATE webauthn_credentials SET device_id = {bytes} \
         WHERE id = (SELECT min(id) FROM webauthn_credentials)"
    );
    let text = Bytes(DEVICE).to_text();
    let batch = |column| {
        format!(
            "INSERT INTO token_issuance (webauthn_credential_id, day, batch_digest) \
             SELECT min(id), {day}, (SELECT {column} FROM spent_tokens LIMIT 1) FROM webauthn_credentials"
        )
    };
    let key = |table, column| format!("(SELECT {column} FROM {table} LIMIT 1)");
    let mut plants = vec![
        plant(
            "a letter's id that is a device's",
            &[&named, &format!("UPDATE messages SET message_id = '{text}'")],
            ["apart", "messages", "message_id"],
        ),
        plant(
            "a label that is a device's",
            &[&named, &format!("UPDATE device_session_keys SET session_key_id = '{text}'")],
            ["apart", "device_session_keys", "session_key_id"],
        ),
        plant(
            "a re-keying with a device's own key",
            &[&format!(
                "UPDATE ephemeral_keys SET ephemeral_public_key = {}",
                key("device_keys", "device_key")
            )],
            ["apart", "ephemeral_keys", "ephemeral_public_key"],
        ),
    ];
    for column in ["request_digest", "nullifier"] {
        let what = "a token with the digest of the batch that it came with";
        plants.push(plant(what, &[&batch(column)], ["apart", "spent_tokens", column]));
    }
    for (table, column) in [
        ("one_time_prekeys", "public_key"),
        ("signed_prekeys", "public_key"),
        ("device_keys", "device_key"),
        ("identity_keys", "identity_key"),
        ("messaging_public_keys", "x25519_public_key"),
    ] {
        let sql = format!("UPDATE {table} SET {column} = {}", key(table, column));
        plants.push(plant("a key in two accounts", &[&sql], ["mailboxes", table, column]));
    }
    plants
}

/// What should have gone with an account or a device.
fn left_over(db: &Db) -> Vec<Plant> {
    let day = time(db, NOW.day());
    let revoked = format!("UPDATE webauthn_credentials SET is_active = FALSE, revoked_on = {day}");
    let mut plants = Vec::new();
    for table in ["messages", "ephemeral_keys"] {
        let sql = format!("UPDATE {table} SET destination_phone = '+4915199999999'");
        let finding = ["orphans", table, "destination_phone"];
        plants.push(plant("a mailbox without an account", &[&sql], finding));
    }
    for table in [
        "device_keys",
        "signed_prekeys",
        "one_time_prekeys",
        "message_deliveries",
        "device_session_keys",
    ] {
        let finding = ["orphans", table, "webauthn_credential_id"];
        plants.push(plant("what a revoked device had", &[&revoked], finding));
    }
    plants
}
