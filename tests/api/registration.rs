use crate::support::{app::TestApp, databases::on_both_engines, member::Member};
use hyper::Method;
use letterbox_protocol::wire::PublishKeys;
use serde_json::{Value, json};

const KNOWN: &str = "+4915112345678";
const UNKNOWN: &str = "+4915112345679";

on_both_engines! {
    async fn known_and_unknown_numbers_get_the_same_answer(db) {
        let app = TestApp::start(&db.url, &[]).await;
        Member::signed_up(&app, KNOWN).await;
        let mut answers = Vec::new();
        for phone in [KNOWN, UNKNOWN] {
            let mut answer =
                app.post("/v1/registration").json(&json!({ "phone": phone })).send().await;
            answer.headers.remove("date");
            let phone = phone.parse().unwrap();
            assert_eq!(app.code(&phone).await.len(), 6);
            let wrong = json!({ "phone": phone, "code": "x" });
            let mut refused = app.post("/v1/registration/verify").json(&wrong).send().await;
            refused.headers.remove("date");
            answers.push(format!("{answer:?} {refused:?}"));
        }
        assert_eq!(answers[0], answers[1]);
    }

    async fn a_number_with_an_account_is_told_to_sign_in_and_replaces_nothing(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, KNOWN).await;
        let phone = json!({ "phone": KNOWN });
        assert_eq!(app.post("/v1/registration").json(&phone).send().await.status, 202);
        let code = app.code(&member.phone).await;
        let proof = json!({ "phone": KNOWN, "code": code });
        let proved = app.post("/v1/registration/verify").json(&proof).send().await;
        assert_eq!(proved.read::<Value>(), json!({ "phone": KNOWN, "next": "sign_in", "reset": null }));
        let session = proved.cookie();
        let started = app.post("/v1/passkeys/register/start").cookie(session.as_deref()).send().await;
        assert_eq!(started.refused(), (409, "/problems/phone-taken".to_owned()));
        let keys = PublishKeys::Account(Member::new(&app, KNOWN).account());
        let published = app.request(Method::PUT, "/v1/keys").cookie(session.as_deref());
        assert_eq!(published.json(&keys).send().await.problem(), "/problems/no-challenge");
        let served = db.served_bundle(&member.phone).await.unwrap().unwrap();
        assert_eq!(served.identity_key, member.identity.public());
    }

    async fn five_wrong_tries_void_a_code(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let phone = UNKNOWN.parse().unwrap();
        app.post("/v1/registration").json(&json!({ "phone": UNKNOWN })).send().await;
        let code = app.code(&phone).await;
        let wrong = if code == "000000" { "000001" } else { "000000" };
        for _ in 0..5 {
            let proof = json!({ "phone": UNKNOWN, "code": wrong });
            let refused = app.post("/v1/registration/verify").json(&proof).send().await;
            assert_eq!(refused.refused(), (422, "/problems/code-refused".to_owned()));
        }
        let proof = json!({ "phone": UNKNOWN, "code": code });
        let refused = app.post("/v1/registration/verify").json(&proof).send().await;
        assert_eq!(refused.refused(), (422, "/problems/code-refused".to_owned()));
    }

    async fn a_code_is_good_once(db) {
        let app = TestApp::start(&db.url, &[]).await;
        app.post("/v1/registration").json(&json!({ "phone": UNKNOWN })).send().await;
        let code = app.code(&UNKNOWN.parse().unwrap()).await;
        let proof = json!({ "phone": UNKNOWN, "code": code });
        assert_eq!(app.post("/v1/registration/verify").json(&proof).send().await.status, 200);
        let again = app.post("/v1/registration/verify").json(&proof).send().await;
        assert_eq!(again.problem(), "/problems/code-refused");
    }

    async fn a_phone_gets_three_codes_an_hour(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let phone = json!({ "phone": UNKNOWN });
        for _ in 0..3 {
            assert_eq!(app.post("/v1/registration").json(&phone).send().await.status, 202);
        }
        let refused = app.post("/v1/registration").json(&phone).send().await;
        assert_eq!(refused.refused(), (429, "/problems/too-many-requests".to_owned()));
        assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    }

    async fn the_daily_cap_and_the_countries_hold(db) {
        let settings = [("sms_daily_cap", "1"), ("sms_countries", "DE")];
        let app = TestApp::start(&db.url, &settings).await;
        let abroad = app.post("/v1/registration").json(&json!({ "phone": "+12025550143" }));
        assert_eq!(abroad.send().await.bad_field(), "phone");
        for (phone, status) in [(KNOWN, 202), (UNKNOWN, 503)] {
            let answer = app.post("/v1/registration").json(&json!({ "phone": phone })).send().await;
            assert_eq!(answer.status, status);
        }
    }

    async fn one_address_may_only_try_so_often(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "3")]).await;
        let proof = json!({ "phone": UNKNOWN, "code": "000000" });
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let forged = app.post("/v1/registration/verify").header("x-forwarded-for", "192.0.2.1");
            statuses.push(forged.json(&proof).send().await.status);
        }
        assert_eq!(statuses, [422, 422, 422, 429]);
    }
}
