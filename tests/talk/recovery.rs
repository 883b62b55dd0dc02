//! A browser that lost its storage, and the device in it that comes back by its passkey.

use crate::support::{
    databases::on_both_engines,
    eventually::eventually,
    person::{Device, Person, contact_of},
    process::ServerProcess,
};
use letterbox::{
    client::{ClientError, MemoryVault},
    db::{Cell, Db},
};
use letterbox_protocol::{
    capsule::{RecoveryCode, recovery_secret_from_prf},
    engine::{Input, RecoveryMethod},
    keys::ExchangeSecret,
};
use rand::{SeedableRng as _, rngs::StdRng};

const ANN: &str = "+4915112345601";
const BOB: &str = "+33612345602";

/// What the passkey's PRF output gives.
fn secret_of(person: &Person) -> ExchangeSecret {
    recovery_secret_from_prf(&person.passkey.prf(b"letterbox").expect("a passkey"))
}

/// Has the capsule sealed to this secret, and waits until it lies at the server.
async fn recoverable(
    db: &Db,
    device: &mut Device,
    secret: &ExchangeSecret,
    method: RecoveryMethod,
) {
    device.tell(Input::SetRecovery { key: secret.public(), method });
    eventually("the capsule", async || {
        let table = db.dump("webauthn_credentials").await.expect("a table");
        let column = table.columns.iter().position(|name| name == "recovery_capsule")?;
        table.rows.iter().any(|row| row[column] != Cell::Null).then_some(())
    })
    .await;
}

impl Person {
    /// The browser loses what it stores, and its session; the passkey stays.
    fn lose_storage(&mut self) {
        self.vault = MemoryVault::default();
        self.link.forget_session();
    }
}

on_both_engines! {
    async fn the_passkey_alone_brings_an_emptied_browser_back(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 2).await;
        let contact = bobs.find(&ann.phone).await.expect("found");
        bobs.write(contact, "before").await.expect("written");
        device.received("before").await.expect("received");
        let secret = secret_of(&ann);
        recoverable(&db, &mut device, &secret, RecoveryMethod::Passkey).await;
        drop(device);

        ann.lose_storage();
        let mut device = ann.open();
        let again = secret_of(&ann);
        device.recover(&ann.passkey, &again, RecoveryMethod::Passkey).await.expect("back");
        bobs.write(contact, "after").await.expect("written");
        device.received("after").await.expect("received");
        let back = contact_of(&mut device, &bob.phone).await;
        device.write(back, "I am here").await.expect("written");
        assert_eq!(bobs.received("I am here").await.expect("received").contact, contact);
        drop(device);
        // It comes back as any device does from now on, and can lose its storage again.
        let device = ann.sign_in().await;
        drop(device);
        ann.lose_storage();
        let mut device = ann.open();
        device.recover(&ann.passkey, &again, RecoveryMethod::Passkey).await.expect("back again");
    }

    async fn a_recovery_code_brings_one_of_two_devices_back(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (mut second, mut laptop) = ann.link(&mut first, 2).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 3).await;
        let code = RecoveryCode::generate(&mut StdRng::seed_from_u64(4));
        recoverable(&db, &mut laptop, &code.secret(), RecoveryMethod::Code).await;
        drop(laptop);

        second.lose_storage();
        let mut laptop = second.open();
        let typed = RecoveryCode::parse(&code.display()).expect("a code").secret();
        laptop.recover(&second.passkey, &typed, RecoveryMethod::Code).await.expect("back");
        let contact = bobs.find(&ann.phone).await.expect("found");
        bobs.write(contact, "for both").await.expect("written");
        first.received("for both").await.expect("received");
        laptop.received("for both").await.expect("received");
        let back = contact_of(&mut laptop, &bob.phone).await;
        laptop.write(back, "from the laptop").await.expect("written");
        bobs.received("from the laptop").await.expect("received");
        first.copied("from the laptop").await.expect("copied");
    }

    async fn another_secret_changes_nothing(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, mut device) = Person::sign_up(&server, ANN, 1).await;
        let secret = secret_of(&ann);
        recoverable(&db, &mut device, &secret, RecoveryMethod::Passkey).await;
        drop(device);
        let keys = async || db.dump("device_keys").await.expect("a table").rows;
        let before = keys().await;
        let kept = ann.vault.clone();

        ann.lose_storage();
        let mut device = ann.open();
        let other = RecoveryCode::generate(&mut StdRng::seed_from_u64(4)).secret();
        let refused = device.recover(&ann.passkey, &other, RecoveryMethod::Code).await;
        assert!(matches!(refused, Err(ClientError::RecoveryRefused)), "{refused:?}");
        assert!(keys().await == before, "nothing was published");
        drop(device);
        ann.vault = kept;
        drop(ann.sign_in().await);
    }
}
