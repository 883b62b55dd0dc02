//! The tables that the manifest names as a call's writes are those in which the call changes something:
//! all of them are looked at before and after.

use super::{live::Socket, recovery::beginning, tokens::batch};
use crate::support::{
    app::{Answer, TestApp},
    databases::on_both_engines,
    linking::{approval, completion, offer, path, register, sibling},
    member::{Member, letter, now},
    rotating::{device_path, other_identity, revocation, rotation, wraps},
};
use hyper::Method;
use letterbox::{
    audit::Manifest,
    db::{Cell, Db},
};
use letterbox_protocol::{
    keys::ExchangeSecret,
    types::{Blob, Bytes},
    wire::{
        CAPSULE_SIZE, Devices, IssueTokens, LinkProof, PublishKeys, SealedEphemeralKey,
        SealedMessage, SessionKeyUpload, SiblingKeys, TOUCH_HEADER,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PHONE: &str = "+4915112345678";
const SETTINGS: [(&str, &str); 2] = [("tokens_per_day", "5"), ("sign_ins_per_minute", "1000")];

type Tables = BTreeSet<String>;

/// What was seen to change, call by call.
struct Watch<'a> {
    db: &'a Db,
    declared: BTreeMap<String, Tables>,
    seen: BTreeMap<String, Tables>,
}

impl<'a> Watch<'a> {
    /// Draws the issuer keys first: which call would do so otherwise is chance.
    async fn new(db: &'a Db, app: &TestApp) -> Self {
        app.mint().await;
        let endpoints = Manifest::load().unwrap().endpoints.into_iter();
        let declared = endpoints.map(|one| (one.call, one.writes.into_iter().collect())).collect();
        Self { db, declared, seen: BTreeMap::new() }
    }

    async fn state(&self) -> BTreeMap<String, Vec<Vec<Cell>>> {
        let mut state = BTreeMap::new();
        for table in self.db.tables().await.unwrap() {
            let mut rows = self.db.dump(&table).await.unwrap().rows;
            rows.sort();
            state.insert(table, rows);
        }
        state
    }

    /// Notes what changes while this is done, which is one request.
    async fn during<T>(&mut self, call: &str, done: impl Future<Output = T>) -> T {
        let before = self.state().await;
        let done = done.await;
        let after = self.state().await;
        let changed = before.iter().filter(|(table, rows)| after[*table] != **rows);
        let changed: Tables = changed.map(|(table, _)| table.clone()).collect();
        let declared = self.declared.get(call).unwrap_or_else(|| panic!("{call} is an endpoint"));
        let more: Vec<_> = changed.difference(declared).collect();
        assert!(more.is_empty(), "{call} writes {more:?} as well");
        self.seen.entry(call.to_owned()).or_default().extend(changed);
        done
    }

    /// A request in the member's session.
    async fn send(
        &mut self,
        call: &str,
        member: &mut Member<'_>,
        path: &str,
        body: &impl Serialize,
    ) -> Answer {
        let method = call.split(' ').next().unwrap().parse().unwrap();
        let answer = self.during(call, member.send(method, path, body)).await;
        assert!((200..300).contains(&answer.status), "{call}: {answer:?}");
        answer
    }

    /// The same with a touch, which is begun by a request of its own.
    async fn touched(
        &mut self,
        call: &str,
        member: &mut Member<'_>,
        path: &str,
        body: Option<&impl Serialize>,
    ) {
        let method: Method = call.split(' ').next().unwrap().parse().unwrap();
        let bytes = body.map_or(Vec::new(), |body| serde_json::to_vec(body).unwrap());
        let touch = self.during("POST /v1/touch", member.touch(&method, path, &bytes)).await;
        let asking = member.app.request(method, path).header(TOUCH_HEADER, &touch).bytes(bytes);
        let asking = match body {
            Some(_) => asking.header("content-type", "application/json"),
            None => asking,
        };
        let answer = self.during(call, member.with_cookie(asking).send()).await;
        assert_eq!(answer.status, 204, "{call}: {answer:?}");
    }

    /// A sealed request with the token that `n` stands for.
    async fn sealed(&mut self, call: &str, app: &TestApp, n: u8, body: &impl Serialize) {
        let (_, path) = call.split_once(' ').unwrap();
        let asking = app.post(path).origin(None).token(&app.token(n).await).json(body);
        let answer = self.during(call, asking.send()).await;
        assert!([200, 202].contains(&answer.status), "{call}: {answer:?}");
    }

    /// Asserts that a call changed every table that it is said to write, once it was seen often enough.
    #[track_caller]
    fn whole(&self, calls: &[&str]) {
        for call in calls {
            let mut declared = self.declared[*call].clone();
            declared.remove("token_issuer_keys");
            assert_eq!(self.seen[*call], declared, "{call}");
        }
    }
}

/// Up to a session with a fresh passkey.
async fn registered(watch: &mut Watch<'_>, member: &mut Member<'_>) {
    proved(watch, member).await;
    let options = watch
        .send("POST /v1/passkeys/register/start", member, "/v1/passkeys/register/start", &json!({}))
        .await
        .read::<Value>();
    let credential = member.passkey.create(&options, &mut member.rng).unwrap();
    let call = "POST /v1/passkeys/register/finish";
    watch.send(call, member, "/v1/passkeys/register/finish", &credential).await;
}

/// Proves the number in a new session.
async fn proved(watch: &mut Watch<'_>, member: &mut Member<'_>) {
    member.cookie = None;
    let phone = json!({ "phone": member.phone });
    watch.send("POST /v1/registration", member, "/v1/registration", &phone).await;
    let code = member.app.code(&member.phone).await;
    let proof = json!({ "phone": member.phone, "code": code });
    watch.send("POST /v1/registration/verify", member, "/v1/registration/verify", &proof).await;
}

async fn published(watch: &mut Watch<'_>, member: &mut Member<'_>) {
    let keys = PublishKeys::Account(member.account());
    watch.send("PUT /v1/keys", member, "/v1/keys", &keys).await;
}

async fn tokens(watch: &mut Watch<'_>, member: &mut Member<'_>, seed: u64) {
    let batch = batch(member.app, now(), 5, seed).await;
    let body = IssueTokens { token_request: Blob(batch.request().to_bytes()) };
    watch.send("POST /v1/tokens", member, "/v1/tokens", &body).await;
}

/// Signs in, and proves the device key.
async fn signed_in(watch: &mut Watch<'_>, member: &mut Member<'_>) {
    member.cookie = None;
    let start = "/v1/passkeys/login/start";
    let options = watch.send("POST /v1/passkeys/login/start", member, start, &json!({})).await;
    let answer = member.passkey.get(&options.read::<Value>()).unwrap();
    let finish = "/v1/passkeys/login/finish";
    watch.send("POST /v1/passkeys/login/finish", member, finish, &answer).await;
    // Two requests, of which both write the session.
    let proved = watch.during("POST /v1/device-session/finish", member.prove_device()).await;
    assert_eq!(proved.status, 204);
}

/// Another device; the list that names it has this version.
async fn linked<'a>(
    watch: &mut Watch<'_>,
    first: &mut Member<'a>,
    version: u64,
    n: u8,
) -> Member<'a> {
    let mut new = sibling(first, n.into());
    watch.send("POST /v1/device-links", &mut new, "/v1/device-links", &offer(n)).await;
    let proof = LinkProof { proof: Bytes([n; 32]) };
    let digits = path(n, "/digits");
    watch.send("POST /v1/device-links/{id}/digits", &mut new, &digits, &proof).await;
    let approval = approval(n, version, &[first], &mut new);
    watch.touched("PUT /v1/device-links/{id}", first, &path(n, ""), Some(&approval)).await;
    // Two requests, of which both write the session.
    let registered = watch.during("POST /v1/passkeys/register/finish", register(&mut new, n)).await;
    assert_eq!(registered.status, 204);
    let (call, body) = ("POST /v1/device-links/{id}/complete", completion(&mut new));
    watch.send(call, &mut new, &path(n, "/complete"), &body).await;
    new
}

