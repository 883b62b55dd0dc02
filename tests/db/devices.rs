//! Devices that are listed, renamed and revoked.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::clock::Clock;
use letterbox::db::{
    AddPrekeys, Approval, CREDENTIAL_KEY, CredentialRow, LetterStore, Limits, Publish, Revocation,
    Rotate, SealedSend, Sessions, Wrap,
};
use letterbox_protocol::{
    types::{Bytes, DAY, UnixTime},
    wire::{AckStatus, InboxAck, KeyRenewal, NewAccount, ReplaceIdentity, ResignedPrekey},
};
use rand::rngs::StdRng;
use tower_sessions::{
    SessionStore as _,
    session::{Id as SessionId, Record},
};

/// The tables in which nothing of a revoked device may be left.
const OF_A_DEVICE: [&str; 7] = [
    "device_keys",
    "signed_prekeys",
    "one_time_prekeys",
    "message_deliveries",
    "device_session_keys",
    "sessions",
    "token_issuance",
];

async fn rows_of(db: &TestDb, device: CredentialRow) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in OF_A_DEVICE {
        rows.push(count(db, &format!("{table} WHERE webauthn_credential_id = {}", device.0)).await);
    }
    rows
}

/// Another identity key, and the prekeys of these devices under it.
async fn other_identity(
    db: &TestDb,
    person: &Person,
    stay: &[usize],
    rng: &mut StdRng,
) -> ReplaceIdentity {
    let served = db.served_bundle(&person.phone).await.unwrap().unwrap();
    let resigned = |at: &usize| {
        let device_id = person.devices[*at].1;
        let prekeys = served.prekeys.iter().find(|prekeys| prekeys.device_id == device_id).unwrap();
        let mut signed_prekey = prekeys.signed_prekey.clone();
        signed_prekey.signature = Bytes([*at as u8; 64]);
        ResignedPrekey { device_id, signed_prekey }
    };
    ReplaceIdentity {
        identity_key: Bytes::random(rng),
        signed_prekeys: stay.iter().map(resigned).collect(),
    }
}

fn session_of(device: CredentialRow) -> Record {
    Record {
        id: SessionId(i128::from(device.0)),
        data: [(CREDENTIAL_KEY.to_owned(), serde_json::json!(device))].into(),
        expiry_date: time::OffsetDateTime::from_unix_timestamp(NOW.plus(DAY).0).unwrap(),
    }
}

