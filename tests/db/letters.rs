//! Fan-out, deletion, retries, tokens, limits.

use super::world::*;
use crate::support::databases::{TestDb, on_both_engines, rng};
use letterbox::db::{CredentialRow, LetterStore, Limits, Revocation, SealedSend, SendOutcome::*};
use letterbox_protocol::{
    types::{Blob, Bytes, DAY, MessageId, UnixTime},
    wire::{AckStatus, InboxAck, SealedMessage},
};

fn store(db: &TestDb) -> LetterStore {
    LetterStore::new(db.db.clone(), Limits::default())
}

async fn inbox(db: &TestDb, device: CredentialRow) -> Vec<MessageId> {
    let page = db.inbox_page(device, None, 1_000, NOW).await.unwrap();
    page.into_iter().map(|pending| pending.letter.message_id).collect()
}

async fn ack(db: &TestDb, of: &Person, device: usize, letter: MessageId, status: AckStatus) {
    let acks = [InboxAck { message_id: letter, status }];
    db.ack_letters(of.devices[device].0, &of.phone, &acks, NOW).await.unwrap();
}

on_both_engines! {
    async fn every_device_gets_a_letter_once(db) {
        let rng = &mut rng();
        for devices in [1, 3, 8] {
            let bob = person(&db, devices as u32, devices, rng).await;
            let letter = message(&bob, rng);
            let sends = [SealedSend::parse(token(rng), letter.clone()).unwrap()];
            let stored = store(&db).store(&sends, NOW, rng).await.unwrap();
            assert_eq!(stored.outcomes, [Stored]);
            let mut rows: Vec<_> = bob.devices.iter().map(|(row, _)| *row).collect();
            rows.sort();
            assert_eq!(stored.wake, rows);
            for (row, _) in &bob.devices {
                let page = db.inbox_page(*row, None, 10, NOW).await.unwrap();
                assert_eq!(page.len(), 1);
                assert_eq!(page[0].letter.message_id, letter.message_id);
                assert_eq!(page[0].letter.encrypted_content, letter.encrypted_content);
                assert_eq!(page[0].letter.timestamp, NOW.hour());
                assert_eq!(page[0].letter.expires_at, NOW.plus(7 * DAY).day_up());
            }
        }
    }

    async fn a_late_device_does_not_get_older_letters(db) {
        let rng = &mut rng();
        let mut bob = person(&db, 1, 1, rng).await;
        let old = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), old.clone()).unwrap()], NOW, rng).await.unwrap();
        add_device(&db, &mut bob, NOW, rng).await;
        let new = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), new.clone()).unwrap()], NOW, rng).await.unwrap();
        assert_eq!(inbox(&db, bob.devices[1].0).await, [new.message_id]);
        // The old letter goes once the first device has it, whatever the late one has.
        ack(&db, &bob, 0, old.message_id, AckStatus::Delivered).await;
        assert_eq!(count(&db, "messages").await, 1);
        ack(&db, &bob, 0, new.message_id, AckStatus::Delivered).await;
        assert_eq!(count(&db, "messages").await, 1);
        ack(&db, &bob, 1, new.message_id, AckStatus::Delivered).await;
        assert_eq!(count(&db, "messages").await, 0);
        assert_eq!(count(&db, "message_deliveries").await, 0);
    }

    async fn failed_never_counts_as_having_a_letter(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let letter = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), letter.clone()).unwrap()], NOW, rng).await.unwrap();
        ack(&db, &bob, 0, letter.message_id, AckStatus::Delivered).await;
        ack(&db, &bob, 1, letter.message_id, AckStatus::Failed).await;
        assert_eq!(count(&db, "messages").await, 1);
        assert!(inbox(&db, bob.devices[1].0).await.is_empty());
        // A healed one may still say that it has it; one that has it cannot unsay it.
        ack(&db, &bob, 0, letter.message_id, AckStatus::Failed).await;
        ack(&db, &bob, 1, letter.message_id, AckStatus::Delivered).await;
        assert_eq!(count(&db, "messages").await, 0);
    }

    async fn a_revoked_device_holds_up_no_letter(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let letter = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), letter.clone()).unwrap()], NOW, rng).await.unwrap();
        revoke(&db, &bob, 1, rng).await;
        ack(&db, &bob, 0, letter.message_id, AckStatus::Delivered).await;
        assert_eq!(count(&db, "messages").await, 0);
    }

    async fn all_devices_acknowledging_at_once_leave_nothing(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 8, rng).await;
        let letters: Vec<_> = (0..20).map(|_| message(&bob, rng)).collect();
        let sends: Vec<_> = letters.iter().map(|l| SealedSend::parse(token(rng), l.clone()).unwrap()).collect();
        store(&db).store(&sends, NOW, rng).await.unwrap();
        assert_eq!(count(&db, "message_deliveries").await, 160);
        let acks: Vec<_> = letters.iter()
            .map(|l| InboxAck { message_id: l.message_id, status: AckStatus::Delivered }).collect();
        let mut devices = tokio::task::JoinSet::new();
        for (row, _) in bob.devices.clone() {
            let (db, phone, acks) = (db.db.clone(), bob.phone.clone(), acks.clone());
            devices.spawn(async move { db.ack_letters(row, &phone, &acks, NOW).await.unwrap() });
        }
        devices.join_all().await;
        assert_eq!(count(&db, "messages").await, 0);
    }

    /// Two devices acknowledge, mark and delete the same letters in other orders, while those expire and
    /// the account or one of the devices ends: all of it is done, and none waits for another in a circle.
    async fn what_devices_say_of_letters_meets_their_end_and_its_own(db) {
        let rng = &mut rng();
        for round in 0..12 {
            let bob = person(&db, round, 3, rng).await;
            let user = db.credential(bob.devices[0].0).await.unwrap().unwrap().user;
            let mut letters: Vec<_> = (0..60).map(|_| message(&bob, rng)).collect();
            letters[0].session_keys = session_for(&bob.devices, rng);
            let sends: Vec<_> = letters.iter().map(|l| SealedSend::parse(token(rng), l.clone()).unwrap()).collect();
            store(&db).store(&sends, NOW, rng).await.unwrap();
            let ids: Vec<_> = letters.iter().map(|letter| letter.message_id).collect();
            let acks = |failed: usize| -> Vec<InboxAck> {
                let status = |at| if at % 2 == failed { AckStatus::Failed } else { AckStatus::Delivered };
                ids.iter().enumerate().map(|(at, id)| InboxAck { message_id: *id, status: status(at) }).collect()
            };
            let [first, second, third] = [0, 1, 2].map(|at| bob.devices[at].0);
            let turn = Turn::next(&db, &bob, Some(bob.devices[2].1), rng).await;
            let (some, others, delivered) = (acks(0), acks(1), acks(2));
            let expired = NOW.plus(40 * DAY);
            let revocation = Revocation { device: third, rotation: turn.rotation(), identity: None };
            let (phone, label) = (&bob.phone, letters[0].session_keys.as_ref().unwrap().session_key_id);
            let ending = async {
                match round % 2 {
                    0 => drop(db.delete_account(first, user, phone).await.unwrap()),
                    _ => drop(db.revoke_device(first, user, &revocation, NOW, rng).await.unwrap()),
                }
            };
            tokio::join!(
                async { db.ack_letters(first, phone, &some, NOW).await.unwrap() },
                async { db.ack_letters(second, phone, &others, NOW).await.unwrap() },
                async { db.ack_letters(third, phone, &delivered, NOW).await.unwrap() },
                async { db.mark_read(third, phone, &ids, NOW).await.unwrap() },
                async { db.mark_read(second, phone, &ids, NOW).await.unwrap() },
                async { db.ack_envelopes(third, &[label]).await.unwrap() },
                async { db.delete_letter(second, phone, &ids[30]).await.unwrap() },
                async { db.sweep(expired, 50).await.unwrap() },
                ending,
            );
        }
    }

    async fn nobody_acknowledges_or_deletes_for_another_mailbox(db) {
        let rng = &mut rng();
        let (bob, eve) = (person(&db, 1, 1, rng).await, person(&db, 2, 1, rng).await);
        let letter = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), letter.clone()).unwrap()], NOW, rng).await.unwrap();
        ack(&db, &eve, 0, letter.message_id, AckStatus::Delivered).await;
        let delete = async |by: &Person| {
            db.delete_letter(by.devices[0].0, &by.phone, &letter.message_id).await.unwrap()
        };
        assert_eq!(delete(&eve).await, Some(false));
        assert_eq!(inbox(&db, bob.devices[0].0).await, [letter.message_id]);
        assert_eq!(delete(&bob).await, Some(true));
        assert_eq!(count(&db, "message_deliveries").await, 0);
    }

    async fn a_retry_gets_the_same_answer_and_stores_nothing(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 3, rng).await;
        let mut letter = message(&bob, rng);
        letter.session_keys = session_for(&bob.devices, rng);
        let stranger = Person { phone: phone(99), devices: vec![] };
        let mut stale = message(&bob, rng);
        stale.list_version = 9;
        let sends = [
            SealedSend::parse(token(rng), letter).unwrap(),
            send(&stranger, rng),
            SealedSend::parse(token(rng), stale).unwrap(),
        ];
        let store = store(&db);
        for round in 0..3 {
            // Alone, together, and doubled within one batch.
            let batch = if round == 2 { [sends.clone(), sends.clone()].concat() } else { sends.to_vec() };
            let stored = store.store(&batch, NOW, rng).await.unwrap();
            assert_eq!(stored.outcomes[..3], [Stored, NoSuchMailbox, StaleList]);
            assert_eq!(stored.outcomes[3..], stored.outcomes[..batch.len() - 3]);
            assert_eq!(stored.wake.is_empty(), round > 0);
        }
        assert_eq!(count(&db, "messages").await, 1);
        assert_eq!(count(&db, "message_deliveries").await, 3);
        assert_eq!(count(&db, "device_session_keys").await, 3);
        assert_eq!(count(&db, "spent_tokens").await, 3);
    }

    async fn a_message_id_is_stored_once_whatever_the_token(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let letter = message(&bob, rng);
        let sends = [0, 1].map(|_| SealedSend::parse(token(rng), letter.clone()).unwrap());
        let stored = store(&db).store(&sends, NOW, rng).await.unwrap();
        assert_eq!(stored.outcomes, [Stored, Stored]);
        assert_eq!(count(&db, "messages").await, 1);
    }

    async fn a_token_buys_one_request(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let first = token(rng);
        let mut other = first.clone();
        other.request_digest = Bytes::random(rng);
        let sends = [
            SealedSend::parse(first, message(&bob, rng)).unwrap(),
            SealedSend::parse(other, message(&bob, rng)).unwrap(),
            send(&bob, rng),
        ];
        let stored = store(&db).store(&sends, NOW, rng).await.unwrap();
        assert_eq!(stored.outcomes, [Stored, TokenReused, Stored]);
        let again = store(&db).store(&sends[1..2], NOW, rng).await.unwrap();
        assert_eq!(again.outcomes, [TokenReused]);
        assert_eq!(count(&db, "messages").await, 2);
    }

    async fn racing_batches_spend_a_token_once(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let first = token(rng);
        let sends: Vec<_> = (0..40).map(|_| {
            let mut token = first.clone();
            token.request_digest = Bytes::random(rng);
            SealedSend::parse(token, message(&bob, rng)).unwrap()
        }).collect();
        let store = std::sync::Arc::new(store(&db));
        let mut racing = tokio::task::JoinSet::new();
        for send in sends {
            let store = store.clone();
            let mut rng: rand::rngs::StdRng = rand::SeedableRng::from_rng(rng);
            racing.spawn(async move {
                store.store(&[send], NOW, &mut rng).await.unwrap().outcomes[0]
            });
        }
        let outcomes = racing.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Stored).count(), 1);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == TokenReused).count(), 39);
        assert_eq!(count(&db, "messages").await, 1);
    }

    async fn envelopes_must_fit_the_list(db) {
        let rng = &mut rng();
        let mut bob = person(&db, 1, 2, rng).await;
        add_device(&db, &mut bob, NOW.plus(-14 * DAY - 3_600), rng).await;
        let unlisted = [bob.devices.clone(), vec![(CredentialRow(1), Bytes::random(rng))]].concat();
        let uploads = [
            (session_for(&bob.devices[..2], rng), Stored), // the dormant third may be left out
            (session_for(&bob.devices, rng), Stored),      // or named
            (session_for(&bob.devices[..1], rng), StaleList),
            (session_for(&unlisted, rng), StaleList),
        ];
        for (upload, expected) in uploads {
            let mut letter = message(&bob, rng);
            letter.session_keys = upload;
            let sends = [SealedSend::parse(token(rng), letter).unwrap()];
            assert_eq!(store(&db).store(&sends, NOW, rng).await.unwrap().outcomes, [expected]);
        }
        assert_eq!(count(&db, "messages").await, 2);
        let label = {
            let page = db.envelopes_page(bob.devices[0].0, None, 10, NOW).await.unwrap();
            assert_eq!(page.len(), 2);
            assert_eq!(page[0].envelope.encrypted_session_key, Blob(vec![2; 2048]));
            page[0].envelope.session_key_id
        };
        db.ack_envelopes(bob.devices[0].0, &[label]).await.unwrap();
        assert_eq!(db.envelopes_page(bob.devices[0].0, None, 10, NOW).await.unwrap().len(), 1);
        assert_eq!(db.envelopes_page(bob.devices[1].0, None, 10, NOW).await.unwrap().len(), 2);
        assert_eq!(db.envelopes_page(bob.devices[2].0, None, 10, NOW).await.unwrap().len(), 1);
    }

    async fn a_full_mailbox_refuses_without_spending(db) {
        let rng = &mut rng();
        let (bob, carol) = (person(&db, 1, 1, rng).await, person(&db, 2, 1, rng).await);
        let limits = Limits { letters: 3, bytes: 1 << 30, envelopes: 2 };
        let store = LetterStore::new(db.db.clone(), limits);
        let sends: Vec<_> = (0..5).map(|at| send(if at == 4 { &carol } else { &bob }, rng)).collect();
        let stored = store.store(&sends, NOW, rng).await.unwrap();
        assert_eq!(stored.outcomes, [Stored, Stored, Stored, MailboxFull, Stored]);
        assert_eq!(count(&db, "spent_tokens").await, 4);
        let refused = store.store(&sends[3..4], NOW, rng).await.unwrap();
        assert_eq!(refused.outcomes, [MailboxFull]);
        // Room made, the same bytes and token are good.
        let first = inbox(&db, bob.devices[0].0).await[0];
        ack(&db, &bob, 0, first, AckStatus::Delivered).await;
        let stored = store.store(&sends[3..4], NOW, rng).await.unwrap();
        assert_eq!(stored.outcomes, [Stored]);
    }

    async fn a_stored_letter_is_answered_so_by_a_full_mailbox(db) {
        let rng = &mut rng();
        let (bob, carol) = (person(&db, 1, 1, rng).await, person(&db, 2, 1, rng).await);
        // The second letter fills the mailbox; a full one of envelopes is as full.
        for (bob, limits) in [
            (&bob, Limits { letters: 2, bytes: 1 << 30, envelopes: 100 }),
            (&carol, Limits { letters: 100, bytes: 1 << 30, envelopes: 2 }),
        ] {
            let store = LetterStore::new(db.db.clone(), limits);
            let letters = [0, 1].map(|_| {
                let mut letter = message(bob, rng);
                letter.session_keys = session_for(&bob.devices, rng);
                letter
            });
            let mut other = message(bob, rng);
            other.session_keys = session_for(&bob.devices, rng);
            let mut sends = |letters: &[&SealedMessage]| -> Vec<_> {
                let send = |letter: &&SealedMessage| {
                    SealedSend::parse(token(rng), (*letter).clone()).unwrap()
                };
                letters.iter().map(send).collect()
            };
            // Doubled within one batch, and again in a later one, each time under a new token.
            let [one, two] = &letters;
            let batches = [
                (sends(&[one, two, two, &other]), vec![Stored, Stored, Stored, MailboxFull]),
                (sends(&[&other, one, two]), vec![MailboxFull, Stored, Stored]),
            ];
            for (batch, expected) in batches {
                for _ in 0..2 {
                    let stored = store.store(&batch, NOW, &mut crate::support::databases::rng()).await;
                    assert_eq!(stored.unwrap().outcomes, expected);
                }
            }
        }
        assert_eq!(count(&db, "messages").await, 4);
        assert_eq!(count(&db, "device_session_keys").await, 4);
        assert_eq!(count(&db, "spent_tokens").await, 10);
    }

    async fn bytes_and_envelopes_have_limits_too(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let limits = Limits { letters: 1_000, bytes: 3 * 65_536, envelopes: 2 };
        let store = LetterStore::new(db.db.clone(), limits);
        let mut outcomes = Vec::new();
        for _ in 0..4 {
            let mut letter = message(&bob, rng);
            letter.encrypted_content = Blob(vec![3; 65_536]);
            let sends = [SealedSend::parse(token(rng), letter).unwrap()];
            outcomes.extend(store.store(&sends, NOW, rng).await.unwrap().outcomes);
        }
        assert_eq!(outcomes, [Stored, Stored, Stored, MailboxFull]);
        let carol = person(&db, 2, 1, rng).await;
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            let mut letter = message(&carol, rng);
            letter.session_keys = session_for(&carol.devices, rng);
            let sends = [SealedSend::parse(token(rng), letter).unwrap()];
            outcomes.extend(store.store(&sends, NOW, rng).await.unwrap().outcomes);
        }
        assert_eq!(outcomes, [Stored, Stored, MailboxFull]);
    }

    async fn pages_cover_an_inbox_once(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        let sends: Vec<_> = (0..300).map(|_| send(&bob, rng)).collect();
        store(&db).store(&sends, NOW, rng).await.unwrap();
        let mut seen = std::collections::HashSet::new();
        let mut after = None;
        loop {
            let page = db.inbox_page(bob.devices[0].0, after, 77, NOW).await.unwrap();
            after = page.last().map(|pending| pending.position);
            if after.is_none() {
                break;
            }
            assert!(page.into_iter().all(|pending| seen.insert(pending.letter.message_id.0)));
        }
        assert_eq!(seen.len(), 300);
    }

    async fn what_one_device_read_the_others_learn(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 2, rng).await;
        let letter = message(&bob, rng);
        store(&db).store(&[SealedSend::parse(token(rng), letter.clone()).unwrap()], NOW, rng).await.unwrap();
        let read = async |device: usize| {
            db.inbox_page(bob.devices[device].0, None, 10, NOW).await.unwrap()[0].letter.read
        };
        assert!(!read(1).await);
        ack(&db, &bob, 0, letter.message_id, AckStatus::Delivered).await;
        db.mark_read(bob.devices[0].0, &bob.phone, &[letter.message_id], NOW).await.unwrap();
        assert!(read(1).await);
    }

    async fn an_expired_letter_is_not_handed_out(db) {
        let rng = &mut rng();
        let bob = person(&db, 1, 1, rng).await;
        store(&db).store(&[send(&bob, rng)], NOW, rng).await.unwrap();
        let page = async |at: UnixTime| db.inbox_page(bob.devices[0].0, None, 10, at).await.unwrap().len();
        assert_eq!(page(NOW.plus(7 * DAY)).await, 1);
        assert_eq!(page(NOW.plus(8 * DAY)).await, 0);
    }
}
