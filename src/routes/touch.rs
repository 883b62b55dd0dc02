//! Touches: a request that takes something away for good, or lets somebody in, asks for the passkey
//! once more, for this very request. The ceremony is begun with a digest of the request
//! ([`touch_digest`]), the session remembers both, and the assertion comes in a header of the
//! request itself: a stolen session cannot make one, and one that was made cannot be used for
//! anything else.

use super::{
    body::{self, Json},
    passkeys::{holds_prf_result, without_mediation},
    session::{self, Remembered, SignedIn},
};
use crate::{app::App, db::Credential, error::Error};
use axum::{
    extract::{FromRef, FromRequest, FromRequestParts as _, Request, State},
    http::HeaderMap,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use letterbox_protocol::{
    touch::touch_digest,
    types::Key,
    wire::{StartTouch, TOUCH_HEADER},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use webauthn_rs::prelude::{Passkey, PasskeyAuthentication, PublicKeyCredential};

/// A touch under way, and the request that it is for.
#[derive(Serialize, Deserialize)]
struct Touching {
    digest: Key,
    state: PasskeyAuthentication,
}

impl Remembered for Touching {
    const NAME: &'static str = "touching";
}

/// Ask for the options of a passkey touch for one request. A later one takes its place.
#[utoipa::path(
    post, path = "/v1/touch", tag = "account", request_body = StartTouch,
    responses((status = 200, body = Object,
        description = "`publicKey`: PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3. The \
            assertion goes into the header `Letterbox-Touch` of the request, within ten minutes.")),
)]
pub async fn start(
    State(app): State<App>,
    signed_in: SignedIn,
    Json(body): Json<StartTouch>,
) -> Result<Json<Value>, Error> {
    let passkey = stored(&signed_in.device)?;
    let (options, state) = app
        .webauthn
        .start_passkey_authentication(&[passkey])
        .map_err(|_| Error::internal("webauthn"))?;
    let touching = Touching { digest: body.digest, state };
    session::remember(&signed_in.session, touching, app.clock.now()).await?;
    let options = serde_json::to_value(options).map_err(|_| Error::internal("webauthn"))?;
    Ok(Json(without_mediation(options)))
}

/// The body of a request for which the session's own passkey was touched. No body at all reads as
/// `()`.
#[derive(Debug)]
pub struct Touched<T>(pub T);

impl<S, T> FromRequest<S> for Touched<T>
where
    S: Send + Sync,
    App: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let app = App::from_ref(state);
        let (mut parts, body) = request.into_parts();
        let signed_in = SignedIn::from_request_parts(&mut parts, state).await?;
        let assertion = assertion(&parts.headers)?;
        let is_json = body::is_json(&parts.headers);
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
        let method = parts.method.clone();
        let body = body::read(Request::from_parts(parts, body), &app).await?;
        let digest = touch_digest(method.as_str(), &path, &body);
        verify(&app, &signed_in, &assertion, &digest).await?;
        match (body.is_empty(), is_json) {
            (true, _) => body::parse(b"null").map(Self),
            (false, true) => body::parse(&body).map(Self),
            (false, false) => Err(Error::NotJson),
        }
    }
}

/// The assertion in the header.
fn assertion(headers: &HeaderMap) -> Result<PublicKeyCredential, Error> {
    let header = headers.get(TOUCH_HEADER).ok_or(Error::TouchRequired)?;
    let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| Error::TouchRequired)?;
    let json: Value = serde_json::from_slice(&json).map_err(|_| Error::TouchRequired)?;
    if holds_prf_result(&json) {
        return Err(Error::SecretInRequest);
    }
    serde_json::from_value(json).map_err(|_| Error::TouchRequired)
}

/// Takes the touch that was begun, whatever comes of it, and checks it against the request.
async fn verify(
    app: &App,
    signed_in: &SignedIn,
    assertion: &PublicKeyCredential,
    digest: &Key,
) -> Result<(), Error> {
    let taken = session::take::<Touching>(app, &signed_in.session).await;
    let Touching { digest: begun_for, state } = taken.map_err(|error| match error {
        Error::NoChallenge => Error::TouchRequired,
        other => other,
    })?;
    if begun_for != *digest {
        return Err(Error::TouchRequired);
    }
    let device = &signed_in.device;
    let mut passkey = stored(device)?;
    let result = app
        .webauthn
        .finish_passkey_authentication(assertion, &state)
        .map_err(|_| Error::TouchRequired)?;
    if result.cred_id() != passkey.cred_id() {
        return Err(Error::TouchRequired);
    }
    passkey.update_credential(&result);
    let used = serde_json::to_string(&passkey).map_err(|_| Error::internal("webauthn"))?;
    Ok(app.db.passkey_used(device.row, &used, app.clock.now()).await?)
}

fn stored(device: &Credential) -> Result<Passkey, Error> {
    serde_json::from_str(&device.passkey).map_err(|_| Error::internal("stored passkey"))
}
