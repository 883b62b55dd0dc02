//! A browser whose storage is gone, and whose passkey is there: the capsule that brings the
//! account's secrets back, and the device's new beginning under its name.

use super::{
    account::tell_devices,
    body::{Json, NO_CONTENT},
    publish::{check_exchange, check_one_time, check_prekey, served},
    rotation::{check_rotation, follows, is_held},
    session::{self, DeviceSession, SignedIn},
    session_keys::{envelope_limit, parse_wraps},
    touch::Touched,
};
use crate::{
    app::App,
    db::{Credential, NewBeginning, Rotate, Rotation},
    error::Error,
    mailbox::Call,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::wire::{
    CAPSULE_SIZE, KeyBundle, ListedDevice, PutCapsule, RecoverDevice, RecoveryInfo,
};

/// What a browser whose storage is gone needs. The passkey is enough.
#[utoipa::path(
    get, path = "/v1/recovery-capsule", tag = "account",
    responses((status = 200, body = RecoveryInfo)),
)]
pub async fn info(
    State(app): State<App>,
    signed_in: SignedIn,
) -> Result<Json<RecoveryInfo>, Error> {
    let info = app.db.recovery_info(signed_in.device.row).await?;
    info.map(Json).ok_or(Error::SignInRequired)
}

/// Keep this device's recovery capsule, in the place of the last one.
#[utoipa::path(
    put, path = "/v1/recovery-capsule", tag = "account", request_body = PutCapsule,
    responses((status = 204, description = "It is kept.")),
)]
pub async fn put(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<PutCapsule>,
) -> Result<StatusCode, Error> {
    if body.capsule.0.len() != CAPSULE_SIZE {
        return Err(Error::field("capsule", "A capsule has exactly 1,024 bytes."));
    }
    app.db.put_capsule(session.device.row, &body.capsule.0).await?;
    Ok(NO_CONTENT)
}

/// Begin anew under this device's name. Needs a touch.
///
/// The list names the same devices, this one under another registration id and device key; the
/// messaging key is a new one. The device's old prekeys and envelopes go, and its other sessions;
/// letters that wait for it stay. This session is a device session from then on. The same request
/// again gets the same answer.
#[utoipa::path(
    post, path = "/v1/recovery", tag = "account", request_body = RecoverDevice,
    responses((status = 204, description = "The device has begun anew.")),
)]
pub async fn recover(
    State(app): State<App>,
    signed_in: SignedIn,
    Touched(body): Touched<RecoverDevice>,
) -> Result<StatusCode, Error> {
    let SignedIn { device, session, .. } = signed_in;
    let wraps = parse_wraps(&device.device_id, body.wraps)?;
    let served = served(&app, &device).await?;
    let rotation = Rotation {
        device_list: &body.device_list,
        messaging_key: &body.messaging_key,
        identity_key: &served.identity_key,
        wraps: wraps.as_ref(),
        envelope_limit: envelope_limit(&app),
    };
    check_rotation(&app, &rotation, &device.phone)?;
    let listed = named(&body.device_list.devices, &device)?;
    let beginning = NewBeginning {
        rotation,
        listed,
        signed_prekey: &body.signed_prekey,
        one_time_prekeys: &body.one_time_prekeys,
        session: session.id(),
    };
    check_keys(&app, &beginning, &device)?;
    begin(&app, &device, &beginning, &served).await?;
    session::prove_device(&session).await?;
    Ok(NO_CONTENT)
}

/// Begins in storage, ends the sockets of the old beginning, and tells the siblings.
async fn begin(
    app: &App,
    device: &Credential,
    beginning: &NewBeginning<'_>,
    served: &KeyBundle,
) -> Result<(), Error> {
    let done = match begins_anew(beginning, served) {
        Ok(()) => {
            let (now, rng) = (app.clock.now(), &mut app.rng());
            app.db.recover_device(device.row, device.user, beginning, now, rng).await?
        }
        Err(Error::StaleKeys) => Rotate::Stale,
        Err(error) => return Err(error),
    };
    match done {
        Rotate::Done(siblings) => {
            app.wake.call(device.row, Call::Over);
            app.wake.look(siblings);
            tell_devices(app, device.user).await;
            Ok(())
        }
        Rotate::Stale => {
            let held = is_held(app, &beginning.rotation, device).await?;
            if held { Ok(()) } else { Err(Error::StaleKeys) }
        }
        Rotate::MailboxFull => Err(Error::MailboxFull),
    }
}

/// The device's own entry in the new list.
fn named<'a>(devices: &'a [ListedDevice], device: &Credential) -> Result<&'a ListedDevice, Error> {
    let own = devices.iter().find(|listed| listed.device_id == device.device_id);
    own.ok_or_else(|| Error::field("device_list.devices", "The new list names this device."))
}

/// The device's own keys, whatever came before them.
fn check_keys(app: &App, beginning: &NewBeginning<'_>, device: &Credential) -> Result<(), Error> {
    let (identity, prekey) = (beginning.rotation.identity_key, beginning.signed_prekey);
    check_prekey(prekey, identity, &device.device_id, app.clock.now())?;
    check_exchange(app, "device_list", [beginning.listed.device_key])?;
    check_exchange(app, "signed_prekey.public_key", [prekey.public_key])?;
    check_one_time(app, beginning.one_time_prekeys)
}

/// Whether the list is the next one, and only this device is another than before.
///
/// # Errors
/// [`Error::StaleKeys`] for another version; a field for other devices.
fn begins_anew(beginning: &NewBeginning<'_>, served: &KeyBundle) -> Result<(), Error> {
    let listed = beginning.listed;
    let mut devices = served.device_list.devices.clone();
    let own = devices.iter_mut().find(|device| device.device_id == listed.device_id);
    let old = own.map(|own| std::mem::replace(own, listed.clone()));
    follows(&beginning.rotation, served, &devices)?;
    let anew = old.is_some_and(|old| {
        old.registration_id != listed.registration_id && old.device_key != listed.device_key
    });
    if anew {
        return Ok(());
    }
    let why = "A device begins anew under another registration id and device key.";
    Err(Error::field("device_list.devices", why))
}
