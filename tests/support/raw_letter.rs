//! Letters that nobody can open, sent without an engine.

use super::mint::Mint;
use letterbox::client::{Answer, CallError, Link};
use letterbox_protocol::{
    types::{Blob, MessageId, Phone},
    wire::SealedMessage,
};
use rand::{RngExt as _, rngs::StdRng};

/// One letter's exact bytes and its token.
pub(crate) struct RawLetter {
    pub(crate) message_id: MessageId,
    pub(crate) body: String,
    authorization: String,
}

impl RawLetter {
    /// For a mailbox whose device list has version 1.
    pub(crate) fn new(to: &Phone, message_id: MessageId, mint: &Mint, rng: &mut StdRng) -> Self {
        let mut content = vec![0; 1024];
        rng.fill(&mut content[..]);
        let message = SealedMessage {
            destination: to.clone(),
            list_version: 1,
            message_id,
            expiry_days: 7,
            encrypted_content: Blob(content),
            session_keys: None,
        };
        let body = serde_json::to_string(&message).expect("JSON");
        let authorization = mint.token(rng.random()).to_header();
        Self { message_id, body, authorization }
    }

    pub(crate) async fn post(&self, link: &Link) -> Result<Answer, CallError> {
        self.post_as(link, self.body.clone()).await
    }

    /// Sends another body under this letter's token.
    pub(crate) async fn post_as(&self, link: &Link, body: String) -> Result<Answer, CallError> {
        let (method, path) = ("POST".parse().expect("a method"), "/v1/sealed/messages");
        link.sealed(method, path, Some(&self.authorization), body).await
    }
}