/// A letter to both, with an envelope for each, under this version of the list.
fn letter_to(one: &Member<'_>, other: &Member<'_>, version: u64, n: u8) -> SealedMessage {
    let upload = [one, other].map(|device| letter(device, n, true).session_keys.unwrap());
    let envelopes = upload.into_iter().flat_map(|upload| upload.envelopes).collect();
    SealedMessage {
        list_version: version,
        session_keys: Some(SessionKeyUpload { session_key_id: Bytes([n; 16]), envelopes }),
        ..letter(one, n, false)
    }
}

async fn rekeying(watch: &mut Watch<'_>, to: &Member<'_>, n: u8) {
    let key = SealedEphemeralKey {
        destination: to.phone.clone(),
        key_exchange_id: Bytes([n; 16]),
        ephemeral_public_key: ExchangeSecret::from_bytes([n; 32]).public(),
    };
    watch.sealed("POST /v1/sealed/ephemeral-keys", to.app, n, &key).await;
}

/// Another browser of somebody who reads the number's text messages.
fn claimant<'a>(of: &Member<'a>) -> Member<'a> {
    Member { phone: of.phone.clone(), ..Member::new(of.app, "+12025550100") }
}

/// A row of the account in every table that can hold one: the day's tokens, a letter with its envelope, a
/// re-keying, a link that was let in, a waiting period. Answers the browser that began that.
async fn furnished<'a>(watch: &mut Watch<'_>, member: &mut Member<'a>) -> Member<'a> {
    tokens(watch, member, 1).await;
    watch.sealed("POST /v1/sealed/messages", member.app, 1, &letter(member, 1, true)).await;
    rekeying(watch, member, 2).await;
    let mut new = sibling(member, 3);
    watch.send("POST /v1/device-links", &mut new, "/v1/device-links", &offer(3)).await;
    let approval = approval(3, 2, &[member], &mut new);
    watch.touched("PUT /v1/device-links/{id}", member, &path(3, ""), Some(&approval)).await;
    let mut claimant = claimant(member);
    proved(watch, &mut claimant).await;
    watch.send("POST /v1/resets", &mut claimant, "/v1/resets", &json!({})).await;
    claimant
}

