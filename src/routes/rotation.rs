//! `PUT /v1/keys/messaging`: the next messaging key. The list that names it and the envelopes that
//! bring its secret to the siblings come in the same request, and all of it is stored or none.

use super::{
    account::tell_devices,
    body::{Json, NO_CONTENT},
    publish::{check_exchange, check_time, sentence, served},
    session::DeviceSession,
    session_keys::{envelope_limit, parse_wraps},
};
use crate::{
    app::App,
    db::{Credential, Rotate, Rotation},
    error::Error,
};
use axum::{extract::State, http::StatusCode};
use letterbox_protocol::{
    device_list,
    keys::verify_messaging_key,
    types::Phone,
    wire::{KeyBundle, ListedDevice, RotateMessagingKey},
};

/// Rotate the messaging key.
///
/// List and key are under the next versions; the list names the same devices. The same request
/// again gets the same answer.
#[utoipa::path(
    put, path = "/v1/keys/messaging", tag = "account", request_body = RotateMessagingKey,
    responses((status = 204, description = "Letters are sealed to the new key from now on.")),
)]
pub async fn rotate(
    State(app): State<App>,
    session: DeviceSession,
    Json(body): Json<RotateMessagingKey>,
) -> Result<StatusCode, Error> {
    let device = session.device;
    let RotateMessagingKey { messaging_key, device_list, wraps } = body;
    let wraps = parse_wraps(&device.device_id, wraps)?;
    let served = served(&app, &device).await?;
    let rotation = Rotation {
        device_list: &device_list,
        messaging_key: &messaging_key,
        identity_key: &served.identity_key,
        wraps: wraps.as_ref(),
        envelope_limit: envelope_limit(&app),
    };
    check_rotation(&app, &rotation, &device.phone)?;
    let rng = &mut app.rng();
    let done = match follows(&rotation, &served, &served.device_list.devices) {
        Ok(()) => {
            let now = app.clock.now();
            app.db.rotate_messaging_key(device.row, device.user, &rotation, now, rng).await?
        }
        Err(Error::StaleKeys) => Rotate::Stale,
        Err(error) => return Err(error),
    };
    match done {
        Rotate::Done(siblings) => {
            app.wake.look(siblings);
            tell_devices(&app, device.user).await;
        }
        Rotate::Stale if is_held(&app, &rotation, &device).await? => {}
        Rotate::Stale => return Err(Error::StaleKeys),
        Rotate::MailboxFull => return Err(Error::MailboxFull),
    }
    Ok(NO_CONTENT)
}

/// Whatever must hold of a new list and messaging key, whoever signed them and whatever came before.
pub(crate) fn check_rotation(
    app: &App,
    rotation: &Rotation<'_>,
    phone: &Phone,
) -> Result<(), Error> {
    let now = app.clock.now();
    let (identity, key) = (rotation.identity_key, rotation.messaging_key);
    device_list::check(rotation.device_list, identity, phone, now, 0)
        .map_err(|error| Error::field("device_list", &sentence(&error)))?;
    verify_messaging_key(identity, phone, key)
        .map_err(|_| Error::field("messaging_key.signature", "The signature does not hold."))?;
    if key.public_key != rotation.device_list.messaging_key {
        return Err(Error::field("messaging_key", "The device list names the messaging key."));
    }
    check_time("messaging_key.created_at", key.created_at, now)?;
    check_exchange(app, "messaging_key.public_key", [key.public_key])
}

/// Whether list and messaging key are the next after those that are served, and name these devices.
///
/// # Errors
/// [`Error::StaleKeys`] for any other version; a field for other devices.
pub(crate) fn follows(
    rotation: &Rotation<'_>,
    served: &KeyBundle,
    devices: &[ListedDevice],
) -> Result<(), Error> {
    let (list, key) = (rotation.device_list, rotation.messaging_key);
    let next_list = served.device_list.version.checked_add(1) == Some(list.version);
    let next_key = served.messaging_key.key_version.checked_add(1) == Some(key.key_version);
    if !next_list || !next_key {
        return Err(Error::StaleKeys);
    }
    if list.devices != devices {
        let why = "The new list names the devices that stay, as they were, and no others.";
        return Err(Error::field("device_list.devices", why));
    }
    Ok(())
}

/// Whether the server holds exactly this rotation: the request came before, and its answer was lost.
pub(crate) async fn is_held(
    app: &App,
    rotation: &Rotation<'_>,
    device: &Credential,
) -> Result<bool, Error> {
    let now = served(app, device).await?;
    let same = now.device_list == *rotation.device_list
        && now.messaging_key == *rotation.messaging_key
        && now.identity_key == *rotation.identity_key;
    match rotation.wraps {
        Some(wraps) if same => Ok(app.db.holds_wraps(device.row, wraps).await?),
        _ => Ok(same),
    }
}
