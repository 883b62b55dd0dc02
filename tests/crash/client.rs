//! A client that crashes loses no letter and doubles none.

use crate::support::{
    databases::on_both_engines,
    person::{Device, Person},
    process::ServerProcess,
};
use letterbox::client::{ClientError, Crash};
use letterbox_protocol::engine::{ContactId, Event};

/// The kinds of records that a letter touches on its way out, and on its way in.
const OUT: [&str; 5] = ["outbox/", "out/", "channel/", "request/", "letter/"];
const IN: [&str; 4] = ["in/", "channel/", "letter/", "contact/"];

on_both_engines! {
    /// Crashes the writer when it puts any kind of record that sending touches, before the commit
    /// and between commit and sending. What the vault holds afterwards arrives, once.
    async fn a_writer_crashes(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, device) = Person::sign_up(&server, "+4915112345601", 1).await;
        drop(device);
        let mut crashes = 0;
        // A new mailbox each time, so that the session is new and every kind of record is touched.
        for (number, (at, committed)) in cases(&OUT).enumerate() {
            let phone = format!("+3361234{number:04}");
            let (bob, mut bob_device) = Person::sign_up(&server, &phone, 100 + number as u64).await;
            let mut device = ann.sign_in().await;
            let contact = device.find(&bob.phone).await.expect("Bob is found");
            let words = format!("crash at {at}, committed: {committed}");
            ann.vault.crash(Some(Crash { at, committed }));
            let outcome = write_and_send(&mut device, contact, &words).await;
            ann.vault.crash(None);
            crashes += usize::from(matches!(outcome, Err(ClientError::Stopped)));
            drop(device);

            let mut device = ann.sign_in().await;
            let mut expected = ann.thread(contact);
            if expected.contains(&words) {
                bob_device.received(&words).await.expect("what is in the vault arrives");
            } else {
                assert!(outcome.is_err() && !committed, "{words}: lost");
            }
            write_and_send(&mut device, contact, "the next").await.expect("life goes on");
            let next = bob_device.received("the next").await.expect("received");
            expected.push("the next".to_owned());
            assert_eq!(bob.thread(next.contact), expected, "{words}");
        }
        assert!(crashes >= OUT.len(), "only {crashes} crashes");
    }

    /// Crashes the reader when it puts any kind of record that receiving touches. The letter is
    /// handed out again, and shown once.
    async fn a_reader_crashes(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (_ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let mut crashes = 0;
        for (number, (at, committed)) in cases(&IN).enumerate() {
            let phone = format!("+3361234{number:04}");
            let (mut bob, device) = Person::sign_up(&server, &phone, 100 + number as u64).await;
            drop(device);
            let contact = ann_device.find(&bob.phone).await.expect("Bob is found");
            for words in ["one", "two"] {
                write_and_send(&mut ann_device, contact, words).await.expect("sent");
            }
            bob.vault.crash(Some(Crash { at, committed }));
            let mut device = bob.open();
            let outcome = match device.sign_in(&bob.passkey).await {
                Ok(()) => caught_up(&mut device).await,
                Err(error) => Err(error),
            };
            bob.vault.crash(None);
            crashes += usize::from(matches!(outcome, Err(ClientError::Stopped)));
            drop(device);

            let mut device = bob.sign_in().await;
            caught_up(&mut device).await.expect("everything comes again");
            assert_eq!(bob.threads(), ["one", "two"], "crash at {at}, committed: {committed}");
        }
        assert!(crashes >= IN.len(), "only {crashes} crashes");
    }
}

fn cases<const N: usize>(
    kinds: &'static [&'static str; N],
) -> impl Iterator<Item = (&'static str, bool)> {
    kinds.iter().flat_map(|kind| [(*kind, false), (*kind, true)])
}

async fn write_and_send(
    device: &mut Device,
    contact: ContactId,
    words: &str,
) -> Result<(), ClientError> {
    let letter = device.write(contact, words).await?;
    device.sent(letter).await
}

async fn caught_up(device: &mut Device) -> Result<(), ClientError> {
    device.ever("the inbox", |event| (*event == Event::CaughtUp).then_some(())).await
}
