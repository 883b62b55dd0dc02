//! Revoked devices, and what is replaced with them.

use super::live::Socket;
use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    linking::{linked, list_of, sibling},
    member::{Member, deliver, letter, now},
    rotating::{LOW_ORDER, device_path, other_identity, revocation, rotation, wraps},
};
use hyper::Method;
use letterbox_protocol::{
    certificate::SenderCertificate,
    key_check::key_check_digest,
    keys::{IdentitySecret, sign_messaging_key},
    types::Bytes,
    wire::{
        Certificate, CheckKeys, Devices, EnvelopePage, InboxPage, KeyBundle, KeyRenewal, KeyStatus,
        KeysChecked, PublishKeys, RevokeDevice, ServerFrame,
    },
};
use serde_json::json;

const PHONE: &str = "+4915112345678";

/// Something that is wrong with a revocation of the second of three devices by the first, and the
/// answer: the field of a `422`, or a `409`.
type Fault = (&'static str, fn(&mut RevokeDevice, [&mut Member<'_>; 3]));
const STALE: &str = "409";

const FAULTS: [Fault; 18] = [
    ("rotation.device_list", |body, _| body.rotation.device_list.signature = Bytes([1; 64])),
    ("rotation.device_list", |body, _| body.rotation.device_list.devices[0].registration_id = 8),
    ("rotation.device_list", |body, [first, ..]| {
        let stranger = IdentitySecret::from_bytes([5; 32]);
        let own = std::mem::replace(&mut first.identity, stranger);
        body.rotation.device_list = list_of(first, 4, vec![first.listed()]);
        first.identity = own;
    }),
    ("rotation.messaging_key.signature", |body, _| {
        body.rotation.messaging_key.signature = Bytes([1; 64]);
    }),
    ("rotation.messaging_key.signature", |body, _| body.rotation.messaging_key.key_version = 3),
    ("rotation.messaging_key", |body, [first, second, third]| {
        let other = rotation((4, 2), &mut [first, third], None);
        second.messaging = letterbox_protocol::keys::ExchangeSecret::from_bytes([6; 32]);
        body.rotation.messaging_key = other.messaging_key;
    }),
    ("rotation.messaging_key.public_key", |body, [first, _, third]| {
        let hour = now().hour();
        body.rotation.messaging_key =
            sign_messaging_key(&first.identity, &first.phone, 2, hour, &LOW_ORDER);
        let devices = vec![first.listed(), third.listed()];
        body.rotation.device_list = letterbox_protocol::device_list::DeviceList::sign(
            &first.identity,
            &first.phone,
            4,
            hour,
            &LOW_ORDER,
            devices,
        );
    }),
    ("rotation.device_list.devices", |body, [first, second, third]| {
        *body = revocation((4, 2), &mut [first, second, third], None);
    }),
    ("rotation.device_list.devices", |body, [first, ..]| {
        *body = revocation((4, 2), &mut [first], None);
    }),
    ("rotation.device_list.devices", |body, [first, _, third]| {
        let mut ghost = sibling(first, 77);
        *body = revocation((4, 2), &mut [first, third, &mut ghost], None);
    }),
    (STALE, |body, [first, _, third]| *body = revocation((3, 2), &mut [first, third], None)),
    (STALE, |body, [first, _, third]| *body = revocation((5, 2), &mut [first, third], None)),
    (STALE, |body, [first, _, third]| *body = revocation((4, 1), &mut [first, third], None)),
    (STALE, |body, [first, second, third]| {
        let to_revoked = Some(wraps(1, &[second, third]));
        *body = revocation((4, 2), &mut [first, third], to_revoked);
    }),
    (STALE, |body, [_, _, third]| body.rotation.wraps = Some(wraps(2, &[third]))),
    ("rotation.wraps.envelopes", |body, [first, ..]| {
        body.rotation.wraps = Some(wraps(1, &[first]));
    }),
    ("rotation.wraps.envelopes", |body, [_, _, third]| {
        let mut short = wraps(1, &[third]);
        short.envelopes[0].encrypted_session_key.0.pop();
        body.rotation.wraps = Some(short);
    }),
    ("rotation.wraps.envelopes", |body, _| body.rotation.wraps = Some(wraps(1, &[]))),
];

