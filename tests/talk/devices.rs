//! Several devices of one person: what one does the others show, and what becomes of one that is
//! taken off the account.

use crate::support::{
    databases::on_both_engines,
    eventually::eventually,
    person::{Device, Person, contact_of, number_of},
    process::ServerProcess,
};
use letterbox::client::{CallError, ClientError};
use letterbox_protocol::{
    engine::{
        ContactId, ContactView, ContentView, Event, FailReason, Input, LetterId, LetterState,
        Safety, Standing,
    },
    types::DeviceId,
};

const ANN: &str = "+4915112345601";
const BOB: &str = "+33612345602";

/// Waits until a device shows its contact so.
async fn shows(device: &mut Device, contact: ContactId, how: impl Fn(&ContactView) -> bool) {
    let shown = |event: &Event| match event {
        Event::Contact { contact: view } if view.id == contact && how(view) => Some(()),
        _ => None,
    };
    device.next("a contact to change", shown).await.expect("the other device follows");
}

/// The code that stands for both identity keys.
async fn safety_code(device: &mut Device, contact: ContactId) -> String {
    let code = |event: &Event| match event {
        Event::Contact { contact: view } if view.id == contact && !view.safety_code.is_empty() => {
            Some(view.safety_code.clone())
        }
        _ => None,
    };
    device.ever("a safety code", code).await.expect("a safety code")
}

/// Waits until a letter is gone.
async fn gone(device: &mut Device, letter: LetterId) {
    let removed = |event: &Event| match event {
        Event::LetterRemoved { letter: of, .. } => (*of == letter).then_some(()),
        _ => None,
    };
    device.ever("a letter to go", removed).await.expect("the other device follows");
}

/// Takes a device off the account.
pub(crate) async fn revoke(by: &mut Device, device: DeviceId, lost: bool) {
    by.tell(Input::RevokeDevice { device, lost });
    let left = |event: &Event| match event {
        Event::Devices { devices } => devices.iter().all(|view| view.id != device).then_some(()),
        _ => None,
    };
    by.next("a device to go", left).await.expect("revoked");
}

/// The id by which a device's owner knows it.
pub(crate) async fn id_of(device: &mut Device) -> DeviceId {
    let this = |event: &Event| match event {
        Event::Devices { devices } => devices.iter().find(|view| view.this).map(|view| view.id),
        _ => None,
    };
    device.ever("the account's devices", this).await.expect("its devices")
}

/// Waits until a device hears that it is one no more.
async fn closed_out(device: &mut Device) {
    let unknown = |event: &Event| (*event == Event::DeviceUnknown).then_some(());
    device.ever("the revocation", unknown).await.expect("closed out");
}

