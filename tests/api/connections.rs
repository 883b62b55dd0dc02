use crate::support::{app::TestApp, databases::on_both_engines};
use std::time::{Duration, Instant};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Sends these bytes, then nothing; returns what the server said until it closed.
async fn say(app: &TestApp, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("the server closes");
    String::from_utf8_lossy(&answer).into_owned()
}

on_both_engines! {
    async fn silence_and_dripping_have_an_end(db) {
        let app = TestApp::start(&db.url, &[("header_seconds", "1"), ("body_seconds", "1")]).await;
        let origin = app.origin();
        let head = format!(
            "POST /v1/registration HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
        );
        let idle = b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n";
        let began = Instant::now();
        let (silent, half_a_head, half_a_body, idle) = tokio::join!(
            say(&app, b""),
            say(&app, b"GET / HTTP/1.1\r\nhost"),
            say(&app, head.as_bytes()),
            say(&app, idle),
        );
        assert!(began.elapsed() >= Duration::from_millis(900));
        assert_eq!(silent, "");
        assert!(half_a_head.is_empty() || half_a_head.contains(" 408 "), "{half_a_head}");
        assert!(half_a_body.contains("408 Request Timeout"), "{half_a_body}");
        assert!(half_a_body.contains("/problems/too-slow"), "{half_a_body}");
        assert!(idle.contains("200 OK"), "{idle}");
    }

    async fn a_dripping_head_has_an_end(db) {
        let app = TestApp::start(&db.url, &[("header_seconds", "1")]).await;
        let mut stream = TcpStream::connect(app.running.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let began = Instant::now();
        let mut drip = tokio::time::interval(Duration::from_millis(100));
        while stream.write_all(b"a: b\r\n").await.is_ok() {
            drip.tick().await;
            assert!(began.elapsed() < PATIENCE);
        }
    }

    /// Two on one connection would be seen to be one client's. Refused ones are no exception.
    async fn a_connection_ends_with_its_one_sealed_request(db) {
        let app = TestApp::start(&db.url, &[]).await;
        for more in ["", "cookie: a=b\r\n", "authorization: PrivateToken token=\"AAAA\"\r\n"] {
            let request = format!(
                "POST /v1/sealed/messages HTTP/1.1\r\nhost: x\r\n{more}\
                 content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
            );
            let answer = say(&app, request.repeat(2).as_bytes()).await;
            assert_eq!(answer.matches("HTTP/1.1 4").count(), 1, "{answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
    }

    async fn connections_are_capped_and_come_free_again(db) {
        let app = TestApp::start(&db.url, &[("connections", "2")]).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(app.running.address).await.unwrap();
            stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            held.push(stream);
        }
        assert_eq!(say(&app, b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
        held.clear();
        let close = b"GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let began = Instant::now();
        while !say(&app, close).await.contains("200 OK") {
            assert!(began.elapsed() < PATIENCE);
        }
    }

    async fn a_stop_lets_an_open_request_finish(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let origin = app.origin();
        let (address, body) = (app.running.address, r#"{"phone":"+4915112345678"}"#);
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v1/registration HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\
             expect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server asks for the body: the request is under way.
        let mut go_on = [0; 25];
        stream.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        let stopping = tokio::spawn(app.running.stop());
        // It takes no new connections from here on.
        let began = Instant::now();
        while TcpStream::connect(address).await.is_ok() {
            assert!(began.elapsed() < PATIENCE);
        }
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(answer.contains("202 Accepted"), "{answer}");
        tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
    }
}
