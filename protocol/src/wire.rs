//! What travels between client and server: the JSON bodies of every endpoint and the frames of the
//! live socket. Server and client share these types, so neither can drift from the other.
//!
//! Unknown fields are refused in requests and passed over in answers.

use crate::types::{Blob, DeviceId, Key, MessageId, Phone, SessionLabel, Signature, UnixTime};
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// The suite this version speaks: X25519, Ed25519, HKDF, AES-256-GCM.
pub const SUITE: u16 = 2;
/// The name in the `Authorization` header of sealed requests (RFC 9577).
pub const TOKEN_SCHEME: &str = "PrivateToken";

macro_rules! wire {
    ($(#[$meta:meta])* unprinted request struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
    ($(#[$meta:meta])* request struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
    };
    ($(#[$meta:meta])* answer struct $name:ident { $($(#[$fmeta:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($(#[$fmeta])* pub $field: $ty,)* }
    };
}

// ---- the server itself -------------------------------------------------------------------------

wire! {
    /// `GET /v1/server`: what a client must know before it does anything.
    answer struct ServerInfo {
        /// The server's version, as in its release notes.
        version: String,
        /// Changes when the database was restored from a backup.
        epoch: String,
        /// Suites the server takes.
        suites: Vec<u16>,
        /// Ed25519 keys under which sender certificates are valid, newest first.
        certificate_keys: Vec<Key>,
        /// The server's limits.
        limits: Limits,
        /// The digest of the built page, so that an old page can tell that it is old.
        page: String,
    }
}

wire! {
    /// The limits that a client must keep to.
    answer struct Limits {
        /// Bytes of a request body.
        body: u64,
        /// Bytes of a sealed letter.
        letter: u64,
        /// Devices an account.
        devices: u32,
        /// One-time prekeys a device may have on the server.
        one_time_prekeys: u32,
    }
}

// ---- registration and sign-in ------------------------------------------------------------------

wire! {
    /// `POST /v1/registration`: ask for a code. The phone as a person typed it, spaces and all;
    /// numbers without a country code are refused.
    unprinted request struct StartRegistration {
        /// The phone number, `+` first.
        phone: String,
    }
}

wire! {
    /// `POST /v1/registration/verify`: prove the phone.
    unprinted request struct VerifyRegistration {
        /// The phone number, as before.
        phone: String,
        /// The six digits that were sent.
        code: String,
    }
}

wire! {
    /// What follows a proved phone number.
    answer struct Verified {
        /// The number in E.164 form.
        phone: Phone,
        /// What to do now.
        next: AfterVerification,
    }
}

/// What follows a proved phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AfterVerification {
    /// The number is free: make a passkey.
    RegisterPasskey,
    /// The number has an account, and nothing was replaced: sign in with its passkey.
    SignIn,
}

wire! {
    /// The session's account, `GET /v1/account` and the answer to a finished sign-in.
    answer struct Account {
        /// The account's phone number.
        phone: Phone,
        /// The device whose passkey signed in.
        device_id: DeviceId,
        /// Whether this session has proved the device key as well.
        device_session: bool,
    }
}

wire! {
    /// `POST /v1/device-session/start`: a challenge that only the device key opens.
    answer struct DeviceChallenge {
        /// HPKE ciphertext (RFC 9180 base mode) of 32 bytes: encapsulated key, then ciphertext.
        sealed: Blob,
    }
}

wire! {
    /// `POST /v1/device-session/finish`: the opened challenge.
    request struct DeviceAnswer {
        /// The 32 bytes that were sealed.
        opened: Key,
    }
}

// ---- keys --------------------------------------------------------------------------------------

/// One device in a signed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct ListedDevice {
    /// The device's public name.
    #[n(0)]
    pub device_id: DeviceId,
    /// New whenever the device's local state begins anew; below 2^31.
    #[n(1)]
    pub registration_id: u32,
    /// The device's X25519 key.
    #[n(2)]
    pub device_key: Key,
}

/// A person's devices, signed with the identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct SignedDeviceList {
    /// The suite of all keys in it.
    #[n(0)]
    pub suite: u16,
    /// Whose devices.
    #[n(1)]
    pub phone: Phone,
    /// Counts up by one with every change and every weekly renewal.
    #[n(2)]
    pub version: u64,
    /// When it was signed, a whole hour.
    #[n(3)]
    pub signed_at: UnixTime,
    /// The active messaging key (X25519).
    #[n(4)]
    pub messaging_key: Key,
    /// The devices, ordered by `device_id`, at least one, at most eight.
    #[n(5)]
    pub devices: Vec<ListedDevice>,
    /// Ed25519, by the identity key.
    #[n(6)]
    pub signature: Signature,
}

wire! {
    /// The messaging key: letters are sealed to it.
    answer struct SignedMessagingKey {
        /// X25519.
        public_key: Key,
        /// Counts up by one with every rotation.
        key_version: u32,
        /// A whole hour.
        created_at: UnixTime,
        /// Ed25519, by the identity key.
        signature: Signature,
    }
}

wire! {
    /// A device's signed prekey.
    answer struct SignedPrekey {
        /// Counts up by one, by the device.
        key_id: u32,
        /// X25519.
        public_key: Key,
        /// A whole hour.
        created_at: UnixTime,
        /// Ed25519, by the identity key, over device id, key id, key and time.
        signature: Signature,
    }
}

wire! {
    /// A prekey that is used once.
    answer struct OneTimePrekey {
        /// Counts up, by the device.
        key_id: u32,
        /// X25519.
        public_key: Key,
    }
}

/// `PUT /v1/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PublishKeys {
    /// The first publication: user, credential, keys and list come to be in one transaction.
    Account(NewAccount),
    /// A later one, by a device of the account.
    Renewal(KeyRenewal),
}

