//! What a running server says on the wire, in answers' headers and in its metrics, is in the manifest.

use crate::support::{
    app::TestApp, databases::on_both_engines, member::Member, person::Person,
    process::ServerProcess,
};
use hyper::Method;
use letterbox::audit::{Manifest, manifest::Way};
use serde_json::json;
use std::{collections::BTreeSet, net::TcpListener};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

on_both_engines! {
    async fn no_answer_has_a_header_that_the_manifest_does_not_name(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, "+4915112345678").await;
        let mut seen = BTreeSet::new();
        for path in ["/", "/docs", "/docs/style.css", "/openapi.json", "/v1/server", "/v1/account", "/nothing",
            "/health/ready", "/v1/account/disclosure", "/v1/inbox", "/v1/inbox/live"] {
            for (method, cookie) in [(Method::GET, None), (Method::GET, member.cookie.as_deref()), (Method::PUT, None)] {
                let request = app.request(method, path).cookie(cookie).header("accept-encoding", "br, gzip");
                let answer = request.send().await;
                seen.extend(answer.headers.keys().map(|name| name.as_str().to_owned()));
            }
        }
        for body in [json!({ "phone": "+4915112345679" }), json!({ "phone": 1 })] {
            for _ in 0..4 {
                let answer = app.post("/v1/registration").json(&body).send().await;
                seen.extend(answer.headers.keys().map(|name| name.as_str().to_owned()));
            }
        }
        let sealed = app.post("/v1/sealed/lookup").json(&json!({})).send().await;
        seen.extend(sealed.headers.keys().map(|name| name.as_str().to_owned()));
        let manifest = Manifest::load().unwrap();
        let named: BTreeSet<String> = manifest.headers.iter()
            .filter(|header| header.way == Way::Answered)
            .map(|header| header.name.clone())
            .collect();
        let unnamed: Vec<_> = seen.difference(&named).collect();
        assert!(unnamed.is_empty(), "{unnamed:?}");
        assert!(seen.len() > 12, "{seen:?}");
    }

    async fn no_metric_or_label_is_served_that_the_manifest_does_not_name(db) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = format!("127.0.0.1:{port}");
        let server = ServerProcess::start(&db.url, &[("metrics-listen", &listen)]).await;
        let (_ann, device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let mut stream = TcpStream::connect(&listen).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        drop(device);
        let manifest = Manifest::load().unwrap();
        let mut lines = 0;
        for line in answer.lines().filter(|line| line.starts_with("letterbox_")) {
            let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
            let is = |metric: &str| name.strip_prefix(metric).is_some_and(|rest| ["", "_sum", "_count"].contains(&rest));
            let metric = manifest.metrics.iter().find(|metric| is(&metric.name));
            let metric = metric.unwrap_or_else(|| panic!("{name} is not in the manifest"));
            for label in labels.split("=\"").map(|part| part.rsplit(['{', ',', '"']).next().unwrap()) {
                let known = label.contains('}') || label.is_empty() || metric.labels.iter().any(|l| l == label);
                assert!(known, "{name} has a label {label}");
            }
            lines += 1;
        }
        assert!(lines > 10, "{answer}");
    }
}
