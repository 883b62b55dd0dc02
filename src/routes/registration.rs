//! Proving a phone number. Whether a number has an account shows in nothing that this answers
//! before the number is proved.

use super::{
    body::Json,
    session::{self, Remembered},
};
use crate::{
    app::App,
    db::{CodeLimits, StartVerification, Verification},
    error::Error,
    net::ClientAddress,
    phone,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    types::Phone,
    wire::{AfterVerification, StartRegistration, Verified, VerifyRegistration},
};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

/// A phone number that this session has proved. Whether it has an account is asked again when it
/// is used.
#[derive(Serialize, Deserialize)]
pub(crate) struct ProvedPhone(pub(crate) Phone);

impl Remembered for ProvedPhone {
    const NAME: &'static str = "proved_phone";
}

/// Ask for a code by text message.
///
/// The answer is the same whether or not the number has an account. The message goes out after it.
#[utoipa::path(
    post, path = "/v1/registration", tag = "account", request_body = StartRegistration,
    responses((status = 202, description = "A code is on its way.")),
)]
pub async fn start(
    State(app): State<App>,
    from: ClientAddress,
    Json(body): Json<StartRegistration>,
) -> Result<StatusCode, Error> {
    let phone = served_phone(&app, &body.phone)?;
    app.rates.sign_in(from)?;
    let mut rng = app.rng();
    let code = format!("{:06}", rng.random_range(0..1_000_000_u32));
    let (limits, now) = (code_limits(&app), app.clock.now());
    match app.db.start_verification(&phone, &code, limits, now, &mut rng).await? {
        StartVerification::TooMany => Err(Error::TooManyRequests { retry_after: 3_600 }),
        StartVerification::Send => {
            app.rates.text_message()?;
            app.sms.send(phone, code)?;
            Ok(StatusCode::ACCEPTED)
        }
    }
}

/// Prove the phone number with the code.
///
/// A number that has an account keeps it: the answer says to sign in, and how a waiting period
/// stands. Once that is over, the account can begin anew.
#[utoipa::path(
    post, path = "/v1/registration/verify", tag = "account", request_body = VerifyRegistration,
    responses((status = 200, body = Verified)),
)]
pub async fn verify(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
    Json(body): Json<VerifyRegistration>,
) -> Result<Json<Verified>, Error> {
    let phone = served_phone(&app, &body.phone)?;
    app.rates.sign_in(from)?;
    let code = body.code.trim();
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::CodeRefused);
    }
    let now = app.clock.now();
    let reset = match app.db.check_verification(&phone, code, code_limits(&app), now).await? {
        Verification::Refused => return Err(Error::CodeRefused),
        Verification::Free | Verification::HasAccount => app.db.reset_of(&phone, now).await?,
    };
    let next = match app.db.may_begin_account(&phone, now).await? {
        true => AfterVerification::RegisterPasskey,
        false => AfterVerification::SignIn,
    };
    session::renew(&session).await?;
    session::remember(&session, ProvedPhone(phone.clone()), now).await?;
    Ok(Json(Verified { phone, next, reset }))
}

fn code_limits(app: &App) -> CodeLimits {
    let config = &app.config;
    CodeLimits {
        tries: i16::try_from(config.code_tries).unwrap_or(i16::MAX),
        lifetime: 60 * i64::from(config.code_minutes),
        an_hour: config.codes_per_hour.into(),
    }
}

/// The number as typed, if it is one and its country gets text messages.
fn served_phone(app: &App, typed: &str) -> Result<Phone, Error> {
    let phone = phone::parse(typed).map_err(|error| Error::field("phone", &error.to_string()))?;
    let served = &app.config.sms_countries;
    let country = phone::country(&phone).unwrap_or_default();
    if served.is_empty() || served.iter().any(|code| code.eq_ignore_ascii_case(&country)) {
        Ok(phone)
    } else {
        Err(Error::field("phone", "This server sends no text messages to this country."))
    }
}