wire! {
    /// Everything a new account publishes.
    request struct NewAccount {
        /// Ed25519.
        identity_key: Key,
        /// Version 1, naming one device.
        device_list: SignedDeviceList,
        /// Key version 1.
        messaging_key: SignedMessagingKey,
        /// Key id 1.
        signed_prekey: SignedPrekey,
        /// At most 100.
        one_time_prekeys: Vec<OneTimePrekey>,
        /// The device's name, sealed to the account's own devices.
        encrypted_name: Blob,
    }
}

wire! {
    /// What a device renews by itself; at least one of the two.
    request struct KeyRenewal {
        /// The list under the next version.
        device_list: Option<SignedDeviceList>,
        /// The prekey under the next key id; it retires the one before.
        signed_prekey: Option<SignedPrekey>,
    }
}

wire! {
    /// `POST /v1/keys/one-time`: more one-time prekeys.
    request struct AddOneTimePrekeys {
        /// With ids above every earlier one.
        one_time_prekeys: Vec<OneTimePrekey>,
    }
}

wire! {
    /// `GET /v1/keys/status` for this session's device.
    answer struct KeyStatus {
        /// One-time prekeys left.
        available_prekeys: u32,
        /// Fewer than 20 are left.
        needs_replenish: bool,
        /// The signed prekey is older than 7 days.
        signed_prekey_stale: bool,
        /// Whether the device has published its keys.
        has_key_bundle: bool,
        /// The active messaging key's version.
        key_version: u32,
        /// The device list's version.
        device_list_version: u64,
        /// When the device list was signed.
        device_list_signed_at: UnixTime,
        /// The newest signed prekey's id.
        signed_prekey_id: u32,
    }
}

wire! {
    /// `POST /v1/keys/check`: does the server serve what this device published?
    request struct CheckKeys {
        /// SHA-256 over what the device believes is served, in the encoding of `docs/protocol.md`.
        digest: Key,
    }
}

wire! {
    /// The answer to a check.
    answer struct KeysChecked {
        /// Whether the digests are equal.
        matches: bool,
    }
}

wire! {
    /// `POST /v1/sender-certificate`: the server's word on who this device is.
    answer struct Certificate {
        /// The certificate in CBOR, as it goes into envelopes.
        certificate: Blob,
    }
}

// ---- the sealed half ---------------------------------------------------------------------------

wire! {
    /// `POST /v1/sealed/lookup`.
    request struct Lookup {
        /// Whose keys.
        phone: Phone,
        /// For which devices one-time prekeys are wanted.
        prekeys: WantedPrekeys,
    }
}

/// For which devices one-time prekeys are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WantedPrekeys {
    /// For all of them.
    All,
    /// For these only; may be empty.
    Devices(Vec<DeviceId>),
}

wire! {
    /// A person's public keys.
    answer struct KeyBundle {
        /// Ed25519.
        identity_key: Key,
        /// Letters are sealed to it.
        messaging_key: SignedMessagingKey,
        /// Whose `devices` name every device below.
        device_list: SignedDeviceList,
        /// One entry a listed device.
        prekeys: Vec<DevicePrekeys>,
    }
}

wire! {
    /// One device's prekeys.
    answer struct DevicePrekeys {
        /// Whose.
        device_id: DeviceId,
        /// Its active signed prekey.
        signed_prekey: SignedPrekey,
        /// One, where it was asked for and one was left.
        one_time_prekey: Option<OneTimePrekey>,
    }
}

