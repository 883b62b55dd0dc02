use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    member::{Member, deliver, letter},
};
use futures_util::{SinkExt as _, StreamExt as _};
use letterbox_protocol::{
    types::{Bytes, MessageId, SessionLabel},
    wire::{AckStatus, ClientFrame, InboxAck, InboxPage, ServerFrame},
};
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

const PHONE: &str = "+4915112345678";
const PATIENCE: Duration = Duration::from_secs(20);

struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    async fn open(member: &Member<'_>) -> Self {
        let address = member.app.running.address;
        let url = format!("ws://{address}/v1/inbox/live");
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", member.app.origin().parse().unwrap());
        headers.insert("cookie", member.cookie.as_deref().unwrap().parse().unwrap());
        Self(connect_async(request).await.unwrap().0)
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(PATIENCE, self.0.next()).await.unwrap()
    }

    async fn frame(&mut self) -> ServerFrame {
        loop {
            match self.message().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes.
    async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await.unwrap().unwrap() {
                Message::Close(Some(close)) => return close.code.into(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn acknowledge(&mut self, letters: &[MessageId], envelopes: &[SessionLabel]) {
        let ack = |id: &MessageId| InboxAck { message_id: *id, status: AckStatus::Delivered };
        let letters = letters.iter().map(ack).collect();
        let frame = ClientFrame::Acks { letters, envelopes: envelopes.to_vec() };
        self.send(serde_json::to_string(&frame).unwrap()).await;
    }

    async fn send(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    async fn envelopes(&mut self) -> Vec<SessionLabel> {
        match self.frame().await {
            ServerFrame::Envelopes { envelopes } => {
                envelopes.iter().map(|envelope| envelope.session_key_id).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    async fn letters(&mut self) -> Vec<MessageId> {
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
