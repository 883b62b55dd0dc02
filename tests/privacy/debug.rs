//! What `Debug` prints of the server's types: a log line that takes one by mistake still names nobody.

use super::search::{Needle, Search};
use crate::{
    db::world::*,
    support::databases::{Engine, TestDb, rng},
};
use letterbox::{
    audit::{Detail, Manifest, disclosure},
    config::{Config, Flags},
    db::{Cell, LetterStore, Limits},
    sms::TextMessage,
};
use letterbox_protocol::{
    types::HOUR,
    wire::{Lookup, PublishKeys, StartRegistration, VerifyRegistration, WantedPrekeys},
};
use std::fmt::{Debug, Write as _};

const PASSWORD: &str = "correct horse";

/// Type by type, as `{:?}` has it.
#[derive(Default)]
struct Printed(String);

impl Printed {
    fn add(&mut self, name: &str, value: &dyn Debug) {
        writeln!(self.0, "{name}: {value:?}").unwrap();
    }
}

#[tokio::test]
async fn no_type_prints_what_it_holds() {
    let (db, rng) = (TestDb::open(Engine::Sqlite).await, &mut rng());
    let bob = sign_up(&db, 2, 3, rng).await;
    let mut letter = message(&bob, rng);
    letter.session_keys = session_for(&bob.devices, rng);
    let spent = token(rng);
    let sealed = letterbox::db::SealedSend::parse(spent.clone(), letter.clone()).unwrap();
    LetterStore::new(db.db.clone(), Limits::default())
        .store(std::slice::from_ref(&sealed), NOW, rng)
        .await
        .unwrap();
    let device = bob.devices[0].0;
    let phone = bob.phone.as_str().to_owned();
    let account = new_account(&bob.phone, 2, rng);
    let config = [
        ("database", format!("postgres://letterbox:{PASSWORD}@db/letterbox")),
        ("sms_webhook_secret", format!("{PASSWORD} battery staple")),
    ];
    let flags = Flags::from_pairs(config.iter().map(|(name, text)| (*name, text.as_str())));
    let config = Config::load(&flags, []).unwrap();
    let held = disclosure(&db, &Manifest::load().unwrap(), &bob.phone, Detail::Everything, NOW)
        .await
        .unwrap();

    let mut printed = Printed::default();
    printed.add("a phone", &bob.phone);
    printed.add("a device id", &bob.devices[0].1);
    printed.add("a row", &device);
    printed.add("a new credential", &credential(rng));
    printed.add("a credential", &db.credential(device).await.unwrap());
    printed.add("a token", &spent);
    printed.add("a sealed send", &sealed);
    printed.add("a sealed letter", &letter);
    printed.add("a pending letter", &db.inbox_page(device, None, 9, NOW.plus(HOUR)).await.unwrap());
    printed
        .add("a pending letter's head", &db.pending_letters(device, None, 9, NOW).await.unwrap());
    printed.add("a pending envelope", &db.envelopes_page(device, None, 9, NOW).await.unwrap());
    printed.add("a bundle", &db.served_bundle(&bob.phone).await.unwrap());
    printed.add("keys to publish", &PublishKeys::Account(account));
    printed.add("a look-up", &Lookup { phone: bob.phone.clone(), prekeys: WantedPrekeys::All });
    printed.add("a registration", &StartRegistration { phone: phone.clone() });
    printed.add("a code", &VerifyRegistration { phone, code: "271828".to_owned() });
    printed.add(
        "a text message",
        &TextMessage { phone: bob.phone.clone(), code: "271828".to_owned() },
    );
    printed.add("the server's keys", &db.certificate_keys(NOW, rng).await.unwrap());
    printed.add("a disclosure", &held);
    printed.add("a disclosed table", &held.tables[0]);
    printed.add("the storage", &db.db);
    printed.add("the settings' database", &config.database);
    printed.add("the settings' secret", &config.sms_webhook_secret);

    let mut needles = vec![
        Needle::phone("the phone", bob.phone.as_str()),
        Needle::text("the code", "271828"),
        Needle::text("the password", PASSWORD),
        Needle::bytes("the token", spent.nullifier.0),
        Needle::bytes("the letter's id", letter.message_id.0),
        Needle::bytes("the device", bob.devices[0].1.0),
    ];
    for table in db.tables().await.unwrap() {
        let dump = db.dump(&table).await.unwrap();
        for (column, cell) in dump.rows.iter().flat_map(|row| dump.columns.iter().zip(row)) {
            let what = format!("{table}.{column}");
            match cell {
                Cell::Bytes(bytes) if bytes.len() >= 16 => {
                    needles.push(Needle::bytes(what, &bytes[..16]))
                }
                Cell::Integer(id) if *id > 1 << 24 => needles.push(Needle::number(what, *id)),
                _ => {}
            }
        }
    }
    assert_eq!(Search::new(&needles).find(printed.0.as_bytes()), Vec::<String>::new());
    assert!(
        !Search::new(&needles).find(&letter.message_id.0).is_empty(),
        "the search is not blind"
    );
    insta::assert_snapshot!("debug", printed.0);
}
