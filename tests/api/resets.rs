//! The waiting period, and the end of an account.

use super::live::Socket;
use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    linking::linked,
    member::{Member, deliver, letter, now},
};
use hyper::Method;
use letterbox::clock::Clock;
use letterbox_protocol::{
    types::{DAY, HOUR},
    wire::{KeyStatus, PublishKeys, Reset, ResetState, ServerFrame, Verified},
};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const PHONE: &str = "+4915112345678";
const OTHER: &str = "+4915112345679";

fn advance(clock: &Clock, seconds: i64) {
    let Clock::Manual(time) = clock else { panic!() };
    time.fetch_add(seconds, Ordering::Relaxed);
}

/// Proves a number in a new session, and answers what follows.
async fn prove(member: &mut Member<'_>) -> Verified {
    member.cookie = None;
    let phone = json!({ "phone": member.phone });
    assert_eq!(member.post("/v1/registration", &phone).await.status, 202);
    let code = member.app.code(&member.phone).await;
    let proof = json!({ "phone": member.phone, "code": code });
    member.post("/v1/registration/verify", &proof).await.read()
}

async fn begin(member: &mut Member<'_>) -> Answer {
    member.post("/v1/resets", &json!({})).await
}

async fn status(member: &mut Member<'_>) -> KeyStatus {
    member.get("/v1/keys/status").await.read()
}

/// Somebody else's browser, which reads the same number's text messages.
fn claimant<'a>(app: &'a TestApp, phone: &str) -> Member<'a> {
    Member { phone: phone.parse().unwrap(), ..Member::new(app, "+12025550100") }
}

