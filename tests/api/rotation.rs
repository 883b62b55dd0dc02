//! The messaging key's turn.

use super::live::Socket;
use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    linking::{linked, sibling},
    member::{Member, now},
    rotating::{rotation, wraps},
};
use hyper::Method;
use letterbox_protocol::{
    keys::sign_messaging_key,
    types::{Bytes, DAY},
    wire::{KeyStatus, RotateMessagingKey, ServerFrame},
};

const PHONE: &str = "+4915112345678";
const PATH: &str = "/v1/keys/messaging";

/// Something that is wrong with a rotation by the first of two devices, and the answer: the field of
/// a `422`, or a `409`.
type Fault = (&'static str, fn(&mut RotateMessagingKey, [&mut Member<'_>; 2]));
const STALE: &str = "409";

const FAULTS: [Fault; 12] = [
    ("device_list", |body, _| body.device_list.signature = Bytes([1; 64])),
    ("device_list", |body, _| body.device_list.messaging_key = Bytes([9; 32])),
    ("messaging_key.signature", |body, _| body.messaging_key.signature = Bytes([1; 64])),
    ("messaging_key.signature", |body, _| body.messaging_key.public_key = Bytes([9; 32])),
    ("messaging_key.created_at", |body, [first, _]| {
        let (key, old) = (body.messaging_key.public_key, now().plus(-15 * DAY).hour());
        body.messaging_key = sign_messaging_key(&first.identity, &first.phone, 2, old, &key);
    }),
    ("device_list.devices", |body, [first, _]| *body = rotation((3, 2), &mut [first], None)),
    ("device_list.devices", |body, [first, second]| {
        let mut ghost = sibling(first, 77);
        *body = rotation((3, 2), &mut [first, second, &mut ghost], None);
    }),
    (STALE, |body, [first, second]| *body = rotation((2, 2), &mut [first, second], None)),
    (STALE, |body, [first, second]| *body = rotation((4, 2), &mut [first, second], None)),
    (STALE, |body, [first, second]| *body = rotation((3, 3), &mut [first, second], None)),
    (STALE, |body, [_, second]| body.wraps = Some(wraps(2, &[second]))),
    ("wraps.envelopes", |body, [first, _]| body.wraps = Some(wraps(1, &[first]))),
];

on_both_engines! {
    async fn a_rotation_reaches_senders_and_siblings_and_can_be_repeated(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let mut socket = Socket::open(&second).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        let envelopes = Some(wraps(1, &[&second]));
        let body = rotation((3, 2), &mut [&mut first, &mut second], envelopes);
        for _ in 0..2 {
            let rotated = first.send(Method::PUT, PATH, &body).await;
            assert_eq!(rotated.status, 204, "{rotated:?}");
        }
        let mut frames = [socket.frame().await, socket.frame().await];
        frames.sort_by_key(|frame| matches!(frame, ServerFrame::Envelopes { .. }));
        assert_eq!(frames[0], ServerFrame::AccountChanged);
        assert!(matches!(&frames[1], ServerFrame::Envelopes { envelopes } if envelopes.len() == 1));
        let served = db.served_bundle(&first.phone).await.unwrap().unwrap();
        assert_eq!((&served.device_list, &served.messaging_key), (&body.device_list, &body.messaging_key));
        // The same versions again, with another key or other envelopes, come too late.
        let mut other = body.clone();
        other.wraps.as_mut().unwrap().session_key_id = Bytes([9; 16]);
        let rival = rotation((3, 2), &mut [&mut second, &mut first], None);
        for (member, late) in [(&mut first, other), (&mut second, rival)] {
            let refused = member.send(Method::PUT, PATH, &late).await;
            assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()));
        }
        let next = rotation((4, 3), &mut [&mut second, &mut first], None);
        assert_eq!(second.send(Method::PUT, PATH, &next).await.status, 204);
        let late = first.send(Method::PUT, PATH, &body).await;
        assert_eq!(late.problem(), "/problems/stale-keys");
        let status: KeyStatus = second.get("/v1/keys/status").await.read();
        assert_eq!((status.device_list_version, status.key_version), (4, 3));
        assert_eq!(status.key_rotation_counter, 0);
        let status: KeyStatus = first.get("/v1/keys/status").await.read();
        assert_eq!((status.key_version, status.key_rotation_counter), (3, 1));
        assert_eq!((status.registration_id, status.has_recovery_capsule), (7, false));
    }

    async fn nothing_forged_or_stale_is_stored(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let before = db.served_bundle(&first.phone).await.unwrap();
        for (at, (expected, spoil)) in FAULTS.into_iter().enumerate() {
            let mut body = rotation((3, 2), &mut [&mut first, &mut second], None);
            spoil(&mut body, [&mut first, &mut second]);
            let refused = first.send(Method::PUT, PATH, &body).await;
            if expected == STALE {
                assert_eq!(refused.refused(), (409, "/problems/stale-keys".to_owned()), "fault {at}");
            } else {
                assert_eq!(refused.bad_field(), expected, "fault {at}");
            }
            assert_eq!(db.served_bundle(&first.phone).await.unwrap(), before, "fault {at}");
        }
        let body = rotation((3, 2), &mut [&mut first, &mut second], None);
        first.sign_in().await;
        let refused = first.send(Method::PUT, PATH, &body).await;
        assert_eq!(refused.refused(), (403, "/problems/device-session-required".to_owned()));
    }

    async fn of_racing_rotations_one_is_taken(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let (for_first, for_second) = (Some(wraps(1, &[&first])), Some(wraps(1, &[&second])));
        let one = rotation((3, 2), &mut [&mut first, &mut second], for_second);
        let two = rotation((3, 2), &mut [&mut second, &mut first], for_first);
        let ask = |member: &Member<'_>, body: &RotateMessagingKey| {
            let asked = member.with_cookie(app.request(Method::PUT, PATH)).json(body);
            async { asked.send().await.status }
        };
        let (a, b) = tokio::join!(ask(&first, &one), ask(&second, &two));
        let mut statuses = [a, b];
        statuses.sort();
        assert_eq!(statuses, [204, 409]);
        let served = db.served_bundle(&first.phone).await.unwrap().unwrap();
        let won = if a == 204 { &one } else { &two };
        assert_eq!((&served.device_list, &served.messaging_key), (&won.device_list, &won.messaging_key));
    }
}
