//! A client whose vault is a file.

use crate::support::{databases::on_both_engines, person::Person, process::ServerProcess};
use letterbox::client::{Client, FileVault, Surroundings};
use letterbox_protocol::engine::LetterView;
use rand::{SeedableRng as _, rngs::StdRng};

on_both_engines! {
    async fn a_vault_in_a_file_goes_on_where_it_stopped(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("vault");
        let mut ann = Person::new(&server, "+4915112345601", 1);
        let open = |person: &Person| {
            let vault = FileVault::open(&path).expect("a good file");
            Client::open(vault, person.link.clone(), Surroundings::real()).expect("a good vault")
        };

        let mut device = open(&ann);
        device.ask_for_code(&ann.phone).await.expect("a code is on its way");
        let code = server.code(&ann.phone).await;
        let mut rng = StdRng::seed_from_u64(1);
        let phone = ann.phone.clone();
        device.sign_up(&phone, &code, "a file", &mut ann.passkey, &mut rng).await.expect("signed up");
        let contact = device.find(&bob.phone).await.expect("found");
        device.write(contact, "before").await.expect("written");
        let letter = bob_device.received("before").await.expect("received");
        device.switch_off().await;
        bob_device.write(letter.contact, "meanwhile").await.expect("written");

        let mut device = open(&ann);
        device.sign_in(&ann.passkey).await.expect("signed in");
        device.received("meanwhile").await.expect("received");
        device.write(contact, "after").await.expect("written");
        bob_device.received("after").await.expect("received");
        device.switch_off().await;

        let device = open(&ann);
        let thread = device.letters(contact).expect("readable");
        let outgoing: Vec<bool> = thread.iter().map(|letter: &LetterView| letter.outgoing).collect();
        assert_eq!(outgoing, [true, false, true]);
    }
}
