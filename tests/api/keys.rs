use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    member::{Member, now},
};
use hyper::Method;
use letterbox_protocol::{
    certificate::SenderCertificate,
    key_check::key_check_digest,
    types::{Bytes, DAY, Key, UnixTime},
    wire::{
        AddOneTimePrekeys, Certificate, CheckKeys, KeyRenewal, KeyStatus, KeysChecked, NewAccount,
        OneTimePrekey, PublishKeys, ServerInfo,
    },
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PHONE: &str = "+4915112345678";

/// Something that is wrong with a publication, and the field that is named for it.
type Fault = (&'static str, fn(&mut NewAccount, &mut Member<'_>));

const FAULTS: [Fault; 14] = [
    ("device_list", |account, _| account.identity_key = Bytes([7; 32])),
    ("device_list", |account, _| account.device_list.signature = Bytes([7; 64])),
    ("device_list", |account, _| account.device_list.devices[0].device_key = Bytes([7; 32])),
    ("device_list", |account, member| {
        let mut other = Member::new(member.app, "+4915112345670");
        std::mem::swap(&mut other.identity, &mut member.identity);
        account.device_list = other.list(1);
        std::mem::swap(&mut other.identity, &mut member.identity);
    }),
    ("device_list", |account, _| account.device_list.suite = 1),
    ("device_list.version", |account, member| account.device_list = member.list(2)),
    ("messaging_key.signature", |account, _| account.messaging_key.signature = Bytes([7; 64])),
    ("messaging_key.signature", |account, _| account.messaging_key.key_version = 2),
    ("signed_prekey.signature", |account, _| account.signed_prekey.public_key = Bytes([7; 32])),
    ("signed_prekey.signature", |account, _| account.signed_prekey.created_at = UnixTime(0)),
    ("signed_prekey.key_id", |account, member| account.signed_prekey = member.prekey(2)),
    ("one_time_prekeys", |account, member| account.one_time_prekeys = member.one_time(1..=101)),
    ("one_time_prekeys", |account, _| account.one_time_prekeys[1].key_id = 1),
    ("one_time_prekeys", |account, _| account.one_time_prekeys[0].public_key = Bytes([0; 32])),
];