wire! {
    /// `POST /v1/sealed/messages`: one letter for one mailbox.
    request struct SealedMessage {
        /// Whose mailbox.
        destination: Phone,
        /// The version of the device list that the letter was made for.
        list_version: u64,
        /// Drawn by the sender.
        message_id: MessageId,
        /// Days until the letter expires: 1, 7 or 30.
        expiry_days: u8,
        /// Exactly 1, 2, 4, 8, 16, 32 or 64 KiB.
        encrypted_content: Blob,
        /// The session's envelopes, when the session is new.
        session_keys: Option<SessionKeyUpload>,
    }
}

wire! {
    /// One session key for every device that is not dormant.
    request struct SessionKeyUpload {
        /// A random label.
        session_key_id: SessionLabel,
        /// One a device.
        envelopes: Vec<Envelope>,
    }
}

wire! {
    /// A session key for one device.
    request struct Envelope {
        /// Whose.
        device_id: DeviceId,
        /// Exactly 2 KiB.
        encrypted_session_key: Blob,
    }
}

// ---- the mailbox -------------------------------------------------------------------------------

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

/// Frames that the server sends on `GET /v1/inbox/live`, as JSON text.
///
/// The server sends one batch and waits for the client's [`ClientFrame::Acks`] before the next, so
/// a slow client is never flooded. Envelopes always come before letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
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

// ---- errors ------------------------------------------------------------------------------------

/// An error body, `application/problem+json` (RFC 9457). `kind` is the stable `type`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A stable name like `/problems/stale-device-list`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What a person can do about it.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The field at fault, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// The `type` of every problem that a client acts upon.
pub mod problems {
    /// `409` on a send: look up again and make a new session.
    pub const STALE_DEVICE_LIST: &str = "/problems/stale-device-list";
    /// `401`: no passkey session.
    pub const SIGN_IN_REQUIRED: &str = "/problems/sign-in-required";
    /// `403`: the session has not proved the device key.
    pub const DEVICE_SESSION_REQUIRED: &str = "/problems/device-session-required";
    /// `401` on the sealed half: the token is not good.
    pub const TOKEN_REFUSED: &str = "/problems/token-refused";
    /// `404` on the sealed half: no such mailbox.
    pub const NO_SUCH_MAILBOX: &str = "/problems/no-such-mailbox";
    /// `507`: the mailbox is full.
    pub const MAILBOX_FULL: &str = "/problems/mailbox-full";
    /// `429`: too many tries; `Retry-After` says when.
    pub const TOO_MANY_REQUESTS: &str = "/problems/too-many-requests";
    /// `409` on a write of keys: the server holds a newer state.
    pub const STALE_KEYS: &str = "/problems/stale-keys";
    /// `409`: the number has an account by now.
    pub const PHONE_TAKEN: &str = "/problems/phone-taken";
    /// `400` or `422`: the body is not what the endpoint takes.
    pub const BAD_REQUEST: &str = "/problems/bad-request";
    /// `400` on the sealed half: the request carries a cookie or a session.
    pub const IDENTITY_ON_SEALED_REQUEST: &str = "/problems/identity-on-sealed-request";
    /// `422`: the code is wrong, or void after its time or too many tries: ask for a new one.
    pub const CODE_REFUSED: &str = "/problems/code-refused";
    /// `503`: no text message can be sent now: the day's are used up, or the gateway is behind.
    pub const SMS_UNAVAILABLE: &str = "/problems/sms-unavailable";
    /// `400`: the session holds no challenge, or an older one: start again.
    pub const NO_CHALLENGE: &str = "/problems/no-challenge";
    /// `401`: the passkey's answer does not hold, or its credential is not known here.
    pub const PASSKEY_REFUSED: &str = "/problems/passkey-refused";
    /// `400`: the body holds a PRF result, which must never leave the device.
    pub const SECRET_IN_REQUEST: &str = "/problems/secret-in-request";
    /// `403`: the request comes from another origin, or from none.
    pub const FOREIGN_ORIGIN: &str = "/problems/foreign-origin";
    /// `404`: there is nothing at this path.
    pub const NOT_FOUND: &str = "/problems/not-found";
    /// `405`: the path does not take this method.
    pub const METHOD_NOT_ALLOWED: &str = "/problems/method-not-allowed";
    /// `408`: the body did not come in time.
    pub const TOO_SLOW: &str = "/problems/too-slow";
    /// `413`: the body is larger than the server takes.
    pub const TOO_LARGE: &str = "/problems/too-large";
    /// `415`: the body is not `application/json`.
    pub const NOT_JSON: &str = "/problems/not-json";
    /// `500` or `503`: not the client's fault; the same request may succeed later.
    pub const SERVER_TROUBLE: &str = "/problems/server-trouble";
}
