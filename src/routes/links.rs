//! Linking a new browser to an account. The new browser has no session: what it may see and do
//! follows from the offer's id, which derives from the code on its screen. An id that was never
//! offered and one that has ended are answered alike.

use super::{
    account::tell_devices,
    body::{Json, NO_CONTENT},
    passkeys::FreshPasskey,
    publish::{check_exchange, check_name, check_one_time, check_prekey, sentence, served},
    session::{self, DeviceSession, Remembered, SignedIn},
    touch::Touched,
};
use crate::{
    app::App,
    db::{Approval, CredentialRow, LinkDevice},
    error::Error,
    net::ClientAddress,
};
use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use letterbox_protocol::{
    device_list,
    limits::DEVICES,
    types::{HOUR, Phone, UnixTime},
    wire::{
        Account, ApproveLink, CompleteLink, KeyBundle, LINK_ANSWER_LIMIT, LINK_OFFER_LIMIT, Link,
        LinkId, LinkProof, ListedDevice, OfferLink,
    },
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tower_sessions::Session;

/// Seconds in which a completion can be repeated, at least.
const COMPLETED: i64 = 600;

/// The link that this session has completed, so that the request can be repeated.
#[derive(Serialize, Deserialize)]
struct Completed(LinkId);

impl Remembered for Completed {
    const NAME: &'static str = "completed_link";

    /// The session that remembers it has just begun, and says no more than the hour of that.
    fn until(now: UnixTime) -> UnixTime {
        now.plus(COMPLETED + HOUR - 1).hour()
    }
}

/// Offer this browser to an account's device. The same offer again is answered again.
#[utoipa::path(
    post, path = "/v1/device-links", tag = "account", request_body = OfferLink,
    responses((status = 201, body = Link)),
)]
pub async fn offer(
    State(app): State<App>,
    from: ClientAddress,
    Json(body): Json<OfferLink>,
) -> Result<(StatusCode, Json<Link>), Error> {
    app.rates.sign_in(from)?;
    let offer = body.offer.0;
    if offer.is_empty() || offer.len() > LINK_OFFER_LIMIT {
        return Err(Error::field("offer", "An offer has at most 512 bytes."));
    }
    let link = app.db.offer_link(&body.id, &offer, app.clock.now()).await?;
    Ok((StatusCode::CREATED, Json(link.ok_or(Error::LinkEnded)?)))
}

/// How an offer stands. Both browsers ask again and again.
#[utoipa::path(
    get, path = "/v1/device-links/{id}", tag = "account",
    params(("id" = LinkId, Path, description = "Which offer.")),
    responses((status = 200, body = Link)),
)]
pub async fn link(
    State(app): State<App>,
    from: ClientAddress,
    Named(id): Named,
) -> Result<Json<Link>, Error> {
    app.rates.link(from)?;
    let link = app.db.link(&id, app.clock.now()).await?;
    link.map(Json).ok_or(Error::LinkEnded)
}

/// Answer the digits that the signed-in device shows, three times at most.
#[utoipa::path(
    post, path = "/v1/device-links/{id}/digits", tag = "account", request_body = LinkProof,
    params(("id" = LinkId, Path, description = "Which offer.")),
    responses((status = 204, description = "The signed-in device will see it.")),
)]
pub async fn digits(
    State(app): State<App>,
    from: ClientAddress,
    Named(id): Named,
    Json(body): Json<LinkProof>,
) -> Result<StatusCode, Error> {
    app.rates.link(from)?;
    let noted = app.db.try_digits(&id, &body.proof, app.clock.now()).await?;
    if noted { Ok(NO_CONTENT) } else { Err(Error::LinkEnded) }
}

/// Let the browser in: the next list, its prekey and the sealed answer wait for it. Nothing changes
/// yet. Needs a touch.
#[utoipa::path(
    put, path = "/v1/device-links/{id}", tag = "account", request_body = ApproveLink,
    params(("id" = LinkId, Path, description = "Which offer.")),
    responses((status = 204, description = "The new browser can complete the link.")),
)]
pub async fn approve(
    State(app): State<App>,
    session: DeviceSession,
    Named(id): Named,
    Touched(body): Touched<ApproveLink>,
) -> Result<StatusCode, Error> {
    let now = app.clock.now();
    let link = app.db.link(&id, now).await?.ok_or(Error::LinkEnded)?;
    if Sha256::digest(&link.offer.0)[..] != body.offer_hash.0 {
        return Err(Error::field("offer_hash", "Another offer stands under this id."));
    }
    if body.answer.0.len() > LINK_ANSWER_LIMIT {
        return Err(Error::field("answer", "A sealed answer has at most 4,096 bytes."));
    }
    let device = session.device;
    let served = served(&app, &device).await?;
    check_approval(&app, &body, &served, &device.phone, now)?;
    let approval = Approval { device_list: body.device_list, signed_prekey: body.signed_prekey };
    let approved = app.db.approve_link(&id, device.row, &approval, &body.answer.0, now).await?;
    if approved.ok_or(Error::SignInRequired)? { Ok(NO_CONTENT) } else { Err(Error::LinkEnded) }
}

