//! The sealed half: a token, and nothing that says who asks.

use super::{body::Json, publish::check_exchange, redeem::Sealed};
use crate::{
    app::App,
    db::{BadSend, LookedUp, OpenExchange, SealedSend, SendOutcome},
    error::Error,
    mailbox::writer::WriteError,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    limits::DEVICES,
    wire::{KeyBundle, Lookup, SealedEphemeralKey, SealedMessage, WantedPrekeys},
};

/// Look a phone number's keys up.
#[utoipa::path(
    post, path = "/v1/sealed/lookup", tag = "sealed", request_body = Lookup,
    security(("token" = [])), responses((status = 200, body = KeyBundle)),
)]
pub async fn lookup(
    State(app): State<App>,
    Sealed { token, body }: Sealed<Lookup>,
) -> Result<Json<KeyBundle>, Error> {
    let wants = match &body.prekeys {
        WantedPrekeys::All => true,
        WantedPrekeys::Devices(devices) if devices.len() > DEVICES => {
            return Err(Error::field("prekeys", "An account has at most 8 devices."));
        }
        WantedPrekeys::Devices(devices) => !devices.is_empty(),
    };
    let may_claim = || wants && app.rates.prekey_claim(&body.phone);
    match app.db.lookup(&token, &body, may_claim, app.clock.now()).await? {
        LookedUp::Found(bundle) => Ok(Json(*bundle)),
        LookedUp::NoSuchMailbox => Err(Error::NoSuchMailbox),
        LookedUp::TokenReused => Err(Error::TokenRefused),
    }
}

/// Drop a letter into a mailbox.
///
/// Answered once the letter is stored durably.
#[utoipa::path(
    post, path = "/v1/sealed/messages", tag = "sealed", request_body = SealedMessage,
    security(("token" = [])), responses((status = 202, description = "Stored.")),
)]
pub async fn send(
    State(app): State<App>,
    Sealed { token, body }: Sealed<SealedMessage>,
) -> Result<StatusCode, Error> {
    let send = SealedSend::parse(token, body)?;
    match app.writer.store(send).await? {
        SendOutcome::Stored => Ok(StatusCode::ACCEPTED),
        SendOutcome::NoSuchMailbox => Err(Error::NoSuchMailbox),
        SendOutcome::StaleList => Err(Error::StaleDeviceList),
        SendOutcome::TokenReused => Err(Error::TokenRefused),
        SendOutcome::MailboxFull => Err(Error::MailboxFull),
    }
}

/// Open a live re-keying.
///
/// The row is a lock and a window of five minutes at most. It names no session and no peer.
#[utoipa::path(
    post, path = "/v1/sealed/ephemeral-keys", tag = "sealed", request_body = SealedEphemeralKey,
    security(("token" = [])), responses((status = 202, description = "It can be claimed.")),
)]
pub async fn ephemeral_key(
    State(app): State<App>,
    Sealed { token, body }: Sealed<SealedEphemeralKey>,
) -> Result<StatusCode, Error> {
    check_exchange(&app, "ephemeral_public_key", [body.ephemeral_public_key])?;
    match app.db.open_exchange(&token, &body, app.clock.now(), &mut app.rng()).await? {
        OpenExchange::Open => Ok(StatusCode::ACCEPTED),
        OpenExchange::NoSuchMailbox => Err(Error::NoSuchMailbox),
        OpenExchange::IdTaken => Err(Error::ExchangeTaken),
        OpenExchange::TokenReused => Err(Error::TokenRefused),
        OpenExchange::MailboxFull => Err(Error::MailboxFull),
    }
}

impl From<BadSend> for Error {
    fn from(bad: BadSend) -> Self {
        match bad {
            BadSend::Size => Self::field(
                "encrypted_content",
                "A letter is exactly 1, 2, 4, 8, 16, 32 or 64 KiB.",
            ),
            BadSend::Expiry => {
                Self::field("expiry_days", "A letter expires after 1, 7 or 30 days.")
            }
            BadSend::Envelopes => Self::field(
                "session_keys.envelopes",
                "An upload has one envelope of 2 KiB for each of one to eight devices.",
            ),
            BadSend::ListVersion => {
                Self::field("list_version", "No device list has such a version.")
            }
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        tracing::error!(%error, "a letter was not stored");
        Self::Internal
    }
}
