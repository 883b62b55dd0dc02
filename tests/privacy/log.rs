//! At TRACE, from sign-up to reply and through every refusal on the way, no log line holds
//! anybody's phone, id, key, token, ciphertext or address.

use super::{
    identity,
    search::{Needle, Search},
};
use crate::support::{databases::on_both_engines, person::Person, process::ServerProcess};
use hyper::Method;
use letterbox::db::{Cell, Db};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A client's address, as a trusted proxy tells it (RFC 5737: nobody's).
const FORWARDED: &str = "203.0.113.77";
/// A device that nobody has.
const DEVICE: &str = "AQIDBAUGBwgJCgsMDQ4PEA";
const TOKEN: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";

on_both_engines! {
    async fn the_log_names_nobody(db) {
        let settings = [("log", "trace"), ("trusted-proxies", "127.0.0.1")];
        let mut server = ServerProcess::start(&db.url, &settings).await;
        let (mut ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        let contact = ann_device.find(&bob.phone).await.expect("found");
        ann_device.write(contact, "the question").await.expect("written");
        let question = bob_device.received("the question").await.expect("received");
        let mut needles = in_mailbox(&db).await;
        drop(ann_device);
        bob_device.write(question.contact, "the answer").await.expect("written");
        let mut ann_device = ann.sign_in().await;
        ann_device.received("the answer").await.expect("received");
        needles.extend(in_mailbox(&db).await);
        // A second device, what the server knows of its owner, and a letter that both have.
        let (other, mut other_device) = bob.link(&mut bob_device, 3).await;
        let known = bob.link.call(Method::GET, "/v1/account/disclosure", &Value::Null).await;
        assert!(known.is_ok_and(|known| known["tables"].is_array()));
        ann_device.write(contact, "for both").await.expect("written");
        for device in [&mut bob_device, &mut other_device] {
            device.received("for both").await.expect("received");
        }
        needles.extend(in_mailbox(&db).await);
        let answers = be_refused(&server, &ann, &bob).await;
        assert!(answers.iter().all(|status| (400..500).contains(status)), "{answers:?}");

        needles.extend(identity::of(&db, "Ann", &ann).await);
        needles.extend(identity::of(&db, "Bob", &bob).await);
        needles.extend(identity::of(&db, "Bob's other device", &other).await);
        needles.push(Needle::text("an unknown phone", "+4915199999999"));
        needles.push(Needle::text("a forwarded address", FORWARDED));
        needles.push(Needle::text("a token", TOKEN));
        needles.push(Needle::text("a device", DEVICE));
        needles.push(Needle::text("the question", "the question"));
        needles.push(Needle::text("the answer", "the answer"));
        drop((ann_device, bob_device, other_device));
        server.kill().await;
        assert_silent(&server, &needles);
    }
}

/// Every line of the log, and of the standard output but for the console's text messages.
fn assert_silent(server: &ServerProcess, needles: &[Needle]) {
    let search = Search::new(needles);
    let printed = server.printed().into_iter().filter(|line| !line.contains("Text message to"));
    let lines: Vec<String> = server.logged().into_iter().chain(printed).collect();
    assert!(lines.len() > 10, "there is a log: {lines:#?}");
    for line in lines {
        let found = search.find(line.as_bytes());
        assert!(found.is_empty(), "{found:?} in: {line}");
        // Where the server itself listens is no secret; where its clients are is.
        let elsewhere = line.replace(&server.address(), "").replace("127.0.0.1/32", "");
        assert!(!elsewhere.contains("127.0.0.1"), "a client's address in: {line}");
    }
}

/// What stands in the mailbox and may not stand in a log: ids, labels, tokens, ciphertexts.
async fn in_mailbox(db: &Db) -> Vec<Needle> {
    let mut needles = Vec::new();
    for table in letterbox::db::MAILBOX {
        let dump = db.dump(table).await.expect("readable");
        for row in &dump.rows {
            for (column, cell) in dump.columns.iter().zip(row) {
                let what = format!("{table}.{column}");
                match cell {
                    Cell::Bytes(bytes) => needles.push(Needle::bytes(what, &bytes[..16])),
                    Cell::Text(text) if text.len() >= 16 => needles.push(Needle::text(what, text)),
                    Cell::Integer(id) if *id > 1 << 40 => needles.push(Needle::number(what, *id)),
                    _ => {}
                }
            }
        }
    }
    needles
}

/// Requests that are refused, each for another reason, with values that an error could repeat.
async fn be_refused(server: &ServerProcess, ann: &Person, bob: &Person) -> Vec<u16> {
    let cookie = ann.link.cookie().expect("signed in");
    let cookie = format!("cookie: {}\r\n", cookie.to_str().expect("ASCII"));
    let token = format!("authorization: PrivateToken token=\"{TOKEN}\"\r\n");
    let (ann, bob) = (ann.phone.as_str(), bob.phone.as_str());
    let lookup = |phone: &str| format!(r#"{{"phone":"{phone}","prekeys":"all"}}"#);
    let (open, sealed) = ("/v1/registration/verify", "/v1/sealed/lookup");
    let wrong_code = format!(r#"{{"phone":"{ann}","code":"000000"}}"#);
    let unknown_field = format!(r#"{{"phone":"{bob}","code":"000000","{ann}":1}}"#);
    let origin = format!("origin: {}\r\n", server.server().origin().origin().ascii_serialization());
    let touch = format!("letterbox-touch: {TOKEN}\r\n");
    let unknown_device = format!("/v1/devices/{DEVICE}");
    let requests = [
        ("POST", open, origin.clone(), wrong_code),
        ("POST", open, origin.clone(), unknown_field.clone()),
        ("POST", open, origin.clone(), format!("{{{bob}")),
        ("POST", open, "origin: http://evil.example\r\n".to_owned(), String::new()),
        ("POST", sealed, token.clone(), lookup("+4915199999999")),
        ("POST", sealed, token.clone() + &cookie, lookup(bob)),
        ("POST", sealed, token.clone(), lookup(bob)),
        ("POST", sealed, format!("authorization: PrivateToken {ann}\r\n"), lookup(bob)),
        ("POST", sealed, token, format!("{{{bob}")),
        ("GET", &format!("/v1/inbox?after={ann}&limit=1"), cookie.clone(), String::new()),
        ("DELETE", &format!("/v1/inbox/{ann}"), cookie.clone() + &origin, String::new()),
        ("PATCH", &format!("/v1/devices/{ann}"), cookie.clone() + &origin, String::new()),
        ("DELETE", &format!("/v1/devices/{TOKEN}"), cookie.clone() + &origin, String::new()),
        ("DELETE", &unknown_device, cookie.clone() + &origin + &touch, unknown_field.clone()),
        ("PUT", "/v1/session-keys", cookie.clone() + &origin, unknown_field.clone()),
        ("POST", "/v1/touch", cookie + &origin, unknown_field.clone()),
        ("GET", &format!("/{ann}"), String::new(), String::new()),
    ];
    let mut answers = Vec::new();
    for (method, path, headers, body) in requests {
        answers.push(raw(server, method, path, &headers, &body).await);
    }
    answers
}

async fn raw(server: &ServerProcess, method: &str, path: &str, headers: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address()).await.expect("it listens");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         x-forwarded-for: {FORWARDED}\r\n{headers}content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer.get(9..12).and_then(|status| status.parse().ok()).expect("a status line")
}
