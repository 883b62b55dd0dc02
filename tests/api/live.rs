use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    member::{Member, deliver, letter},
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::Method;
use letterbox_protocol::{
    types::{Blob, Bytes, MessageId, SessionLabel},
    wire::{AckStatus, ClientFrame, InboxAck, InboxPage, KeyRenewal, PublishKeys, ServerFrame},
};
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

const PHONE: &str = "+4915112345678";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    pub(crate) async fn open(member: &Member<'_>) -> Self {
        Self::try_open(member).await.unwrap()
    }

    pub(crate) async fn try_open(member: &Member<'_>) -> Result<Self, Error> {
        let address = member.app.running.address;
        let url = format!("ws://{address}/v1/inbox/live");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", member.app.origin().parse().unwrap());
        headers.insert("cookie", member.cookie.as_deref().unwrap().parse().unwrap());
        Ok(Self(connect_async(request).await?.0))
    }

    pub(crate) async fn message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap()
    }

    pub(crate) async fn frame(&mut self) -> ServerFrame {
        loop {
            match self.message().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await.unwrap().unwrap() {
                Message::Close(Some(close)) => return close.code.into(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn acknowledge(&mut self, letters: &[MessageId], envelopes: &[SessionLabel]) {
        let ack = |id: &MessageId| InboxAck { message_id: *id, status: AckStatus::Delivered };
        let letters = letters.iter().map(ack).collect();
        let frame = ClientFrame::Acks { letters, envelopes: envelopes.to_vec() };
        self.send(serde_json::to_string(&frame).unwrap()).await;
    }

    async fn send(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn envelopes(&mut self) -> Vec<SessionLabel> {
        match self.frame().await {
            ServerFrame::Envelopes { envelopes } => {
                envelopes.iter().map(|envelope| envelope.session_key_id).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn letters(&mut self) -> Vec<MessageId> {
        match self.frame().await {
            ServerFrame::Letters { letters } => letters.iter().map(|l| l.message_id).collect(),
            other => panic!("{other:?}"),
        }
    }
}

on_both_engines! {
    async fn pending_letters_come_at_once_and_new_ones_as_they_land(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        deliver(&app, &letter(&member, 1, true)).await;
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.envelopes().await, [Bytes([1; 16])]);
        socket.acknowledge(&[], &[Bytes([1; 16])]).await;
        assert_eq!(socket.letters().await, [Bytes([1; 16])]);
        socket.acknowledge(&[Bytes([1; 16])], &[]).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);

        deliver(&app, &letter(&member, 2, false)).await;
        assert_eq!(socket.letters().await, [Bytes([2; 16])]);
        // Held back: it stays pending, and is not sent again on this connection.
        socket.acknowledge(&[], &[]).await;
        deliver(&app, &letter(&member, 3, true)).await;
        assert_eq!(socket.envelopes().await, [Bytes([3; 16])]);
        socket.acknowledge(&[Bytes([2; 16])], &[Bytes([3; 16])]).await;
        assert_eq!(socket.letters().await, [Bytes([3; 16])]);
        drop(socket);
        let page: InboxPage = member.get("/v1/inbox").await.read();
        assert_eq!(page.letters.len(), 1);
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.letters().await, [Bytes([3; 16])]);
    }

    async fn frames_stay_small_however_much_waits(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let mut waiting = Vec::new();
        for (n, size) in (1..).zip([1, 64, 16, 16, 1, 16, 32, 1].repeat(2).into_iter().chain([1; 20])) {
            let mut letter = letter(&member, n, false);
            letter.encrypted_content = Blob(vec![n; size * 1024]);
            waiting.push(letter.message_id);
            assert_eq!(deliver(&app, &letter).await.status, 202);
        }
        let mut socket = Socket::open(&member).await;
        let mut got = Vec::new();
        loop {
            let message = socket.message().await.unwrap().unwrap();
            let Message::Text(text) = message else { continue };
            match serde_json::from_str(&text).unwrap() {
                ServerFrame::Letters { letters } => {
                    // 32 KiB in base64url and JSON, or one letter alone.
                    assert!(text.len() < 48 * 1024 || letters.len() == 1, "{}", text.len());
                    assert!(letters.len() <= 16);
                    // Nothing is acknowledged: what was sent is passed over.
                    got.extend(letters.iter().map(|letter| letter.message_id));
                    socket.acknowledge(&[], &[]).await;
                }
                ServerFrame::CaughtUp => break,
                other => panic!("{other:?}"),
            }
        }
        got.sort();
        waiting.sort();
        assert_eq!(got, waiting);
        let mut late = letter(&member, 200, false);
        late.encrypted_content = Blob(vec![0; 65_536]);
        deliver(&app, &late).await;
        assert_eq!(socket.letters().await, [late.message_id]);
    }

    async fn a_socket_that_races_a_sign_out_is_closed(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "1000")]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        for _ in 0..8 {
            member.sign_in().await;
            assert_eq!(member.prove_device().await.status, 204);
            let out = member.with_cookie(app.post("/v1/logout")).send();
            let (opened, out) = tokio::join!(Socket::try_open(&member), out);
            assert_eq!(out.status, 204);
            let Ok(mut socket) = opened else { continue };
            let mut last = None;
            while let Some(Ok(message)) = socket.message().await {
                last = Some(message);
            }
            let Some(Message::Close(Some(close))) = last else { panic!("{last:?}") };
            assert_eq!(u16::from(close.code), 4401);
        }
    }

    async fn every_open_socket_of_a_device_is_woken(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let (mut one, mut two) = (Socket::open(&member).await, Socket::open(&member).await);
        assert_eq!(one.frame().await, ServerFrame::CaughtUp);
        assert_eq!(two.frame().await, ServerFrame::CaughtUp);
        deliver(&app, &letter(&member, 1, false)).await;
        assert_eq!(one.letters().await, [Bytes([1; 16])]);
        assert_eq!(two.letters().await, [Bytes([1; 16])]);
    }

    async fn a_change_of_the_account_is_told_between_batches_and_takes_no_answer(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        deliver(&app, &letter(&member, 1, false)).await;
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.letters().await, [Bytes([1; 16])]);
        let list = Some(member.list(2));
        let renewal = PublishKeys::Renewal(KeyRenewal { device_list: list, signed_prekey: None });
        assert_eq!(member.send(Method::PUT, "/v1/keys", &renewal).await.status, 200);
        assert_eq!(socket.frame().await, ServerFrame::AccountChanged);
        socket.acknowledge(&[Bytes([1; 16])], &[]).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
    }

    async fn a_sign_out_closes_the_socket(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        member.post("/v1/logout", &json!({})).await;
        assert_eq!(socket.closed().await, 4401);
    }

    async fn frames_that_no_client_sends_close_the_socket(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let unknown = json!({ "type": "send" }).to_string();
        let labels = vec![Bytes::<16>([0; 16]); 501];
        let many = json!({ "type": "acks", "letters": [], "envelopes": labels }).to_string();
        for text in ["nonsense".to_owned(), unknown, many] {
            let mut socket = Socket::open(&member).await;
            assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
            socket.send(text).await;
            assert_eq!(socket.closed().await, 1008);
        }
        // A frame over 16 KiB is not even read to its end.
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        socket.send(" ".repeat(17 * 1024)).await;
        assert!(!matches!(socket.message().await, Some(Ok(Message::Text(_)))));
    }

    async fn a_silent_client_is_closed_and_an_answering_one_is_not(db) {
        let app = TestApp::start(&db.url, &[("ping_seconds", "1")]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let mut silent = Socket::open(&member).await;
        let mut lively = Socket::open(&member).await;
        let answering = async {
            // Reading answers pings. Four of them are more than the silent one gets.
            let mut pings = 0;
            while pings < 4 {
                if let Message::Ping(_) = lively.message().await.unwrap().unwrap() {
                    pings += 1;
                }
            }
        };
        answering.await;
        let mut last = None;
        while let Some(Ok(message)) = silent.message().await {
            last = Some(message);
        }
        let Some(Message::Close(Some(close))) = last else { panic!("{last:?}") };
        assert_eq!(u16::from(close.code), 4408);
    }

    async fn the_socket_needs_a_device_session(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let not_a_socket = member.get("/v1/inbox/live").await;
        assert_eq!(not_a_socket.refused(), (400, "/problems/bad-request".to_owned()));
        member.sign_in().await;
        assert_eq!(member.get("/v1/inbox/live").await.status, 403);
    }

    async fn a_stop_tells_live_sockets_and_lets_requests_finish(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let mut socket = Socket::open(&member).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        let stopping = tokio::spawn(app.running.stop());
        assert_eq!(socket.closed().await, 1001);
        drop(socket);
        tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
    }
}
