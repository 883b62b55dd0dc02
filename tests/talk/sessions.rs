//! What a session is good for, and what it takes to get one again.

use crate::support::{databases::on_both_engines, person::Person, process::ServerProcess};
use letterbox::client::ClientError;

on_both_engines! {
    async fn a_device_that_was_off_goes_on_with_its_session(db) {
        let mut server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, device) = Person::sign_up(&server, "+4915112345601", 1).await;
        drop(device);
        let mut device = ann.open();
        device.take_up_session().await.expect("the session is still good");
        drop(device);
        server.kill().await;
        server.restart().await;
        let mut device = ann.open();
        device.take_up_session().await.expect("the session outlives the server");
    }

    async fn without_a_session_letters_still_go_out_and_a_passkey_brings_the_inbox_back(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, mut device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let contact = device.find(&bob.phone).await.expect("found");
        device.write(contact, "with a session").await.expect("written");
        let first = bob_device.received("with a session").await.expect("received");
        drop(device);

        ann.link.forget_session();
        let mut device = ann.open();
        let refused = device.take_up_session().await;
        assert!(matches!(refused, Err(ClientError::SignInNeeded)), "{refused:?}");
        let letter = device.write(contact, "without a session").await.expect("written");
        device.sent(letter).await.expect("sealed requests need no session");
        bob_device.received("without a session").await.expect("received");
        bob_device.write(first.contact, "an answer").await.expect("written");
        device.sign_in(&ann.passkey).await.expect("signed in");
        device.received("an answer").await.expect("received");
    }

    async fn somebody_elses_passkey_does_not_make_a_vault_theirs(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, _bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        drop(device);
        let mut device = ann.open();
        let refused = device.sign_in(&bob.passkey).await;
        assert!(matches!(refused, Err(ClientError::DeviceUnknown)), "{refused:?}");
    }
}
