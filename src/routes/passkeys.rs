//! The passkey ceremonies (WebAuthn Level 3). Passkeys are discoverable and verify the person; the
//! PRF extension is asked for, and a PRF result in a body is refused before anything else: it is
//! the device's secret, and `credential.toJSON()` carries it.

use super::{
    body::{self, Json, NO_CONTENT},
    registration::ProvedPhone,
    session::{self, Remembered},
};
use crate::{
    app::App,
    db::{Credential, NewCredential},
    error::Error,
    net::ClientAddress,
};
use axum::{
    extract::{FromRef, FromRequest, Request, State},
    http::StatusCode,
};
use letterbox_protocol::{
    types::{Blob, Bytes, Phone, UnixTime},
    wire::{Account, LinkId, RegisterPasskey},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_sessions::Session;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, DiscoverableKey, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential,
};

/// The input on which a vault's PRF is evaluated; the browser adds a prefix of its own.
const PRF_INPUT: &[u8] = b"letterbox vault";

/// The longest credential id (WebAuthn Level 3 section 4). One that is longer would not fit into an
/// index.
const CREDENTIAL_ID: usize = 1_023;

/// A registration under way.
#[derive(Serialize, Deserialize)]
struct Registering {
    phone: Phone,
    link: Option<LinkId>,
    user_handle: Uuid,
    state: PasskeyRegistration,
}

impl Remembered for Registering {
    const NAME: &'static str = "registering";
}

/// A passkey that waits for its account's first keys, or for the end of its linking.
#[derive(Serialize, Deserialize)]
pub(crate) struct FreshPasskey {
    pub(crate) phone: Phone,
    /// The offer to link that it is for; none for a new account.
    pub(crate) link: Option<LinkId>,
    pub(crate) user_handle: Uuid,
    pub(crate) credential_id: Blob,
    /// webauthn-rs' state as JSON.
    pub(crate) passkey: String,
}

impl Remembered for FreshPasskey {
    const NAME: &'static str = "fresh_passkey";
}

impl FreshPasskey {
    /// What storage is to keep of it.
    pub(crate) fn credential(&self) -> NewCredential {
        NewCredential {
            user_handle: self.user_handle,
            credential_id: self.credential_id.0.clone(),
            passkey: self.passkey.clone(),
        }
    }

    /// The device that it has become, even where the session was not told: its request may have been
    /// cut short.
    pub(crate) async fn device(&self, app: &App) -> Result<Option<Credential>, Error> {
        device_of(app, &self.credential_id.0, self.user_handle).await
    }
}

/// A sign-in under way.
#[derive(Serialize, Deserialize)]
struct SigningIn(DiscoverableAuthentication);

impl Remembered for SigningIn {
    const NAME: &'static str = "signing_in";
}

/// Begin to register a passkey: for the phone number that this session has proved, or for the
/// account of the device that approved this browser's offer to link. No body is an empty one.
#[utoipa::path(
    post, path = "/v1/passkeys/register/start", tag = "account",
    request_body(content = RegisterPasskey),
    responses((status = 200, body = Object,
        description = "`publicKey`: PublicKeyCredentialCreationOptionsJSON of WebAuthn Level 3.")),
)]
pub async fn register_start(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
    body: Option<Json<RegisterPasskey>>,
) -> Result<Json<Value>, Error> {
    app.rates.sign_in(from)?;
    let now = app.clock.now();
    let link = body.and_then(|Json(body)| body.link);
    let phone = match &link {
        Some(link) => app.db.approved_by(link, now).await?.ok_or(Error::LinkEnded)?,
        None => free_phone(&app, &session, now).await?,
    };
    let random = Bytes::<16>::random(&mut app.rng());
    let user_handle = uuid::Builder::from_random_bytes(random.0).into_uuid();
    let name = phone.as_str();
    let (options, state) = app
        .webauthn
        .start_passkey_registration(user_handle, name, name, None)
        .map_err(|_| Error::internal("webauthn"))?;
    session::remember(&session, Registering { phone, link, user_handle, state }, now).await?;
    let mut options = serde_json::to_value(options).map_err(|_| Error::internal("webauthn"))?;
    let wanted = &mut options["publicKey"];
    // webauthn-rs asks for `discouraged`, and knows no PRF.
    wanted["authenticatorSelection"]["residentKey"] = json!("required");
    wanted["authenticatorSelection"]["requireResidentKey"] = json!(true);
    wanted["authenticatorSelection"]["userVerification"] = json!("required");
    wanted["extensions"]["prf"] = prf();
    Ok(Json(options))
}

/// The number that this session has proved, if an account may begin under it.
async fn free_phone(app: &App, session: &Session, now: UnixTime) -> Result<Phone, Error> {
    let ProvedPhone(phone) = session::recall(session, now).await?;
    if app.db.may_begin_account(&phone, now).await? { Ok(phone) } else { Err(Error::PhoneTaken) }
}

/// Finish the registration. The session keeps the passkey until its account's keys are published.
#[utoipa::path(
    post, path = "/v1/passkeys/register/finish", tag = "account",
    request_body(content = Object,
        description = "RegistrationResponseJSON of WebAuthn Level 3, without PRF results."),
    responses((status = 204, description = "Publish the account's keys now.")),
)]
pub async fn register_finish(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
    Ceremony(credential): Ceremony<RegisterPublicKeyCredential>,
) -> Result<StatusCode, Error> {
    app.rates.sign_in(from)?;
    let Registering { phone, link, user_handle, state } = session::take(&app, &session).await?;
    let passkey = app
        .webauthn
        .finish_passkey_registration(&credential, &state)
        .map_err(|_| Error::PasskeyRefused)?;
    if passkey.cred_id().len() > CREDENTIAL_ID {
        return Err(Error::PasskeyRefused);
    }
    let fresh = FreshPasskey {
        phone,
        link,
        user_handle,
        credential_id: Blob(passkey.cred_id().to_vec()),
        passkey: serde_json::to_string(&passkey).map_err(|_| Error::internal("webauthn"))?,
    };
    session::renew(&session).await?;
    session::remember(&session, fresh, app.clock.now()).await?;
    Ok(NO_CONTENT)
}