on_both_engines! {
    async fn nothing_forged_is_stored(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::new(&app, PHONE);
        member.register_passkey().await;
        for (at, (field, spoil)) in FAULTS.into_iter().enumerate() {
            let mut account = member.account();
            spoil(&mut account, &mut member);
            let keys = PublishKeys::Account(account);
            let refused = member.send(Method::PUT, "/v1/keys", &keys).await;
            assert_eq!(refused.bad_field(), field, "fault {at}");
            assert!(db.served_bundle(&member.phone).await.unwrap().is_none());
        }
        // The session still waits for good ones.
        let keys = PublishKeys::Account(member.account());
        assert_eq!(member.send(Method::PUT, "/v1/keys", &keys).await.status, 200);
    }

    async fn a_repeated_publication_gets_the_same_answer(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::new(&app, PHONE);
        member.register_passkey().await;
        let keys = PublishKeys::Account(member.account());
        let first = member.send(Method::PUT, "/v1/keys", &keys).await;
        let again = member.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        let other = PublishKeys::Account(Member::new(&app, "+4915112345670").account());
        let refused = member.send(Method::PUT, "/v1/keys", &other).await;
        assert_eq!(refused.refused(), (409, "/problems/phone-taken".to_owned()));
    }

    async fn a_publication_that_the_session_was_not_told_of_gets_the_same_answer(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::new(&app, PHONE);
        member.register_passkey().await;
        db.keep_sessions().await;
        let keys = PublishKeys::Account(member.account());
        let first = member.send(Method::PUT, "/v1/keys", &keys).await;
        db.put_sessions_back().await;
        let mut other = Member::new(&app, "+4915112345670");
        (other.phone, other.cookie) = (member.phone.clone(), member.cookie.clone());
        let another = PublishKeys::Account(other.account());
        let refused = other.send(Method::PUT, "/v1/keys", &another).await;
        assert_eq!(refused.refused(), (409, "/problems/phone-taken".to_owned()));
        let again = member.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(member.get("/v1/inbox").await.status, 200);
    }

    /// The account ends, and another begins under its number, while a request of the first is read.
    async fn the_next_account_of_a_number_answers_nothing_to_the_one_before(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let body = serde_json::to_vec(&CheckKeys { digest: Bytes([1; 32]) }).unwrap();
        let head = format!(
            "POST /v1/keys/check HTTP/1.1\r\nhost: x\r\norigin: {}\r\ncookie: {}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            app.origin(), member.cookie.as_ref().unwrap(), body.len(),
        );
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(app.running.address).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            waiting.push(stream);
        }
        // Long enough for the sessions to be looked up. Where it is not, this shows less.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let deleted = member.send_touched(Method::DELETE, "/v1/account", None::<&()>).await;
        assert_eq!(deleted.status, 204);
        let mut next = Member::new(&app, "+4915112345670");
        next.phone = member.phone.clone();
        for mut stream in waiting {
            stream.write_all(&body).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            if next.cookie.is_none() {
                next.register_passkey().await;
                let keys = PublishKeys::Account(next.account());
                assert_eq!(next.send(Method::PUT, "/v1/keys", &keys).await.status, 200);
            }
        }
    }

    async fn keys_are_published_only_in_a_session_that_may(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut stranger = Member::new(&app, PHONE);
        let keys = PublishKeys::Account(stranger.account());
        let refused = stranger.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(refused.problem(), "/problems/no-challenge");
        let prekey = Some(stranger.prekey(2));
        let renewal = PublishKeys::Renewal(KeyRenewal { device_list: None, signed_prekey: prekey });
        let refused = stranger.send(Method::PUT, "/v1/keys", &renewal).await;
        assert_eq!(refused.refused(), (401, "/problems/sign-in-required".to_owned()));
        let mut member = Member::signed_up(&app, PHONE).await;
        member.sign_in().await;
        let refused = member.send(Method::PUT, "/v1/keys", &renewal).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
    }

    async fn list_and_prekey_are_renewed_one_version_at_a_time(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let renewal = |list, prekey| {
            PublishKeys::Renewal(KeyRenewal { device_list: list, signed_prekey: prekey })
        };
        let next = renewal(Some(member.list(2)), Some(member.prekey(2)));
        assert_eq!(member.send(Method::PUT, "/v1/keys", &next).await.status, 200);
        assert_eq!(member.send(Method::PUT, "/v1/keys", &next).await.status, 200);
        let skipping = renewal(Some(member.list(4)), None);
        let rolled_back = renewal(Some(member.list(1)), None);
        let old_prekey = renewal(None, Some(member.prekey(2)));
        for stale in [skipping, rolled_back, old_prekey] {
            let refused = member.send(Method::PUT, "/v1/keys", &stale).await;
            assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()));
        }
        let empty = renewal(None, None);
        assert_eq!(member.send(Method::PUT, "/v1/keys", &empty).await.bad_field(), "device_list");
        let mut forged = member.prekey(3);
        forged.signature = Bytes([1; 64]);
        let forged = member.send(Method::PUT, "/v1/keys", &renewal(None, Some(forged))).await;
        assert_eq!(forged.bad_field(), "signed_prekey.signature");
        member.device_id = Bytes([1; 16]);
        let ghost = renewal(Some(member.list(3)), None);
        assert_eq!(member.send(Method::PUT, "/v1/keys", &ghost).await.bad_field(), "device_list");
        let status: KeyStatus = member.get("/v1/keys/status").await.read();
        assert_eq!((status.device_list_version, status.signed_prekey_id), (2, 2));
    }

    async fn of_racing_renewals_with_one_content_all_are_answered_alike(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        for version in 2..=4 {
            let (device_list, signed_prekey) = (member.list(version.into()), member.prekey(version));
            let renewal = KeyRenewal {
                device_list: Some(device_list),
                signed_prekey: Some(signed_prekey),
            };
            let keys = PublishKeys::Renewal(renewal);
            let renew = || {
                let asked = member.with_cookie(app.request(Method::PUT, "/v1/keys")).json(&keys);
                async { asked.send().await.status }
            };
            let statuses = futures_util::future::join_all((0..8).map(|_| renew())).await;
            assert_eq!(statuses, [200; 8]);
        }
    }

    async fn prekeys_are_refilled_and_counted(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let status: KeyStatus = member.get("/v1/keys/status").await.read();
        assert_eq!((status.available_prekeys, status.needs_replenish), (3, true));
        let refill = |prekeys| AddOneTimePrekeys { one_time_prekeys: prekeys };
        let more = refill(member.one_time(4..=90));
        assert_eq!(member.post("/v1/keys/one-time", &more).await.status, 204);
        let again = member.post("/v1/keys/one-time", &more).await;
        assert_eq!(again.refused(), (409, "/problems/stale-keys".to_owned()));
        let many = refill(member.one_time(91..=101));
        assert_eq!(member.post("/v1/keys/one-time", &many).await.bad_field(), "one_time_prekeys");
        let low = refill(vec![OneTimePrekey { key_id: 91, public_key: Bytes([0; 32]) }]);
        assert_eq!(member.post("/v1/keys/one-time", &low).await.bad_field(), "one_time_prekeys");
        let status: KeyStatus = member.get("/v1/keys/status").await.read();
        assert_eq!((status.available_prekeys, status.needs_replenish), (90, false));
        assert!(status.has_key_bundle && !status.signed_prekey_stale);
    }

    async fn a_device_can_check_what_is_served_of_it(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let served = db.served_bundle(&member.phone).await.unwrap().unwrap();
        let digest = key_check_digest(
            &served.identity_key,
            &served.device_list,
            &served.messaging_key,
            &member.device_id,
            &served.prekeys[0].signed_prekey,
        );
        for (digest, expected) in [(digest, true), (Bytes([0; 32]), false)] {
            let checked: KeysChecked =
                member.post("/v1/keys/check", &CheckKeys { digest }).await.read();
            assert_eq!(checked.matches, expected);
        }
    }

    async fn the_certificate_says_who_the_device_is_and_holds_for_a_day_or_two(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let answer: Certificate = member.post("/v1/sender-certificate", &json!({})).await.read();
        let certificate = SenderCertificate::from_cbor(&answer.certificate.0).unwrap();
        let server: ServerInfo = app.get("/v1/server").send().await.read();
        let keys: Vec<Key> = server.certificate_keys;
        certificate.check(&keys, now()).unwrap();
        assert!(certificate.check(&[Bytes([1; 32])], now()).is_err());
        assert_eq!(certificate.phone, member.phone);
        assert_eq!(certificate.identity_key, member.identity.public());
        assert_eq!(certificate.device_id, member.device_id);
        assert_eq!(certificate.device_key, member.device.public());
        let left = certificate.valid_until.since(now());
        assert!((DAY..=2 * DAY).contains(&left), "{left}");
        member.sign_in().await;
        let refused = member.post("/v1/sender-certificate", &json!({})).await;
        assert_eq!(refused.problem(), "/problems/device-session-required");
    }

    async fn the_server_says_what_it_is(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut info: Value = app.get("/v1/server").send().await.read();
        for drawn in ["epoch", "certificate_keys", "page"] {
            info[drawn] = json!("…");
        }
        // Named, because both engines compare with the one snapshot.
        insta::assert_json_snapshot!("server", info);
    }
}
