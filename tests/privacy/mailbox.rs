//! After a one-way conversation, the mailbox holds nothing by which its writer could be told.

use super::{
    identity,
    search::{Needle, Search},
};
use crate::support::{
    databases::on_both_engines, member::now, mint::Mint, person::Person, process::ServerProcess,
    raw_letter::RawLetter,
};
use letterbox::{
    client::Link,
    db::{Cell, Db, MAILBOX},
};
use letterbox_protocol::types::MessageId;
use rand::{SeedableRng as _, rngs::StdRng};

on_both_engines! {
    async fn no_mailbox_row_names_the_writer_and_no_row_at_all_names_both(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (mut bob, bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        drop(bob_device);
        let contact = ann_device.find(&bob.phone).await.expect("found");
        let long = "long ".repeat(1_000);
        for words in ["short", "another", &long] {
            let letter = ann_device.write(contact, words).await.expect("written");
            ann_device.sent(letter).await.expect("sent");
        }
        // While the letters wait.
        let rows = search(&db, &ann, &bob).await;
        assert_eq!(rows, [3, 3, 1, 0, 4], "letters, deliveries, envelopes, ephemeral keys, tokens");
        // And once they are delivered.
        let mut bob_device = bob.sign_in().await;
        for words in ["short", "another", &long] {
            bob_device.received(words).await.expect("received");
        }
        search(&db, &ann, &bob).await;
    }

    /// A client that gave its own device id as a letter's id would be found out.
    async fn a_planted_value_is_found(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, _ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let needles = identity::of(&db, "Ann", &ann).await;
        let (bob, _bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let devices = db.dump("webauthn_credentials").await.expect("readable");
        let column = devices.columns.iter().position(|name| name == "device_id").expect("a column");
        let planted = devices.rows.iter().filter_map(|row| match &row[column] {
            Cell::Bytes(id) => MessageId::try_from(id.as_slice()).ok(),
            _ => None,
        });
        let (link, rng) = (Link::new(server.server()), &mut StdRng::seed_from_u64(3));
        let mint = Mint::open(&db, now()).await;
        for id in planted {
            let answer = RawLetter::new(&bob.phone, id, &mint, rng).post(&link).await;
            assert_eq!(answer.expect("an answer").status, 202);
        }
        let found = found_in_mailbox(&db, &needles).await;
        let device_id = "messages: Ann's webauthn_credentials.device_id (bytes, base64 at 0)";
        assert!(found.iter().any(|what| what == device_id), "{found:?}");
    }
}

/// Searches every table, and says how many rows the mailbox's have.
async fn search(db: &Db, writer: &Person, reader: &Person) -> [usize; 5] {
    let writers = identity::of(db, "Ann", writer).await;
    let readers = identity::of(db, "Bob", reader).await;
    assert_eq!(found_in_mailbox(db, &writers).await, Vec::<String>::new());
    // The same search finds whose mailbox it is, in every row of the tables that say so.
    let of_reader = Search::new(&readers);
    for table in ["messages", "message_deliveries", "device_session_keys"] {
        let rows = db.dump(table).await.expect("readable").rows;
        let blind = rows.iter().any(|row| of_reader.find(&bytes(row)).is_empty());
        assert!(!blind, "the search is blind in {table}");
    }
    assert_no_row_joins(db, &distinct(&writers, &readers), &distinct(&readers, &writers)).await;
    let mut counts = [0; 5];
    for (count, table) in counts.iter_mut().zip(MAILBOX) {
        *count = db.dump(table).await.expect("readable").rows.len();
    }
    counts
}

async fn found_in_mailbox(db: &Db, needles: &[Needle]) -> Vec<String> {
    let search = Search::new(needles);
    let mut found = Vec::new();
    for table in MAILBOX {
        for row in db.dump(table).await.expect("readable").rows {
            found.extend(search.find(&bytes(&row)).iter().map(|what| format!("{table}: {what}")));
        }
    }
    found
}

/// No row of any table, of the mailbox or not, holds values of both.
async fn assert_no_row_joins(db: &Db, one: &[Needle], other: &[Needle]) {
    let (of_one, of_other) = (Search::new(one), Search::new(other));
    for table in db.tables().await.expect("readable") {
        for row in db.dump(&table).await.expect("readable").rows {
            let (one, other) = (of_one.find(&bytes(&row)), of_other.find(&bytes(&row)));
            assert!(one.is_empty() || other.is_empty(), "{table} joins {one:?} and {other:?}");
        }
    }
}

/// Without what both have in common, such as an authenticator's model.
pub(super) fn distinct(mine: &[Needle], theirs: &[Needle]) -> Vec<Needle> {
    let shared = |needle: &&Needle| theirs.iter().any(|other| other.equals(needle));
    mine.iter().filter(|needle| !shared(needle)).cloned().collect()
}

/// A row as one haystack: text and bytes as they are, numbers in eight bytes and in decimal.
fn bytes(row: &[Cell]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for cell in row {
        match cell {
            Cell::Null => {}
            Cell::Integer(number) => {
                bytes.extend(number.to_be_bytes());
                bytes.extend(number.to_string().bytes());
            }
            Cell::Time(time) => bytes.extend(time.0.to_string().bytes()),
            Cell::Text(text) => bytes.extend(text.bytes()),
            Cell::Bytes(content) => bytes.extend(content),
        }
        bytes.extend(b"\0\0\0\0");
    }
    bytes
}