on_both_engines! {
    async fn a_revoked_device_leaves_nothing_but_its_inactive_row(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let gone = bob.devices[1];
        let store = LetterStore::new(db.db.clone(), Limits::default());
        // One for all, one that only the revoked device has yet to fetch, one that it has.
        let mut sends = Vec::new();
        let letters: Vec<_> = (0..3).map(|_| {
            let mut letter = message(&bob, rng);
            letter.session_keys = session_for(&bob.devices, rng);
            sends.push(SealedSend::parse(token(rng), letter.clone()).unwrap());
            letter.message_id
        }).collect();
        store.store(&sends, NOW, rng).await.unwrap();
        let ack = async |at: usize, letter| {
            let acks = [InboxAck { message_id: letter, status: AckStatus::Delivered }];
            db.ack_letters(bob.devices[at].0, &bob.phone, &acks, NOW).await.unwrap();
        };
        ack(0, letters[1]).await;
        ack(2, letters[1]).await;
        ack(1, letters[2]).await;
        db.add_one_time_prekeys(gone.0, &one_time_prekeys(1, 5, rng), NOW).await.unwrap();
        let sessions = Sessions::new(db.db.clone(), Clock::manual(NOW));
        for device in [gone.0, bob.devices[0].0] {
            sessions.create(&mut session_of(device)).await.unwrap();
        }
        run(&db, format!("INSERT INTO token_issuance (webauthn_credential_id, day, batch_digest) VALUES ({}, {}, {})",
            gone.0.0, time(&db, NOW), if db.url.starts_with("sqlite") { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" })).await;
        assert_eq!(rows_of(&db, gone.0).await, [1, 1, 5, 3, 3, 1, 1]);

        revoke(&db, &bob, 1, rng).await;
        assert_eq!(rows_of(&db, gone.0).await, [0; 7]);
        assert_eq!(count(&db, "sessions").await, 1);
        assert_eq!(count(&db, "messages").await, 2);
        for (at, waiting) in [(0, 2), (1, 0), (2, 2)] {
            let device = bob.devices[at].0;
            assert_eq!(db.inbox_page(device, None, 10, NOW).await.unwrap().len(), waiting);
        }
        assert_eq!(count(&db, &format!("webauthn_credentials WHERE id = {} AND NOT is_active AND revoked_on IS NOT NULL", gone.0.0)).await, 1);
        assert!(db.credential(gone.0).await.unwrap().is_none());
        assert!(db.key_status(gone.0, NOW).await.unwrap().is_none());
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert!(served.device_list.devices.iter().all(|device| device.device_id != gone.1));
        assert_eq!((served.prekeys.len(), served.device_list.version), (2, 2));
        // What comes from now on is for the others.
        let mut letter = message(&bob, rng);
        letter.list_version = 2;
        store.store(&[SealedSend::parse(token(rng), letter).unwrap()], NOW, rng).await.unwrap();
        assert_eq!(rows_of(&db, gone.0).await, [0; 7]);
    }

    async fn the_row_goes_after_ninety_days(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        revoke(&db, &bob, 1, rng).await;
        let left = async |at: UnixTime| {
            while db.sweep(at, 10).await.unwrap().more {}
            count(&db, "webauthn_credentials").await
        };
        assert_eq!(left(NOW.plus(89 * DAY)).await, 2);
        assert_eq!(left(NOW.plus(90 * DAY)).await, 1);
    }

    async fn a_replaced_identity_signs_everything_that_is_served(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let identity = other_identity(&db, &bob, &[0, 2], rng).await;
        let mut turn = Turn::next(&db, &bob, Some(bob.devices[1].1), rng).await;
        turn.identity_key = identity.identity_key;
        let done = turn.revoke(&db, bob.devices[0].0, bob.devices[1].0, Some(&identity), rng).await;
        assert_eq!(done, Rotate::Done(vec![]));
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert_eq!(served.identity_key, identity.identity_key);
        for resigned in &identity.signed_prekeys {
            let prekeys = served.prekeys.iter().find(|p| p.device_id == resigned.device_id).unwrap();
            assert_eq!(prekeys.signed_prekey, resigned.signed_prekey);
        }
        assert_eq!(count(&db, "identity_keys WHERE replaced_on IS NOT NULL").await, 1);
        // A prekey that was signed with the key of before comes too late.
        let renewal = KeyRenewal { device_list: None, signed_prekey: Some(signed_prekey(2, NOW, rng)) };
        let device = bob.devices[2].0;
        let before = identity_of(&db, &person(&db, 2, 1, rng).await).await;
        assert_eq!(db.publish_renewal(device, &renewal, &before).await.unwrap(), Publish::Stale);
        assert_eq!(db.publish_renewal(device, &renewal, &identity.identity_key).await.unwrap(), Publish::Done);
    }

    async fn a_revocation_that_does_not_follow_changes_nothing(db) {
        let rng = &mut rng();
        let (bob, carol) = (person(&db, 1, 3, rng).await, person(&db, 2, 2, rng).await);
        let (by, gone) = (bob.devices[0], bob.devices[1]);
        let before = db.served_bundle(&bob.phone).await.unwrap();
        let mut outcomes = Vec::new();
        // A stale version, a device of somebody else, an envelope for the one that goes.
        let mut turn = Turn::next(&db, &bob, Some(gone.1), rng).await;
        turn.device_list.version = 1;
        outcomes.push(turn.revoke(&db, by.0, gone.0, None, rng).await);
        let turn = Turn::next(&db, &bob, Some(gone.1), rng).await;
        outcomes.push(turn.revoke(&db, by.0, carol.devices[1].0, None, rng).await);
        let mut turn = Turn::next(&db, &bob, Some(gone.1), rng).await;
        turn.wraps = Some(wraps(by.1, &bob.devices[1..], 1, rng));
        outcomes.push(turn.revoke(&db, by.0, gone.0, None, rng).await);
        // A sibling that has made another prekey meanwhile.
        let mut identity = other_identity(&db, &bob, &[0, 2], rng).await;
        identity.signed_prekeys[1].signed_prekey.key_id = 9;
        let turn = Turn::next(&db, &bob, Some(gone.1), rng).await;
        outcomes.push(turn.revoke(&db, by.0, gone.0, Some(&identity), rng).await);
        assert_eq!(outcomes, [const { Rotate::Stale }; 4]);
        assert_eq!(db.served_bundle(&bob.phone).await.unwrap(), before);
        assert_eq!(count(&db, "webauthn_credentials WHERE NOT is_active").await, 0);
        revoke(&db, &bob, 1, rng).await;
        // It is gone: nobody revokes it twice, and it revokes nobody.
        let turn = Turn::next(&db, &bob, Some(gone.1), rng).await;
        assert_eq!(turn.revoke(&db, by.0, gone.0, None, rng).await, Rotate::Stale);
        let turn = Turn::next(&db, &bob, Some(by.1), rng).await;
        let user = db.credential(by.0).await.unwrap().unwrap().user;
        let revocation = Revocation { device: by.0, rotation: turn.rotation(), identity: None };
        assert_eq!(db.revoke_device(gone.0, user, &revocation, NOW, rng).await.unwrap(), Rotate::Stale);
    }

    async fn two_devices_that_revoke_each_other_leave_one(db) {
        let rng = &mut rng();
        for number in 1..=5 {
            let bob = person(&db, number, 2, rng).await;
            let user = db.credential(bob.devices[0].0).await.unwrap().unwrap().user;
            let mut turns = Vec::new();
            for (by, gone) in [(0, 1), (1, 0)] {
                let turn = Turn::next(&db, &bob, Some(bob.devices[gone].1), rng).await;
                turns.push((turn, bob.devices[by].0, bob.devices[gone].0));
            }
            let mut racing = tokio::task::JoinSet::new();
            for (turn, by, device) in turns {
                let (db, mut rng): (_, StdRng) = (db.db.clone(), rand::SeedableRng::from_rng(rng));
                racing.spawn(async move {
                    let revocation = Revocation { device, rotation: turn.rotation(), identity: None };
                    db.revoke_device(by, user, &revocation, NOW, &mut rng).await.unwrap()
                });
            }
            let outcomes = racing.join_all().await;
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotate::Stale).count(), 1);
            assert_eq!(db.served_bundle(&bob.phone).await.unwrap().unwrap().prekeys.len(), 1);
        }
    }

    /// A sibling that renews its prekey just then is either known to the new identity, or too late;
    /// and a device that is being revoked wraps for its siblings before that, or not at all.
    async fn a_replaced_identity_and_what_races_it_do_not_mix(db) {
        let rng = &mut rng();
        for number in 1..=10 {
            let bob = person(&db, number, 3, rng).await;
            let identity = other_identity(&db, &bob, &[0, 1], rng).await;
            let mut turn = Turn::next(&db, &bob, Some(bob.devices[2].1), rng).await;
            let before = std::mem::replace(&mut turn.identity_key, identity.identity_key);
            let user = db.credential(bob.devices[0].0).await.unwrap().unwrap().user;
            let prekey = signed_prekey(2, NOW, rng);
            let renewal = KeyRenewal { device_list: None, signed_prekey: Some(prekey.clone()) };
            let wraps = wraps(bob.devices[2].1, &bob.devices[..2], 1, rng);
            let mut others: [StdRng; 2] = [(); 2].map(|()| rand::SeedableRng::from_rng(rng));
            let [for_revoking, for_wrapping] = &mut others;
            let revocation = Revocation {
                device: bob.devices[2].0, rotation: turn.rotation(), identity: Some(&identity),
            };
            let (revoked, renewed, wrapped) = tokio::join!(
                db.revoke_device(bob.devices[0].0, user, &revocation, NOW, for_revoking),
                db.publish_renewal(bob.devices[1].0, &renewal, &before),
                db.wrap_for_siblings(bob.devices[2].0, user, &wraps, 4_000, NOW, for_wrapping),
            );
            let (revoked, renewed) = (revoked.unwrap(), renewed.unwrap());
            assert!(matches!(wrapped.unwrap(), Wrap::Done(_) | Wrap::Stale));
            let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
            let held = served.prekeys.iter().find(|p| p.device_id == bob.devices[1].1).unwrap();
            match (revoked, renewed) {
                (Rotate::Done(_), Publish::Stale) => {
                    assert_eq!(served.identity_key, identity.identity_key);
                    assert_eq!(held.signed_prekey, identity.signed_prekeys[1].signed_prekey);
                }
                (Rotate::Stale, Publish::Done) => {
                    assert_eq!((served.identity_key, &held.signed_prekey), (before, &prekey));
                }
                both => panic!("{both:?}"),
            }
        }
    }

    /// What a device asked for just before it was revoked is done before that, or not at all.
    async fn nothing_is_left_by_what_a_device_did_while_it_was_revoked(db) {
        let rng = &mut rng();
        let sessions = Sessions::new(db.db.clone(), Clock::manual(NOW));
        for number in 1..=10 {
            let bob = person(&db, number, 2, rng).await;
            let gone = bob.devices[1].0;
            let beginning = db.credential(gone).await.unwrap().unwrap().registration_id;
            let (identity, keys) = (identity_of(&db, &bob).await, one_time_prekeys(1, 5, rng));
            let renewal = KeyRenewal { device_list: None, signed_prekey: Some(signed_prekey(2, NOW, rng)) };
            let (batch, mut begun, mut signed_in) = (Bytes([1; 32]), session_of(gone), session_of(gone));
            signed_in.id.0 += 1;
            begun.data.clear();
            sessions.create(&mut begun).await.unwrap();
            begun.data = signed_in.data.clone();
            tokio::join!(
                async { db.note_issuance(gone, beginning, batch, NOW).await.unwrap(); },
                async { db.add_one_time_prekeys(gone, &keys, NOW).await.unwrap(); },
                async { db.publish_renewal(gone, &renewal, &identity).await.unwrap(); },
                revoke(&db, &bob, 1, rng),
                async { sessions.create(&mut signed_in).await.unwrap(); },
                async { sessions.save(&begun).await.unwrap(); },
            );
            assert_eq!(rows_of(&db, gone).await, [0; 7]);
            assert_eq!(db.note_issuance(gone, beginning, batch, NOW).await.unwrap(), None);
            assert_eq!(db.add_one_time_prekeys(gone, &keys, NOW).await.unwrap(), AddPrekeys::Stale);
            assert_eq!(db.publish_renewal(gone, &renewal, &identity).await.unwrap(), Publish::Stale);
            sessions.create(&mut signed_in).await.unwrap();
            sessions.save(&begun).await.unwrap();
            assert_eq!(rows_of(&db, gone).await, [0; 7]);
        }
    }

    /// What a device asks for after it was revoked, where storage finds it by the account.
    async fn a_revoked_device_decides_nothing_for_the_account(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let gone = bob.devices[1].0;
        let user = db.credential(gone).await.unwrap().unwrap().user;
        let letter = message(&bob, rng);
        let sends = [SealedSend::parse(token(rng), letter.clone()).unwrap()];
        LetterStore::new(db.db.clone(), Limits::default()).store(&sends, NOW, rng).await.unwrap();
        let exchange = exchange(&bob.phone, rng);
        db.open_exchange(&token(rng), &exchange, NOW, rng).await.unwrap();
        db.begin_reset(&bob.phone, DAY, NOW).await.unwrap();
        let link = Bytes::random(rng);
        db.offer_link(&link, b"offer", NOW).await.unwrap();
        let NewAccount { device_list, signed_prekey, .. } = new_account(&bob.phone, 0, rng);
        let approval = Approval { device_list, signed_prekey };
        revoke(&db, &bob, 1, rng).await;
        let before = dumped(&db).await;
        let (phone, id) = (&bob.phone, &exchange.key_exchange_id);
        assert_eq!(db.rename_device(gone, &bob.devices[0].1, b"name").await.unwrap(), None);
        assert_eq!(db.delete_letter(gone, phone, &letter.message_id).await.unwrap(), None);
        assert_eq!(db.claim_exchange(gone, phone, id, NOW).await.unwrap(), None);
        assert_eq!(db.approve_link(&link, gone, &approval, b"answer", NOW).await.unwrap(), None);
        assert_eq!(db.cancel_reset(gone, phone, DAY, NOW).await.unwrap(), None);
        assert_eq!(db.delete_account(gone, user, phone).await.unwrap(), None);
        db.passkey_used(gone, "{}", NOW.plus(DAY)).await.unwrap();
        assert!(dumped(&db).await == before);
    }

    async fn sends_that_meet_a_revocation_keep_to_one_list_or_the_other(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let sends: Vec<_> = (0..60).map(|_| send(&bob, rng)).collect();
        let (other, mut sending_rng): (_, StdRng) = (db.db.clone(), rand::SeedableRng::from_rng(rng));
        let sending = tokio::spawn(async move {
            let store = LetterStore::new(other, Limits::default());
            for send in sends {
                store.store(&[send], NOW, &mut sending_rng).await.unwrap();
            }
        });
        tokio::task::yield_now().await;
        revoke(&db, &bob, 2, rng).await;
        sending.await.unwrap();
        assert_eq!(rows_of(&db, bob.devices[2].0).await[3], 0);
        let letters = count(&db, "messages").await;
        assert_eq!(count(&db, "message_deliveries").await, 2 * letters);
    }

    async fn devices_are_listed_with_what_their_owner_sees_and_renamed(db) {
        let rng = &mut rng();
        let (bob, carol) = (person(&db, 1, 2, rng).await, person(&db, 2, 1, rng).await);
        let (by, user) = (bob.devices[0].0, db.credential(bob.devices[0].0).await.unwrap().unwrap().user);
        let renamed = db.rename_device(by, &bob.devices[1].1, &[5; 99]).await.unwrap();
        assert_eq!(renamed, Some(true));
        let foreign = db.rename_device(by, &carol.devices[0].1, &[5; 99]).await.unwrap();
        assert_eq!(foreign, Some(false));
        let listed = db.devices(&bob.phone).await.unwrap().unwrap();
        let served = db.served_bundle(&bob.phone).await.unwrap().unwrap();
        assert_eq!((&listed.device_list, &listed.messaging_key), (&served.device_list, &served.messaging_key));
        assert_eq!(listed.identity_key, served.identity_key);
        let ids: Vec<_> = listed.devices.iter().map(|device| device.device_id).collect();
        assert!(ids.is_sorted() && ids.len() == 2);
        for (device, prekeys) in listed.devices.iter().zip(&served.prekeys) {
            assert_eq!(device.signed_prekey, prekeys.signed_prekey);
            assert_eq!(device.encrypted_name.0 == [5; 99], device.device_id == bob.devices[1].1);
            assert_eq!((device.created_on, device.last_used_on), (NOW.day(), NOW.day()));
            assert!(!device.has_recovery_capsule);
        }
        revoke(&db, &bob, 1, rng).await;
        assert_eq!(db.devices(&bob.phone).await.unwrap().unwrap().devices.len(), 1);
        let gone = db.rename_device(by, &bob.devices[1].1, &[6; 9]).await.unwrap();
        assert_eq!(gone, Some(false));
        assert_eq!(db.device_named(user, &bob.devices[1].1).await.unwrap(), None);
        assert_eq!(db.devices(&phone(9)).await.unwrap(), None);
    }
}
