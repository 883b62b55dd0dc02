//! An account's devices: listed, renamed, revoked. A revoked device ends at once, and what it knew is
//! replaced in the same request.

use super::{
    account::tell_devices,
    body::{Json, NO_CONTENT},
    publish::{check_name, sentence, served},
    rotation::{check_rotation, follows, is_held},
    session::{self, DeviceSession},
    session_keys::{envelope_limit, parse_wraps},
    touch::Touched,
};
use crate::{
    app::App,
    db::{Credential, Revocation, Rotate, Rotation},
    error::Error,
    mailbox::Call,
};
use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use letterbox_protocol::{
    keys::verify_prekey,
    types::DeviceId,
    wire::{Devices, KeyBundle, ListedDevice, RenameDevice, ReplaceIdentity, RevokeDevice},
};

/// The account's devices, and its keys as senders see them.
#[utoipa::path(
    get, path = "/v1/devices", tag = "account", responses((status = 200, body = Devices)),
)]
pub async fn list(State(app): State<App>, session: DeviceSession) -> Result<Json<Devices>, Error> {
    let device = session.device;
    let devices = app.db.devices(&device.phone).await?;
    let devices = session::still(&app, &device, devices).await?;
    devices.map(Json).ok_or_else(|| Error::internal("account without keys"))
}

/// Give a device another name, sealed to the account's devices.
#[utoipa::path(
    patch, path = "/v1/devices/{device_id}", tag = "account", request_body = RenameDevice,
    params(("device_id" = DeviceId, Path, description = "Which device.")),
    responses((status = 204, description = "It has the name.")),
)]
pub async fn rename(
    State(app): State<App>,
    session: DeviceSession,
    Named(device_id): Named,
    Json(body): Json<RenameDevice>,
) -> Result<StatusCode, Error> {
    check_name(&body.encrypted_name)?;
    let by = session.device;
    let renamed = app.db.rename_device(by.row, &device_id, &body.encrypted_name.0).await?;
    if !renamed.ok_or(Error::SignInRequired)? {
        return Err(Error::NotFound);
    }
    tell_devices(&app, by.user).await;
    Ok(NO_CONTENT)
}

/// Take a device off the account. Needs a touch.
///
/// Its sessions and live sockets end, its keys, prekeys and envelopes go, and what was pending for it.
/// The request brings a new messaging key and a list without it, and another identity key where the
/// device is not in its owner's hands. The same request again gets the same answer.
#[utoipa::path(
    delete, path = "/v1/devices/{device_id}", tag = "account", request_body = RevokeDevice,
    params(("device_id" = DeviceId, Path, description = "Which device; another than this.")),
    responses((status = 204, description = "It is none of the account's devices any more.")),
)]
pub async fn revoke(
    State(app): State<App>,
    session: DeviceSession,
    Named(device_id): Named,
    Touched(body): Touched<RevokeDevice>,
) -> Result<StatusCode, Error> {
    let by = session.device;
    if device_id == by.device_id {
        return Err(Error::field("device_id", "A device is revoked by another one."));
    }
    let RevokeDevice { rotation, identity } = body;
    let inside = |error: Error| error.within("rotation");
    let wraps = parse_wraps(&by.device_id, rotation.wraps).map_err(inside)?;
    let served = served(&app, &by).await?;
    let rotation = Rotation {
        device_list: &rotation.device_list,
        messaging_key: &rotation.messaging_key,
        identity_key: identity.as_ref().map_or(&served.identity_key, |new| &new.identity_key),
        wraps: wraps.as_ref(),
        envelope_limit: envelope_limit(&app),
    };
    check_rotation(&app, &rotation, &by.phone).map_err(inside)?;
    let Some(device) = app.db.device_named(by.user, &device_id).await? else {
        let held = is_held(&app, &rotation, &by).await?;
        return if held { Ok(NO_CONTENT) } else { Err(Error::NotFound) };
    };
    let devices = &served.device_list.devices;
    let stay: Vec<_> = devices.iter().filter(|d| d.device_id != device_id).cloned().collect();
    follows(&rotation, &served, &stay).map_err(inside)?;
    if let Some(identity) = &identity {
        check_identity(identity, &served, &stay)?;
    }
    end(&app, &by, &Revocation { device, rotation, identity: identity.as_ref() }).await
}

/// Ends the device in storage, then its sockets, and tells the others.
async fn end(app: &App, by: &Credential, revocation: &Revocation<'_>) -> Result<StatusCode, Error> {
    let (now, rng) = (app.clock.now(), &mut app.rng());
    match app.db.revoke_device(by.row, by.user, revocation, now, rng).await? {
        Rotate::Done(siblings) => {
            app.wake.call(revocation.device, Call::Revoked);
            app.wake.look(siblings);
            tell_devices(app, by.user).await;
            Ok(NO_CONTENT)
        }
        Rotate::Stale if is_held(app, &revocation.rotation, by).await? => Ok(NO_CONTENT),
        Rotate::Stale => Err(Error::StaleKeys),
        Rotate::MailboxFull => Err(Error::MailboxFull),
    }
}

/// Another identity key than before, and the prekeys of the devices that stay, as they were, under
/// it.
fn check_identity(
    identity: &ReplaceIdentity,
    served: &KeyBundle,
    stay: &[ListedDevice],
) -> Result<(), Error> {
    if identity.identity_key == served.identity_key {
        return Err(Error::field("identity.identity_key", "Another identity key than before."));
    }
    let resigned = &identity.signed_prekeys;
    let one_each = resigned.len() == stay.len()
        && stay.iter().all(|device| resigned.iter().any(|r| r.device_id == device.device_id));
    if !one_each {
        let why = "One prekey for each device that stays.";
        return Err(Error::field("identity.signed_prekeys", why));
    }
    for prekey in resigned {
        let (id, new) = (&prekey.device_id, &prekey.signed_prekey);
        let old = served.prekeys.iter().find(|prekeys| prekeys.device_id == *id);
        let same = old.map(|old| &old.signed_prekey).is_some_and(|old| {
            (old.key_id, old.public_key, old.created_at)
                == (new.key_id, new.public_key, new.created_at)
        });
        // A device has made another one meanwhile.
        if !same {
            return Err(Error::StaleKeys);
        }
        verify_prekey(&identity.identity_key, id, new)
            .map_err(|bad| Error::field("identity.signed_prekeys", &sentence(&bad)))?;
    }
    Ok(())
}

/// The device that the path names.
#[derive(Debug)]
pub struct Named(DeviceId);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let named = Path::<DeviceId>::from_request_parts(parts, state).await;
        let why = "A device id is 16 bytes as unpadded base64url.";
        named.map(|Path(id)| Self(id)).map_err(|_| Error::field("device_id", why))
    }
}
