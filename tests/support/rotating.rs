//! What a member's device publishes when the messaging key changes: a rotation, or a revocation.

use super::{
    linking::list_of,
    member::{Member, now},
};
use letterbox_protocol::{
    keys::{ExchangeSecret, IdentitySecret, sign_messaging_key, sign_prekey},
    types::{Blob, Bytes, DeviceId, Key},
    wire::{
        Devices, Envelope, ReplaceIdentity, ResignedPrekey, RevokeDevice, RotateMessagingKey,
        SiblingKeys,
    },
};

/// Envelopes for these siblings under this counter; the label from the counter.
pub(crate) fn wraps(counter: u64, to: &[&Member<'_>]) -> SiblingKeys {
    let envelope = |member: &&Member<'_>| Envelope {
        device_id: member.device_id,
        encrypted_session_key: Blob(vec![3; 2_048]),
    };
    SiblingKeys {
        session_key_id: Bytes([counter as u8; 16]),
        key_rotation_counter: counter,
        envelopes: to.iter().map(envelope).collect(),
    }
}

/// A good rotation to these versions, by the first of the members, which are all that stay. All of
/// them know the new secret from now on.
pub(crate) fn rotation(
    versions: (u64, u32),
    stay: &mut [&mut Member<'_>],
    wraps: Option<SiblingKeys>,
) -> RotateMessagingKey {
    let secret = ExchangeSecret::generate(&mut stay[0].rng);
    for member in stay.iter_mut() {
        member.messaging = ExchangeSecret::from_bytes(*secret.expose());
    }
    let devices = stay.iter().map(|member| member.listed()).collect();
    let (list, key) = versions;
    let first = &*stay[0];
    RotateMessagingKey {
        messaging_key: sign_messaging_key(
            &first.identity,
            &first.phone,
            key,
            now().hour(),
            &secret.public(),
        ),
        device_list: list_of(first, list, devices),
        wraps,
    }
}

/// Draws another identity for these members, and signs their prekeys, as they are listed, with it.
pub(crate) fn other_identity(listed: &Devices, stay: &mut [&mut Member<'_>]) -> ReplaceIdentity {
    let secret = IdentitySecret::generate(&mut stay[0].rng);
    for member in stay.iter_mut() {
        member.identity = IdentitySecret::from_bytes(*secret.expose());
    }
    let resigned = |device_id: DeviceId| {
        let old = listed.devices.iter().find(|device| device.device_id == device_id).unwrap();
        let old = &old.signed_prekey;
        let signed_prekey =
            sign_prekey(&secret, &device_id, old.key_id, old.created_at, &old.public_key);
        ResignedPrekey { device_id, signed_prekey }
    };
    ReplaceIdentity {
        identity_key: secret.public(),
        signed_prekeys: stay.iter().map(|member| resigned(member.device_id)).collect(),
    }
}

/// A good revocation by the first of the members that stay.
pub(crate) fn revocation(
    versions: (u64, u32),
    stay: &mut [&mut Member<'_>],
    wraps: Option<SiblingKeys>,
) -> RevokeDevice {
    RevokeDevice { rotation: rotation(versions, stay, wraps), identity: None }
}

/// The address of a device.
pub(crate) fn device_path(device: &DeviceId) -> String {
    format!("/v1/devices/{}", device.to_text())
}

/// A key of low order.
pub(crate) const LOW_ORDER: Key = Bytes([0; 32]);
