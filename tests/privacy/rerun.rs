//! Whoever writes, the mailbox looks the same: with another person in the writer's place, the rows
//! are equal once random values are renamed.

use crate::support::{
    databases::{Engine, TestDb, on_both_engines},
    eventually::eventually,
    person::Person,
    process::ServerProcess,
};
use letterbox::{
    client::Surroundings,
    db::{Cell, Db, MAILBOX},
};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher as _},
};

on_both_engines! {
    async fn the_same_letters_from_somebody_else_leave_the_same_rows(db) {
        let engine = match db.db {
            Db::Sqlite { .. } => Engine::Sqlite,
            Db::Postgres(_) => Engine::Postgres,
        };
        // Stored times are whole hours: both runs have to fall into one.
        let (with_ann, with_carla) = loop {
            let begun = hour();
            let runs = (run(engine, Writer::Ann).await, run(engine, Writer::Carla).await);
            if hour() == begun {
                break runs;
            }
        };
        assert!(with_ann[0].len() > 8, "letters, deliveries, an envelope, tokens: {with_ann:#?}");
        assert_eq!(with_ann[0], with_carla[0], "while the letters wait");
        assert_eq!(with_ann[1], with_carla[1], "once they are delivered");
    }

    /// A comparison that called everything equal would show nothing.
    async fn another_letter_more_or_elsewhere_is_noticed(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (bob, device) = Person::sign_up(&server, "+33612345602", 2).await;
        drop(device);
        let (carla, mut device) = Person::sign_up(&server, "+447400123403", 3).await;
        let mut states = vec![renamed(&db).await];
        for person in [&bob, &bob, &carla] {
            let contact = device.find(&person.phone).await;
            if let Ok(contact) = contact {
                let letter = device.write(contact, "hello").await.expect("written");
                device.sent(letter).await.expect("sent");
            }
            states.push(renamed(&db).await);
        }
        states.dedup();
        assert_eq!(states.len(), 4, "each state differs from the one before");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Ann,
    Carla,
}

/// Ann, Bob and Carla sign up; one of the two writes to Bob, who is away. The renamed mailbox while
/// the letters wait, and after Bob has them.
async fn run(engine: Engine, writer: Writer) -> [Vec<String>; 2] {
    let db = TestDb::open(engine).await;
    let server = ServerProcess::start(&db.url, &[]).await;
    let (_ann, ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
    let (mut bob, bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
    let (_carla, carla_device) = Person::sign_up(&server, "+4520123456", 3).await;
    drop(bob_device);
    let mut device = if writer == Writer::Ann { ann_device } else { carla_device };
    let contact = device.find(&bob.phone).await.expect("found");
    let texts = ["short".to_owned(), "long ".repeat(700), "the last".to_owned()];
    for words in &texts {
        let letter = device.write(contact, words).await.expect("written");
        device.sent(letter).await.expect("sent");
    }
    let waiting = renamed(&db).await;
    let mut bob_device = bob.sign_in().await;
    for words in &texts {
        bob_device.received(words).await.expect("received");
    }
    let empty = async || db.dump("messages").await.expect("readable").rows.is_empty().then_some(());
    eventually("the letters to be deleted", empty).await;
    [waiting, renamed(&db).await]
}

fn hour() -> i64 {
    (Surroundings::real().now)() / 3_600_000
}

/// The mailbox's rows, sorted, with every random value replaced by a name that tells only its kind
/// and where else it stands.
///
/// The names are found by refinement: a value is first named by its length, then, again and again,
/// by the rows in which it stands; values that stand in the same places end up with one name.
async fn renamed(db: &Db) -> Vec<String> {
    let mut rows = Vec::new();
    for table in MAILBOX {
        let dump = db.dump(table).await.expect("readable");
        for row in dump.rows {
            rows.push((*table, dump.columns.clone(), row));
        }
    }
    let mut names: BTreeMap<Cell, String> = BTreeMap::new();
    for cell in rows.iter().flat_map(|(_, _, row)| row).filter(|cell| is_random(cell)) {
        names.insert(cell.clone(), length(cell));
    }
    for _ in 0..4 {
        let mut places: BTreeMap<&Cell, Vec<String>> = BTreeMap::new();
        for (table, columns, row) in &rows {
            for (column, cell) in columns.iter().zip(row).filter(|(_, cell)| is_random(cell)) {
                let place = format!("{column} in {}", describe(table, columns, row, &names));
                places.entry(cell).or_default().push(place);
            }
        }
        names = places
            .into_iter()
            .map(|(cell, mut places)| {
                places.sort();
                (cell.clone(), format!("{} #{:04x}", length(cell), digest(&places)))
            })
            .collect();
    }
    let mut lines: Vec<String> =
        rows.iter().map(|(table, columns, row)| describe(table, columns, row, &names)).collect();
    lines.sort();
    lines
}

fn describe(
    table: &str,
    columns: &[String],
    row: &[Cell],
    names: &BTreeMap<Cell, String>,
) -> String {
    let mut cells: Vec<String> = columns
        .iter()
        .zip(row)
        .map(|(column, cell)| format!("{column}={}", names.get(cell).unwrap_or(&plain(cell))))
        .collect();
    cells.sort();
    format!("{table}: {}", cells.join(" "))
}

/// Keys, ids, labels and ciphertexts; not phones, words, counters and times.
fn is_random(cell: &Cell) -> bool {
    match cell {
        Cell::Integer(number) => *number >= 1 << 24,
        Cell::Text(text) => text.len() == 22 && !text.starts_with('+'),
        Cell::Bytes(_) => true,
        Cell::Null | Cell::Time(_) => false,
    }
}

fn length(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("{} letters", text.len()),
        Cell::Bytes(bytes) => format!("{} bytes", bytes.len()),
        _ => "a number".to_owned(),
    }
}

fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Time(time) => format!("@{}", time.0),
        Cell::Text(text) => text.clone(),
        Cell::Bytes(bytes) => format!("{bytes:?}"),
    }
}

fn digest(places: &[String]) -> u16 {
    let mut hasher = DefaultHasher::new();
    places.hash(&mut hasher);
    hasher.finish() as u16
}
