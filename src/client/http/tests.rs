use super::*;
use letterbox_protocol::{engine::RequestId, types::Bytes};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// A request's head, and the number of the connection that it came on.
type Heard = (usize, String);

/// Answers everything in the same way, and tells what it heard.
async fn listener(answer: &'static str) -> (Link, UnboundedReceiver<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (tell, heard) = unbounded_channel();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer_all(stream, number, answer, tell.clone()));
        }
    });
    (Link::new(Server::new(origin.parse().unwrap()).unwrap()), heard)
}

async fn answer_all(
    mut stream: TcpStream,
    number: usize,
    answer: &'static str,
    tell: UnboundedSender<Heard>,
) {
    let mut bytes = vec![0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes).await {
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        tell.send((number, text)).unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn request(half: Half) -> engine::Request {
    engine::Request {
        id: Bytes([7; 16]),
        half,
        method: "POST",
        path: "/v1/path?a=b".to_owned(),
        authorization: (half == Half::Sealed).then(|| "PrivateToken token=\"x\"".to_owned()),
        body: None,
        touch: false,
    }
}

const SIGNED_IN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\
     set-cookie: letterbox=secret; HttpOnly; Path=/; SameSite=Strict\r\n\r\n{}";

#[tokio::test]
async fn the_sealed_half_names_nobody_and_shares_no_connection() {
    let (link, mut heard) = listener(SIGNED_IN).await;
    let nothing = Value::Null;
    link.call(Method::POST, "/v1/sign-in", &nothing).await.unwrap();
    let (account, first) = heard.recv().await.unwrap();
    assert!(!first.contains("cookie"));
    for half in [Half::Account, Half::Sealed, Half::Sealed, Half::Account] {
        let answer = link.clone().carry(request(half)).await;
        assert!(matches!(answer, Input::Response { status: 200, .. }));
    }
    let mut connections = Vec::new();
    for half in [Half::Account, Half::Sealed, Half::Sealed, Half::Account] {
        let (number, head) = heard.recv().await.unwrap();
        assert!(head.starts_with("POST /v1/path?a=b HTTP/1.1\r\n"), "{head}");
        let identified = half == Half::Account;
        assert_eq!(head.contains("cookie: letterbox=secret\r\n"), identified, "{head}");
        assert_eq!(head.contains("origin: http://127.0.0.1:"), identified, "{head}");
        assert_eq!(head.contains("authorization: PrivateToken"), !identified, "{head}");
        assert!(!head.contains("referer") && !head.contains("user-agent"), "{head}");
        connections.push(number);
    }
    assert_eq!([connections[0], connections[3]], [account; 2], "one connection for the account");
    connections.dedup();
    assert_eq!(connections.len(), 4, "one for each sealed request");
    assert_ne!(connections[1], connections[2]);
}

/// A server that asks for a touch, and what it hears with it: the request, and the digest that the
/// touch was begun for.
#[tokio::test]
async fn a_request_that_needs_a_touch_goes_out_with_one_or_not_at_all() {
    let options = r#"{"publicKey":{"challenge":"AQID","rpId":"127.0.0.1","allowCredentials":[]}}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{options}", options.len());
    let (link, mut heard) = listener(answer.leak()).await;
    let mut asked = request(Half::Account);
    asked.touch = true;
    let declined = Input::TouchDeclined { request: asked.id };
    assert_eq!(link.clone().carry(asked.clone()).await, declined, "no passkey at hand");
    let (_, begun) = heard.recv().await.unwrap();
    assert!(begun.starts_with("POST /v1/touch HTTP/1.1\r\n"), "{begun}");
    let digest = touch_digest("POST", "/v1/path?a=b", b"").to_text();
    assert!(begun.contains(&digest), "{begun}");

    let mut passkey = Authenticator::new(link.server().origin()).unwrap();
    let creation = json!({ "publicKey": {
        "rp": { "id": "127.0.0.1" }, "user": { "id": "AA" }, "challenge": "AA",
        "pubKeyCredParams": [{ "alg": -7 }],
    } });
    let rng: &mut rand::rngs::StdRng = &mut rand::SeedableRng::seed_from_u64(1);
    passkey.create(&creation, rng).unwrap();
    passkey.quirks.extension_results = Some(json!({ "prf": { "results": { "first": "AA" } } }));
    link.touch_with(Some(passkey));
    let answer = link.clone().carry(asked).await;
    assert!(matches!(answer, Input::Response { status: 200, .. }));
    assert!(heard.recv().await.unwrap().1.starts_with("POST /v1/touch "));
    let (_, sent) = heard.recv().await.unwrap();
    assert!(sent.starts_with("POST /v1/path?a=b HTTP/1.1\r\n"), "{sent}");
    let touch = sent.lines().find_map(|line| line.strip_prefix("letterbox-touch: ")).unwrap();
    let assertion: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(touch).unwrap()).unwrap();
    assert!(assertion["response"]["signature"].is_string());
    assert_eq!(assertion.get("clientExtensionResults"), None, "the PRF result stays here");
}

#[tokio::test]
async fn an_emptied_cookie_is_forgotten() {
    let (link, mut heard) = listener(SIGNED_IN).await;
    link.call(Method::POST, "/", &json!({})).await.unwrap();
    assert_eq!(link.cookie().unwrap(), "letterbox=secret");
    link.forget_session();
    link.call(Method::POST, "/", &json!({})).await.unwrap();
    heard.recv().await.unwrap();
    assert!(!heard.recv().await.unwrap().1.contains("cookie"));

    let gone = "HTTP/1.1 204 No Content\r\nset-cookie: letterbox=; Max-Age=0\r\n\r\n";
    let (link, _heard) = listener(gone).await;
    assert_eq!(link.call(Method::POST, "/", &Value::Null).await, Ok(Value::Null));
    assert_eq!(link.cookie(), None);
}

#[tokio::test]
async fn problems_patience_and_silence_are_told_apart() {
    let (link, _heard) = listener(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 17\r\ncontent-length: 63\r\n\r\n\
         {\"type\":\"/problems/too-many-requests\",\"title\":\"t\",\"status\":429}",
    )
    .await;
    let answer = link.clone().carry(request(Half::Account)).await;
    assert!(matches!(answer, Input::Response { status: 429, retry_after: Some(17), .. }));
    let problem = link.call(Method::GET, "/", &Value::Null).await;
    let kind = "/problems/too-many-requests".to_owned();
    assert_eq!(problem, Err(CallError::Problem { status: 429, kind }));

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let link = Link::new(Server::new(format!("http://{closed}").parse().unwrap()).unwrap());
    let answer = link.carry(request(Half::Sealed)).await;
    let id: RequestId = Bytes([7; 16]);
    assert_eq!(answer, Input::NoAnswer { request: id });
}

#[test]
fn only_plain_http_is_taken() {
    for origin in ["https://letterbox.example", "file:///tmp", "mailto:a@b.c"] {
        assert!(Server::new(origin.parse().unwrap()).is_err(), "{origin}");
    }
}
