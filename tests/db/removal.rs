//! The end of an account: no row left, in whatever tables the live schema has.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::{
    clock::Clock,
    db::{
        Approval, BegunReset, CREDENTIAL_KEY, Cell, CredentialRow, LetterStore, Limits, LinkDevice,
        SealedSend, SendOutcome, Sessions, UserRow,
    },
};
use letterbox_protocol::{
    types::{Bytes, DAY},
    wire::CompleteLink,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use std::collections::HashMap;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};

/// Tables that hold nothing of any account: the server's own, and spent tokens, which name nobody.
const OF_NOBODY: [&str; 4] = ["database_epoch", "server_keys", "spent_tokens", "token_issuer_keys"];

/// Something in every table that is about people, for a person with two devices.
async fn fill(db: &TestDb, number: u32, rng: &mut StdRng) -> Person {
    let person = person(db, number, 2, rng).await;
    let mut letter = message(&person, rng);
    letter.session_keys = session_for(&person.devices, rng);
    let letters = [SealedSend::parse(token(rng), letter).unwrap()];
    LetterStore::new(db.db.clone(), Limits::default()).store(&letters, NOW, rng).await.unwrap();
    let exchange = exchange(&person.phone, rng);
    db.open_exchange(&token(rng), &exchange, NOW, rng).await.unwrap();
    db.start_verification(&person.phone, "123456", Default::default(), NOW, rng).await.unwrap();
    db.begin_reset(&person.phone, 7 * DAY, NOW).await.unwrap().unwrap();
    let account = new_account(&person.phone, 0, rng);
    let approval =
        Approval { device_list: account.device_list, signed_prekey: account.signed_prekey };
    let link = Bytes::random(rng);
    db.offer_link(&link, b"offer", NOW).await.unwrap().unwrap();
    let approved = db.approve_link(&link, person.devices[0].0, &approval, b"answer", NOW).await;
    assert_eq!(approved.unwrap(), Some(true));
    let sessions = Sessions::new(db.db.clone(), Clock::manual(NOW));
    let signed_in = HashMap::from([(CREDENTIAL_KEY.to_owned(), json!(person.devices[1].0))]);
    let proved = json!({ "until": NOW.plus(600).0, "value": person.phone });
    for data in [signed_in, HashMap::from([("proved_phone".to_owned(), proved)])] {
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(NOW.plus(DAY).0).unwrap();
        let id = Id(i128::from(rng.next_u64()));
        sessions.create(&mut Record { id, data, expiry_date }).await.unwrap();
    }
    let (digest, day) = (
        if db.url.starts_with("sqlite") {
            "zeroblob(32)"
        } else {
            "decode(repeat('07', 32), 'hex')"
        },
        time(db, NOW.day()),
    );
    run(
        db,
        format!(
            "INSERT INTO token_issuance (webauthn_credential_id, day, batch_digest) \
        VALUES ({}, {day}, {digest})",
            person.devices[0].0.0
        ),
    )
    .await;
    person
}

async fn user_of(db: &TestDb, person: &Person) -> UserRow {
    db.credential(person.devices[0].0).await.unwrap().unwrap().user
}

/// The first device deletes the account.
async fn delete(db: &TestDb, person: &Person, user: UserRow) -> Option<Vec<CredentialRow>> {
    db.delete_account(person.devices[0].0, user, &person.phone).await.unwrap()
}

