//! `PUT /v1/keys`: a new account's keys, or a device's renewal. Every signature is checked before
//! anything is stored, and every key of an exchange is one that an exchange can be made with.

use super::{
    account::{end_devices, tell_devices},
    body::Json,
    passkeys::FreshPasskey,
    session::{self, SignedIn},
};
use crate::{
    app::App,
    db::{CreateAccount, Credential, Publish},
    error::Error,
};
use axum::extract::State;
use letterbox_protocol::{
    device_list,
    keys::{ExchangeSecret, verify_messaging_key, verify_prekey},
    limits::{CLOCK_SKEW, ONE_TIME_PREKEYS, SIGNED_PREKEY_REFUSED},
    types::{Blob, DeviceId, Key, Phone, UnixTime},
    wire::{
        Account, KeyBundle, KeyRenewal, NewAccount, OneTimePrekey, PublishKeys, SignedDeviceList,
        SignedPrekey,
    },
};
use tower_sessions::Session;

/// Publish keys.
///
/// The first publication, in the session that registered the passkey, creates the account, and the
/// session is a device session from then on. Where the number has an account whose waiting period is
/// over, that one goes with all that it has. Later ones renew the device list or the signed prekey
/// and need a device session. A repeated request gets the same answer.
#[utoipa::path(
    put, path = "/v1/keys", tag = "account", request_body = PublishKeys,
    responses((status = 200, body = Account)),
)]
pub async fn publish(
    State(app): State<App>,
    session: Session,
    signed_in: Result<SignedIn, Error>,
    Json(body): Json<PublishKeys>,
) -> Result<Json<Account>, Error> {
    match (body, signed_in) {
        (PublishKeys::Account(account), Ok(signed_in)) => repeated(&app, &account, signed_in).await,
        (PublishKeys::Account(account), Err(Error::SignInRequired)) => {
            create(&app, &session, &account).await
        }
        (PublishKeys::Renewal(renewal), Ok(signed_in)) => renew(&app, &renewal, signed_in).await,
        (_, Err(error)) => Err(error),
    }
}

async fn create(
    app: &App,
    session: &Session,
    account: &NewAccount,
) -> Result<Json<Account>, Error> {
    let now = app.clock.now();
    let fresh: FreshPasskey = session::recall(session, now).await?;
    if fresh.link.is_some() {
        return Err(Error::NoChallenge);
    }
    let device_id = check_account(app, account, &fresh.phone, now)?;
    let (passkey, rng) = (fresh.credential(), &mut app.rng());
    let created = app.db.create_account(&fresh.phone, &passkey, account, now, rng).await?;
    let (row, ended) = match created {
        CreateAccount::Created(row) => (row, Vec::new()),
        CreateAccount::Replaced(row, ended) => (row, ended),
        // By this very request perhaps.
        CreateAccount::PhoneTaken => {
            let device = fresh.device(app).await?.ok_or(Error::PhoneTaken)?;
            check_same(app, account, &device).await?;
            (device.row, Vec::new())
        }
        CreateAccount::CredentialTaken => {
            let why = "This device id or passkey is in use. Start again.";
            return Err(Error::field("device_list", why));
        }
        CreateAccount::Malformed => {
            return Err(Error::field("device_list.devices", "A new account has one device."));
        }
    };
    // The id was renewed when the passkey was registered. Renewing it again would lose the session
    // to a client that never gets this answer.
    end_devices(app, ended);
    session.clear().await;
    session::sign_in(session, row).await?;
    session::prove_device(session).await?;
    Ok(Json(Account { phone: fresh.phone, device_id, device_session: true }))
}

/// The same publication again, after a lost answer.
async fn repeated(
    app: &App,
    account: &NewAccount,
    signed_in: SignedIn,
) -> Result<Json<Account>, Error> {
    let SignedIn { device, proved, .. } = signed_in;
    check_same(app, account, &device).await?;
    Ok(Json(answer(device, proved)))
}

/// Whether the device's account is the one that is published.
async fn check_same(app: &App, account: &NewAccount, device: &Credential) -> Result<(), Error> {
    let served = served(app, device).await?;
    let same = served.identity_key == account.identity_key
        && account.device_list.devices.iter().any(|listed| listed.device_id == device.device_id);
    if same { Ok(()) } else { Err(Error::PhoneTaken) }
}

fn answer(device: Credential, device_session: bool) -> Account {
    Account { phone: device.phone, device_id: device.device_id, device_session }
}

/// Everything that a new account's keys must be; the one device's id.
fn check_account(
    app: &App,
    account: &NewAccount,
    phone: &Phone,
    now: UnixTime,
) -> Result<DeviceId, Error> {
    let list = device_list::check(&account.device_list, &account.identity_key, phone, now, 0)
        .map_err(|error| Error::field("device_list", &sentence(&error)))?;
    let [device] = list.devices() else {
        return Err(Error::field("device_list.devices", "A new account has one device."));
    };
    if list.version() != 1 {
        return Err(Error::field("device_list.version", "A new account's list is version 1."));
    }
    let key = &account.messaging_key;
    verify_messaging_key(&account.identity_key, phone, key)
        .map_err(|_| Error::field("messaging_key.signature", "The signature does not hold."))?;
    if key.public_key != list.signed().messaging_key || key.key_version != 1 {
        let why = "A new account's messaging key is version 1 and stands in its device list.";
        return Err(Error::field("messaging_key", why));
    }
    check_time("messaging_key.created_at", key.created_at, now)?;
    check_prekey(&account.signed_prekey, &account.identity_key, &device.device_id, now)?;
    if account.signed_prekey.key_id != 1 {
        return Err(Error::field("signed_prekey.key_id", "A new device's first id is 1."));
    }
    check_name(&account.encrypted_name)?;
    check_exchange(app, "device_list", [device.device_key, key.public_key])?;
    check_exchange(app, "signed_prekey.public_key", [account.signed_prekey.public_key])?;
    check_one_time(app, &account.one_time_prekeys)?;
    Ok(device.device_id)
}

