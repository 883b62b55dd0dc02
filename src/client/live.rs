//! The live socket: text frames in both directions, opened again when it closes.

use super::http::Link;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::{COOKIE, HeaderValue, ORIGIN};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::WebSocketConfig},
};

/// An open live socket.
pub(super) struct LiveSocket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// The socket could not be opened, or has closed.
#[derive(Debug)]
pub(super) enum Closed {
    /// It may open again.
    Broken,
    /// The server ended it for good: this device was revoked.
    Revoked,
}

/// The server's close code for a device that was revoked.
const REVOKED: u16 = 4403;

/// How long opening the socket, or sending one frame, may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What an idle socket holds in memory; frames grow beyond it while they pass.
const BUFFER: usize = 4096;

impl LiveSocket {
    /// Opens `GET /v1/inbox/live` with the link's session.
    pub(super) async fn open(link: Link) -> Result<Self, Closed> {
        tokio::time::timeout(PATIENCE, Self::connect(link)).await.unwrap_or(Err(Closed::Broken))
    }

    async fn connect(link: Link) -> Result<Self, Closed> {
        let origin = link.server().origin();
        let mut url = origin.join("/v1/inbox/live").map_err(|_| Closed::Broken)?;
        url.set_scheme("ws").map_err(|()| Closed::Broken)?;
        let mut request = url.as_str().into_client_request().map_err(|_| Closed::Broken)?;
        let origin = origin.origin().ascii_serialization();
        request
            .headers_mut()
            .insert(ORIGIN, HeaderValue::try_from(origin).map_err(|_| Closed::Broken)?);
        request.headers_mut().insert(COOKIE, link.cookie().ok_or(Closed::Broken)?);
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(BUFFER);
        let opened = connect_async_with_config(request, Some(config), true).await;
        opened.map(|(socket, _)| Self(socket)).map_err(|_| Closed::Broken)
    }

    /// The next text frame. Pings are answered on the way. Nothing is lost when the future is
    /// dropped.
    pub(super) async fn receive(&mut self) -> Result<String, Closed> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == REVOKED => {
                    return Err(Closed::Revoked);
                }
                Some(Ok(_) | Err(_)) | None => return Err(Closed::Broken),
            }
        }
    }

    /// Sends a text frame.
    pub(super) async fn send(&mut self, frame: String) -> Result<(), Closed> {
        let sending = self.0.send(Message::text(frame));
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Closed::Broken),
        }
    }
}
