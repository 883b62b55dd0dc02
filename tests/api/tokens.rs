use crate::db::world::count;
use crate::support::{
    app::{Answer, TestApp},
    databases::{on_both_engines, rng},
    linking::linked,
    member::{Member, deliver, letter, now},
    mint::Mint,
};
use letterbox::clock::Clock;
use letterbox_protocol::{
    tokens::{BatchResponse, KeyWeek, PendingBatch, Token, challenge_digest, weeks_of},
    types::{Blob, Bytes, DAY, Key, UnixTime},
    wire::{IssueTokens, IssuedTokens, IssuerDirectory, SealedMessage},
};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use std::sync::atomic::Ordering;
use tokio::task::JoinSet;

const PHONE: &str = "+4915112345678";
const DIRECTORY: &str = "/.well-known/private-token-issuer-directory";

async fn directory(app: &TestApp) -> Vec<(KeyWeek, Key)> {
    let directory: IssuerDirectory = app.get(DIRECTORY).send().await.read();
    weeks_of(&directory).unwrap()
}

/// A batch for the key that issues at this moment.
pub(super) async fn batch(app: &TestApp, at: UnixTime, tokens: usize, seed: u64) -> PendingBatch {
    let weeks = directory(app).await;
    let (_, key) = weeks.iter().find(|(week, _)| *week == KeyWeek::of(at)).unwrap();
    let digest = challenge_digest("localhost").unwrap();
    PendingBatch::blind(key, &digest, tokens, &mut StdRng::seed_from_u64(seed)).unwrap()
}

async fn ask(member: &mut Member<'_>, batch: &PendingBatch) -> Answer {
    let body = IssueTokens { token_request: Blob(batch.request().to_bytes()) };
    member.post("/v1/tokens", &body).await
}

fn tokens(batch: &PendingBatch, answer: &Answer) -> Vec<Token> {
    let issued: IssuedTokens = answer.read();
    batch.finish(&BatchResponse::from_bytes(&issued.token_response.0).unwrap()).unwrap()
}

async fn spend(app: &TestApp, token: &Token, message: &SealedMessage) -> Answer {
    app.post("/v1/sealed/messages").origin(None).token(token).json(message).send().await
}

fn pass(clock: &Clock, seconds: i64) {
    let Clock::Manual(at) = clock else { panic!("a clock that can be set") };
    at.fetch_add(seconds, Ordering::Relaxed);
}

async fn letters(member: &mut Member<'_>) -> usize {
    let inbox: Value = member.get("/v1/inbox").await.read();
    inbox["letters"].as_array().unwrap().len()
}

