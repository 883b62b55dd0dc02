//! A second browser of a member, and the steps by which it becomes a device.

use super::{
    app::{Answer, TestApp},
    member::{Member, now},
};
use hyper::Method;
use letterbox_protocol::{
    device_list::DeviceList,
    keys::{ExchangeSecret, IdentitySecret},
    types::{Blob, Bytes},
    wire::{ApproveLink, CompleteLink, ListedDevice, OfferLink, RegisterPasskey, SignedDeviceList},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Another browser of the same person: a passkey and a device key of its own, no session yet. What
/// it draws comes from the number.
pub(crate) fn sibling<'a>(of: &Member<'a>, number: u32) -> Member<'a> {
    Member {
        phone: of.phone.clone(),
        identity: IdentitySecret::from_bytes(*of.identity.expose()),
        messaging: ExchangeSecret::from_bytes(*of.messaging.expose()),
        ..Member::new(of.app, &format!("+1202555{number:04}"))
    }
}

/// The offer under the id that `n` stands for.
pub(crate) fn offer(n: u8) -> OfferLink {
    OfferLink { id: Bytes([n; 16]), offer: Blob(vec![n; 200]) }
}

/// The link's address, or one below it.
pub(crate) fn path(n: u8, below: &str) -> String {
    format!("/v1/device-links/{}{below}", Bytes([n; 16]).to_text())
}

pub(crate) async fn offered(app: &TestApp, n: u8) {
    let offered = app.post("/v1/device-links").json(&offer(n)).send().await;
    assert_eq!(offered.status, 201, "{offered:?}");
}

/// A list that names these devices, signed now.
pub(crate) fn list_of(
    member: &Member<'_>,
    version: u64,
    devices: Vec<ListedDevice>,
) -> SignedDeviceList {
    let messaging = member.messaging.public();
    DeviceList::sign(&member.identity, &member.phone, version, now(), &messaging, devices)
}

/// A good approval of the offer, where `known` are the account's devices.
pub(crate) fn approval(
    n: u8,
    version: u64,
    known: &[&Member<'_>],
    new: &mut Member<'_>,
) -> ApproveLink {
    let devices = known.iter().map(|member| member.listed()).chain([new.listed()]).collect();
    ApproveLink {
        offer_hash: Bytes(Sha256::digest(&offer(n).offer.0).into()),
        device_list: list_of(known[0], version, devices),
        signed_prekey: new.prekey(1),
        answer: Blob(vec![n; 900]),
    }
}

/// Registers a passkey for an approved link.
pub(crate) async fn register(new: &mut Member<'_>, n: u8) -> Answer {
    let body = RegisterPasskey { link: Some(Bytes([n; 16])) };
    let options = new.post("/v1/passkeys/register/start", &body).await;
    if options.status != 200 {
        return options;
    }
    let credential = new.passkey.create(&options.read::<Value>(), &mut new.rng).unwrap();
    new.post("/v1/passkeys/register/finish", &credential).await
}

pub(crate) fn completion(new: &mut Member<'_>) -> CompleteLink {
    let one_time_prekeys = new.one_time(1..=3);
    CompleteLink { one_time_prekeys, encrypted_name: Blob(vec![8; 80]) }
}

/// A new browser whose offer was approved, with its passkey. `version` is the next list's.
pub(crate) async fn registered<'a>(
    first: &mut Member<'a>,
    others: &[&Member<'a>],
    version: u64,
    n: u8,
) -> Member<'a> {
    let mut new = sibling(first, n.into());
    offered(first.app, n).await;
    let known: Vec<&Member<'_>> = [&*first].into_iter().chain(others.iter().copied()).collect();
    let approval = approval(n, version, &known, &mut new);
    let approved = first.send_touched(Method::PUT, &path(n, ""), Some(&approval)).await;
    assert_eq!(approved.status, 204, "{approved:?}");
    assert_eq!(register(&mut new, n).await.status, 204);
    new
}

/// Links a new browser, from its offer to its first device session. `version` is the next list's.
pub(crate) async fn linked<'a>(
    first: &mut Member<'a>,
    others: &[&Member<'a>],
    version: u64,
    n: u8,
) -> Member<'a> {
    let mut new = registered(first, others, version, n).await;
    let completion = completion(&mut new);
    let completed = new.post(&path(n, "/complete"), &completion).await;
    assert_eq!(completed.status, 201, "{completed:?}");
    assert_eq!(completed.read::<Value>()["device_id"], json!(new.device_id));
    new
}
