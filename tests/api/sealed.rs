use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    member::{Member, deliver, letter},
};
use letterbox_protocol::{
    types::{Blob, Bytes},
    wire::{KeyBundle, SealedMessage, WantedPrekeys},
};
use serde_json::{Value, json};

const PHONE: &str = "+4915112345678";
const NOBODY: &str = "+4915112345679";

async fn lookup(app: &TestApp, n: u8, phone: &str, prekeys: &WantedPrekeys) -> Answer {
    let body = json!({ "phone": phone, "prekeys": prekeys });
    app.post("/v1/sealed/lookup").origin(None).token(&app.token(n).await).json(&body).send().await
}

fn key_ids(bundle: &KeyBundle) -> Vec<Option<u32>> {
    let key = |prekeys: &letterbox_protocol::wire::DevicePrekeys| {
        prekeys.one_time_prekey.as_ref().map(|key| key.key_id)
    };
    bundle.prekeys.iter().map(key).collect()
}

on_both_engines! {
    async fn a_lookup_hands_out_each_prekey_once(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mut claimed = Vec::new();
        for n in 0..4 {
            let bundle: KeyBundle = lookup(&app, n, PHONE, &WantedPrekeys::All).await.read();
            assert_eq!(bundle.identity_key, member.identity.public());
            assert_eq!(bundle.device_list.devices, [member.listed()]);
            claimed.extend(key_ids(&bundle));
        }
        assert_eq!(claimed, [Some(1), Some(2), Some(3), None]);
        let status: Value = member.get("/v1/keys/status").await.read();
        assert_eq!(status["available_prekeys"], 0);
    }

    async fn prekeys_come_only_where_wanted_and_under_the_cap(db) {
        let app = TestApp::start(&db.url, &[("prekey_claims_per_hour", "1")]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let none: KeyBundle = lookup(&app, 0, PHONE, &WantedPrekeys::Devices(vec![])).await.read();
        assert_eq!(key_ids(&none), [None]);
        let wanted = WantedPrekeys::Devices(vec![member.device_id]);
        let one: KeyBundle = lookup(&app, 1, PHONE, &wanted).await.read();
        assert_eq!(key_ids(&one), [Some(1)]);
        let capped: KeyBundle = lookup(&app, 2, PHONE, &wanted).await.read();
        assert_eq!(key_ids(&capped), [None]);
        let many = WantedPrekeys::Devices(vec![member.device_id; 9]);
        assert_eq!(lookup(&app, 3, PHONE, &many).await.bad_field(), "prekeys");
    }

    async fn the_same_token_buys_the_same_request_and_no_other(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let first: KeyBundle = lookup(&app, 0, PHONE, &WantedPrekeys::All).await.read();
        let again: KeyBundle = lookup(&app, 0, PHONE, &WantedPrekeys::All).await.read();
        assert_eq!(key_ids(&first), [Some(1)]);
        assert_eq!(key_ids(&again), [None]);
        assert_eq!(again.device_list, first.device_list);
        let other = lookup(&app, 0, NOBODY, &WantedPrekeys::All).await;
        assert_eq!(other.refused(), (401, "/problems/token-refused".to_owned()));
        assert_eq!(other.header("www-authenticate"), "PrivateToken");

        let message = letter(&member, 1, true);
        for _ in 0..2 {
            assert_eq!(deliver(&app, &message).await.status, 202);
        }
        let mut other = message.clone();
        other.encrypted_content = Blob(vec![2; 1_024]);
        assert_eq!(deliver(&app, &other).await.problem(), "/problems/token-refused");
        let asked = app.post("/v1/sealed/messages").token(&app.token(0).await);
        let across = asked.json(&message).send().await;
        assert_eq!(across.problem(), "/problems/token-refused");
    }

    async fn an_unknown_number_is_told_and_spends_the_token(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        for _ in 0..2 {
            let gone = lookup(&app, 0, NOBODY, &WantedPrekeys::All).await;
            assert_eq!(gone.refused(), (404, "/problems/no-such-mailbox".to_owned()));
        }
        let spent = lookup(&app, 0, PHONE, &WantedPrekeys::All).await;
        assert_eq!(spent.problem(), "/problems/token-refused");
        let mut message = letter(&member, 1, false);
        message.destination = NOBODY.parse().unwrap();
        assert_eq!(deliver(&app, &message).await.refused().0, 404);
    }

    async fn whatever_identifies_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let message = letter(&member, 1, true);
        for cookie in [member.cookie.as_deref().unwrap(), "a=b", ""] {
            let asked = app.post("/v1/sealed/messages").header("cookie", cookie);
            let refused = asked.token(&app.token(1).await).json(&message).send().await;
            let problem = (400, "/problems/identity-on-sealed-request".to_owned());
            assert_eq!(refused.refused(), problem);
        }
        // The token is still good, and nothing was stored.
        let mut member = member;
        let inbox: Value = member.get("/v1/inbox").await.read();
        assert_eq!(inbox["letters"], json!([]));
        let sent = deliver(&app, &message).await;
        assert_eq!((sent.status, sent.cookie()), (202, None));
    }

    async fn a_request_without_a_good_token_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let message = letter(&member, 1, true);
        let bare = app.post("/v1/sealed/messages").json(&message).send().await;
        assert_eq!(bare.refused(), (401, "/problems/token-refused".to_owned()));
        for token in ["", "AAAA", "not base64url at all, and not 43 characters"] {
            let authorization = format!("PrivateToken token=\"{token}\"");
            let asked = app.post("/v1/sealed/messages").header("authorization", &authorization);
            let refused = asked.json(&message).send().await;
            assert_eq!(refused.problem(), "/problems/token-refused");
        }
    }

    async fn sizes_and_terms_are_exact(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let good = letter(&member, 1, true);
        type Spoil = fn(&mut SealedMessage);
        let faults: [(&str, Spoil); 9] = [
            ("encrypted_content", |message| message.encrypted_content = Blob(vec![0; 1_023])),
            ("encrypted_content", |message| message.encrypted_content = Blob(vec![0; 3_072])),
            ("encrypted_content", |message| message.encrypted_content = Blob(vec![0; 131_072])),
            ("encrypted_content", |message| message.encrypted_content = Blob(vec![])),
            ("expiry_days", |message| message.expiry_days = 2),
            ("list_version", |message| message.list_version = u64::MAX),
            ("session_keys.envelopes", |message| {
                message.session_keys.as_mut().unwrap().envelopes.clear();
            }),
            ("session_keys.envelopes", |message| {
                let envelopes = &mut message.session_keys.as_mut().unwrap().envelopes;
                envelopes[0].encrypted_session_key = Blob(vec![0; 2_047]);
            }),
            ("session_keys.envelopes", |message| {
                let envelopes = &mut message.session_keys.as_mut().unwrap().envelopes;
                envelopes.push(envelopes[0].clone());
            }),
        ];
        for (field, spoil) in faults {
            let mut bad = good.clone();
            spoil(&mut bad);
            assert_eq!(deliver(&app, &bad).await.bad_field(), field);
        }
        // None of them spent the token.
        assert_eq!(deliver(&app, &good).await.status, 202);
        let mut largest = letter(&member, 2, false);
        largest.encrypted_content = Blob(vec![0; 65_536]);
        assert_eq!(deliver(&app, &largest).await.status, 202);
    }

    async fn a_stale_list_or_a_wrong_set_of_envelopes_stores_nothing(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mut old = letter(&member, 1, true);
        old.list_version = 2;
        let mut ghost = letter(&member, 2, true);
        ghost.session_keys.as_mut().unwrap().envelopes[0].device_id = Bytes([9; 16]);
        for bad in [old, ghost] {
            let refused = deliver(&app, &bad).await;
            assert_eq!(refused.refused(), (409, "/problems/stale-device-list".to_owned()));
        }
        let inbox: Value = member.get("/v1/inbox").await.read();
        assert_eq!(inbox["letters"], json!([]));
    }

    async fn a_full_mailbox_says_so_and_loses_nothing(db) {
        let app = TestApp::start(&db.url, &[("mailbox_letters", "2")]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        for n in 1..=2 {
            assert_eq!(deliver(&app, &letter(&member, n, false)).await.status, 202);
        }
        let third = letter(&member, 3, false);
        let full = deliver(&app, &third).await;
        assert_eq!(full.refused(), (507, "/problems/mailbox-full".to_owned()));
        let inbox: Value = member.get("/v1/inbox").await.read();
        assert_eq!(inbox["letters"].as_array().unwrap().len(), 2);
        let acks = json!({ "acks": [
            { "message_id": Bytes([1; 16]), "status": "delivered" },
        ] });
        assert_eq!(member.post("/v1/inbox/acks", &acks).await.status, 204);
        // The same bytes with the same token are good now.
        assert_eq!(deliver(&app, &third).await.status, 202);
    }
}