on_both_engines! {
    async fn a_revoked_device_ends_at_once(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let mut third = linked(&mut first, &[&second], 3, 2).await;
        let mut waiting = letter(&first, 1, false);
        waiting.list_version = 3;
        assert_eq!(deliver(&app, &waiting).await.status, 202);
        let (mut ending, mut staying) = (Socket::open(&second).await, Socket::open(&third).await);
        assert_eq!(ending.letters().await.len(), 1);
        assert_eq!(staying.letters().await.len(), 1);
        staying.acknowledge(&[Bytes([1; 16])], &[]).await;
        assert_eq!(staying.frame().await, ServerFrame::CaughtUp);

        let envelopes = Some(wraps(1, &[&third]));
        let body = revocation((4, 2), &mut [&mut first, &mut third], envelopes);
        let path = device_path(&second.device_id);
        let revoked = first.send_touched(Method::DELETE, &path, Some(&body)).await;
        assert_eq!(revoked.status, 204, "{revoked:?}");
        assert_eq!(ending.closed().await, 4403);
        let mut frames = [staying.frame().await, staying.frame().await];
        frames.sort_by_key(|frame| matches!(frame, ServerFrame::Envelopes { .. }));
        assert_eq!(frames[0], ServerFrame::AccountChanged);
        assert!(matches!(&frames[1], ServerFrame::Envelopes { envelopes } if envelopes.len() == 1));

        // Neither its session nor its passkey gets in any more.
        for path in ["/v1/account", "/v1/inbox", "/v1/inbox/live"] {
            assert_eq!(second.get(path).await.refused(), (401, "/problems/sign-in-required".to_owned()));
        }
        second.cookie = None;
        let options = second.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = second.passkey.get(&options).unwrap();
        let refused = second.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));

        let lookup = json!({ "phone": PHONE, "prekeys": "all" });
        let asked = app.post("/v1/sealed/lookup").origin(None).token(&app.token(9).await);
        let bundle: KeyBundle = asked.json(&lookup).send().await.read();
        assert_eq!(bundle.device_list, body.rotation.device_list);
        let ids: Vec<_> = bundle.prekeys.iter().map(|prekeys| prekeys.device_id).collect();
        assert!(!ids.contains(&second.device_id) && ids.len() == 2);
        assert!(bundle.prekeys.iter().all(|prekeys| prekeys.one_time_prekey.is_some()));
        let mut late = letter(&first, 2, false);
        late.list_version = 3;
        assert_eq!(deliver(&app, &late).await.problem(), "/problems/stale-device-list");
        let mut good = letter(&first, 3, true);
        good.list_version = 4;
        // It omits an active sibling.
        assert_eq!(deliver(&app, &good).await.problem(), "/problems/stale-device-list");
        good.message_id = Bytes([4; 16]);
        let upload = good.session_keys.as_mut().unwrap();
        upload.envelopes.push(letterbox_protocol::wire::Envelope {
            device_id: third.device_id,
            ..upload.envelopes[0].clone()
        });
        assert_eq!(deliver(&app, &good).await.status, 202);
        let page: InboxPage = first.get("/v1/inbox").await.read();
        assert_eq!(page.letters.len(), 2);

        // The answer was lost: the same again is answered alike. Another one finds nothing.
        let again = first.send_touched(Method::DELETE, &path, Some(&body)).await;
        assert_eq!(again.status, 204);
        let other = revocation((5, 3), &mut [&mut first, &mut third], None);
        let gone = first.send_touched(Method::DELETE, &path, Some(&other)).await;
        assert_eq!(gone.refused(), (404, "/problems/not-found".to_owned()));
        let own = device_path(&first.device_id);
        let itself = first.send_touched(Method::DELETE, &own, Some(&other)).await;
        assert_eq!(itself.bad_field(), "device_id");
        let nobody = first.send_touched(Method::DELETE, "/v1/devices/me", Some(&other)).await;
        assert_eq!(nobody.bad_field(), "device_id");
    }

    async fn nothing_forged_stale_or_foreign_revokes_a_device(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let mut third = linked(&mut first, &[&second], 3, 2).await;
        let before = db.served_bundle(&first.phone).await.unwrap();
        let path = device_path(&second.device_id);
        for (at, (expected, spoil)) in FAULTS.into_iter().enumerate() {
            let mut body = revocation((4, 2), &mut [&mut first, &mut third], None);
            spoil(&mut body, [&mut first, &mut second, &mut third]);
            let refused = first.send_touched(Method::DELETE, &path, Some(&body)).await;
            if expected == STALE {
                assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()), "fault {at}");
            } else {
                assert_eq!(refused.bad_field(), expected, "fault {at}");
            }
            assert_eq!(db.served_bundle(&first.phone).await.unwrap(), before, "fault {at}");
        }
        let mut stranger = Member::signed_up(&app, "+4915112345679").await;
        let body = revocation((2, 2), &mut [&mut stranger], None);
        let refused = stranger.send_touched(Method::DELETE, &path, Some(&body)).await;
        assert_eq!(refused.refused(), (404, "/problems/not-found".to_owned()));
        assert_eq!(second.get("/v1/inbox").await.status, 200);
        let body = revocation((4, 2), &mut [&mut first, &mut third], None);
        assert_eq!(first.send_touched(Method::DELETE, &path, Some(&body)).await.status, 204);
    }

    async fn a_lost_device_takes_the_identity_with_it(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let lost = linked(&mut first, &[], 2, 1).await;
        let mut third = linked(&mut first, &[&lost], 3, 2).await;
        let listed: Devices = first.get("/v1/devices").await.read();
        let before = IdentitySecret::from_bytes(*first.identity.expose());
        let identity = other_identity(&listed, &mut [&mut first, &mut third]);
        let envelopes = Some(wraps(1, &[&third]));
        let mut body = revocation((4, 2), &mut [&mut first, &mut third], envelopes);
        body.identity = Some(identity.clone());
        let path = device_path(&lost.device_id);

        type Spoil = fn(&mut letterbox_protocol::wire::ReplaceIdentity);
        let faults: [(&str, Spoil); 5] = [
            ("rotation.device_list", |identity| identity.identity_key = Bytes([9; 32])),
            ("identity.signed_prekeys", |identity| identity.signed_prekeys.truncate(1)),
            ("identity.signed_prekeys", |identity| {
                identity.signed_prekeys[1] = identity.signed_prekeys[0].clone();
            }),
            ("identity.signed_prekeys", |identity| {
                identity.signed_prekeys[1].signed_prekey.signature = Bytes([9; 64]);
            }),
            (STALE, |identity| identity.signed_prekeys[1].signed_prekey.key_id = 2),
        ];
        for (expected, spoil) in faults {
            let mut bad = body.clone();
            spoil(bad.identity.as_mut().unwrap());
            let refused = first.send_touched(Method::DELETE, &path, Some(&bad)).await;
            if expected == STALE {
                assert_eq!(refused.problem(), "/problems/stale-keys");
            } else {
                assert_eq!(refused.bad_field(), expected);
            }
        }
        // The key of before is no other one.
        let own = std::mem::replace(&mut first.identity, before);
        let mut same = revocation((4, 2), &mut [&mut first, &mut third], None);
        same.identity = Some(identity.clone());
        same.identity.as_mut().unwrap().identity_key = first.identity.public();
        let refused = first.send_touched(Method::DELETE, &path, Some(&same)).await;
        assert_eq!(refused.bad_field(), "identity.identity_key");

        for _ in 0..2 {
            let done = first.send_touched(Method::DELETE, &path, Some(&body)).await;
            assert_eq!(done.status, 204, "{done:?}");
        }
        // A prekey under the key of before comes too late.
        let renewal = |prekey| PublishKeys::Renewal(KeyRenewal { device_list: None, signed_prekey: Some(prekey) });
        let late = renewal(first.prekey(2));
        let late = first.send(Method::PUT, "/v1/keys", &late).await;
        assert_eq!(late.bad_field(), "signed_prekey.signature");
        first.identity = own;
        let next = renewal(first.prekey(2));
        assert_eq!(first.send(Method::PUT, "/v1/keys", &next).await.status, 200);
        // Everything that is served holds under the new one, and the certificate names it.
        let served = db.served_bundle(&first.phone).await.unwrap().unwrap();
        letterbox_protocol::bundle::check_bundle(
            &served, &first.phone, Some(&first.identity.public()), now(), 4,
        ).unwrap();
        for member in [&mut first, &mut third] {
            let answer: Certificate = member.post("/v1/sender-certificate", &json!({})).await.read();
            let certificate = SenderCertificate::from_cbor(&answer.certificate.0).unwrap();
            assert_eq!(certificate.identity_key, member.identity.public());
            assert_eq!(certificate.device_id, member.device_id);
            assert_eq!(certificate.device_key, member.device.public());
            let prekeys = served.prekeys.iter().find(|p| p.device_id == member.device_id).unwrap();
            let digest = key_check_digest(
                &served.identity_key, &served.device_list, &served.messaging_key,
                &member.device_id, &prekeys.signed_prekey,
            );
            let checked: KeysChecked = member.post("/v1/keys/check", &CheckKeys { digest }).await.read();
            assert!(checked.matches);
        }
        let page: EnvelopePage = third.get("/v1/session-keys").await.read();
        assert_eq!(page.envelopes.len(), 1);
        let status: KeyStatus = first.get("/v1/keys/status").await.read();
        assert_eq!((status.device_list_version, status.key_version), (4, 2));
        assert_eq!((status.key_rotation_counter, status.signed_prekey_id), (1, 2));
    }

    async fn a_revoked_devices_slot_is_free_again(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "1000")]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut others: Vec<Member<'_>> = Vec::new();
        for n in 1..8_u8 {
            let known: Vec<&Member<'_>> = others.iter().collect();
            let new = linked(&mut first, &known, u64::from(n) + 1, n).await;
            others.push(new);
        }
        let gone = others.remove(0);
        let mut stay: Vec<&mut Member<'_>> = [&mut first].into_iter().chain(&mut others).collect();
        let body = revocation((9, 2), &mut stay, None);
        let path = device_path(&gone.device_id);
        assert_eq!(first.send_touched(Method::DELETE, &path, Some(&body)).await.status, 204);
        let known: Vec<&Member<'_>> = others.iter().collect();
        let mut new = linked(&mut first, &known, 10, 9).await;
        let listed: Devices = new.get("/v1/devices").await.read();
        assert_eq!(listed.devices.len(), 8);
    }
}
