//! At TRACE, from sign-up to reply and through every refusal on the way, no log line holds
//! anybody's phone, id, key, token, ciphertext or address.

use super::{
    identity,
    search::{Needle, Search},
};
use crate::support::{
    databases::on_both_engines, eventually::eventually, member::now, mint::Mint, person::Person,
    process::ServerProcess,
};
use hyper::Method;
use letterbox::{
    client::MemoryVault,
    db::{Cell, Db},
};
use letterbox_protocol::{tokens::Token, types::Bytes};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

/// A client's address, as a trusted proxy tells it (RFC 5737: nobody's).
const FORWARDED: &str = "203.0.113.77";
/// A device that nobody has.
const DEVICE: &str = "AQIDBAUGBwgJCgsMDQ4PEA";
/// What is no token.
const TOKEN: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA";

/// Tokens of a device. Few, so that the search for all of them stays short.
const TOKENS: &str = "60";

on_both_engines! {
    async fn the_log_names_nobody(db) {
        let settings = [("log", "trace"), ("trusted-proxies", "127.0.0.1"), ("tokens-per-day", TOKENS)];
        let mut server = ServerProcess::start(&db.url, &settings).await;
        let (mut ann, mut ann_device) = Person::sign_up(&server, "+4915112345601", 1).await;
        let (bob, mut bob_device) = Person::sign_up(&server, "+33612345602", 2).await;
        // A second device of Bob's, which is linked below.
        let mut other = bob.browser(3);
        let purse = Purse::of([&ann, &bob, &other]);
        for person in [&ann, &bob] {
            purse.filled_by(&person.vault).await;
        }
        let contact = ann_device.find(&bob.phone).await.expect("found");
        ann_device.write(contact, "the question").await.expect("written");
        let question = bob_device.received("the question").await.expect("received");
        let mut needles = in_mailbox(&db).await;
        drop(ann_device);
        bob_device.write(question.contact, "the answer").await.expect("written");
        let mut ann_device = ann.sign_in().await;
        ann_device.received("the answer").await.expect("received");
        needles.extend(in_mailbox(&db).await);
        // What the server knows of Bob, and a letter that both of his devices have.
        let mut other_device = other.open();
        let code = other_device.offer_link("another device").await.expect("a code");
        let digits = bob_device.approve_link(&code).await.expect("digits");
        other.join(&mut other_device, &digits).await.expect("a new device");
        bob_device.linked().await.expect("linked");
        purse.filled_by(&other.vault).await;
        let known = bob.link.call(Method::GET, "/v1/account/disclosure", &Value::Null).await;
        assert!(known.is_ok_and(|known| known["tables"].is_array()));
        ann_device.write(contact, "for both").await.expect("written");
        for device in [&mut bob_device, &mut other_device] {
            device.received("for both").await.expect("received");
        }
        needles.extend(in_mailbox(&db).await);
        let mint = Mint::open(&db, now()).await;
        let good = [1, 2, 3].map(|n| mint.token(n));
        let answers = be_refused(&server, &ann, &bob, &good).await;
        assert!(answers.iter().all(|status| (400..500).contains(status)), "{answers:?}");

        drop((ann_device, bob_device, other_device));
        server.kill().await;
        needles.extend(identity::of(&db, "Ann", &ann).await);
        needles.extend(identity::of(&db, "Bob", &bob).await);
        needles.extend(identity::of(&db, "Bob's other device", &other).await);
        needles.push(Needle::text("an unknown phone", "+4915199999999"));
        needles.push(Needle::text("a forwarded address", FORWARDED));
        needles.push(Needle::text("what is no token", TOKEN));
        needles.push(Needle::text("a device", DEVICE));
        needles.push(Needle::text("the question", "the question"));
        needles.push(Needle::text("the answer", "the answer"));
        let tokens: Vec<Token> = purse.emptied().into_iter().chain(good).collect();
        let spent = assert_all_spent_are_known(&db, &tokens).await;
        assert!(spent > 6, "look-ups, letters, and what devices say by themselves: {spent}");
        needles.extend(tokens.iter().flat_map(|token| identity::of_token("a token", token)));
        assert_found(&needles, &tokens);
        assert_silent(&server, &needles);
    }
}