/// The next list names the devices of the last one and one more, whose prekey comes with it.
fn check_approval(
    app: &App,
    body: &ApproveLink,
    served: &KeyBundle,
    phone: &Phone,
    now: UnixTime,
) -> Result<(), Error> {
    let list = &body.device_list;
    if list.devices.len() > DEVICES {
        return Err(Error::TooManyDevices);
    }
    device_list::check(list, &served.identity_key, phone, now, 0)
        .map_err(|error| Error::field("device_list", &sentence(&error)))?;
    let last = &served.device_list;
    if list.version != last.version.saturating_add(1) || list.messaging_key != last.messaging_key {
        return Err(Error::StaleKeys);
    }
    let Some(new) = added(&last.devices, &list.devices) else {
        let why = "The list names the account's devices as they are, and one new one.";
        return Err(Error::field("device_list.devices", why));
    };
    let prekey = &body.signed_prekey;
    check_prekey(prekey, &served.identity_key, &new.device_id, now)?;
    if prekey.key_id != 1 {
        return Err(Error::field("signed_prekey.key_id", "A new device's first id is 1."));
    }
    check_exchange(app, "device_list", [new.device_key])?;
    check_exchange(app, "signed_prekey.public_key", [prekey.public_key])
}

/// The one device that the next list has beyond the last, where all others are as they were.
fn added<'a>(last: &[ListedDevice], next: &'a [ListedDevice]) -> Option<&'a ListedDevice> {
    let new: Vec<&ListedDevice> = next.iter().filter(|device| !last.contains(device)).collect();
    match new.as_slice() {
        [new] if next.len() == last.len() + 1 => Some(new),
        _ => None,
    }
}

/// Become a device of the account, in the session that registered the passkey for this link, which
/// is a device session from then on. A repeated request gets the same answer.
#[utoipa::path(
    post, path = "/v1/device-links/{id}/complete", tag = "account", request_body = CompleteLink,
    params(("id" = LinkId, Path, description = "Which offer.")),
    responses((status = 201, body = Account)),
)]
pub async fn complete(
    State(app): State<App>,
    from: ClientAddress,
    session: Session,
    signed_in: Result<SignedIn, Error>,
    Named(id): Named,
    Json(body): Json<CompleteLink>,
) -> Result<(StatusCode, Json<Account>), Error> {
    app.rates.sign_in(from)?;
    let now = app.clock.now();
    if let Ok(signed_in) = signed_in {
        return completed_before(&session, signed_in, id, now).await;
    }
    let fresh: FreshPasskey = session::recall(&session, now).await?;
    if fresh.link != Some(id) {
        return Err(Error::NoChallenge);
    }
    check_one_time(&app, &body.one_time_prekeys)?;
    check_name(&body.encrypted_name)?;
    match app.db.complete_link(&id, &fresh.credential(), &body, now, &mut app.rng()).await? {
        // Where it has ended, by this very request perhaps.
        LinkDevice::Linked | LinkDevice::Ended => {}
        LinkDevice::Stale => return Err(Error::StaleKeys),
        LinkDevice::CredentialTaken => {
            let why = "This device id or passkey is in use. Start again.";
            return Err(Error::field("device_list", why));
        }
    }
    let device = fresh.device(&app).await?.ok_or(Error::LinkEnded)?;
    begin_session(&session, device.row, id, now).await?;
    tell_devices(&app, device.user).await;
    created(Account { phone: device.phone, device_id: device.device_id, device_session: true })
}

/// The answer to a completion whose answer was lost.
async fn completed_before(
    session: &Session,
    signed_in: SignedIn,
    id: LinkId,
    now: UnixTime,
) -> Result<(StatusCode, Json<Account>), Error> {
    let SignedIn { device, proved, .. } = signed_in;
    let Completed(done) = session::recall(session, now).await?;
    let account =
        Account { phone: device.phone, device_id: device.device_id, device_session: proved };
    if done == id { created(account) } else { Err(Error::LinkEnded) }
}

/// The session that registered the passkey is the new device's from now on.
async fn begin_session(
    session: &Session,
    device: CredentialRow,
    id: LinkId,
    now: UnixTime,
) -> Result<(), Error> {
    session.clear().await;
    session::sign_in(session, device).await?;
    session::prove_device(session).await?;
    session::remember(session, Completed(id), now).await
}

fn created(account: Account) -> Result<(StatusCode, Json<Account>), Error> {
    Ok((StatusCode::CREATED, Json(account)))
}

/// The offer that the path names. Whatever is no id names none.
#[derive(Debug)]
pub struct Named(LinkId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let named = Path::<LinkId>::from_request_parts(parts, state).await;
        named.map(|Path(id)| Self(id)).map_err(|_| Error::LinkEnded)
    }
}
