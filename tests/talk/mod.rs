//! Tests: two native clients talk through the real server over TCP.

mod demo;
pub(crate) mod devices;
mod files;
mod linking;
mod recovery;
mod sessions;

use crate::support::{
    databases::on_both_engines,
    person::{Person, number_of},
    process::ServerProcess,
};

on_both_engines! {
    /// Both ways, live, then with one of them away; and everything is there once and in order.
    async fn two_people_talk(db) {
        let server = ServerProcess::start(&db.url, &[]).await;
        let (mut ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (mut bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;

        let bob_at_ann = ann_device.find(&bob.phone).await.expect("Bob is found");
        let letter = ann_device.write(bob_at_ann, "Hello Bob").await.expect("written");
        ann_device.sent(letter).await.expect("sent");
        let received = bob_device.received("Hello Bob").await.expect("received live");
        let ann_at_bob = received.contact;
        assert_eq!(number_of(&mut bob_device, ann_at_bob).await, ann.phone);

        bob_device.write(ann_at_bob, "Hello Ann").await.expect("written");
        let answer = ann_device.received("Hello Ann").await.expect("received live");
        assert_eq!(answer.contact, bob_at_ann, "the answer is in the same conversation");

        drop(bob_device);
        for text in ["one", "two", "three"] {
            let letter = ann_device.write(bob_at_ann, text).await.expect("written");
            ann_device.sent(letter).await.expect("sent while Bob is away");
        }
        drop(ann_device);

        let mut bob_device = bob.sign_in().await;
        for text in ["one", "two", "three"] {
            bob_device.received(text).await.expect("received after coming back");
        }
        bob_device.write(ann_at_bob, "I was away").await.expect("written");
        let mut ann_device = ann.sign_in().await;
        ann_device.received("I was away").await.expect("received after coming back");

        let thread = ["Hello Bob", "Hello Ann", "one", "two", "three", "I was away"];
        assert_eq!(ann.thread(bob_at_ann), thread);
        assert_eq!(bob.thread(ann_at_bob), thread);
    }
}
