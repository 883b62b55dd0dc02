use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    member::{Member, now},
};
use letterbox::clock::Clock;
use letterbox_protocol::{
    keys::ExchangeSecret,
    types::{Bytes, Phone},
    wire::{EphemeralKeys, SealedEphemeralKey},
};
use serde_json::json;
use std::sync::atomic::Ordering;

const PHONE: &str = "+4915112345678";
const NOBODY: &str = "+4915112345679";

/// A re-keying whose id is drawn from `n`.
fn exchange(to: &Phone, n: u8) -> SealedEphemeralKey {
    SealedEphemeralKey {
        destination: to.clone(),
        key_exchange_id: Bytes([n; 16]),
        ephemeral_public_key: ExchangeSecret::from_bytes([n; 32]).public(),
    }
}

async fn open(app: &TestApp, n: u8, key: &SealedEphemeralKey) -> Answer {
    app.post("/v1/sealed/ephemeral-keys")
        .origin(None)
        .token(&app.token(n).await)
        .json(key)
        .send()
        .await
}

fn claim(n: u8) -> String {
    format!("/v1/ephemeral-keys/{}/claim", Bytes([n; 16]).to_text())
}

on_both_engines! {
    async fn opened_listed_and_claimed_once(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let key = exchange(&member.phone, 1);
        for _ in 0..2 {
            assert_eq!(open(&app, 1, &key).await.status, 202);
        }
        let waiting: EphemeralKeys = member.get("/v1/ephemeral-keys").await.read();
        let [waiting] = waiting.keys.as_slice() else { panic!("{waiting:?}") };
        assert_eq!(waiting.key_exchange_id, key.key_exchange_id);
        assert_eq!(waiting.ephemeral_public_key, key.ephemeral_public_key);
        assert!(!waiting.used);
        assert_eq!(member.post(&claim(1), &json!({})).await.status, 204);
        let lost = member.post(&claim(1), &json!({})).await;
        assert_eq!(lost.refused(), (409, "/problems/already-claimed".to_owned()));
        let waiting: EphemeralKeys = member.get("/v1/ephemeral-keys").await.read();
        assert!(waiting.keys[0].used);
        for unknown in [claim(2), "/v1/ephemeral-keys/x/claim".to_owned()] {
            let unknown = member.post(&unknown, &json!({})).await;
            assert_eq!(unknown.refused(), (404, "/problems/not-found".to_owned()));
        }
    }

    async fn what_is_refused_at_opening(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let member = Member::signed_up(&app, PHONE).await;
        let key = exchange(&member.phone, 1);
        let nobody = exchange(&NOBODY.parse().unwrap(), 1);
        let gone = open(&app, 9, &nobody).await;
        assert_eq!(gone.refused(), (404, "/problems/no-such-mailbox".to_owned()));
        let reused = open(&app, 9, &key).await;
        assert_eq!(reused.refused(), (401, "/problems/token-refused".to_owned()));
        // A key of low order is refused before the token is looked at.
        let mut low = key.clone();
        low.ephemeral_public_key = Bytes([0; 32]);
        assert_eq!(open(&app, 1, &low).await.bad_field(), "ephemeral_public_key");
        assert_eq!(open(&app, 1, &key).await.status, 202);
        let mut other = key.clone();
        other.ephemeral_public_key = exchange(&member.phone, 2).ephemeral_public_key;
        let taken = open(&app, 2, &other).await;
        assert_eq!(taken.refused(), (409, "/problems/exchange-taken".to_owned()));
        for n in 3..34 {
            assert_eq!(open(&app, 100 + n, &exchange(&member.phone, n)).await.status, 202);
        }
        let full = open(&app, 200, &exchange(&member.phone, 99)).await;
        assert_eq!(full.refused(), (507, "/problems/mailbox-full".to_owned()));
        let sealed = app.post("/v1/sealed/ephemeral-keys").cookie(member.cookie.as_deref());
        let sealed = sealed.token(&app.token(3).await).json(&key).send().await;
        assert_eq!(sealed.problem(), "/problems/identity-on-sealed-request");
    }

    async fn only_a_device_session_lists_and_claims(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        open(&app, 1, &exchange(&member.phone, 1)).await;
        member.sign_in().await;
        for answer in
            [member.get("/v1/ephemeral-keys").await, member.post(&claim(1), &json!({})).await]
        {
            assert_eq!(answer.refused(), (403, "/problems/device-session-required".to_owned()));
        }
        // Another account's device does not find it.
        let mut other = Member::signed_up(&app, NOBODY).await;
        let waiting: EphemeralKeys = other.get("/v1/ephemeral-keys").await.read();
        assert_eq!(waiting.keys, []);
        assert_eq!(other.post(&claim(1), &json!({})).await.status, 404);
    }

    async fn the_window_closes_within_five_minutes(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        open(&app, 1, &exchange(&member.phone, 1)).await;
        let Clock::Manual(seconds) = &clock else { panic!() };
        seconds.fetch_add(4 * 60, Ordering::Relaxed);
        let waiting: EphemeralKeys = member.get("/v1/ephemeral-keys").await.read();
        assert_eq!(waiting.keys.len(), 1);
        seconds.fetch_add(60, Ordering::Relaxed);
        let waiting: EphemeralKeys = member.get("/v1/ephemeral-keys").await.read();
        assert_eq!(waiting.keys, []);
        assert_eq!(member.post(&claim(1), &json!({})).await.status, 404);
    }
}