/// The waiting period began eight days earlier.
async fn waited(db: &Db) {
    const SQLITE: &str =
        "UPDATE registration_waits SET begun_at = begun_at - 691200, ends_at = ends_at - 691200";
    const POSTGRES: &str = "UPDATE registration_waits SET begun_at = begun_at - interval '8 days', \
         ends_at = ends_at - interval '8 days'";
    match db {
        Db::Sqlite { writer, .. } => drop(sqlx::query(SQLITE).execute(writer).await.unwrap()),
        Db::Postgres(pool) => drop(sqlx::query(POSTGRES).execute(pool).await.unwrap()),
    }
}

on_both_engines! {
    async fn a_call_writes_to_the_tables_that_the_manifest_names(db) {
        let app = TestApp::start(&db.url, &SETTINGS).await;
        let watch = &mut Watch::new(&db, &app).await;
        let mut first = Member::new(&app, PHONE);
        registered(watch, &mut first).await;
        published(watch, &mut first).await;
        tokens(watch, &mut first, 1).await;
        signed_in(watch, &mut first).await;
        let mut second = linked(watch, &mut first, 2, 1).await;
        tokens(watch, &mut second, 2).await;
        let name = json!({ "encrypted_name": Blob(vec![4; 156]) });
        let second_path = device_path(&second.device_id);
        watch.send("PATCH /v1/devices/{device_id}", &mut first, &second_path, &name).await;
        let one_time = json!({ "one_time_prekeys": first.one_time(4..=5) });
        watch.send("POST /v1/keys/one-time", &mut first, "/v1/keys/one-time", &one_time).await;
        let capsule = json!({ "capsule": Blob(vec![5; CAPSULE_SIZE]) });
        watch.send("PUT /v1/recovery-capsule", &mut first, "/v1/recovery-capsule", &capsule).await;

        // Letters: one that the second device has last, one that the first has last, one deleted.
        for n in 1..=3 {
            let letter = letter_to(&first, &second, 2, n);
            watch.sealed("POST /v1/sealed/messages", &app, n, &letter).await;
        }
        let lookup = json!({ "phone": PHONE, "prekeys": "all" });
        watch.sealed("POST /v1/sealed/lookup", &app, 4, &lookup).await;
        rekeying(watch, &first, 5).await;
        let claim = format!("/v1/ephemeral-keys/{}/claim", Bytes([5; 16]).to_text());
        let call = "POST /v1/ephemeral-keys/{key_exchange_id}/claim";
        watch.send(call, &mut first, &claim, &json!({})).await;
        let reads = json!({ "message_ids": [Bytes([1; 16])] });
        watch.send("POST /v1/inbox/reads", &mut first, "/v1/inbox/reads", &reads).await;
        for (is_first, n) in [(true, 1), (false, 2), (true, 2)] {
            let member = if is_first { &mut first } else { &mut second };
            let acks = json!({ "acks": [{ "message_id": Bytes([n; 16]), "status": "delivered" }] });
            watch.send("POST /v1/inbox/acks", member, "/v1/inbox/acks", &acks).await;
        }
        let third = format!("/v1/inbox/{}", Bytes([3; 16]).to_text());
        watch.send("DELETE /v1/inbox/{message_id}", &mut first, &third, &json!({})).await;
        watch.during("GET /v1/inbox/live", async {
            let mut socket = Socket::open(&second).await;
            let envelopes = socket.envelopes().await;
            socket.acknowledge(&[], &envelopes).await;
            let letters = socket.letters().await;
            socket.acknowledge(&letters, &[]).await;
            socket.frame().await
        }).await;
        let acks = json!({ "session_key_ids": [Bytes([1; 16])] });
        watch.send("POST /v1/session-keys/acks", &mut first, "/v1/session-keys/acks", &acks).await;

        // Keys, the waiting period, and the end of the second device, which has a letter yet to fetch.
        let wrapped = SiblingKeys { key_rotation_counter: 1, ..wraps(11, &[&second]) };
        watch.send("PUT /v1/session-keys", &mut first, "/v1/session-keys", &wrapped).await;
        let wrapped = SiblingKeys { key_rotation_counter: 2, ..wraps(12, &[&second]) };
        let body = rotation((3, 2), &mut [&mut first, &mut second], Some(wrapped));
        watch.send("PUT /v1/keys/messaging", &mut first, "/v1/keys/messaging", &body).await;
        let mut claimant = claimant(&first);
        proved(watch, &mut claimant).await;
        watch.send("POST /v1/resets", &mut claimant, "/v1/resets", &json!({})).await;
        watch.touched("DELETE /v1/resets", &mut first, "/v1/resets", None::<&Value>).await;
        watch.sealed("POST /v1/sealed/messages", &app, 6, &letter_to(&first, &second, 3, 6)).await;
        let acks = json!({ "acks": [{ "message_id": Bytes([6; 16]), "status": "delivered" }] });
        watch.send("POST /v1/inbox/acks", &mut first, "/v1/inbox/acks", &acks).await;
        let listed: Devices = first.get("/v1/devices").await.read();
        let identity = other_identity(&listed, &mut [&mut first]);
        let mut body = revocation((4, 3), &mut [&mut first], None);
        body.identity = Some(identity);
        watch.touched("DELETE /v1/devices/{device_id}", &mut first, &second_path, Some(&body)).await;

        // What reads leaves nothing.
        for path in ["account", "account/disclosure", "devices", "keys/status", "inbox", "session-keys",
            "recovery-capsule", "ephemeral-keys", "server"] {
            let (call, path) = (format!("GET /v1/{path}"), format!("/v1/{path}"));
            watch.send(&call, &mut first, &path, &json!({})).await;
        }
        let check = json!({ "digest": Bytes([1; 32]) });
        watch.send("POST /v1/keys/check", &mut first, "/v1/keys/check", &check).await;
        let call = "POST /v1/sender-certificate";
        watch.send(call, &mut first, "/v1/sender-certificate", &json!({})).await;
        watch.send("POST /v1/logout", &mut first, "/v1/logout", &json!({})).await;

        let seen: Vec<&str> = watch.seen.keys().map(String::as_str).collect();
        let elsewhere = ["PUT /v1/keys", "POST /v1/recovery", "DELETE /v1/account"];
        // The first of two requests that are made in one step, and what draws the issuer keys.
        let passed_over = ["POST /v1/device-session/start", "GET /.well-known/private-token-issuer-directory"];
        let writing = watch.declared.iter().filter(|(_, tables)| !tables.is_empty());
        for (call, _) in writing.filter(|(call, _)| !seen.contains(&call.as_str())) {
            assert!([&elsewhere[..], &passed_over].concat().contains(&call.as_str()), "{call} was not asked");
        }
        let whole: Vec<&str> = seen.into_iter().filter(|call| !elsewhere.contains(call)).collect();
        watch.whole(&whole);
    }

    async fn a_new_beginning_and_an_accounts_end_write_to_the_tables_that_the_manifest_names(db) {
        let app = TestApp::start(&db.url, &SETTINGS).await;
        let watch = &mut Watch::new(&db, &app).await;
        let mut member = Member::new(&app, PHONE);
        registered(watch, &mut member).await;
        published(watch, &mut member).await;
        furnished(watch, &mut member).await;
        signed_in(watch, &mut member).await;
        let body = beginning(&mut member, &[], 2);
        watch.touched("POST /v1/recovery", &mut member, "/v1/recovery", Some(&body)).await;
        tokens(watch, &mut member, 2).await;
        let again = SealedMessage { list_version: 2, ..letter(&member, 4, true) };
        watch.sealed("POST /v1/sealed/messages", &app, 4, &again).await;
        watch.touched("DELETE /v1/account", &mut member, "/v1/account", None::<&Value>).await;
        watch.whole(&["POST /v1/recovery", "DELETE /v1/account"]);
    }

    async fn an_account_that_replaces_another_writes_to_the_tables_that_the_manifest_names(db) {
        let app = TestApp::start(&db.url, &SETTINGS).await;
        let watch = &mut Watch::new(&db, &app).await;
        let mut owner = Member::new(&app, PHONE);
        registered(watch, &mut owner).await;
        published(watch, &mut owner).await;
        let mut claimant = furnished(watch, &mut owner).await;
        waited(&db).await;
        registered(watch, &mut claimant).await;
        published(watch, &mut claimant).await;
        watch.whole(&["PUT /v1/keys"]);
    }
}
