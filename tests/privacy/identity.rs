//! Everything by which a person could be told from others: what the server stores of them, what
//! their vault and their passkey hold.

use super::search::Needle;
use crate::support::person::{Person, letters};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use letterbox::{
    client::{MemoryVault, passkey::Authenticator},
    db::{Cell, Db, Dump},
};
use letterbox_protocol::tokens::Token;
use minicbor::{Decoder, data::Type};
use std::collections::BTreeSet;

/// The kinds of vault records that hold nothing but one's own values. Tokens are not among them: a
/// sealed request carries one, and where it was issued the server has not seen it ([`tokens`]).
const OWN: [&str; 5] = ["account", "messaging", "signed-prekey", "one-time", "own-session"];
/// Smaller numbers are counters, versions and suites, and the same for many.
const LEAST_ID: i64 = 1 << 24;

/// What a person holds.
pub(super) struct Holdings<'a> {
    pub(super) phone: &'a str,
    pub(super) vault: &'a MemoryVault,
    pub(super) passkey: &'a Authenticator,
    pub(super) cookie: Option<String>,
}

/// The needles of one person.
pub(super) async fn of(db: &Db, name: &str, person: &Person) -> Vec<Needle> {
    let cookie = person.link.cookie();
    let holdings = Holdings {
        phone: person.phone.as_str(),
        vault: &person.vault,
        passkey: &person.passkey,
        cookie: cookie.map(|cookie| cookie.to_str().expect("a cookie is ASCII").to_owned()),
    };
    of_holdings(db, name, &holdings).await
}

/// The needles of whoever holds this.
pub(super) async fn of_holdings(db: &Db, name: &str, holdings: &Holdings<'_>) -> Vec<Needle> {
    let mut needles = vec![Needle::phone(format!("{name}'s phone"), holdings.phone)];
    needles.extend(stored(db, name, holdings.phone).await);
    needles.extend(in_vault(name, holdings.vault));
    for id in holdings.passkey.credential_ids() {
        needles.push(Needle::bytes(format!("{name}'s credential id"), id));
    }
    for handle in holdings.passkey.user_handles() {
        needles.push(Needle::bytes(format!("{name}'s user handle"), handle));
    }
    if let Some(cookie) = holdings.cookie.as_deref() {
        let value = cookie.split_once('=').map_or(cookie, |(_, value)| value);
        needles.push(Needle::text(format!("{name}'s cookie"), value));
    }
    needles
}

/// Every distinctive value in every row that belongs to the person: the user's row, and rows that
/// refer to it or to the devices.
async fn stored(db: &Db, name: &str, phone: &str) -> Vec<Needle> {
    let phone = Cell::Text(phone.to_owned());
    let mut owners = BTreeSet::from([phone]);
    for (table, id) in [("users", "id"), ("webauthn_credentials", "id")] {
        let dump = db.dump(table).await.expect("readable");
        let at = dump.columns.iter().position(|column| column == id).expect("an id");
        let ids: Vec<Cell> = owned(&dump, &owners).map(|row| row[at].clone()).collect();
        assert!(!ids.is_empty(), "{name} has a row in {table}");
        owners.extend(ids);
    }
    let mut needles = Vec::new();
    for table in people_tables(db).await {
        let dump = db.dump(&table).await.expect("readable");
        for row in owned(&dump, &owners) {
            for (column, cell) in dump.columns.iter().zip(row) {
                needles.extend(distinctive(&format!("{name}'s {table}.{column}"), cell));
            }
        }
    }
    needles
}

/// The tables that are about people, and not about letters.
async fn people_tables(db: &Db) -> Vec<String> {
    let mut tables = db.tables().await.expect("readable");
    tables.retain(|table| !letterbox::db::MAILBOX.contains(&table.as_str()));
    tables
}

fn owned<'a>(dump: &'a Dump, owners: &BTreeSet<Cell>) -> impl Iterator<Item = &'a Vec<Cell>> {
    dump.rows.iter().filter(|row| row.iter().any(|cell| owners.contains(cell)))
}

