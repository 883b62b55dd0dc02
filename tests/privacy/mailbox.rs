//! After a one-way conversation, the mailbox holds nothing by which its writer could be told.

use super::{
    identity,
    search::{Needle, Search},
};
use crate::support::{databases::on_both_engines, person::Person, process::ServerProcess};
use letterbox::db::{Cell, Db, MAILBOX};

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
        assert_eq!(rows.map(|(_, rows)| rows), [3, 3, 1, 0, 4], "letters, deliveries, envelopes …");
        // And once they are delivered.
        let mut bob_device = bob.sign_in().await;
        for words in ["short", "another", &long] {
            bob_device.received(words).await.expect("received");
        }
        search(&db, &ann, &bob).await;
    }
}

/// Searches every table, and says how many rows the mailbox's have.
async fn search(db: &Db, writer: &Person, reader: &Person) -> [(&'static str, usize); 5] {
    let writers = identity::of(db, "Ann", writer).await;
    let readers = identity::of(db, "Bob", reader).await;
    let (of_writer, of_reader) = (Search::new(&writers), Search::new(&readers));
    let mut counts = [("", 0); 5];
    for (count, table) in counts.iter_mut().zip(MAILBOX) {
        let dump = db.dump(table).await.expect("readable");
        *count = (*table, dump.rows.len());
        for row in &dump.rows {
            let found = of_writer.find(&bytes(row));
            assert!(found.is_empty(), "a row of {table} holds {found:?}");
        }
        // The same search finds whose mailbox it is, where a table says so.
        if matches!(*table, "messages" | "message_deliveries" | "device_session_keys") {
            let names_reader = |row: &Vec<Cell>| !of_reader.find(&bytes(row)).is_empty();
            assert!(dump.rows.iter().all(names_reader), "the search is blind in {table}");
        }
    }
    let distinct = |mine: &'_ [Needle], theirs: &[Needle]| -> Vec<Needle> {
        let shared = |needle: &&Needle| theirs.iter().any(|other| other.equals(needle));
        mine.iter().filter(|needle| !shared(needle)).cloned().collect()
    };
    let (writers, readers) = (distinct(&writers, &readers), distinct(&readers, &writers));
    let (of_writer, of_reader) = (Search::new(&writers), Search::new(&readers));
    for table in db.tables().await.expect("readable") {
        for row in db.dump(&table).await.expect("readable").rows {
            let (one, other) = (of_writer.find(&bytes(&row)), of_reader.find(&bytes(&row)));
            assert!(
                one.is_empty() || other.is_empty(),
                "a row of {table} joins {one:?}, {other:?}"
            );
        }
    }
    counts
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