/// Begin to sign in with whichever passkey the person picks.
#[utoipa::path(
    post, path = "/v1/passkeys/login/start", tag = "account",
    responses((status = 200, body = Object,
        description = "`publicKey`: PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3.")),
)]
pub async fn login_start(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
) -> Result<Json<Value>, Error> {
    app.rates.sign_in(from)?;
    let (options, state) = app
        .webauthn
        .start_discoverable_authentication()
        .map_err(|_| Error::internal("webauthn"))?;
    session::remember(&session, SigningIn(state), app.clock.now()).await?;
    let mut options = serde_json::to_value(options).map_err(|_| Error::internal("webauthn"))?;
    let wanted = &mut options["publicKey"];
    wanted["userVerification"] = json!("required");
    wanted["extensions"]["prf"] = prf();
    Ok(Json(without_mediation(options)))
}

/// webauthn-rs asks for the browser's autofill, or names the choice without making it; the page has a
/// button.
pub(crate) fn without_mediation(mut options: Value) -> Value {
    if let Some(options) = options.as_object_mut() {
        options.remove("mediation");
    }
    options
}

/// Finish the sign-in. The session's id is renewed.
#[utoipa::path(
    post, path = "/v1/passkeys/login/finish", tag = "account",
    request_body(content = Object,
        description = "AuthenticationResponseJSON of WebAuthn Level 3, without PRF results."),
    responses((status = 200, body = Account)),
)]
pub async fn login_finish(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
    Ceremony(answer): Ceremony<PublicKeyCredential>,
) -> Result<Json<Account>, Error> {
    app.rates.sign_in(from)?;
    let SigningIn(state) = session::take(&app, &session).await?;
    let device = known_device(&app, &answer).await?.ok_or(Error::PasskeyRefused)?;
    let mut passkey: Passkey =
        serde_json::from_str(&device.passkey).map_err(|_| Error::internal("stored passkey"))?;
    let result = app
        .webauthn
        .finish_discoverable_authentication_v2(&answer, state, DiscoverableKey::from(&passkey))
        .map_err(|_| Error::PasskeyRefused)?;
    passkey.update_credential(&result);
    let used = serde_json::to_string(&passkey).map_err(|_| Error::internal("webauthn"))?;
    app.db.passkey_used(device.row, &used, app.clock.now()).await?;
    session::renew(&session).await?;
    session::sign_in(&session, device.row).await?;
    Ok(Json(Account { phone: device.phone, device_id: device.device_id, device_session: false }))
}

/// The device whose passkey answers, where the credential and its user handle belong together.
async fn known_device(
    app: &App,
    answer: &PublicKeyCredential,
) -> Result<Option<Credential>, Error> {
    let Ok((user_handle, credential_id)) =
        app.webauthn.identify_discoverable_authentication(answer)
    else {
        return Ok(None);
    };
    device_of(app, credential_id, user_handle).await
}

/// The device of this passkey.
async fn device_of(
    app: &App,
    credential_id: &[u8],
    user_handle: Uuid,
) -> Result<Option<Credential>, Error> {
    let device = app.db.credential_by_credential_id(credential_id).await?;
    Ok(device.filter(|device| device.user_handle == user_handle))
}

fn prf() -> Value {
    json!({ "eval": { "first": Blob(PRF_INPUT.to_vec()) } })
}

/// The body that a ceremony ends with.
#[derive(Debug)]
pub struct Ceremony<T>(T);

impl<S, T> FromRequest<S> for Ceremony<T>
where
    S: Send + Sync,
    App: FromRef<S>,
    T: serde::de::DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let Json(value) = Json::<Value>::from_request(request, state).await?;
        if holds_prf_result(&value) {
            return Err(Error::SecretInRequest);
        }
        body::from_value(value).map(Self)
    }
}

/// Whether there is anything under a `prf` member, at whatever depth, but the word that the
/// authenticator has the extension; or the extension below it, by its CTAP name.
pub(crate) fn holds_prf_result(value: &Value) -> bool {
    let harmless = |prf: &Value| match prf {
        Value::Object(members) => {
            members.iter().all(|(name, value)| name == "enabled" && value.is_boolean())
        }
        other => other.is_null(),
    };
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| match name.as_str() {
            "prf" => !harmless(value),
            "hmacGetSecret" => true,
            _ => holds_prf_result(value),
        }),
        Value::Array(items) => items.iter().any(holds_prf_result),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prf_results_are_seen_wherever_they_are() {
        for held in [
            json!({"clientExtensionResults": {"prf": {"results": {"first": "AA"}}}}),
            json!({"clientExtensionResults": {"prf": {"enabled": true, "results": {}}}}),
            json!({"a": [{"prf": "AA"}]}),
            json!({"extensions": {"hmacGetSecret": {"output1": "AA"}}}),
        ] {
            assert!(holds_prf_result(&held), "{held}");
        }
        for clean in [
            json!({"clientExtensionResults": {"prf": {"enabled": true}, "credProps": {"rk": true}}}),
            json!({"clientExtensionResults": {"prf": {}}}),
            json!({"clientExtensionResults": {}}),
        ] {
            assert!(!holds_prf_result(&clean), "{clean}");
        }
    }
}