async fn renew(
    app: &App,
    renewal: &KeyRenewal,
    signed_in: SignedIn,
) -> Result<Json<Account>, Error> {
    if !signed_in.proved {
        return Err(Error::DeviceSessionRequired);
    }
    let device = signed_in.device;
    let before = served(app, &device).await?;
    check_renewal(app, renewal, &before, &device)?;
    match app.db.publish_renewal(device.row, renewal, &before.identity_key).await? {
        Publish::Done => {
            if renewal.device_list.is_some() {
                tell_devices(app, device.user).await;
            }
            Ok(Json(answer(device, true)))
        }
        // The same request may have come between.
        Publish::Stale if holds(&served(app, &device).await?, renewal, &device.device_id) => {
            Ok(Json(answer(device, true)))
        }
        Publish::Stale => Err(Error::StaleKeys),
    }
}

fn check_renewal(
    app: &App,
    renewal: &KeyRenewal,
    served: &KeyBundle,
    device: &Credential,
) -> Result<(), Error> {
    let now = app.clock.now();
    if renewal.device_list.is_none() && renewal.signed_prekey.is_none() {
        return Err(Error::field("device_list", "Send a device list, a signed prekey, or both."));
    }
    if let Some(list) = &renewal.device_list {
        check_list(list, served, &device.phone, now)?;
    }
    if let Some(prekey) = &renewal.signed_prekey {
        check_prekey(prekey, &served.identity_key, &device.device_id, now)?;
        check_exchange(app, "signed_prekey.public_key", [prekey.public_key])?;
    }
    Ok(())
}

/// A renewed list says what the one before said, under the next version. Devices and messaging key
/// do not change by a renewal.
fn check_list(
    list: &SignedDeviceList,
    served: &KeyBundle,
    phone: &Phone,
    now: UnixTime,
) -> Result<(), Error> {
    let list = device_list::check(list, &served.identity_key, phone, now, 0)
        .map_err(|error| Error::field("device_list", &sentence(&error)))?;
    let (old, new) = (&served.device_list, list.signed());
    if new.devices != old.devices || new.messaging_key != old.messaging_key {
        let why = "A renewed list names the same devices and the same messaging key.";
        return Err(Error::field("device_list", why));
    }
    Ok(())
}

/// Whether the server holds exactly this renewal: the request came before.
fn holds(served: &KeyBundle, renewal: &KeyRenewal, device: &DeviceId) -> bool {
    let prekeys = served.prekeys.iter().find(|prekeys| prekeys.device_id == *device);
    let list = renewal.device_list.as_ref().is_none_or(|list| *list == served.device_list);
    let prekey = renewal.signed_prekey.as_ref();
    list && prekey.is_none_or(|new| prekeys.is_some_and(|held| held.signed_prekey == *new))
}

/// The longest sealed device name.
const NAME: usize = 1_024;

/// A sealed device name, which only the account's devices open.
pub(crate) fn check_name(name: &Blob) -> Result<(), Error> {
    if name.0.len() > NAME {
        return Err(Error::field("encrypted_name", "A sealed name has at most 1,024 bytes."));
    }
    Ok(())
}

/// A signed prekey of this device, made lately.
pub(crate) fn check_prekey(
    prekey: &SignedPrekey,
    identity: &Key,
    device: &DeviceId,
    now: UnixTime,
) -> Result<(), Error> {
    verify_prekey(identity, device, prekey)
        .map_err(|_| Error::field("signed_prekey.signature", "The signature does not hold."))?;
    check_time("signed_prekey.created_at", prekey.created_at, now)
}

/// One-time prekeys: no more than a device may have, ids rising, keys that can be used.
pub(crate) fn check_one_time(app: &App, prekeys: &[OneTimePrekey]) -> Result<(), Error> {
    if prekeys.len() > ONE_TIME_PREKEYS {
        return Err(Error::field("one_time_prekeys", "A device has at most 100."));
    }
    if !prekeys.is_sorted_by(|a, b| a.key_id < b.key_id) {
        return Err(Error::field("one_time_prekeys", "The ids rise and none stands twice."));
    }
    check_exchange(app, "one_time_prekeys", prekeys.iter().map(|prekey| prekey.public_key))
}

/// A whole hour, neither ahead nor so old that senders would refuse the key.
pub(crate) fn check_time(field: &str, time: UnixTime, now: UnixTime) -> Result<(), Error> {
    let age = now.since(time);
    if time == time.hour() && (-CLOCK_SKEW..=SIGNED_PREKEY_REFUSED).contains(&age) {
        Ok(())
    } else {
        Err(Error::field(field, "A whole hour, neither ahead nor over 14 days old."))
    }
}

/// Refuses keys of low order, with which every exchange comes to the same (RFC 7748 section 6.1).
pub(crate) fn check_exchange(
    app: &App,
    field: &str,
    keys: impl IntoIterator<Item = Key>,
) -> Result<(), Error> {
    let probe = ExchangeSecret::generate(&mut app.rng());
    for key in keys {
        if probe.agree(&key).is_err() {
            return Err(Error::field(field, "Not a key that an exchange can be made with."));
        }
    }
    Ok(())
}

/// What the server serves of a device's account.
pub(crate) async fn served(app: &App, device: &Credential) -> Result<KeyBundle, Error> {
    let served = app.db.served_bundle(&device.phone).await?;
    session::still(app, device, served)
        .await?
        .ok_or_else(|| Error::internal("account without keys"))
}

pub(crate) fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