on_both_engines! {
    /// Three devices of one person, two of another.
    async fn everybody_gets_everything_once(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (second, mut laptop) = ann.link(&mut first, 2).await;
        let (third, mut tablet) = ann.link(&mut first, 3).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 4).await;
        let (other, mut bobs_other) = bob.link(&mut bobs, 5).await;

        let contact = tablet.find(&bob.phone).await.expect("found");
        let letter = tablet.write(contact, "from the tablet").await.expect("written");
        tablet.sent(letter).await.expect("sent");
        for device in [&mut bobs, &mut bobs_other] {
            let letter = device.received("from the tablet").await.expect("received");
            assert_eq!(number_of(device, letter.contact).await, ann.phone);
        }
        for device in [&mut first, &mut laptop] {
            let copy = device.copied("from the tablet").await.expect("copied");
            assert_eq!(number_of(device, copy.contact).await, bob.phone);
        }
        let contact = bobs_other.find(&ann.phone).await.expect("found");
        bobs_other.write(contact, "an answer").await.expect("written");
        for device in [&mut first, &mut laptop, &mut tablet] {
            device.received("an answer").await.expect("received");
        }
        bobs.copied("an answer").await.expect("copied");
        let contact = first.find(&bob.phone).await.expect("found");
        first.write(contact, "from the phone").await.expect("written");
        for device in [&mut laptop, &mut tablet] {
            device.copied("from the phone").await.expect("copied");
        }
        for device in [&mut bobs, &mut bobs_other] {
            device.received("from the phone").await.expect("received");
        }
        for person in [&ann, &second, &third, &bob, &other] {
            assert_eq!(person.threads(), ["from the tablet", "an answer", "from the phone"]);
        }
        eventually("the mailboxes to be empty", async || {
            let rows = db.dump("messages").await.expect("a table").rows;
            rows.is_empty().then_some(())
        })
        .await;
    }

    async fn what_one_device_settles_the_others_follow(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 2).await;
        let contact = bobs.find(&ann.phone).await.expect("found");
        bobs.write(contact, "Hello").await.expect("written");
        let here = first.received("Hello").await.expect("received").contact;
        let (_second, mut laptop) = ann.link(&mut first, 3).await;
        bobs.write(contact, "Are you there?").await.expect("written");
        let letter = laptop.received("Are you there?").await.expect("received");
        first.received("Are you there?").await.expect("received");
        let there = contact_of(&mut laptop, &bob.phone).await;

        first.tell(Input::AcceptContact { contact: here });
        shows(&mut laptop, there, |view| view.standing == Standing::Accepted).await;
        laptop.tell(Input::NameContact { contact: there, name: "Bobby".into() });
        shows(&mut first, here, |view| view.name == "Bobby").await;
        let code = safety_code(&mut first, here).await;
        first.tell(Input::VerifyContact { contact: here, code: Some(code) });
        shows(&mut laptop, there, |view| view.safety == Safety::Verified).await;
        laptop.tell(Input::MarkRead { contact: there });
        // The laptop never had what came before it was linked.
        shows(&mut first, here, |view| view.unread == 1).await;
        let key = letter.key;
        laptop.tell(Input::DeleteLetter { contact: there, letter: letter.id, key });
        gone(&mut first, letter.id).await;
        first.tell(Input::BlockContact { contact: here, blocked: true });
        shows(&mut laptop, there, |view| view.standing == Standing::Blocked).await;
    }

    async fn a_revoked_device_is_closed_out_at_once_and_gets_nothing_more(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (mut second, mut laptop) = ann.link(&mut first, 2).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 3).await;
        let contact = bobs.find(&ann.phone).await.expect("found");
        bobs.write(contact, "for both").await.expect("written");
        laptop.received("for both").await.expect("received");
        first.received("for both").await.expect("received");

        let gone = id_of(&mut laptop).await;
        revoke(&mut first, gone, false).await;
        closed_out(&mut laptop).await;
        bobs.write(contact, "for one").await.expect("written");
        first.received("for one").await.expect("received");
        assert_eq!(second.threads(), ["for both"]);
        drop(laptop);
        let refused = second.open().sign_in(&second.passkey).await;
        let refused_as = matches!(&refused, Err(ClientError::Call(CallError::Problem { .. })));
        assert!(refused_as, "{refused:?}");

        // The slot can be used again, and who writes to Bob is still Ann.
        let (_third, mut tablet) = ann.link(&mut first, 4).await;
        let back = tablet.find(&bob.phone).await.expect("found");
        tablet.write(back, "a new one").await.expect("written");
        let letter = bobs.received("a new one").await.expect("received");
        assert_eq!(letter.contact, contact);
    }

    async fn losing_a_device_replaces_the_identity_and_contacts_are_told(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (_second, mut laptop) = ann.link(&mut first, 2).await;
        let (_third, mut tablet) = ann.link(&mut first, 3).await;
        let (bob, mut bobs) = Person::sign_up(&server, BOB, 4).await;
        let at_ann = first.find(&bob.phone).await.expect("found");
        first.write(at_ann, "before").await.expect("written");
        let at_bob = bobs.received("before").await.expect("received").contact;
        bobs.write(at_bob, "an answer").await.expect("written");
        for device in [&mut first, &mut laptop, &mut tablet] {
            device.received("an answer").await.expect("received");
        }

        let gone = id_of(&mut laptop).await;
        revoke(&mut first, gone, true).await;
        closed_out(&mut laptop).await;
        let replaced = |event: &Event| (*event == Event::IdentityReplaced).then_some(());
        tablet.ever("the other identity", replaced).await.expect("the sibling is told");
        let at_tablet = tablet.find(&bob.phone).await.expect("found");
        tablet.write(at_tablet, "after").await.expect("written");
        bobs.received("after").await.expect("received under the other identity");
        let told = |event: &Event| match event {
            Event::Letter { letter } if letter.contact == at_bob => {
                (letter.content == ContentView::IdentityChanged).then_some(())
            }
            _ => None,
        };
        bobs.ever("the notice", told).await.expect("the contact is told");
        bobs.write(at_bob, "still you?").await.expect("written");
        for device in [&mut first, &mut tablet] {
            device.received("still you?").await.expect("received");
        }
    }

    async fn a_deleted_account_leaves_no_row(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (ann, mut first) = Person::sign_up(&server, ANN, 1).await;
        let (_second, laptop) = ann.link(&mut first, 2).await;
        let (_bob, mut bobs) = Person::sign_up(&server, BOB, 3).await;
        let contact = bobs.find(&ann.phone).await.expect("found");
        bobs.write(contact, "Hello").await.expect("written");
        first.received("Hello").await.expect("received");
        laptop.switch_off().await;
        bobs.write(contact, "Are you there?").await.expect("written");
        first.received("Are you there?").await.expect("received");

        first.tell(Input::DeleteAccount);
        let deleted = |event: &Event| (*event == Event::AccountDeleted).then_some(());
        first.next("the account's end", deleted).await.expect("deleted");
        for table in ["webauthn_credentials", "device_keys", "users", "identity_keys"] {
            assert_eq!(db.dump(table).await.expect("a table").rows.len(), 1, "Bob's only: {table}");
        }
        for table in ["messages", "message_deliveries", "device_session_keys"] {
            assert_eq!(db.dump(table).await.expect("a table").rows.len(), 0, "{table}");
        }
        let letter = bobs.write(contact, "Anybody?").await.expect("written");
        let failed = |event: &Event| match event {
            Event::Letter { letter: view } if view.id == letter => match view.state {
                LetterState::Failed { reason } => Some(reason),
                _ => None,
            },
            _ => None,
        };
        let reason = bobs.ever("the letter's fate", failed).await.expect("it is told");
        assert_eq!(reason, FailReason::NoSuchMailbox);
    }
}