/// All tokens that ever lay in some vaults.
struct Purse {
    seen: Arc<Mutex<BTreeMap<Bytes<32>, Token>>>,
    looking: tokio::task::JoinHandle<()>,
}

impl Purse {
    /// Looks into the vaults again and again: a token leaves when its request was answered.
    fn of(people: [&Person; 3]) -> Self {
        let vaults = people.map(|person| person.vault.clone());
        let seen = Arc::<Mutex<BTreeMap<_, _>>>::default();
        let into = Arc::clone(&seen);
        let looking = tokio::spawn(async move {
            loop {
                for token in vaults.iter().flat_map(identity::tokens) {
                    into.lock().expect("no panic while held").insert(token.nullifier(), token);
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
        Self { seen, looking }
    }

    /// Waits for a device's first batch.
    async fn filled_by(&self, vault: &MemoryVault) {
        let seen = async || {
            let held = identity::tokens(vault);
            let seen = self.seen.lock().expect("no panic while held");
            let all = held.iter().all(|token| seen.contains_key(&token.nullifier()));
            (all && !held.is_empty()).then_some(())
        };
        eventually("a device's tokens", seen).await;
    }

    fn emptied(self) -> Vec<Token> {
        self.looking.abort();
        let mut seen = self.seen.lock().expect("no panic while held");
        std::mem::take(&mut *seen).into_values().collect()
    }
}

/// Every token that the server took is one of these. How many it took.
async fn assert_all_spent_are_known(db: &Db, tokens: &[Token]) -> usize {
    let known: BTreeSet<Vec<u8>> = tokens.iter().map(|t| t.nullifier().0.to_vec()).collect();
    let dump = db.dump("spent_tokens").await.expect("readable");
    let at = dump.columns.iter().position(|column| column == "nullifier").expect("a column");
    for row in &dump.rows {
        let Cell::Bytes(nullifier) = &row[at] else { panic!("a nullifier is bytes") };
        assert!(known.contains(nullifier), "a token was spent that is not searched for");
    }
    dump.rows.len()
}

/// A line that had a token in it would be found.
fn assert_found(needles: &[Needle], tokens: &[Token]) {
    let search = Search::new(needles);
    for token in [tokens.first(), tokens.last()].into_iter().flatten() {
        let hex: String = token.nonce().0.iter().map(|byte| format!("{byte:02x}")).collect();
        for part in [token.to_header(), hex, format!("{:?}", token.authenticator())] {
            let found = search.find(format!("refused: {part} (again)").as_bytes());
            assert!(!found.is_empty(), "the search is blind for {part}");
        }
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
async fn be_refused(
    server: &ServerProcess,
    ann: &Person,
    bob: &Person,
    good: &[Token; 3],
) -> Vec<u16> {
    let cookie = ann.link.cookie().expect("signed in");
    let cookie = format!("cookie: {}\r\n", cookie.to_str().expect("ASCII"));
    let token = format!("authorization: PrivateToken token=\"{TOKEN}\"\r\n");
    let good = good.each_ref().map(|token| format!("authorization: {}\r\n", token.to_header()));
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
        // Good tokens: with a cookie, with no body that is one, twice at once; for a number that nobody
        // has, and for another request after that.
        ("POST", sealed, good[0].clone() + &cookie, lookup(bob)),
        ("POST", sealed, good[0].clone(), format!("{{{bob}")),
        ("POST", sealed, good[0].clone() + &good[1], lookup(bob)),
        ("POST", sealed, good[2].clone(), lookup("+4915199999999")),
        ("POST", sealed, good[2].clone(), lookup(bob)),
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