fn distinctive(what: &str, cell: &Cell) -> Vec<Needle> {
    match cell {
        Cell::Integer(number) if *number >= LEAST_ID => vec![Needle::number(what, *number)],
        Cell::Bytes(bytes) if bytes.len() >= 8 => vec![Needle::bytes(what, bytes.clone())],
        Cell::Text(text) => match serde_json::from_str(text) {
            Ok(json) => in_json(what, &json),
            Err(_) if text.starts_with('+') => vec![Needle::phone(what, text)],
            Err(_) => vec![Needle::text(what, text.clone())],
        },
        _ => Vec::new(),
    }
}

/// The long strings in webauthn-rs' and tower-sessions' JSON: keys and ids, in base64url.
fn in_json(what: &str, json: &serde_json::Value) -> Vec<Needle> {
    match json {
        serde_json::Value::String(text) if text.starts_with('+') => {
            vec![Needle::phone(what, text)]
        }
        serde_json::Value::String(text) if text.len() >= 20 => {
            let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
            bytes.map(|bytes| Needle::bytes(what, bytes)).into_iter().collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(|i| in_json(what, i)).collect(),
        serde_json::Value::Object(map) => map.values().flat_map(|v| in_json(what, v)).collect(),
        _ => Vec::new(),
    }
}

/// One's own secrets, ids and names, and the local ids of contacts and letters.
fn in_vault(name: &str, vault: &MemoryVault) -> Vec<Needle> {
    let mut needles = Vec::new();
    for (key, value) in vault.dump() {
        let kind = key.split('/').next().unwrap_or_default();
        if !OWN.contains(&kind) {
            continue;
        }
        let what = format!("{name}'s vault: {kind}");
        for item in items(&value) {
            match item {
                Item::Bytes(bytes) if bytes.len() >= 16 => {
                    needles.push(Needle::bytes(&what, bytes));
                }
                Item::Text(text) if text.len() >= 6 && !text.starts_with('+') => {
                    needles.push(Needle::text(&what, text));
                }
                _ => {}
            }
        }
    }
    for letter in letters(vault) {
        needles.push(Needle::bytes(format!("{name}'s letter id"), letter.id.0));
        needles.push(Needle::bytes(format!("{name}'s contact id"), letter.contact.0));
    }
    assert!(needles.len() > 5, "{name}'s vault has values");
    needles
}

/// Every token in a vault: in the stock, or with the request that it was taken for.
pub(super) fn tokens(vault: &MemoryVault) -> Vec<Token> {
    let token = |item| match item {
        Item::Bytes(bytes) if bytes.len() == Token::LENGTH => Token::from_bytes(bytes).ok(),
        _ => None,
    };
    vault.dump().iter().flat_map(|(_, record)| items(record)).filter_map(token).collect()
}

/// A token whole, its parts that belong to no other, and as its header has it.
pub(super) fn of_token(what: &str, token: &Token) -> Vec<Needle> {
    let header = token.to_header();
    let text = header.split('"').nth(1).expect("a token in quotation marks");
    vec![
        Needle::bytes(what, token.to_bytes().as_slice()),
        Needle::bytes(format!("{what}'s nonce"), token.nonce().0),
        Needle::bytes(format!("{what}'s authenticator"), *token.authenticator()),
        Needle::text(format!("{what}'s header"), text),
    ]
}

enum Item<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// The byte strings and texts in a CBOR record, however deep.
fn items(record: &[u8]) -> Vec<Item<'_>> {
    let mut decoder = Decoder::new(record);
    let mut items = Vec::new();
    while let Ok(kind) = decoder.datatype() {
        match kind {
            Type::Bytes => items.push(Item::Bytes(decoder.bytes().expect("bytes"))),
            Type::String => items.push(Item::Text(decoder.str().expect("text"))),
            // What is inside comes next.
            Type::Array => drop(decoder.array().expect("an array")),
            Type::Map => drop(decoder.map().expect("a map")),
            Type::Tag => drop(decoder.tag().expect("a tag")),
            _ => decoder.skip().expect("a record is CBOR"),
        }
    }
    items
}