on_both_engines! {
    async fn a_deleted_account_leaves_no_row(db) {
        let rng = &mut rng();
        db.certificate_keys(NOW, rng).await.unwrap();
        fill(&db, 1, rng).await;
        let bystander = dumped(&db).await;
        let leaving = fill(&db, 2, rng).await;
        let both = dumped(&db).await;
        for (table, rows) in &both {
            if !OF_NOBODY.contains(&table.as_str()) {
                let filled = rows.len() == 2 * bystander[table].len() && !rows.is_empty();
                assert!(filled, "this test puts nothing into {table}");
            }
        }
        let mut devices = delete(&db, &leaving, user_of(&db, &leaving).await).await.unwrap();
        let mut known: Vec<_> = leaving.devices.iter().map(|(row, _)| *row).collect();
        devices.sort();
        known.sort();
        assert_eq!(devices, known);
        for (table, rows) in dumped(&db).await {
            let before = if OF_NOBODY.contains(&table.as_str()) { &both } else { &bystander };
            assert!(rows == before[&table], "{table} is not as it was without the account");
        }
        // What is kept of nobody does not name the phone either.
        for table in OF_NOBODY {
            for cell in both[table].iter().flatten() {
                assert!(*cell != Cell::Text(leaving.phone.as_str().to_owned()), "{table}");
            }
        }
        // The number is free.
        assert!(db.may_begin_account(&leaving.phone, NOW).await.unwrap());
        sign_up(&db, 2, 3, rng).await;
    }

    /// What was asked for while another deletion, or a revocation, was under way.
    async fn only_a_device_of_the_account_deletes_it(db) {
        let rng = &mut rng();
        let before = fill(&db, 1, rng).await;
        let user = user_of(&db, &before).await;
        delete(&db, &before, user).await.unwrap();
        let after = fill(&db, 1, rng).await;
        let filled = dumped(&db).await;
        assert_eq!(delete(&db, &before, user).await, None);
        assert!(dumped(&db).await == filled);
        let revoked = Person { phone: after.phone.clone(), devices: vec![after.devices[1]] };
        let user = user_of(&db, &after).await;
        revoke(&db, &after, 1, rng).await;
        let filled = dumped(&db).await;
        assert_eq!(delete(&db, &revoked, user).await, None);
        assert!(dumped(&db).await == filled);
    }

    /// Neither waits for the other in a circle.
    async fn a_link_that_meets_a_deletion_is_completed_before_it_or_not_at_all(db) {
        let rng = &mut rng();
        for round in 0..20 {
            let leaving = person(&db, round, 1, rng).await;
            let (by, user) = (leaving.devices[0].0, user_of(&db, &leaving).await);
            let mut device_list = Turn::next(&db, &leaving, None, rng).await.device_list;
            let new = new_account(&leaving.phone, 3, rng);
            device_list.devices.extend(new.device_list.devices);
            let approval = Approval { device_list, signed_prekey: new.signed_prekey };
            let link = Bytes::random(rng);
            db.offer_link(&link, b"offer", NOW).await.unwrap().unwrap();
            db.approve_link(&link, by, &approval, b"answer", NOW).await.unwrap();
            let (one_time_prekeys, encrypted_name) = (new.one_time_prekeys, new.encrypted_name);
            let completion = CompleteLink { one_time_prekeys, encrypted_name };
            let passkey = credential(rng);
            let (completed, deleted, _) = tokio::join!(
                async { db.complete_link(&link, &passkey, &completion, NOW, rng).await.unwrap() },
                delete(&db, &leaving, user),
                async { db.approve_link(&link, by, &approval, b"anew", NOW).await.unwrap() },
            );
            assert!(matches!(completed, LinkDevice::Linked | LinkDevice::Ended), "{completed:?}");
            assert!(deleted.is_some());
            for table in ["users", "webauthn_credentials", "device_links"] {
                assert_eq!(count(&db, table).await, 0, "{table}");
            }
        }
    }

    async fn no_letter_comes_in_behind_a_deletion(db) {
        let rng = &mut rng();
        for round in 0..5 {
            let leaving = person(&db, round, 2, rng).await;
            let user = user_of(&db, &leaving).await;
            let mut racing = tokio::task::JoinSet::new();
            for _ in 0..20 {
                let mut letter = message(&leaving, rng);
                letter.session_keys = session_for(&leaving.devices, rng);
                let send = SealedSend::parse(token(rng), letter).unwrap();
                let (db, mut rng) = (db.db.clone(), StdRng::from_rng(rng));
                racing.spawn(async move {
                    let store = LetterStore::new(db, Limits::default());
                    store.store(&[send], NOW, &mut rng).await.unwrap().outcomes[0]
                });
            }
            let (deleted, outcomes) =
                tokio::join!(delete(&db, &leaving, user), racing.join_all());
            assert_eq!(deleted.unwrap().len(), 2);
            let known = [SendOutcome::Stored, SendOutcome::NoSuchMailbox];
            assert!(outcomes.iter().all(|outcome| known.contains(outcome)), "{outcomes:?}");
            for table in ["users", "messages", "message_deliveries", "device_session_keys"] {
                assert_eq!(count(&db, table).await, 0, "{table}");
            }
        }
    }

    async fn a_waiting_account_is_not_replaced_and_a_waited_one_is_whole(db) {
        let rng = &mut rng();
        fill(&db, 1, rng).await;
        let bystander = dumped(&db).await;
        let before = fill(&db, 2, rng).await;
        let old = db.served_bundle(&before.phone).await.unwrap().unwrap();
        let BegunReset { reset, new, .. } =
            db.begin_reset(&before.phone, 7 * DAY, NOW).await.unwrap().unwrap();
        assert!(!new);
        let account = new_account(&before.phone, 5, rng);
        use letterbox::db::CreateAccount;
        let early = db.create_account(&before.phone, &credential(rng), &account, reset.ends_at.plus(-1), rng).await;
        assert_eq!(early.unwrap(), CreateAccount::PhoneTaken);
        assert!(db.served_bundle(&before.phone).await.unwrap().unwrap() == old);
        let mut racing = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let (db, phone, passkey) = (db.db.clone(), before.phone.clone(), credential(rng));
            let (account, mut rng) = (new_account(&phone, 5, rng), StdRng::from_rng(rng));
            racing.spawn(async move {
                db.create_account(&phone, &passkey, &account, reset.ends_at, &mut rng).await.unwrap()
            });
        }
        let outcomes = racing.join_all().await;
        let mut ended = Vec::new();
        for outcome in &outcomes {
            match outcome {
                CreateAccount::Replaced(_, devices) => ended.push(devices.len()),
                other => assert_eq!(*other, CreateAccount::PhoneTaken),
            }
        }
        assert_eq!(ended, [2]);
        let after = dumped(&db).await;
        let identity = &db.dump("identity_keys").await.unwrap();
        let at = identity.columns.iter().position(|column| column == "replaced_on").unwrap();
        let day = Cell::Time(reset.ends_at.day());
        assert_eq!(identity.rows.iter().filter(|row| row[at] == day).count(), 1);
        let new = db.served_bundle(&before.phone).await.unwrap().unwrap();
        assert!(new.identity_key != old.identity_key && new.device_list.version == 1);
        // Nothing of the old mailbox is left.
        for table in ["messages", "message_deliveries", "device_session_keys", "ephemeral_keys",
            "registration_waits", "device_links"] {
            assert!(after[table] == bystander[table], "{table}");
        }
    }
}
