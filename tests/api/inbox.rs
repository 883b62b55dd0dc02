use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    member::{Member, deliver, letter},
};
use hyper::Method;
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, HOUR},
    wire::{EnvelopePage, InboxPage},
};
use serde_json::json;
use std::collections::BTreeSet;

const PHONE: &str = "+4915112345678";

on_both_engines! {
    async fn letters_come_by_page_until_they_are_acknowledged(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        for n in 1..=5 {
            assert_eq!(deliver(&app, &letter(&member, n, true)).await.status, 202);
        }
        let (mut got, mut path) = (BTreeSet::new(), "/v1/inbox?limit=2".to_owned());
        loop {
            let page: InboxPage = member.get(&path).await.read();
            assert!(page.letters.len() <= 2);
            for letter in &page.letters {
                let n = letter.message_id.0[0];
                assert_eq!(letter.encrypted_content, Blob(vec![n; 1_024]));
                assert_eq!(letter.timestamp.0 % HOUR, 0);
                assert_eq!(letter.expires_at.0 % DAY, 0);
                assert!(!letter.read);
                got.insert(n);
            }
            let Some(next) = page.next else { break };
            path = format!("/v1/inbox?limit=2&after={next}");
        }
        assert_eq!(got, BTreeSet::from([1, 2, 3, 4, 5]));
        let acks = json!({ "acks": [
            { "message_id": Bytes([1; 16]), "status": "delivered" },
            { "message_id": Bytes([2; 16]), "status": "failed" },
            { "message_id": Bytes([99; 16]), "status": "delivered" },
        ] });
        for _ in 0..2 {
            assert_eq!(member.post("/v1/inbox/acks", &acks).await.status, 204);
        }
        let page: InboxPage = member.get("/v1/inbox").await.read();
        assert_eq!(page.letters.len(), 3);
        assert_eq!(page.next, None);
    }

    async fn envelopes_come_until_they_are_acknowledged(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        deliver(&app, &letter(&member, 1, true)).await;
        deliver(&app, &letter(&member, 2, true)).await;
        let page: EnvelopePage = member.get("/v1/session-keys").await.read();
        assert_eq!(page.envelopes.len(), 2);
        assert!(page.envelopes.iter().all(|e| e.encrypted_session_key.0.len() == 2_048));
        let acks = json!({ "session_key_ids": [Bytes([1; 16])] });
        assert_eq!(member.post("/v1/session-keys/acks", &acks).await.status, 204);
        let page: EnvelopePage = member.get("/v1/session-keys").await.read();
        assert_eq!(page.envelopes[0].session_key_id, Bytes([2; 16]));
        assert_eq!(page.envelopes.len(), 1);
    }

    async fn a_letter_is_read_and_deleted_by_its_owner_only(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mut other = Member::signed_up(&app, "+4915112345679").await;
        deliver(&app, &letter(&member, 1, false)).await;
        let id = Bytes([1; 16]);
        let reads = json!({ "message_ids": [id] });
        let path = format!("/v1/inbox/{}", id.to_text());
        let acks = json!({ "acks": [{ "message_id": id, "status": "delivered" }] });
        assert_eq!(other.post("/v1/inbox/reads", &reads).await.status, 204);
        assert_eq!(other.post("/v1/inbox/acks", &acks).await.status, 204);
        assert_eq!(other.send(Method::DELETE, &path, &json!({})).await.status, 204);
        let page: InboxPage = member.get("/v1/inbox").await.read();
        assert!(!page.letters[0].read);
        assert_eq!(member.post("/v1/inbox/reads", &reads).await.status, 204);
        let page: InboxPage = member.get("/v1/inbox").await.read();
        assert!(page.letters[0].read);
        for _ in 0..2 {
            assert_eq!(member.send(Method::DELETE, &path, &json!({})).await.status, 204);
        }
        let page: InboxPage = member.get("/v1/inbox").await.read();
        assert!(page.letters.is_empty());
    }

    async fn what_does_not_fit_is_named(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        assert_eq!(member.get("/v1/inbox?after=x").await.bad_field(), "after");
        assert_eq!(member.get("/v1/inbox?limit=-1").await.bad_field(), "limit");
        let path = "/v1/inbox/short";
        assert_eq!(member.send(Method::DELETE, path, &json!({})).await.bad_field(), "message_id");
        let many = json!({ "message_ids": vec![Bytes([1; 16]); 501] });
        assert_eq!(member.post("/v1/inbox/reads", &many).await.bad_field(), "message_ids");
        let many = json!({ "session_key_ids": vec![Bytes([1; 16]); 501] });
        assert_eq!(member.post("/v1/session-keys/acks", &many).await.bad_field(), "session_key_ids");
        let status = json!({ "acks": [{ "message_id": Bytes([1; 16]), "status": "lost" }] });
        assert_eq!(member.post("/v1/inbox/acks", &status).await.bad_field(), "acks[0].status");
    }
}
