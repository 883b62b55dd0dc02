//! What the host tells the engine.

use super::{ContactId, JobId, LetterId, Millis, RequestId};
use crate::json::tagged;
use crate::types::{Blob, Bytes, DeviceId, Key, Phone};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

tagged! {
    /// What the host tells the engine.
    #[derive(Clone, PartialEq, Eq)]
    pub strict enum Input as "Input" {
        /// The vault was opened. Requests that were committed and never answered come out again.
        Resume,
        /// The account's session holds a fresh passkey for this verified phone: make and publish
        /// keys.
        CreateAccount {
            /// The verified number.
            phone: Phone,
            /// What the person calls this device.
            device_name: String,
        },
        /// A passkey sign-in succeeded (or the session of before may still be good): prove the
        /// device key, then catch up.
        SignedIn,
        /// The live socket is open.
        LiveOpened,
        /// The live socket closed, whatever the cause.
        LiveClosed,
        /// A text frame came down the live socket.
        LiveFrame {
            /// The frame.
            text: String,
        },
        /// A request was answered.
        Response {
            /// Which one.
            request: RequestId,
            /// The HTTP status.
            status: u16,
            /// `Retry-After` in seconds, where the answer had one.
            #[serde(default)]
            retry_after: Option<u32>,
            /// The body as text; empty where there was none.
            body: String,
        },
        /// A request got no answer: a timeout, a refused connection, no network.
        NoAnswer {
            /// Which one.
            request: RequestId,
        },
        /// The moment of [`Output::wake_at`](super::Output::wake_at) has come (an early or repeated
        /// tick does no harm).
        Tick,
        /// Look a number up and open a conversation with it.
        FindContact {
            /// The number.
            phone: Phone,
        },
        /// Write to a contact.
        SendText {
            /// To whom.
            contact: ContactId,
            /// Up to [`TEXT_LIMIT`](super::TEXT_LIMIT) bytes of UTF-8, not blank.
            text: String,
        },
        /// Try a failed letter again.
        RetryLetter {
            /// In whose conversation.
            contact: ContactId,
            /// Which.
            letter: LetterId,
        },
        /// Remove a letter from this device, and from the mailbox where it still lies there.
        DeleteLetter {
            /// In whose conversation.
            contact: ContactId,
            /// Which.
            letter: LetterId,
            /// The letter's record key, as [`LetterView::key`](super::LetterView::key) gave it.
            key: String,
        },
        /// Everything from this contact has been seen. The server is not told.
        MarkRead {
            /// Whose conversation.
            contact: ContactId,
        },
        /// Give a contact a name of one's own; empty takes it away.
        NameContact {
            /// Whom.
            contact: ContactId,
            /// At most 100 characters.
            name: String,
        },
        /// Take an unknown sender's request.
        AcceptContact {
            /// Whom.
            contact: ContactId,
        },
        /// Block or unblock: letters of blocked contacts are acknowledged and dropped.
        BlockContact {
            /// Whom.
            contact: ContactId,
            /// `false` unblocks.
            blocked: bool,
        },
        /// Remove a conversation and its letters from this device.
        DeleteConversation {
            /// Whose.
            contact: ContactId,
        },
        /// The person did not touch the passkey for a request with
        /// [`Request::touch`](super::Request::touch): it is given
        /// up.
        TouchDeclined {
            /// Which.
            request: RequestId,
        },
        /// The contact's safety number was compared and is right, or the mark is taken away.
        VerifyContact {
            /// Whom.
            contact: ContactId,
            /// The [`safety_code`](super::ContactView::safety_code) that was compared, so that no
            /// key which came in meanwhile is marked; `None` takes the mark away.
            code: Option<String>,
        },
        /// Go on with a contact whose identity key has changed.
        AcceptIdentity {
            /// Whom.
            contact: ContactId,
        },
        /// Whether contacts are told when letters arrived and were read. Off at first; never for
        /// unknown senders.
        SetReceipts {
            /// On or off.
            on: bool,
        },
        /// New signed prekey, messaging key and sessions now, whatever their age.
        RotateKeys,
        /// Give one of the account's devices another name.
        RenameDevice {
            /// Which.
            device: DeviceId,
            /// At most 60 characters, not blank.
            name: String,
        },
        /// Take a device off the account. Asks for a touch.
        RevokeDevice {
            /// Which; another than this.
            device: DeviceId,
            /// It is not in the owner's hands: the identity is replaced too.
            lost: bool,
        },
        /// In an empty vault: offer this browser to an account, and show the code.
        OfferLink {
            /// What the person calls this device.
            device_name: String,
        },
        /// In the new browser: the digits that the signed-in device shows.
        EnterLinkDigits {
            /// Six digits.
            digits: String,
        },
        /// In the new browser: the session has registered a passkey for the approved link.
        CompleteLink,
        /// On the signed-in device: the code that the new browser shows.
        ApproveLink {
            /// 16 characters, spaces and dashes passed over.
            code: String,
        },
        /// Either browser: no link after all.
        CancelLink,
        /// Give a device the letters of this one's vault.
        ShareHistory {
            /// Which.
            device: DeviceId,
            /// Not those before this moment; `None` for all.
            since: Option<Millis>,
        },
        /// What the host read for [`Event::LettersWanted`](super::Event::LettersWanted).
        LettersRead {
            /// Whose question.
            job: JobId,
            /// The records that were found, in key order.
            letters: Vec<LetterRecord>,
            /// The key after which to go on, where there are more.
            next: Option<String>,
        },
        /// The key to which this device's recovery capsule is sealed from now on.
        SetRecovery {
            /// X25519, from [`crate::capsule`].
            key: Key,
            /// What its secret comes from.
            method: RecoveryMethod,
        },
        /// In an empty vault, after a passkey sign-in: bring this passkey's device back.
        Recover {
            /// X25519 secret, from the passkey's PRF output or from the recovery code.
            secret: Bytes<32>,
            /// What the secret came from.
            method: RecoveryMethod,
            /// The answer to `GET /v1/recovery-capsule`, as it came.
            info: String,
        },
        /// This vault was put back to an older state: begin the device anew. Asks for a touch.
        RenewDevice,
        /// Stop a waiting period that was begun for this number. Asks for a touch.
        CancelReset,
        /// Delete the account and all that the server holds of it. Asks for a touch.
        DeleteAccount,
    }
}

/// A letter's record, as the host keeps it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterRecord {
    /// Its key, as [`Write::key`](super::Write::key) named it.
    pub key: String,
    /// Its bytes.
    pub value: Blob,
}

/// What a recovery secret comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryMethod {
    /// The passkey's PRF output.
    #[n(0)]
    Passkey,
    /// The printed recovery code.
    #[n(1)]
    Code,
}