on_both_engines! {
    async fn a_device_gets_one_batch_a_day_and_the_same_one_again(db) {
        let clock = Clock::manual(now());
        let app = TestApp::start_with_clock(&db.url, &[("tokens_per_day", "5")], clock.clone()).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let first = batch(&app, clock.now(), 5, 1).await;
        let answer = ask(&mut member, &first).await;
        let issued = tokens(&first, &answer);
        assert_eq!(issued.len(), 5);
        for (n, token) in issued.iter().enumerate() {
            let message = letter(&member, n as u8, false);
            assert_eq!(spend(&app, token, &message).await.status, 202);
        }
        assert_eq!(ask(&mut member, &first).await.body, answer.body);
        let second = batch(&app, clock.now(), 5, 2).await;
        let refused = ask(&mut member, &second).await;
        assert_eq!(refused.refused(), (409, "/problems/tokens-issued".to_owned()));
        assert_eq!(ask(&mut member, &first).await.body, answer.body);
        // On the next day there are others, and a late retry still gets what it asked for.
        pass(&clock, DAY);
        member.sign_in().await;
        let third = batch(&app, clock.now(), 5, 3).await;
        assert_eq!(tokens(&third, &ask(&mut member, &third).await).len(), 5);
        assert_eq!(ask(&mut member, &first).await.body, answer.body);
    }

    async fn an_account_gets_so_many_batches_a_day_and_no_more(db) {
        let settings = [("tokens_per_day", "5"), ("token_batches_per_day", "1")];
        let app = TestApp::start(&db.url, &settings).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mut other = linked(&mut member, &[], 2, 1).await;
        let first = batch(&app, now(), 5, 1).await;
        assert_eq!(tokens(&first, &ask(&mut member, &first).await).len(), 5);
        let second = batch(&app, now(), 5, 2).await;
        let refused = ask(&mut other, &second).await;
        assert_eq!(refused.refused(), (429, "/problems/too-many-requests".to_owned()));
        assert_eq!(tokens(&first, &ask(&mut member, &first).await).len(), 5);
        let mut stranger = Member::signed_up(&app, "+4915112345679").await;
        assert_eq!(tokens(&second, &ask(&mut stranger, &second).await).len(), 5);
    }

    async fn only_a_whole_batch_in_a_session_is_answered(db) {
        let app = TestApp::start(&db.url, &[("tokens_per_day", "5")]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let good = batch(&app, now(), 5, 1).await;
        for other in [4, 6] {
            let batch = batch(&app, now(), other, 1).await;
            assert_eq!(ask(&mut member, &batch).await.bad_field(), "token_request");
        }
        let mut request = good.request();
        request.truncated_key_id = request.truncated_key_id.wrapping_add(1);
        let body = IssueTokens { token_request: Blob(request.to_bytes()) };
        let refused = member.post("/v1/tokens", &body).await;
        assert_eq!(refused.refused(), (422, "/problems/unknown-issuer-key".to_owned()));
        let mut request = good.request();
        request.blinded[3] = [0xff; 32];
        let body = IssueTokens { token_request: Blob(request.to_bytes()) };
        assert_eq!(member.post("/v1/tokens", &body).await.bad_field(), "token_request");
        let body = IssueTokens { token_request: Blob(good.request().to_bytes()) };
        let stranger = app.post("/v1/tokens").json(&body).send().await;
        assert_eq!(stranger.refused(), (401, "/problems/sign-in-required".to_owned()));
        // None of that counted.
        assert_eq!(ask(&mut member, &good).await.status, 200);
    }

    async fn the_directory_shows_each_key_from_a_day_before_its_week_to_a_day_after(db) {
        let begins = KeyWeek::of(now()).begins();
        let clock = Clock::manual(begins.plus(2 * DAY));
        let app = TestApp::start_with_clock(&db.url, &[], clock.clone()).await;
        let answer = app.get(DIRECTORY).send().await;
        assert_eq!(answer.header("content-type"), "application/private-token-issuer-directory");
        let first = directory(&app).await;
        assert_eq!(first.iter().map(|(week, _)| week.begins()).collect::<Vec<_>>(), [begins]);
        pass(&clock, 4 * DAY - 1);
        assert_eq!(directory(&app).await, first);
        pass(&clock, 1);
        let both = directory(&app).await;
        assert_eq!((both.len(), both[0]), (2, first[0]));
        assert_eq!(both[1].0.begins(), begins.plus(7 * DAY));
        pass(&clock, 2 * DAY - 1);
        assert_eq!(directory(&app).await, both);
        pass(&clock, 1);
        assert_eq!(directory(&app).await, both[1..]);
        assert_ne!(both[0].1, both[1].1);
    }

    async fn a_key_issues_in_its_week_and_its_tokens_are_taken_for_a_day_more(db) {
        let clock = Clock::manual(KeyWeek::of(now()).begins().plus(6 * DAY));
        let app = TestApp::start_with_clock(&db.url, &[("tokens_per_day", "5")], clock.clone()).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let next_week = clock.now().plus(DAY);
        // Announced, and not in use yet.
        let early = batch(&app, next_week, 5, 1).await;
        assert_eq!(ask(&mut member, &early).await.refused().0, 422);
        let old = batch(&app, clock.now(), 5, 2).await;
        let issued = tokens(&old, &ask(&mut member, &old).await);
        let mut message = letter(&member, 1, false);
        assert_eq!(spend(&app, &issued[0], &message).await.status, 202);
        pass(&clock, DAY);
        member.sign_in().await;
        // Issued before the change: taken, and issued again, but nothing new under the old key.
        message.message_id = Bytes([2; 16]);
        assert_eq!(spend(&app, &issued[1], &message).await.status, 202);
        assert_eq!(tokens(&old, &ask(&mut member, &old).await), issued);
        let other = PendingBatch::blind(
            old.public_key(), &challenge_digest("localhost").unwrap(), 5, &mut rng(),
        ).unwrap();
        assert_eq!(ask(&mut member, &other).await.refused().0, 422);
        let new = batch(&app, clock.now(), 5, 3).await;
        let fresh = tokens(&new, &ask(&mut member, &new).await);
        // A day after its week the key is gone, and what was spent under it is forgotten.
        pass(&clock, DAY);
        message.message_id = Bytes([3; 16]);
        let expired = spend(&app, &issued[2], &message).await;
        assert_eq!(expired.refused(), (401, "/problems/token-refused".to_owned()));
        assert_eq!(spend(&app, &fresh[0], &message).await.status, 202);
    }

    async fn what_was_not_issued_here_is_refused_and_spends_nothing(db) {
        let app = TestApp::start(&db.url, &[]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        let mint = app.mint().await;
        let (good, message) = (mint.token(1), letter(&member, 1, true));
        let parts = (good.nonce(), good.challenge_digest(), good.token_key_id());
        let forged: Token = (parts.0, parts.1, parts.2, [7; 64]).into();
        let foreign = Mint::foreign(&mut rng());
        let foreign_key = foreign.token(1);
        let foreign_as_ours: Token =
            (foreign_key.nonce(), parts.1, parts.2, *foreign_key.authenticator()).into();
        for bad in [forged, foreign_key, foreign_as_ours, mint.token_for("elsewhere.example", 1)] {
            let refused = spend(&app, &bad, &message).await;
            assert_eq!(refused.refused(), (401, "/problems/token-refused".to_owned()));
        }
        assert_eq!(count(&db, "spent_tokens").await, 0);
        assert_eq!(letters(&mut member).await, 0);
        assert_eq!(spend(&app, &good, &message).await.status, 202);
    }

    async fn a_token_that_bought_nothing_is_good_again(db) {
        let app = TestApp::start(&db.url, &[("mailbox_letters", "1")]).await;
        let mut member = Member::signed_up(&app, PHONE).await;
        assert_eq!(deliver(&app, &letter(&member, 1, false)).await.status, 202);
        let token = app.token(2).await;
        let mut message = letter(&member, 2, false);
        message.expiry_days = 2;
        assert_eq!(spend(&app, &token, &message).await.status, 422);
        message.expiry_days = 7;
        assert_eq!(spend(&app, &token, &message).await.status, 507);
        let cookie = app.post("/v1/sealed/messages").token(&token).header("cookie", "a=b");
        assert_eq!(cookie.json(&message).send().await.status, 400);
        let acks = serde_json::json!({ "acks": [
            { "message_id": Bytes([1; 16]), "status": "delivered" },
        ] });
        assert_eq!(member.post("/v1/inbox/acks", &acks).await.status, 204);
        message.message_id = Bytes([3; 16]);
        assert_eq!(spend(&app, &token, &message).await.status, 202);
    }

    async fn of_fifty_racing_spends_one_has_an_effect(db) {
        let app = std::sync::Arc::new(TestApp::start(&db.url, &[]).await);
        let phone = {
            let member = Member::signed_up(&app, PHONE).await;
            member.phone.clone()
        };
        let token = app.token(1).await;
        let message = |n: u8| SealedMessage {
            destination: phone.clone(),
            list_version: 1,
            message_id: Bytes([n; 16]),
            expiry_days: 7,
            encrypted_content: Blob(vec![n; 1_024]),
            session_keys: None,
        };
        // Half of them are one request, the others are each another.
        let mut racing = JoinSet::new();
        for n in 0..50_u8 {
            let (app, token) = (app.clone(), token.clone());
            let (n, message) = if n % 2 == 0 { (0, message(0)) } else { (n, message(n)) };
            racing.spawn(async move { (n, spend(&app, &token, &message).await.status) });
        }
        let answers = racing.join_all().await;
        let stored: std::collections::BTreeSet<u8> =
            answers.iter().filter(|(_, status)| *status == 202).map(|(n, _)| *n).collect();
        assert_eq!(stored.len(), 1, "one request had the token");
        for (n, status) in &answers {
            assert_eq!(*status, if stored.contains(n) { 202 } else { 401 });
        }
        assert_eq!(count(&db, "messages").await, 1);
        assert_eq!(count(&db, "spent_tokens").await, 1);
        let winner = message(*stored.first().unwrap());
        assert_eq!(spend(&app, &token, &winner).await.status, 202);
        assert_eq!(count(&db, "messages").await, 1);
    }

    async fn a_restored_database_draws_keys_of_its_own(db) {
        let (before, token, message) = {
            let app = TestApp::start(&db.url, &[]).await;
            let member = Member::signed_up(&app, PHONE).await;
            let (token, message) = (app.token(1).await, letter(&member, 1, false));
            assert_eq!(spend(&app, &token, &message).await.status, 202);
            let before = directory(&app).await;
            app.running.stop().await;
            (before, token, message)
        };
        db.renew_epoch(&mut StdRng::seed_from_u64(21)).await.unwrap();
        let app = TestApp::start(&db.url, &[]).await;
        let after = directory(&app).await;
        assert_eq!(after.last().unwrap().0, before.last().unwrap().0);
        assert!(after.iter().all(|(_, key)| before.iter().all(|(_, old)| old != key)));
        assert_eq!(spend(&app, &token, &message).await.status, 401);
        assert_eq!(spend(&app, &app.token(1).await, &message).await.status, 202);
    }
}
