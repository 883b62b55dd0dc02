//! Recovery: the capsule, and a device's new beginning.

use super::live::Socket;
use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    linking::{linked, sibling},
    member::{Member, deliver, letter, now},
};
use hyper::Method;
use letterbox_protocol::{
    device_list::DeviceList,
    keys::{ExchangeSecret, sign_messaging_key},
    types::{Blob, Bytes},
    wire::{
        CAPSULE_SIZE, Envelope, KeyStatus, ListedDevice, RecoverDevice, RecoveryInfo, ServerFrame,
        SiblingKeys,
    },
};
use serde_json::{Value, json};

const PHONE: &str = "+4915112345678";

/// A good new beginning, beside these siblings: the member's device and messaging secrets are the
/// new ones afterwards.
pub(super) fn beginning(
    member: &mut Member<'_>,
    siblings: &[&Member<'_>],
    version: u64,
) -> RecoverDevice {
    member.device = ExchangeSecret::generate(&mut member.rng);
    member.messaging = ExchangeSecret::generate(&mut member.rng);
    let listed = ListedDevice { registration_id: 8, ..member.listed() };
    let others = siblings.iter().map(|sibling| sibling.listed());
    signed(member, others.chain([listed]).collect(), siblings, version)
}

fn signed(
    member: &mut Member<'_>,
    devices: Vec<ListedDevice>,
    siblings: &[&Member<'_>],
    version: u64,
) -> RecoverDevice {
    let (key, at) = (member.messaging.public(), now());
    let envelopes = siblings.iter().map(|sibling| Envelope {
        device_id: sibling.device_id,
        encrypted_session_key: Blob(vec![1; 2_048]),
    });
    let wraps = SiblingKeys {
        session_key_id: Bytes([9; 16]),
        key_rotation_counter: 1,
        envelopes: envelopes.collect(),
    };
    RecoverDevice {
        device_list: DeviceList::sign(&member.identity, &member.phone, version, at, &key, devices),
        messaging_key: sign_messaging_key(&member.identity, &member.phone, 2, at.hour(), &key),
        signed_prekey: member.prekey(2),
        one_time_prekeys: member.one_time(4..=5),
        wraps: (!siblings.is_empty()).then_some(wraps),
    }
}

/// Something that is wrong with a new beginning, and the status and type or field that is answered.
type Fault = (&'static str, fn(&mut RecoverDevice, &mut Member<'_>));

const FAULTS: [Fault; 10] = [
    ("device_list.devices", |body, member| {
        let same_id = ListedDevice { registration_id: 7, ..member.listed() };
        body.device_list = signed(member, vec![same_id], &[], 2).device_list;
    }),
    ("device_list.devices", |body, member| {
        let mut same_key = body.device_list.devices[0].clone();
        same_key.device_key = Member::new(member.app, PHONE).device.public();
        body.device_list = signed(member, vec![same_key], &[], 2).device_list;
    }),
    ("device_list.devices", |body, member| {
        let both = vec![body.device_list.devices[0].clone(), sibling(member, 1).listed()];
        body.device_list = signed(member, both, &[], 2).device_list;
    }),
    ("device_list.devices", |body, member| {
        let other = vec![sibling(member, 1).listed()];
        body.device_list = signed(member, other, &[], 2).device_list;
    }),
    ("device_list", |body, member| {
        let low =
            ListedDevice { device_key: Bytes([0; 32]), ..body.device_list.devices[0].clone() };
        body.device_list = signed(member, vec![low], &[], 2).device_list;
    }),
    ("device_list", |body, _| body.device_list.signature = Bytes([1; 64])),
    ("messaging_key.signature", |body, _| body.messaging_key.signature = Bytes([1; 64])),
    ("signed_prekey.signature", |body, _| body.signed_prekey.signature = Bytes([1; 64])),
    ("one_time_prekeys", |body, _| body.one_time_prekeys[0].public_key = Bytes([0; 32])),
    ("wraps.envelopes", |body, member| {
        let (device_id, sealed) = (member.device_id, Blob(vec![1; 2_048]));
        body.wraps = Some(SiblingKeys {
            session_key_id: Bytes([1; 16]),
            key_rotation_counter: 1,
            envelopes: vec![Envelope { device_id, encrypted_session_key: sealed }],
        });
    }),
];

/// What does not follow on what the server holds.
const STALE: [fn(&mut RecoverDevice, &mut Member<'_>); 5] = [
    |body, member| *body = signed(member, body.device_list.devices.clone(), &[], 3),
    |body, member| *body = signed(member, body.device_list.devices.clone(), &[], 1),
    |body, member| {
        let (key, at) = (member.messaging.public(), now().hour());
        body.messaging_key = sign_messaging_key(&member.identity, &member.phone, 3, at, &key);
    },
    |body, member| body.signed_prekey = member.prekey(3),
    |body, member| body.one_time_prekeys = member.one_time(3..=4),
];

on_both_engines! {
    async fn the_passkey_alone_finds_the_capsule(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let info: RecoveryInfo = member.get("/v1/recovery-capsule").await.read();
        assert_eq!(info.capsule, None);
        for bytes in [0, CAPSULE_SIZE - 1, CAPSULE_SIZE + 1] {
            let body = json!({ "capsule": Blob(vec![5; bytes]) });
            let refused = member.send(Method::PUT, "/v1/recovery-capsule", &body).await;
            assert_eq!(refused.bad_field(), "capsule");
        }
        for byte in [4, 5] {
            let body = json!({ "capsule": Blob(vec![byte; CAPSULE_SIZE]) });
            let kept = member.send(Method::PUT, "/v1/recovery-capsule", &body).await;
            assert_eq!(kept.status, 204);
        }
        let status: KeyStatus = member.get("/v1/keys/status").await.read();
        assert!(status.has_recovery_capsule);
        member.sign_in().await;
        let info: RecoveryInfo = member.get("/v1/recovery-capsule").await.read();
        assert_eq!(info.capsule, Some(Blob(vec![5; CAPSULE_SIZE])));
        assert_eq!((&info.phone, info.device_id), (&member.phone, member.device_id));
        assert_eq!(info.encrypted_name, Blob(vec![9; 80]));
        assert_eq!((info.last_one_time_key_id, info.key_rotation_counter), (3, 0));
        assert_eq!(info.bundle, db.served_bundle(&member.phone).await.unwrap().unwrap());
        assert_eq!(info.bundle.prekeys[0].one_time_prekey, None);
        // Writing one takes the device.
        let body = json!({ "capsule": Blob(vec![6; CAPSULE_SIZE]) });
        let refused = member.send(Method::PUT, "/v1/recovery-capsule", &body).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
        let stranger = app.get("/v1/recovery-capsule").send().await;
        assert_eq!(stranger.refused(), (401, "/problems/sign-in-required".to_owned()));
    }

    async fn a_device_begins_anew_under_its_name(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let other = linked(&mut member, &[], 2, 1).await;
        let mut sent = letter(&member, 1, true);
        sent.list_version = 2;
        let mut envelopes = sent.session_keys.clone().unwrap();
        envelopes.envelopes.extend(letter(&other, 1, true).session_keys.unwrap().envelopes);
        sent.session_keys = Some(envelopes);
        assert_eq!(deliver(&app, &sent).await.status, 202);
        let old_session = member.cookie.clone();
        let mut old_socket = Socket::open(&member).await;
        old_socket.frame().await;
        // The storage is gone; the passkey is there.
        member.sign_in().await;
        let body = beginning(&mut member, &[&other], 3);
        for _ in 0..2 {
            let begun = member.send_touched(Method::POST, "/v1/recovery", Some(&body)).await;
            assert_eq!(begun.status, 204, "{begun:?}");
        }
        // The letter that waits stays, the envelope that nobody can open any more goes.
        let inbox: Value = member.get("/v1/inbox").await.read();
        assert_eq!(inbox["letters"].as_array().unwrap().len(), 1);
        let waiting: Value = member.get("/v1/session-keys").await.read();
        assert_eq!(waiting["envelopes"], json!([]));
        let served = db.served_bundle(&member.phone).await.unwrap().unwrap();
        assert_eq!(served.device_list, body.device_list);
        assert_eq!(served.messaging_key, body.messaging_key);
        let status: KeyStatus = member.get("/v1/keys/status").await.read();
        assert_eq!((status.available_prekeys, status.last_one_time_key_id), (2, 5));
        assert_eq!((status.signed_prekey_id, status.registration_id), (2, 8));
        assert_eq!((status.key_version, status.key_rotation_counter), (2, 1));
        assert_eq!(count(&db, "signed_prekeys").await, 2);
        // The old browser is out, and the sibling has its own envelopes: the sender's and ours.
        assert_eq!(old_socket.closed().await, 4401);
        let here = std::mem::replace(&mut member.cookie, old_session);
        assert_eq!(member.get("/v1/inbox").await.problem(), "/problems/sign-in-required");
        member.cookie = here;
        let mut other = other;
        let waiting: Value = other.get("/v1/session-keys").await.read();
        assert_eq!(waiting["envelopes"].as_array().unwrap().len(), 2);
        // The new device key is the one that is challenged.
        member.sign_in().await;
        assert_eq!(member.prove_device().await.status, 204);
    }

    async fn the_siblings_are_told(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let other = linked(&mut member, &[], 2, 1).await;
        let mut socket = Socket::open(&other).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        member.sign_in().await;
        let body = beginning(&mut member, &[&other], 3);
        let begun = member.send_touched(Method::POST, "/v1/recovery", Some(&body)).await;
        assert_eq!(begun.status, 204, "{begun:?}");
        let frames = [socket.frame().await, socket.frame().await];
        assert!(frames.contains(&ServerFrame::AccountChanged), "{frames:?}");
        assert!(frames.iter().any(|frame| matches!(frame, ServerFrame::Envelopes { .. })));
    }

    async fn nothing_forged_or_stale_begins(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "300")]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let before = db.served_bundle(&member.phone).await.unwrap();
        for (at, (field, spoil)) in FAULTS.into_iter().enumerate() {
            let mut body = beginning(&mut member, &[], 2);
            spoil(&mut body, &mut member);
            let refused = member.send_touched(Method::POST, "/v1/recovery", Some(&body)).await;
            assert_eq!(refused.bad_field(), field, "fault {at}");
        }
        for (at, spoil) in STALE.into_iter().enumerate() {
            let mut body = beginning(&mut member, &[], 2);
            spoil(&mut body, &mut member);
            let refused = member.send_touched(Method::POST, "/v1/recovery", Some(&body)).await;
            assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()), "{at}");
        }
        let body = beginning(&mut member, &[], 2);
        let bare = member.post("/v1/recovery", &body).await;
        assert_eq!(bare.refused(), (403, "/problems/touch-required".to_owned()));
        let stranger = app.post("/v1/recovery").json(&body).send().await;
        assert_eq!(stranger.problem(), "/problems/sign-in-required");
        assert_eq!(db.served_bundle(&member.phone).await.unwrap(), before);
        assert_eq!(count(&db, "one_time_prekeys").await, 3);
    }
}

async fn count(db: &letterbox::db::Db, table: &str) -> usize {
    db.dump(table).await.unwrap().rows.len()
}
