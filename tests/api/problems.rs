use crate::support::{app::TestApp, databases::on_both_engines};
use hyper::Method;
use serde_json::json;

on_both_engines! {
    async fn every_refusal_is_a_problem(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let unknown = app.get("/v1/nothing").send().await;
        assert_eq!(unknown.refused(), (404, "/problems/not-found".to_owned()));
        let unknown = app.get("/assets/../secret").send().await;
        assert_eq!(unknown.refused(), (404, "/problems/not-found".to_owned()));
        for (method, path) in [
            (Method::DELETE, "/v1/server"),
            (Method::GET, "/v1/registration"),
            (Method::PUT, "/v1/sealed/lookup"),
            (Method::POST, "/health/live"),
            (Method::POST, "/openapi.json"),
        ] {
            let refused = app.request(method, path).json(&json!({})).send().await;
            let problem = (405, "/problems/method-not-allowed".to_owned());
            assert_eq!(refused.refused(), problem, "{path}");
            assert!(!refused.header("allow").is_empty(), "{path}");
        }
    }

    async fn bodies_are_json_and_not_too_large(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let path = "/v1/registration";
        let text = app.post(path).header("content-type", "text/plain").bytes(b"{}".to_vec());
        assert_eq!(text.send().await.refused(), (415, "/problems/not-json".to_owned()));
        let bare = app.post(path).send().await;
        assert_eq!(bare.refused(), (415, "/problems/not-json".to_owned()));
        let with_charset = app.post(path).header("content-type", "Application/JSON; charset=utf-8");
        let with_charset = with_charset.bytes(br#"{"phone":"1"}"#.to_vec()).send().await;
        assert_eq!(with_charset.bad_field(), "phone");
        let broken = app.post(path).header("content-type", "application/json");
        let broken = broken.bytes(b"{\"phone\":".to_vec()).send().await;
        assert_eq!(broken.refused(), (400, "/problems/bad-request".to_owned()));
        let large = app.post(path).json(&json!({ "phone": "0".repeat(256 * 1024) })).send().await;
        assert_eq!(large.refused(), (413, "/problems/too-large".to_owned()));
        let sealed = app.post("/v1/sealed/messages").token(&app.token(1).await);
        let sealed = sealed.json(&json!({ "destination": "0".repeat(256 * 1024) })).send().await;
        assert_eq!(sealed.refused(), (413, "/problems/too-large".to_owned()));
    }

    async fn no_problem_repeats_what_was_sent(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let secret = "+4977712345";
        for body in [
            json!({ "phone": secret, "code": 77712345 }),
            json!({ "phone": [secret] }),
            json!({ "phone": secret, (secret): 1 }),
            json!(secret),
            json!({ "phone": "77712345" }),
        ] {
            let refused = app.post("/v1/registration/verify").json(&body).send().await;
            refused.problem();
            let text = String::from_utf8(refused.body.to_vec()).unwrap();
            assert!(!text.contains("77712345"), "{text}");
        }
    }

    async fn every_answer_has_the_security_headers(db) {
        let app = TestApp::start(&db.url, &[]).await;
        for path in ["/", "/docs", "/docs/style.css", "/v1/server", "/v1/account", "/nothing"] {
            let answer = app.get(path).send().await;
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
            let policy = answer.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
            let html = answer.header("content-type").starts_with("text/html");
            assert_eq!(html, policy.contains("require-trusted-types-for 'script'"), "{path}");
        }
        assert_eq!(app.get("/v1/account").send().await.header("cache-control"), "no-store");
    }

    async fn only_the_page_is_compressed(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let packed = |path| app.get(path).header("accept-encoding", "br, gzip").send();
        assert_eq!(packed("/docs/style.css").await.header("content-encoding"), "br");
        assert_eq!(packed("/v1/server").await.header("content-encoding"), "");
        assert_eq!(packed("/openapi.json").await.header("content-encoding"), "");
    }

    async fn health_tells_whether_requests_are_taken(db) {
        let app = TestApp::start(&db.url, &[]).await;
        assert_eq!(app.get("/health/live").send().await.status, 200);
        assert_eq!(app.get("/health/ready").send().await.status, 200);
    }
}
