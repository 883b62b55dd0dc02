//! What the server serves of a person: the public keys that a lookup hands out.

use super::{
    Db, Error, Tx,
    columns::{Raw, Stamp},
    within,
};
use letterbox_protocol::{
    types::{Phone, UnixTime},
    wire::{
        DevicePrekeys, KeyBundle, ListedDevice, SignedDeviceList, SignedMessagingKey, SignedPrekey,
    },
};
use sqlx::FromRow;

/// A person and one of the devices. One statement reads all of it, so that list, keys and devices
/// are of one moment whatever changes meanwhile.
#[derive(FromRow)]
struct ServedColumns {
    #[sqlx(flatten)]
    person: PersonColumns,
    #[sqlx(flatten)]
    device: DeviceColumns,
}

#[derive(FromRow)]
struct PersonColumns {
    device_list_version: i64,
    #[sqlx(try_from = "Stamp")]
    device_list_signed_at: UnixTime,
    device_list_signature: Raw<64>,
    suite: i16,
    identity_key: Raw<32>,
    x25519_public_key: Raw<32>,
    ed25519_signature: Raw<64>,
    key_version: i32,
    #[sqlx(try_from = "Stamp")]
    created_at: UnixTime,
}

#[derive(FromRow)]
struct DeviceColumns {
    credential: i64,
    device_id: Raw<16>,
    registration_id: i32,
    device_key: Raw<32>,
    key_id: i64,
    public_key: Raw<32>,
    signature: Raw<64>,
    #[sqlx(try_from = "Stamp")]
    prekey_created_at: UnixTime,
}

/// A bundle and its devices' rows, in the same order as `prekeys`.
pub(super) struct ServedBundle {
    pub(super) bundle: KeyBundle,
    pub(super) rows: Vec<i64>,
}

impl Db {
    /// Everything that is served for a phone, but for one-time prekeys; none where there is no
    /// such mailbox.
    ///
    /// # Errors
    /// The database is out of reach.
    pub async fn served_bundle(&self, phone: &Phone) -> Result<Option<KeyBundle>, Error> {
        let mut tx = self.snapshot().await?;
        let served = tx.served_bundle(phone).await?;
        tx.commit().await?;
        Ok(served.map(|served| served.bundle))
    }
}

impl Tx {
    pub(super) async fn served_bundle(
        &mut self,
        phone: &Phone,
    ) -> Result<Option<ServedBundle>, Error> {
        const SELECT: &str = "SELECT u.device_list_version, u.device_list_signed_at, \
             u.device_list_signature, i.suite, i.identity_key, m.x25519_public_key, m.ed25519_signature, \
             m.key_version, m.created_at, c.id AS credential, c.device_id, k.registration_id, \
             k.device_key, s.key_id, s.public_key, s.signature, s.created_at AS prekey_created_at \
             FROM users u JOIN identity_keys i ON i.user_id = u.id \
             JOIN messaging_public_keys m ON m.user_id = u.id AND m.is_active \
             JOIN webauthn_credentials c ON c.user_id = u.id AND c.is_active \
             JOIN device_keys k ON k.webauthn_credential_id = c.id \
             JOIN signed_prekeys s ON s.webauthn_credential_id = c.id AND s.is_active \
             WHERE u.phone = $1 ORDER BY c.device_id";
        let rows: Vec<ServedColumns> = within!(self, c => {
            sqlx::query_as(SELECT).bind(phone.as_str()).fetch_all(c).await?
        });
        let (people, devices): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.person, row.device)).unzip();
        let person = people.into_iter().next();
        person.map(|person| assemble(phone, person, devices)).transpose()
    }
}

fn assemble(
    phone: &Phone,
    person: PersonColumns,
    devices: Vec<DeviceColumns>,
) -> Result<ServedBundle, Error> {
    let corrupt = |column| move |_| Error::corrupt(column);
    let mut listed = Vec::with_capacity(devices.len());
    let mut prekeys = Vec::with_capacity(devices.len());
    for device in &devices {
        listed.push(ListedDevice {
            device_id: device.device_id.0,
            registration_id: u32::try_from(device.registration_id)
                .map_err(corrupt("registration_id"))?,
            device_key: device.device_key.0,
        });
        let signed_prekey = SignedPrekey {
            key_id: u32::try_from(device.key_id).map_err(corrupt("key_id"))?,
            public_key: device.public_key.0,
            created_at: device.prekey_created_at,
            signature: device.signature.0,
        };
        prekeys.push(DevicePrekeys {
            device_id: device.device_id.0,
            signed_prekey,
            one_time_prekey: None,
        });
    }
    let messaging_key = SignedMessagingKey {
        public_key: person.x25519_public_key.0,
        key_version: u32::try_from(person.key_version).map_err(corrupt("key_version"))?,
        created_at: person.created_at,
        signature: person.ed25519_signature.0,
    };
    let device_list = SignedDeviceList {
        suite: u16::try_from(person.suite).map_err(corrupt("suite"))?,
        phone: phone.clone(),
        version: u64::try_from(person.device_list_version)
            .map_err(corrupt("device_list_version"))?,
        signed_at: person.device_list_signed_at,
        messaging_key: messaging_key.public_key,
        devices: listed,
        signature: person.device_list_signature.0,
    };
    let bundle =
        KeyBundle { identity_key: person.identity_key.0, messaging_key, device_list, prekeys };
    Ok(ServedBundle { bundle, rows: devices.iter().map(|device| device.credential).collect() })
}