on_both_engines! {
    async fn waited_out_the_account_begins_anew(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let mut owner = Member::signed_up(&app, PHONE).await;
        assert_eq!(deliver(&app, &letter(&owner, 1, false)).await.status, 202);
        let mut socket = Socket::open(&owner).await;
        socket.letters().await;
        let mut claimant = claimant(&app, PHONE);
        let proved = prove(&mut claimant).await;
        assert_eq!(json!(proved), json!({ "phone": PHONE, "next": "sign_in", "reset": null }));
        let taken = claimant.post("/v1/passkeys/register/start", &json!({})).await;
        assert_eq!(taken.refused(), (409, "/problems/phone-taken".to_owned()));
        let reset: Reset = begin(&mut claimant).await.read();
        assert_eq!(reset.state, ResetState::Waiting);
        assert!((7 * DAY..=7 * DAY + HOUR).contains(&reset.ends_at.since(clock.now())));
        // The devices are told at once, and again whenever they ask.
        assert_eq!(socket.frame().await, ServerFrame::AccountChanged);
        assert_eq!(status(&mut owner).await.reset, Some(reset.clone()));
        let again: Reset = begin(&mut claimant).await.read();
        assert_eq!(again, reset);

        // A day before the end nothing has changed.
        advance(&clock, 6 * DAY);
        let proved = prove(&mut claimant).await;
        assert_eq!((json!(proved.next), proved.reset), (json!("sign_in"), Some(reset.clone())));
        let taken = claimant.post("/v1/passkeys/register/start", &json!({})).await;
        assert_eq!(taken.problem(), "/problems/phone-taken");

        advance(&clock, DAY + HOUR);
        owner.sign_in().await;
        owner.prove_device().await;
        let proved = prove(&mut claimant).await;
        assert_eq!(json!(proved.next), json!("register_passkey"));
        assert_eq!(proved.reset.map(|reset| reset.state), Some(ResetState::Ready));
        assert_eq!(status(&mut owner).await.reset.unwrap().state, ResetState::Ready);
        let options: Value = claimant.post("/v1/passkeys/register/start", &json!({})).await.read();
        let credential = claimant.passkey.create(&options, &mut claimant.rng).unwrap();
        let registered = claimant.post("/v1/passkeys/register/finish", &credential).await;
        assert_eq!(registered.status, 204);
        let keys = PublishKeys::Account(claimant.account());
        let published = claimant.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(published.status, 200, "{published:?}");
        // Lost answer: the same again.
        assert_eq!(claimant.send(Method::PUT, "/v1/keys", &keys).await.status, 200);
        // An empty mailbox under a new identity; the old device is out.
        let inbox: Value = claimant.get("/v1/inbox").await.read();
        assert_eq!(inbox["letters"], json!([]));
        assert_eq!(status(&mut claimant).await.reset, None);
        let served = db.served_bundle(&claimant.phone).await.unwrap().unwrap();
        assert_eq!(served.identity_key, claimant.identity.public());
        assert_eq!(owner.get("/v1/account").await.problem(), "/problems/sign-in-required");
        owner.cookie = None;
        let options: Value = owner.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = owner.passkey.get(&options).unwrap();
        let refused = owner.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(refused.refused(), (401, "/problems/passkey-refused".to_owned()));
    }

    async fn a_touch_on_any_device_cancels_and_blocks(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[("reset_days", "3")], clock.clone()).await;
        let mut owner = Member::signed_up(&app, PHONE).await;
        let mut claimant = claimant(&app, PHONE);
        let mut socket = Socket::open(&owner).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        prove(&mut claimant).await;
        begin(&mut claimant).await;
        assert_eq!(socket.frame().await, ServerFrame::AccountChanged);
        let bare = owner.send(Method::DELETE, "/v1/resets", &json!(null)).await;
        assert_eq!(bare.refused(), (403, "/problems/touch-required".to_owned()));
        // A passkey is enough: it need not be the browser that holds the device key.
        owner.sign_in().await;
        for _ in 0..2 {
            let cancelled = owner.send_touched(Method::DELETE, "/v1/resets", None::<&Value>).await;
            assert_eq!(cancelled.status, 204);
        }
        owner.prove_device().await;
        assert_eq!(status(&mut owner).await.reset, None);
        assert_eq!(socket.frame().await, ServerFrame::AccountChanged);
        let blocked: Reset = begin(&mut claimant).await.read();
        assert_eq!(blocked.state, ResetState::Blocked);
        assert!((3 * DAY..=3 * DAY + HOUR).contains(&blocked.ends_at.since(clock.now())));
        advance(&clock, 3 * DAY + HOUR);
        let proved = prove(&mut claimant).await;
        assert_eq!((json!(proved.next), proved.reset), (json!("sign_in"), None));
        let reset: Reset = begin(&mut claimant).await.read();
        assert_eq!(reset.state, ResetState::Waiting);
    }

    async fn only_a_proved_number_with_an_account_begins_one(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let stranger = app.post("/v1/resets").send().await;
        assert_eq!(stranger.refused(), (400, "/problems/no-challenge".to_owned()));
        let signed_in = begin(&mut member).await;
        assert_eq!(signed_in.problem(), "/problems/no-challenge");
        let mut newcomer = Member::new(&app, OTHER);
        newcomer.prove_phone().await;
        let none = begin(&mut newcomer).await;
        assert_eq!(none.refused(), (404, "/problems/no-such-mailbox".to_owned()));
        let stranger = app.request(Method::DELETE, "/v1/resets").send().await;
        assert_eq!(stranger.problem(), "/problems/sign-in-required");
    }

    async fn a_cancellation_overtakes_a_registered_passkey(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let mut owner = Member::signed_up(&app, PHONE).await;
        let mut claimant = claimant(&app, PHONE);
        prove(&mut claimant).await;
        begin(&mut claimant).await;
        advance(&clock, 7 * DAY + HOUR);
        prove(&mut claimant).await;
        let options: Value = claimant.post("/v1/passkeys/register/start", &json!({})).await.read();
        let credential = claimant.passkey.create(&options, &mut claimant.rng).unwrap();
        claimant.post("/v1/passkeys/register/finish", &credential).await;
        owner.sign_in().await;
        let cancelled = owner.send_touched(Method::DELETE, "/v1/resets", None::<&Value>).await;
        assert_eq!(cancelled.status, 204);
        let keys = PublishKeys::Account(claimant.account());
        let refused = claimant.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(refused.refused(), (409, "/problems/phone-taken".to_owned()));
        let served = db.served_bundle(&owner.phone).await.unwrap().unwrap();
        assert_eq!(served.identity_key, owner.identity.public());
    }

    async fn a_deleted_account_is_gone_on_all_devices(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut first = Member::signed_up(&app, PHONE).await;
        let second = linked(&mut first, &[], 2, 1).await;
        let mut bystander = Member::signed_up(&app, OTHER).await;
        let mut socket = Socket::open(&second).await;
        assert_eq!(socket.frame().await, ServerFrame::CaughtUp);
        let bare = first.send(Method::DELETE, "/v1/account", &json!(null)).await;
        assert_eq!(bare.refused(), (403, "/problems/touch-required".to_owned()));
        let stranger = app.request(Method::DELETE, "/v1/account").send().await;
        assert_eq!(stranger.problem(), "/problems/sign-in-required");
        // A session of the passkey is enough.
        first.sign_in().await;
        let gone = first.send_touched(Method::DELETE, "/v1/account", None::<&Value>).await;
        assert_eq!(gone.status, 204);
        assert_eq!(socket.closed().await, 4403);
        for mut member in [first, second] {
            assert_eq!(member.get("/v1/account").await.problem(), "/problems/sign-in-required");
        }
        let phone = PHONE.parse().unwrap();
        assert!(db.served_bundle(&phone).await.unwrap().is_none());
        assert_eq!(bystander.get("/v1/inbox").await.status, 200);
        let mut again = claimant(&app, PHONE);
        assert_eq!(json!(prove(&mut again).await.next), json!("register_passkey"));
    }
}
