//! Touches: what is asked of the passkey, and what one touch is good for.

use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    linking::linked,
    member::{Member, now},
    rotating::{device_path, revocation},
};
use hyper::Method;
use letterbox::{client::passkey::Quirks, clock::Clock};
use letterbox_protocol::{
    types::{Blob, Bytes},
    wire::{Devices, StartTouch, TOUCH_HEADER},
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const PHONE: &str = "+4915112345678";

fn touch_required() -> (u16, String) {
    (403, "/problems/touch-required".to_owned())
}

/// A request with this touch, or with none.
async fn with_touch(member: &Member<'_>, path: &str, body: &[u8], touch: Option<&str>) -> Answer {
    let asking =
        member.app.request(Method::DELETE, path).header("content-type", "application/json");
    let asking = member.with_cookie(asking).bytes(body.to_vec());
    match touch {
        Some(touch) => asking.header(TOUCH_HEADER, touch).send().await,
        None => asking.send().await,
    }
}

on_both_engines! {
    async fn the_options_allow_the_sessions_own_passkey_and_verify_the_person(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let start = StartTouch { digest: Bytes([1; 32]) };
        // A session that has only signed in may touch as well.
        for _ in 0..2 {
            let options: Value = member.post("/v1/touch", &start).await.read();
            let options = &options["publicKey"];
            let allowed: Vec<_> = options["allowCredentials"].as_array().unwrap().iter()
                .map(|credential| credential["id"].clone()).collect();
            let own = Blob(member.passkey.credential_ids().remove(0));
            assert_eq!(allowed, [json!(own)]);
            assert_eq!(options["userVerification"], "required");
            assert!(options.get("extensions").is_none(), "{options}");
            member.sign_in().await;
        }
    }

    async fn strangers_are_not_asked(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let refused = app.post("/v1/touch").json(&StartTouch { digest: Bytes([1; 32]) }).send().await;
        assert_eq!(refused.refused(), (401, "/problems/sign-in-required".to_owned()));
    }

    /// Every other use of a touch than the one it was made for is refused, and changes nothing.
    async fn a_touch_is_good_for_one_request(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut second = linked(&mut first, &[], 2, 1).await;
        let body = serde_json::to_vec(&revocation((3, 2), &mut [&mut first], None)).unwrap();
        let (path, delete) = (device_path(&second.device_id), Method::DELETE);

        let mut refused = vec![with_touch(&first, &path, &body, None).await];
        for rubbish in ["", "AAAA", "e30", "not base64url"] {
            refused.push(with_touch(&first, &path, &body, Some(rubbish)).await);
        }
        let other = device_path(&first.device_id);
        let for_others = [
            first.touch(&delete, &other, &body).await,
            first.touch(&delete, &format!("{path}?"), &body).await,
            first.touch(&Method::PUT, &path, &body).await,
            first.touch(&delete, &path, &[&body, &b" "[..]].concat()).await,
            first.touch(&delete, &path, b"").await,
        ];
        for touch in &for_others {
            refused.push(with_touch(&first, &path, &body, Some(touch)).await);
        }
        // Each begins anew, as the last one was used up.
        for touch in for_others {
            let begun = first.touch(&delete, &path, &body).await;
            refused.push(with_touch(&first, &path, &body, Some(&touch)).await);
            refused.push(with_touch(&first, &path, &body, Some(&begun)).await);
        }
        // Of a sibling's passkey, and in a sibling's session.
        let by_sibling = second.touch(&delete, &path, &body).await;
        first.touch(&delete, &path, &body).await;
        refused.push(with_touch(&first, &path, &body, Some(&by_sibling)).await);
        let by_first = first.touch(&delete, &path, &body).await;
        second.touch(&delete, &path, &body).await;
        refused.push(with_touch(&second, &path, &body, Some(&by_first)).await);
        for (at, answer) in refused.into_iter().enumerate() {
            assert_eq!(answer.refused(), touch_required(), "attempt {at}");
        }
        let listed: Devices = first.get("/v1/devices").await.read();
        assert_eq!(listed.devices.len(), 2);

        // The one that it was made for, and that only once.
        let touch = first.touch(&delete, &path, &body).await;
        let ask = || with_touch(&first, &path, &body, Some(&touch));
        let mut answers = futures_util::future::join_all((0..6).map(|_| ask())).await;
        answers.sort_by_key(|answer| answer.status);
        assert_eq!(answers.remove(0).status, 204);
        assert!(answers.iter().all(|answer| answer.refused() == touch_required()), "{answers:?}");
        assert_eq!(ask().await.refused(), touch_required());
    }

    async fn a_touch_without_verification_from_elsewhere_or_with_a_secret_is_refused(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let second = linked(&mut first, &[], 2, 1).await;
        let body = serde_json::to_vec(&revocation((3, 2), &mut [&mut first], None)).unwrap();
        let path = device_path(&second.device_id);
        let quirks = [
            Quirks { skip_verification: true, ..Quirks::default() },
            Quirks { origin: Some("http://localhost.evil.example".to_owned()), ..Quirks::default() },
            Quirks { challenge: Some(vec![0; 32]), ..Quirks::default() },
        ];
        for quirks in quirks {
            first.passkey.quirks = quirks;
            let touch = first.touch(&Method::DELETE, &path, &body).await;
            let refused = with_touch(&first, &path, &body, Some(&touch)).await;
            assert_eq!(refused.refused(), touch_required());
        }
        first.passkey.quirks = Quirks::default();
        let secret = json!({ "clientExtensionResults": { "prf": { "results": { "first": "AA" } } } });
        let secret = Blob(secret.to_string().into_bytes());
        let secret = serde_json::to_value(secret).unwrap();
        let refused = with_touch(&first, &path, &body, secret.as_str()).await;
        assert_eq!(refused.refused(), (400, "/problems/secret-in-request".to_owned()));
    }

    async fn a_touch_lasts_ten_minutes_and_needs_its_session(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let Clock::Manual(seconds) = &clock else { panic!() };
        let mut first = Member::signed_up(&app, PHONE).await;
        let second = linked(&mut first, &[], 2, 1).await;
        let body = serde_json::to_vec(&revocation((3, 2), &mut [&mut first], None)).unwrap();
        let path = device_path(&second.device_id);
        let touch = first.touch(&Method::DELETE, &path, &body).await;
        seconds.fetch_add(661, Ordering::Relaxed);
        let late = with_touch(&first, &path, &body, Some(&touch)).await;
        assert_eq!(late.refused(), touch_required());
        let touch = first.touch(&Method::DELETE, &path, &body).await;
        let session = first.cookie.take();
        let stranger = with_touch(&first, &path, &body, Some(&touch)).await;
        assert_eq!(stranger.refused(), (401, "/problems/sign-in-required".to_owned()));
        // Signed in and no more: the touch is good, the session is not enough.
        first.sign_in().await;
        let touch_of_new = first.touch(&Method::DELETE, &path, &body).await;
        let unproved = with_touch(&first, &path, &body, Some(&touch_of_new)).await;
        assert_eq!(unproved.refused(), (403, "/problems/device-session-required".to_owned()));
        first.cookie = session;
        assert_eq!(with_touch(&first, &path, &body, Some(&touch)).await.status, 204);
    }
}
