//! Linking a new browser.

use crate::support::{
    app::TestApp,
    databases::on_both_engines,
    linking::{
        approval, completion, linked, list_of, offer, offered, path, register, registered, sibling,
    },
    member::{Member, now},
};
use hyper::Method;
use letterbox::{
    clock::Clock,
    db::{Cell, Db},
};
use letterbox_protocol::{
    keys::ExchangeSecret,
    types::{Blob, Bytes, UnixTime},
    wire::{ApproveLink, KeyBundle, KeyRenewal, Link, LinkProof, PublishKeys},
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const PHONE: &str = "+4915112345678";
const OTHER: &str = "+4915112345679";

fn ended() -> (u16, String) {
    (410, "/problems/link-ended".to_owned())
}

/// Something that is wrong with an approval, its new device in hand, and the field that is named.
type Fault = (&'static str, fn(&mut ApproveLink, &Member<'_>, &mut Member<'_>));

const FAULTS: [Fault; 11] = [
    ("offer_hash", |approval, _, _| approval.offer_hash = Bytes([1; 32])),
    ("answer", |approval, _, _| approval.answer = Blob(vec![0; 4_097])),
    ("device_list", |approval, _, _| approval.device_list.signature = Bytes([1; 64])),
    ("device_list.devices", |approval, first, _| {
        approval.device_list = list_of(first, 2, vec![first.listed()]);
    }),
    ("device_list.devices", |approval, first, new| {
        approval.device_list = list_of(first, 2, vec![new.listed()]);
    }),
    ("device_list.devices", |approval, first, new| {
        let mut third = new.listed();
        third.device_id = Bytes([1; 16]);
        approval.device_list = list_of(first, 2, vec![first.listed(), new.listed(), third]);
    }),
    ("device_list.devices", |approval, first, new| {
        let mut old = first.listed();
        old.registration_id += 1;
        approval.device_list = list_of(first, 2, vec![old, new.listed()]);
    }),
    ("device_list", |approval, first, new| {
        let mut low = new.listed();
        low.device_key = Bytes([0; 32]);
        approval.device_list = list_of(first, 2, vec![first.listed(), low]);
    }),
    ("signed_prekey.signature", |approval, _, _| approval.signed_prekey.signature = Bytes([1; 64])),
    ("signed_prekey.signature", |approval, first, _| {
        let key = ExchangeSecret::from_bytes([5; 32]).public();
        let device = &first.device_id;
        approval.signed_prekey =
            letterbox_protocol::keys::sign_prekey(&first.identity, device, 1, now().hour(), &key);
    }),
    ("signed_prekey.key_id", |approval, _, new| approval.signed_prekey = new.prekey(2)),
];

/// Until when a session remembers that it completed a link.
async fn told(db: &Db) -> UnixTime {
    let rows = db.dump("sessions").await.unwrap().rows;
    let texts = rows.into_iter().flatten().filter_map(|cell| match cell {
        Cell::Text(text) => serde_json::from_str::<Value>(&text).ok(),
        _ => None,
    });
    let mut until = texts.filter_map(|data| data["completed_link"]["until"].as_i64());
    UnixTime(until.next().expect("a link was completed"))
}

on_both_engines! {
    async fn a_linked_browser_is_a_device(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut new = linked(&mut first, &[], 2, 1).await;
        assert_eq!(new.get("/v1/inbox").await.status, 200);
        let served: KeyBundle = serde_json::from_value(json!(
            db.served_bundle(&first.phone).await.unwrap().unwrap()
        )).unwrap();
        let devices = vec![first.listed(), new.listed()];
        assert_eq!(served.device_list, list_of(&first, 2, devices));
        let status: Value = new.get("/v1/keys/status").await.read();
        assert_eq!(status["available_prekeys"], 3);
        assert_eq!(status["last_one_time_key_id"], 3);
        // What remembers the answer tells the hour, as the session does.
        let hour = told(&db).await;
        assert!(hour.since(now()) > 500 && hour == hour.hour(), "{hour:?}");
        // The answer was lost: the same request again is answered alike.
        let again = completion(&mut new);
        let again = new.post(&path(1, "/complete"), &again).await;
        assert_eq!(again.status, 201);
        assert_eq!(new.post(&path(2, "/complete"), &completion(&mut sibling(&first, 9))).await.refused(), ended());
        // Its passkey signs in, and the offer is gone.
        new.sign_in().await;
        assert_eq!(new.prove_device().await.status, 204);
        assert_eq!(app.get(&path(1, "")).send().await.refused(), ended());
        let mut third = linked(&mut new, &[&first], 3, 2).await;
        assert_eq!(third.get("/v1/inbox").await.status, 200);
    }

    async fn a_completion_that_the_session_was_not_told_of_is_answered_alike(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut new = registered(&mut first, &[], 2, 1).await;
        db.keep_sessions().await;
        let completing = completion(&mut new);
        let done = new.post(&path(1, "/complete"), &completing).await;
        db.put_sessions_back().await;
        assert_eq!(new.get("/v1/inbox").await.status, 401);
        let again = new.post(&path(1, "/complete"), &completing).await;
        assert_eq!((again.status, &again.body), (201, &done.body));
        assert_eq!(new.get("/v1/inbox").await.status, 200);
        assert_eq!(db.served_bundle(&first.phone).await.unwrap().unwrap().device_list.version, 2);
    }

    async fn both_browsers_see_the_offer_its_proofs_and_the_answer(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        offered(&app, 1).await;
        offered(&app, 1).await;
        let (mut other, small) = (offer(1), json!({ "id": Bytes([2; 16]), "offer": "" }));
        other.offer = Blob(vec![7; 200]);
        let taken = app.post("/v1/device-links").json(&other).send().await;
        assert_eq!(taken.refused(), ended());
        other.offer = Blob(vec![7; 513]);
        assert_eq!(app.post("/v1/device-links").json(&other).send().await.bad_field(), "offer");
        assert_eq!(app.post("/v1/device-links").json(&small).send().await.bad_field(), "offer");
        // A proof counts once however often it comes; the fourth is one too many.
        for (n, status) in [(1, 204), (1, 204), (2, 204), (1, 204), (1, 204), (3, 410)] {
            let proof = LinkProof { proof: Bytes([n; 32]) };
            let tried = app.post(&path(1, "/digits")).json(&proof).send().await;
            assert_eq!(tried.status, status, "{n}");
        }
        let link: Link = app.get(&path(1, "")).send().await.read();
        assert_eq!(link.offer, offer(1).offer);
        assert_eq!(link.proofs, [1, 2, 1].map(|n| Bytes([n; 32])));
        assert_eq!((link.answer, link.expires_at), (None, link.expires_at.minute()));
        let approval = approval(1, 2, &[&first], &mut sibling(&first, 1));
        let approved = first.send_touched(Method::PUT, &path(1, ""), Some(&approval)).await;
        assert_eq!(approved.status, 204);
        let link: Link = first.get(&path(1, "")).await.read();
        assert_eq!(link.answer, Some(approval.answer));
        assert_eq!(link.proofs.len(), 3);
    }

    async fn unknown_and_ended_offers_are_answered_alike(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let Clock::Manual(seconds) = &clock else { panic!() };
        for n in [1, 2] {
            offered(&app, n).await;
        }
        let link: Link = app.get(&path(1, "")).send().await.read();
        let left = link.expires_at.since(clock.now());
        assert!((540..=600).contains(&left), "{left}");
        let mut new = sibling(&first, 2);
        let approving = approval(2, 2, &[&first], &mut new);
        let approved = first.send_touched(Method::PUT, &path(2, ""), Some(&approving)).await;
        assert_eq!(approved.status, 204);
        assert_eq!(register(&mut new, 2).await.status, 204);
        seconds.fetch_add(left, Ordering::Relaxed);
        for n in [1, 2, 3] {
            let mut answers = vec![app.get(&path(n, "")).send().await];
            let proof = LinkProof { proof: Bytes([n; 32]) };
            answers.push(app.post(&path(n, "/digits")).json(&proof).send().await);
            let approving = approval(n, 2, &[&first], &mut sibling(&first, n.into()));
            answers.push(first.send_touched(Method::PUT, &path(n, ""), Some(&approving)).await);
            answers.push(register(&mut sibling(&first, n.into()), n).await);
            for answer in answers {
                assert_eq!(answer.refused(), ended(), "{n}");
            }
        }
        let completing = completion(&mut new);
        let late = new.post(&path(2, "/complete"), &completing).await;
        assert!(matches!(late.status, 400 | 410), "{late:?}");
        let taken = app.post("/v1/device-links").json(&offer(1)).send().await;
        assert_eq!(taken.refused(), ended());
        assert_eq!(app.get("/v1/device-links/x").send().await.refused(), ended());
        let kept: Value = first.get("/v1/keys/status").await.read();
        assert_eq!(kept["device_list_version"], 1);
        db.sweep(clock.now(), 10).await.unwrap();
        assert_eq!(db.dump("device_links").await.unwrap().rows.len(), 0);
    }

    async fn nothing_forged_is_approved(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "300")]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        offered(&app, 1).await;
        for (at, (field, spoil)) in FAULTS.into_iter().enumerate() {
            let mut new = sibling(&first, 1);
            let mut approval = approval(1, 2, &[&first], &mut new);
            spoil(&mut approval, &first, &mut new);
            let refused = first.send_touched(Method::PUT, &path(1, ""), Some(&approval)).await;
            assert_eq!(refused.bad_field(), field, "fault {at}");
        }
        for version in [1, 3] {
            let approval = approval(1, version, &[&first], &mut sibling(&first, 1));
            let stale = first.send_touched(Method::PUT, &path(1, ""), Some(&approval)).await;
            assert_eq!(stale.refused(), (409, "/problems/stale-keys".to_owned()));
        }
        let link: Link = app.get(&path(1, "")).send().await.read();
        assert_eq!(link.answer, None);
    }

    async fn an_approval_needs_a_device_session_and_a_touch(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        offered(&app, 1).await;
        let approving = approval(1, 2, &[&first], &mut sibling(&first, 1));
        let bare = first.send(Method::PUT, &path(1, ""), &approving).await;
        assert_eq!(bare.refused(), (403, "/problems/touch-required".to_owned()));
        let stranger = app.request(Method::PUT, &path(1, "")).json(&approving).send().await;
        assert_eq!(stranger.problem(), "/problems/sign-in-required");
        first.sign_in().await;
        let unproved = first.send_touched(Method::PUT, &path(1, ""), Some(&approving)).await;
        assert_eq!(unproved.refused(), (403, "/problems/device-session-required".to_owned()));
        first.prove_device().await;
        let approved = first.send_touched(Method::PUT, &path(1, ""), Some(&approving)).await;
        assert_eq!(approved.status, 204);
        // Another account cannot take the approved offer over; the same one may approve anew.
        let mut thief = Member::signed_up(&app, OTHER).await;
        let stolen = approval(1, 2, &[&thief], &mut sibling(&thief, 2));
        let refused = thief.send_touched(Method::PUT, &path(1, ""), Some(&stolen)).await;
        assert_eq!(refused.refused(), ended());
        let approved = first.send_touched(Method::PUT, &path(1, ""), Some(&approving)).await;
        assert_eq!(approved.status, 204);
    }

    async fn only_the_browser_that_registered_completes(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut new = sibling(&first, 1);
        offered(&app, 1).await;
        // Not approved yet.
        assert_eq!(register(&mut new, 1).await.refused(), ended());
        let approving = approval(1, 2, &[&first], &mut new);
        first.send_touched(Method::PUT, &path(1, ""), Some(&approving)).await;
        let stranger = app.post(&path(1, "/complete")).json(&completion(&mut new)).send().await;
        assert_eq!(stranger.refused(), (400, "/problems/no-challenge".to_owned()));
        // A passkey for a new account is none for a link, and the other way round.
        let mut newcomer = Member::new(&app, OTHER);
        newcomer.register_passkey().await;
        let wrong = completion(&mut newcomer);
        let wrong = newcomer.post(&path(1, "/complete"), &wrong).await;
        assert_eq!(wrong.refused(), (400, "/problems/no-challenge".to_owned()));
        assert_eq!(register(&mut new, 1).await.status, 204);
        let keys = PublishKeys::Account(new.account());
        let wrong = new.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(wrong.refused(), (400, "/problems/no-challenge".to_owned()));
        let mut low = completion(&mut new);
        low.one_time_prekeys[0].public_key = Bytes([0; 32]);
        assert_eq!(new.post(&path(1, "/complete"), &low).await.bad_field(), "one_time_prekeys");
        let mut long = completion(&mut new);
        long.encrypted_name = Blob(vec![0; 1_025]);
        assert_eq!(new.post(&path(1, "/complete"), &long).await.bad_field(), "encrypted_name");
        let good = completion(&mut new);
        assert_eq!(new.post(&path(1, "/complete"), &good).await.status, 201);
    }

    async fn a_list_that_moved_refuses_the_completion_until_it_is_approved_anew(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut new = registered(&mut first, &[], 2, 1).await;
        let renewal = KeyRenewal { device_list: Some(first.list(2)), signed_prekey: None };
        let renewed = first.send(Method::PUT, "/v1/keys", &PublishKeys::Renewal(renewal)).await;
        assert_eq!(renewed.status, 200);
        let completing = completion(&mut new);
        let stale = new.post(&path(1, "/complete"), &completing).await;
        assert_eq!(stale.refused(), (409, "/problems/stale-keys".to_owned()));
        assert_eq!(db.served_bundle(&first.phone).await.unwrap().unwrap().prekeys.len(), 1);
        let approving = approval(1, 3, &[&first], &mut new);
        first.send_touched(Method::PUT, &path(1, ""), Some(&approving)).await;
        assert_eq!(new.post(&path(1, "/complete"), &completing).await.status, 201);
    }

    async fn of_racing_completions_one_makes_the_device(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut new = registered(&mut first, &[], 2, 1).await;
        let completing = completion(&mut new);
        let complete = || {
            let asked = new.with_cookie(app.post(&path(1, "/complete"))).json(&completing);
            async { asked.send().await.status }
        };
        let statuses = futures_util::future::join_all((0..8).map(|_| complete())).await;
        assert_eq!(statuses, [201; 8]);
        assert_eq!(db.dump("webauthn_credentials").await.unwrap().rows.len(), 2);
        assert_eq!(db.served_bundle(&first.phone).await.unwrap().unwrap().device_list.version, 2);
    }

    async fn eight_devices_are_the_most(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "300")]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let mut others: Vec<Member<'_>> = Vec::new();
        for n in 1..8 {
            let known: Vec<&Member<'_>> = others.iter().collect();
            let new = linked(&mut first, &known, u64::from(n) + 1, n).await;
            others.push(new);
        }
        offered(&app, 8).await;
        let known: Vec<&Member<'_>> = [&first].into_iter().chain(&others).collect();
        let approving = approval(8, 9, &known, &mut sibling(&first, 8));
        let refused = first.send_touched(Method::PUT, &path(8, ""), Some(&approving)).await;
        assert_eq!(refused.refused(), (409, "/problems/too-many-devices".to_owned()));
    }

    async fn an_address_may_poll_and_not_guess(db) {
        let app = TestApp::start(&db.url, &[("sign_ins_per_minute", "2"), ("links_per_minute", "70")]).await;
        for (n, status) in [(1, 201), (2, 201), (3, 429)] {
            let offered = app.post("/v1/device-links").json(&offer(n)).send().await;
            assert_eq!(offered.status, status);
        }
        // Two browsers behind one address ask every two seconds.
        for _ in 0..60 {
            assert_eq!(app.get(&path(1, "")).send().await.status, 200);
        }
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(app.get(&path(9, "")).send().await.status);
        }
        assert!(statuses.starts_with(&[410; 10]) && statuses.contains(&429), "{statuses:?}");
    }
}
