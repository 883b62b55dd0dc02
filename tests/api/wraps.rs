//! What a device wraps for its siblings.

use super::live::Socket;
use crate::support::{
    app::TestApp, databases::on_both_engines, linking::linked, member::Member, rotating::wraps,
};
use hyper::Method;
use letterbox_protocol::{
    types::{Blob, Bytes},
    wire::{EnvelopePage, KeyStatus, ServerFrame, SiblingKeys},
};

const PHONE: &str = "+4915112345678";
const PATH: &str = "/v1/session-keys";

on_both_engines! {
    async fn envelopes_reach_the_siblings_once_and_count_up(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let mut socket = Socket::open(&second).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        let one = wraps(1, &[&second]);
        assert_eq!(first.send(Method::PUT, PATH, &one).await.status, 204);
        assert_eq!(socket.envelopes().await, [one.session_key_id]);
        socket.acknowledge(&[], &[one.session_key_id]).await;
        // Acknowledged or not: the answer was lost, the same again is answered alike, and stores
        // nothing twice.
        assert_eq!(first.send(Method::PUT, PATH, &one).await.status, 204);
        drop(socket);
        let page: EnvelopePage = second.get(PATH).await.read();
        assert!(page.envelopes.len() <= 1);
        let mut other = one.clone();
        other.envelopes[0].encrypted_session_key = Blob(vec![8; 2_048]);
        for stale in [other, wraps(3, &[&second]), wraps(0, &[&second])] {
            let refused = first.send(Method::PUT, PATH, &stale).await;
            assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()));
        }
        assert_eq!(first.send(Method::PUT, PATH, &wraps(2, &[&second])).await.status, 204);
        let status: KeyStatus = first.get("/v1/keys/status").await.read();
        assert_eq!(status.key_rotation_counter, 2);
    }

    async fn only_whole_envelopes_for_own_siblings_are_taken(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let second = linked(&mut first, &[], 2, 1).await;
        let stranger = Member::signed_up(&app, "+4915112345679").await;
        let refused = first.send(Method::PUT, PATH, &wraps(1, &[&stranger])).await;
        assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()));
        let good = wraps(1, &[&second]);
        type Spoil = fn(&mut SiblingKeys);
        let faults: [(&str, Spoil); 5] = [
            ("envelopes", |body| body.envelopes[0].encrypted_session_key.0.truncate(2_047)),
            ("envelopes", |body| body.envelopes[0].encrypted_session_key.0.push(0)),
            ("envelopes", |body| body.envelopes.clear()),
            ("envelopes", |body| body.envelopes.push(body.envelopes[0].clone())),
            ("key_rotation_counter", |body| body.key_rotation_counter = u64::MAX),
        ];
        for (field, spoil) in faults {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert_eq!(first.send(Method::PUT, PATH, &bad).await.bad_field(), field);
        }
        let to_itself = wraps(1, &[&first]);
        assert_eq!(first.send(Method::PUT, PATH, &to_itself).await.bad_field(), "envelopes");
        let session = first.cookie.clone();
        first.sign_in().await;
        let refused = first.send(Method::PUT, PATH, &good).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
        first.cookie = session;
        assert_eq!(first.send(Method::PUT, PATH, &good).await.status, 204);
    }

    async fn a_full_mailbox_takes_none_and_loses_nothing(db) {
        let app = TestApp::start(&db.url, &[("mailbox_envelopes", "1")]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        assert_eq!(first.send(Method::PUT, PATH, &wraps(1, &[&second])).await.status, 204);
        let next = wraps(2, &[&second]);
        let full = first.send(Method::PUT, PATH, &next).await;
        assert_eq!(full.refused(), (507, "/problems/mailbox-full".to_owned()));
        let acks = serde_json::json!({ "session_key_ids": [Bytes([1; 16])] });
        assert_eq!(second.post("/v1/session-keys/acks", &acks).await.status, 204);
        assert_eq!(first.send(Method::PUT, PATH, &next).await.status, 204);
    }
}
