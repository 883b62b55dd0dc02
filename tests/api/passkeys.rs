use crate::support::{app::TestApp, databases::on_both_engines, member::Member};
use hyper::Method;
use letterbox_protocol::{types::Bytes, wire::PublishKeys};
use serde_json::{Value, json};

const PHONE: &str = "+4915112345678";

on_both_engines! {
    async fn sign_up_sign_in_device_session_sign_out(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let account: Value = member.get("/v1/account").await.read();
        let device_id = serde_json::to_value(member.device_id).unwrap();
        let whole = json!({ "phone": PHONE, "device_id": device_id, "device_session": true });
        assert_eq!(account, whole);

        let before = member.cookie.clone();
        member.sign_in().await;
        assert_ne!(member.cookie, before);
        let account: Value = member.get("/v1/account").await.read();
        assert_eq!(account["device_session"], false);
        let refused = member.get("/v1/inbox").await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
        assert_eq!(member.prove_device().await.status, 204);
        assert_eq!(member.get("/v1/inbox").await.status, 200);

        let session = member.cookie.clone();
        let out = member.post("/v1/logout", &json!({})).await;
        assert_eq!(out.status, 204);
        assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
        member.cookie = session;
        assert_eq!(member.get("/v1/account").await.problem(), "/problems/sign-in-required");
    }

    async fn the_options_ask_for_a_discoverable_verified_passkey_with_prf(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::new(&app, PHONE);
        member.prove_phone().await;
        let options: Value = member.post("/v1/passkeys/register/start", &json!({})).await.read();
        let selection = &options["publicKey"]["authenticatorSelection"];
        assert_eq!(selection["residentKey"], "required");
        assert_eq!(selection["requireResidentKey"], true);
        assert_eq!(selection["userVerification"], "required");
        assert!(options["publicKey"]["extensions"]["prf"]["eval"]["first"].is_string());
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        assert_eq!(options["publicKey"]["userVerification"], "required");
        assert!(options["publicKey"]["extensions"]["prf"]["eval"]["first"].is_string());
        assert_eq!(options.get("mediation"), None);
    }

    async fn the_cookie_is_held_to_this_host(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let begun = app.post("/v1/passkeys/login/start").send().await;
        let cookie = begun.header("set-cookie");
        assert!(cookie.starts_with("letterbox="), "{cookie}");
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=86400"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let secure = TestApp::start(&db.url, &[("public_url", "https://letters.example")]).await;
        let begun = secure.post("/v1/passkeys/login/start").send().await;
        let cookie = begun.header("set-cookie");
        assert!(cookie.starts_with("__Host-letterbox=") && cookie.contains("Secure"), "{cookie}");
        assert!(begun.header("strict-transport-security").starts_with("max-age="));
        let out = secure.post("/v1/logout").cookie(begun.cookie().as_deref()).send().await;
        let removal = out.header("set-cookie");
        assert!(removal.starts_with("__Host-letterbox=;") && removal.contains("Secure"), "{out:?}");
    }

    async fn a_challenge_is_answered_once(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&options).unwrap();
        let session = member.cookie.clone();
        assert_eq!(member.post("/v1/passkeys/login/finish", &answer).await.status, 200);
        for cookie in [session, member.cookie.clone()] {
            member.cookie = cookie;
            let replayed = member.post("/v1/passkeys/login/finish", &answer).await;
            assert_eq!(replayed.refused(), (400, "/problems/no-challenge".to_owned()));
        }
    }

    async fn of_racing_answers_one_is_taken(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&options).unwrap();
        let finish = || {
            let asked = member.with_cookie(app.post("/v1/passkeys/login/finish")).json(&answer);
            async { asked.send().await.status }
        };
        let mut statuses = futures_util::future::join_all((0..8).map(|_| finish())).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    }

    async fn a_failed_answer_uses_the_challenge_up(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let good = member.passkey.get(&options).unwrap();
        let mut bad = good.clone();
        bad["response"]["signature"] = json!("AAAA");
        let refused = member.post("/v1/passkeys/login/finish", &bad).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
        let late = member.post("/v1/passkeys/login/finish", &good).await;
        assert_eq!(late.problem(), "/problems/no-challenge");
    }

    async fn another_sessions_challenge_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.cookie = None;
        let foreign: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        member.cookie = None;
        let _own: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&foreign).unwrap();
        let refused = member.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
    }

    async fn a_wrong_origin_in_the_ceremony_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.passkey.quirks.origin = Some("http://localhost.evil.example".to_owned());
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&options).unwrap();
        let refused = member.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
    }

    async fn missing_user_verification_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut newcomer = Member::new(&app, "+4915112345679");
        newcomer.prove_phone().await;
        newcomer.passkey.quirks.skip_verification = true;
        let options: Value = newcomer.post("/v1/passkeys/register/start", &json!({})).await.read();
        let credential = newcomer.passkey.create(&options, &mut newcomer.rng).unwrap();
        let refused = newcomer.post("/v1/passkeys/register/finish", &credential).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));

        let mut member = Member::signed_up(&app, PHONE).await;
        member.passkey.quirks.skip_verification = true;
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&options).unwrap();
        let refused = member.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
    }

    async fn a_credential_id_beyond_the_standard_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        for (number, (bytes, status)) in [(1_024, 401), (4_000, 401), (1_023, 204)].into_iter().enumerate() {
            let mut newcomer = Member::new(&app, &format!("+49151123456{number:02}"));
            newcomer.prove_phone().await;
            newcomer.passkey.quirks.credential_id_bytes = Some(bytes);
            let options: Value = newcomer.post("/v1/passkeys/register/start", &json!({})).await.read();
            let credential = newcomer.passkey.create(&options, &mut newcomer.rng).unwrap();
            let finished = newcomer.post("/v1/passkeys/register/finish", &credential).await;
            assert_eq!(finished.status, status, "{finished:?}");
            if status == 204 {
                let keys = PublishKeys::Account(newcomer.account());
                let published = newcomer.send(Method::PUT, "/v1/keys", &keys).await;
                assert_eq!(published.status, 200, "{published:?}");
            }
        }
    }

    async fn a_prf_result_is_refused_before_the_challenge_is_touched(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.cookie = None;
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let good = member.passkey.get(&options).unwrap();
        let mut leaking = good.clone();
        let secret = json!({ "prf": { "results": { "first": "c2VjcmV0" } } });
        leaking["clientExtensionResults"] = secret;
        let refused = member.post("/v1/passkeys/login/finish", &leaking).await;
        assert_eq!(refused.refused(), (400, "/problems/secret-in-request".to_owned()));
        assert_eq!(member.post("/v1/passkeys/login/finish", &good).await.status, 200);
        let refused = member.post("/v1/passkeys/register/finish", &leaking).await;
        assert_eq!(refused.problem(), "/problems/secret-in-request");
    }

    async fn an_unknown_passkey_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::new(&app, PHONE);
        member.register_passkey().await;
        // Its account was never made.
        let options: Value = member.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = member.passkey.get(&options).unwrap();
        let refused = member.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
    }

    async fn a_sign_up_cut_short_locks_no_phone_out(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::new(&app, PHONE);
        first.register_passkey().await;
        Member::signed_up(&app, PHONE).await;
        let keys = PublishKeys::Account(first.account());
        let late = first.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(late.refused(), (409, "/problems/phone-taken".to_owned()));
    }

    async fn a_device_challenge_is_answered_once_and_rightly(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        member.sign_in().await;
        member.post("/v1/device-session/start", &json!({})).await;
        let wrong = json!({ "opened": Bytes([1; 32]) });
        let refused = member.post("/v1/device-session/finish", &wrong).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
        let again = member.post("/v1/device-session/finish", &wrong).await;
        assert_eq!(again.problem(), "/problems/no-challenge");
        assert_eq!(member.get("/v1/inbox").await.status, 403);
    }

    async fn what_changes_something_needs_our_own_origin(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let foreign = Some("http://localhost:1");
        for origin in [None, foreign, Some("null"), Some("")] {
            let asked = member.with_cookie(app.post("/v1/logout")).origin(origin).send().await;
            assert_eq!(asked.refused(), (403, "/problems/foreign-origin".to_owned()), "{origin:?}");
            let socket = member.with_cookie(app.get("/v1/inbox/live")).origin(origin);
            let socket = socket.header("upgrade", "websocket").header("connection", "upgrade");
            assert_eq!(socket.send().await.problem(), "/problems/foreign-origin");
        }
        assert_eq!(member.with_cookie(app.get("/v1/account")).origin(None).send().await.status, 200);
    }
}
