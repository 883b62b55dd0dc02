//! Text messages with codes. They go out in the background: how long a gateway takes, and whether
//! it works, must not show in the answer to whoever asked for the code.

use crate::{
    clock::Clock,
    config::{Config, Secret, SmsGateway},
    error::Error,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use letterbox_protocol::types::{Phone, UnixTime};
use serde::Serialize;
use sha2::Sha256;
use std::{fmt, time::Duration};
use tokio::sync::mpsc;
use url::Url;

/// Messages that wait for a slow gateway; more are refused.
const QUEUE: usize = 1_000;
const TRIES: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct TextMessage {
    /// To whom.
    pub phone: Phone,
    /// Six digits.
    pub code: String,
}

impl fmt::Debug for TextMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TextMessage(…)")
    }
}

/// Where messages go.
#[derive(Debug)]
pub enum Gateway {
    /// Standard output, for trying the server out: the one place where a phone number is printed.
    Console,
    /// Somebody's gateway.
    Webhook(Webhook),
    /// The program that runs the server, as the demo and the tests do.
    Handed(mpsc::UnboundedSender<TextMessage>),
}

impl Gateway {
    /// The gateway that the settings name.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn from_config(config: &Config, clock: Clock) -> Result<Self, reqwest::Error> {
        match (config.sms, &config.sms_webhook_url) {
            (SmsGateway::Webhook, Some(url)) => {
                Webhook::new(url.clone(), config.sms_webhook_secret.clone(), clock)
                    .map(Self::Webhook)
            }
            _ => Ok(Self::Console),
        }
    }

    async fn send(&self, message: TextMessage) {
        match self {
            Self::Console => print(&message),
            Self::Webhook(webhook) => webhook.send(&message).await,
            Self::Handed(sender) => drop(sender.send(message)),
        }
    }
}

#[allow(clippy::print_stdout, reason = "this is what the console gateway is for")]
fn print(message: &TextMessage) {
    println!("\n  Text message to {}: {}\n", message.phone.as_str(), message.text());
}

impl TextMessage {
    /// What the message says.
    pub fn text(&self) -> String {
        format!("Your letterbox code is {}. Nobody from letterbox will ask for it.", self.code)
    }
}

/// The queue in front of the gateway.
#[derive(Debug, Clone)]
pub struct Sms(mpsc::Sender<TextMessage>);

impl Sms {
    /// Starts the task that empties the queue. It ends when the last handle is gone.
    pub fn start(gateway: Gateway) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            while let Some(message) = waiting.recv().await {
                gateway.send(message).await;
            }
        });
        Self(queue)
    }

    /// Queues a message.
    ///
    /// # Errors
    /// [`Error::SmsUnavailable`] when the gateway is so far behind that the queue is full.
    pub fn send(&self, phone: Phone, code: String) -> Result<(), Error> {
        self.0.try_send(TextMessage { phone, code }).map_err(|_| Error::SmsUnavailable)
    }
}

/// A gateway reached by HTTP. The request is described in `docs/operations.md`.
pub struct Webhook {
    url: Url,
    secret: Secret,
    client: reqwest::Client,
    clock: Clock,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Webhook(…)")
    }
}

#[derive(Serialize)]
struct WebhookBody<'a> {
    phone: &'a Phone,
    code: &'a str,
    text: String,
}

impl Webhook {
    fn new(url: Url, secret: Secret, clock: Clock) -> Result<Self, reqwest::Error> {
        // Another part of the process may have chosen a provider already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { url, secret, client, clock })
    }

    /// Sends, and tries again after errors. Logs how it went, not to whom.
    async fn send(&self, message: &TextMessage) {
        for attempt in 1..=TRIES {
            match self.attempt(message).await {
                Ok(status) if status.is_success() => return,
                Ok(status) if status.is_client_error() => {
                    tracing::error!(status = status.as_u16(), "the SMS webhook refused a message");
                    return;
                }
                Ok(status) => {
                    tracing::warn!(attempt, status = status.as_u16(), "the SMS webhook failed");
                }
                Err(error) => {
                    let timeout = error.is_timeout();
                    tracing::warn!(attempt, timeout, "the SMS webhook was not reached");
                }
            }
            if attempt < TRIES {
                tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
            }
        }
        tracing::error!("a text message was given up");
    }

    async fn attempt(&self, message: &TextMessage) -> Result<reqwest::StatusCode, reqwest::Error> {
        let body = WebhookBody { phone: &message.phone, code: &message.code, text: message.text() };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let now = self.clock.now();
        let request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("letterbox-timestamp", now.0)
            .header("letterbox-signature", sign(self.secret.expose(), now, &body))
            .body(body);
        Ok(request.send().await?.status())
    }
}

/// `v1=` and, in hex, HMAC-SHA256 (RFC 2104) under the secret over the timestamp in decimal, a dot,
/// and the body.
pub fn sign(secret: &[u8], at: UnixTime, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    mac.update(at.0.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    digest.iter().fold("v1=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        assert_eq!(
            sign(b"0123456789abcdef", UnixTime(1_800_000_000), br#"{"a":1}"#),
            "v1=d3e17924cac4a72ca2ee9e5700df170fdb5733eaf69ecd909fb0c18a962b03a5"
        );
    }

    /// The request as a gateway gets it; the first try is answered with an error.
    #[tokio::test]
    async fn the_webhook_gets_signed_messages_and_a_second_try() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let flags = Flags::from_pairs([
            ("sms", "webhook"),
            ("sms_webhook_url", url.as_str()),
            ("sms_webhook_secret", "0123456789abcdef"),
        ]);
        let config = Config::load(&flags, []).unwrap();
        let clock = Clock::manual(UnixTime(1_800_000_000));
        let sms = Sms::start(Gateway::from_config(&config, clock).unwrap());
        sms.send("+4915112345678".parse().unwrap(), "123456".into()).unwrap();
        for status in ["500 Oh", "200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 1_024];
                let count = stream.read(&mut bytes).await.unwrap();
                request.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            let answer =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let signature = sign(b"0123456789abcdef", UnixTime(1_800_000_000), body.as_bytes());
            assert!(head.starts_with("POST /send HTTP/1.1"), "{head}");
            assert!(head.contains("letterbox-timestamp: 1800000000"), "{head}");
            assert!(head.contains(&format!("letterbox-signature: {signature}")), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["phone"], "+4915112345678");
            assert_eq!(body["code"], "123456");
        }
    }

    #[test]
    fn debug_shows_neither_phone_nor_code() {
        let message =
            TextMessage { phone: "+4915112345678".parse().unwrap(), code: "123456".into() };
        assert!(!format!("{message:?}").contains(['1', '4']));
    }
}
