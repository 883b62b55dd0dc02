//! The mailbox: pages, acknowledgements, the live socket's frames.

use crate::json::tagged;
use crate::types::{Blob, MessageId, SessionLabel, UnixTime};
use serde::{Deserialize, Serialize};

wire! {
    /// A pending letter, as its owner's device gets it.
    answer struct InboxLetter {
        /// The sender's random id.
        message_id: MessageId,
        /// The hour in which it was stored.
        timestamp: UnixTime,
        /// The day on which it goes.
        expires_at: UnixTime,
        /// Whether another device of the owner has read it.
        read: bool,
        /// Sealed to the messaging key.
        encrypted_content: Blob,
    }
}

wire! {
    /// `GET /v1/inbox?after=…&limit=…`: pending letters, a page at a time.
    answer struct InboxPage {
        /// The letters, in no order that means anything.
        letters: Vec<InboxLetter>,
        /// Where the next page begins; absent on the last one. Good for this pass only.
        next: Option<String>,
    }
}

wire! {
    /// An envelope waiting for this device.
    answer struct InboxEnvelope {
        /// The upload's random label.
        session_key_id: SessionLabel,
        /// The hour in which it was stored.
        created_at: UnixTime,
        /// Sealed to the device key.
        encrypted_session_key: Blob,
    }
}

wire! {
    /// `GET /v1/session-keys?after=…&limit=…`.
    answer struct EnvelopePage {
        /// The envelopes.
        envelopes: Vec<InboxEnvelope>,
        /// Where the next page begins; absent on the last one.
        next: Option<String>,
    }
}

wire! {
    /// `POST /v1/inbox/acks`.
    request struct InboxAcks {
        /// At most 500.
        acks: Vec<InboxAck>,
    }
}

wire! {
    /// One letter's acknowledgement.
    request struct InboxAck {
        /// Which letter.
        message_id: MessageId,
        /// What became of it.
        status: AckStatus,
    }
}

/// What became of a letter on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckStatus {
    /// Written to the device's vault.
    Delivered,
    /// Could not be opened. Does not count as having it.
    Failed,
}

wire! {
    /// `POST /v1/inbox/reads`: these letters were read here.
    request struct InboxReads {
        /// At most 500.
        message_ids: Vec<MessageId>,
    }
}

wire! {
    /// `POST /v1/session-keys/acks`: these envelopes are in the vault.
    request struct EnvelopeAcks {
        /// At most 500.
        session_key_ids: Vec<SessionLabel>,
    }
}

tagged! {
    /// Frames that the server sends on `GET /v1/inbox/live`, as JSON text.
    ///
    /// The server sends one batch and waits for the client's [`ClientFrame::Acks`] before the next, so
    /// a slow client is never flooded. Envelopes always come before letters.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum ServerFrame as "ServerFrame" {
        /// Envelopes waiting for this device.
        Envelopes {
            /// At least one.
            envelopes: Vec<InboxEnvelope>,
        },
        /// Letters waiting for this device.
        Letters {
            /// At least one.
            letters: Vec<InboxLetter>,
        },
        /// Everything that was pending has been sent; what follows is new.
        CaughtUp,
        /// The account's keys, devices or waiting period have changed: ask `GET /v1/keys/status`. Takes
        /// no answer.
        AccountChanged,
    }
}

/// Frames that a client sends on `GET /v1/inbox/live`, as JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientFrame {
    /// The answer to one batch, and the go-ahead for the next. What a device holds back (a letter
    /// whose session it does not know yet) is simply not named.
    Acks {
        /// Letters.
        letters: Vec<InboxAck>,
        /// Envelopes.
        envelopes: Vec<SessionLabel>,
    },
}
