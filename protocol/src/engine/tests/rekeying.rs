//! Live re-keying: when it happens, what it takes, and what a crash or a lie makes of it.

use super::world::*;
use crate::engine::envelopes::InSession;
use crate::engine::outbound::OutSession;
use crate::engine::records::{RecordKey, Records};
use crate::engine::rekey::Talk;
use crate::engine::wraps::WrapCounter;
use crate::engine::*;
use crate::session_key::SessionId;
use crate::types::{Bytes, DeviceId};
use crate::wire::SealedMessage;

impl World {
    /// Two people who have just written to each other.
    pub(super) fn two_who_talk(seed: u64) -> Self {
        let mut world = Self::with_batches(2, seed, 300);
        for n in 0..3 {
            world.write(ALICE, BOB, &format!("a{n}"));
            world.pass(MINUTE);
            world.write(BOB, ALICE, &format!("b{n}"));
            world.pass(MINUTE);
        }
        // A re-keying that came by itself is over.
        while [ALICE, BOB].iter().any(|who| world.people[*who].count("rekey") > 0) {
            world.pass(MINUTE);
        }
        for who in [ALICE, BOB] {
            world.change_records(who, |records| records.delete_all::<Talk>(&[]));
        }
        world
    }

    /// Does something to somebody's records.
    pub(super) fn change_records(&mut self, who: usize, change: impl FnOnce(&mut Records)) {
        let person = &mut self.people[who];
        change(&mut person.engine.records);
        let writes = person.engine.records.take_writes();
        person.commit(&writes);
    }

    /// The moment for the next re-keying has come for somebody.
    pub(super) fn rekey_now(&mut self, who: usize, whom: usize) {
        let contact = self.contact(who, whom).unwrap().id;
        let now = Some(self.now);
        let talk = Talk { heard: now, said: now, due: now };
        self.change_records(who, |records| records.put(&Talk::key(contact), &talk));
        self.step(who, Input::Tick);
        self.settle();
    }

    /// The session in which somebody writes.
    pub(super) fn out_session(&self, who: usize, whom: usize) -> SessionId {
        let contact = self.contact(who, whom).unwrap().id.to_text();
        let record = &self.people[who].vault[&format!("out/{contact}")];
        minicbor::decode::<OutSession>(record).unwrap().id()
    }

    fn knows_session(&self, who: usize, session: SessionId) -> bool {
        self.people[who].vault.contains_key(&format!("in/{}", session.to_text()))
    }

    fn written(&self, who: usize, to: usize) -> Vec<String> {
        let letters = self.letters(who, to).into_iter();
        letters.filter(|letter| letter.outgoing).map(|letter| text(&letter)).collect()
    }

    fn posted_keys(&self) -> usize {
        let log = self.server.sealed_log.iter();
        log.filter(|line| line.starts_with("/v1/sealed/ephemeral-keys ")).count()
    }

    fn claims(&self) -> usize {
        let log = self.server.account_log.iter();
        log.filter(|line| line.ends_with("/claim")).count()
    }

    /// How many letters brought envelopes with them.
    fn uploads(&self) -> usize {
        let log = self.server.sealed_log.iter();
        let letters = log.filter_map(|line| line.strip_prefix("/v1/sealed/messages "));
        let letters = letters.map(|body| serde_json::from_str::<SealedMessage>(body).unwrap());
        letters.filter(|letter| letter.session_keys.is_some()).count()
    }
}

#[test]
fn a_conversation_is_rekeyed_at_moments_of_its_own_and_nobody_notices() {
    let mut world = World::two_who_talk(1_000);
    let before = (world.out_session(ALICE, BOB), world.out_session(BOB, ALICE));
    let uploads = world.uploads();
    for n in 3..103 {
        world.write(ALICE, BOB, &format!("a{n}"));
        world.pass(2 * MINUTE);
        world.write(BOB, ALICE, &format!("b{n}"));
        world.pass(2 * MINUTE);
    }
    world.pass(10 * MINUTE);
    let texts = |of: &str| (0..103).map(|n| format!("{of}{n}")).collect::<Vec<_>>();
    assert_eq!(world.received(BOB, ALICE), texts("a"));
    assert_eq!(world.received(ALICE, BOB), texts("b"));
    assert_ne!(world.out_session(ALICE, BOB), before.0);
    assert_ne!(world.out_session(BOB, ALICE), before.1);
    assert!((6..60).contains(&world.posted_keys()), "{}", world.posted_keys());
    assert!(world.claims() >= world.posted_keys() - 2, "{} claims", world.claims());
    // In these seven hours nobody was asked for keys, and no envelope was made.
    assert_eq!(world.uploads(), uploads);
    let kept = ["rekey", "rekey-heard", "rekey-answer"];
    world.pass(30 * AN_HOUR);
    for who in [ALICE, BOB] {
        assert_eq!(kept.map(|kind| world.people[who].count(kind)), [0; 3], "nothing is left over");
    }
}

#[test]
fn the_next_session_is_taken_up_with_its_first_letter_and_the_old_one_closed() {
    let mut world = World::two_who_talk(1_001);
    let old = world.out_session(ALICE, BOB);
    world.rekey_now(ALICE, BOB);
    world.pass(10 * MINUTE);
    let new = world.out_session(ALICE, BOB);
    assert_ne!(new, old, "agreed");
    assert!(!world.knows_session(BOB, new), "pending until its first letter");
    assert_eq!(world.people[BOB].count("next-session"), 1);
    world.write(ALICE, BOB, "in the next one");
    world.settle();
    assert!(world.knows_session(BOB, new) && world.knows_session(BOB, old));
    assert_eq!(world.people[BOB].count("next-session"), 0);
    assert_eq!(world.received(BOB, ALICE).last().unwrap(), "in the next one");
    let record = &world.people[BOB].vault[&format!("in/{}", old.to_text())];
    let closed: InSession = minicbor::decode(record).unwrap();
    let closed = format!("{:?}", closed.session);
    assert!(closed.contains("closed_at: Some"), "{closed}");
    world.rekey_now(ALICE, BOB);
    world.pass(10 * MINUTE);
    assert_ne!(world.out_session(ALICE, BOB), new, "and again");
}

#[test]
fn people_who_write_one_way_or_have_stopped_are_not_rekeyed() {
    let mut world = World::new(2, 1_002);
    for n in 0..60 {
        world.write(ALICE, BOB, &n.to_string());
        world.pass(2 * MINUTE);
    }
    assert_eq!(world.posted_keys(), 0);
    world.write(BOB, ALICE, "an answer");
    world.pass(20 * MINUTE);
    let posted = world.posted_keys();
    world.pass(20 * AN_HOUR);
    assert_eq!(world.posted_keys(), posted);
}

#[test]
fn what_was_fetched_late_is_no_conversation() {
    let mut world = World::new(2, 1_003);
    world.write(ALICE, BOB, "first");
    world.settle();
    world.go_offline(BOB);
    world.write(ALICE, BOB, "while Bob was away");
    world.pass(3 * AN_HOUR);
    world.go_online(BOB);
    world.write(BOB, ALICE, "I am back");
    world.settle();
    assert_eq!(world.received(BOB, ALICE).len(), 2);
    let contact = world.contact(BOB, ALICE).unwrap().id.to_text();
    let talk: Talk =
        minicbor::decode(&world.people[BOB].vault[&format!("talk/{contact}")]).unwrap();
    assert_eq!(talk.due, None);
}

#[test]
fn nothing_leaves_when_an_offer_or_an_answer_comes() {
    let mut world = World::two_who_talk(1_004);
    let sealed = world.people[BOB].sealed_requests;
    let (asked, claims) = (world.server.account_log.len(), world.claims());
    world.rekey_now(ALICE, BOB);
    assert_eq!(world.people[BOB].count("rekey-heard"), 1, "the offer was heard");
    let since: Vec<String> = world.server.account_log[asked..].to_vec();
    assert!(since.iter().all(|line| !line.contains("ephemeral")), "{since:?}");
    assert_eq!(world.people[BOB].sealed_requests, sealed);
    while world.people[BOB].count("pool") == 0 {
        world.pass(SECOND);
    }
    assert_eq!(world.claims(), claims + 1);
    assert_eq!(world.people[BOB].sealed_requests, sealed, "the answer waits in the pool");
    let sent = world.people[ALICE].sealed_requests;
    while world.people[BOB].sealed_requests == sealed {
        world.pass(SECOND);
    }
    assert_eq!(world.people[ALICE].sealed_requests, sent, "and its coming sends nothing");
    let answer = world.server.sealed_log.last().unwrap();
    let answer: SealedMessage =
        serde_json::from_str(answer.strip_prefix("/v1/sealed/messages ").unwrap()).unwrap();
    assert_eq!((answer.encrypted_content.0.len(), answer.expiry_days), (4_096, 30));
}

#[test]
fn rows_that_match_no_offer_are_left_alone() {
    let mut world = World::two_who_talk(1_020);
    world.rekey_now(ALICE, BOB);
    let phone = world.people[BOB].phone.clone();
    while world.server.accounts[&phone].ephemeral.is_empty() {
        world.pass(SECOND);
    }
    let rows = &mut world.server.accounts.get_mut(&phone).unwrap().ephemeral;
    rows.values_mut().for_each(|row| row.key = Bytes([9; 32]));
    world.pass(10 * MINUTE);
    assert_eq!(world.claims(), 0, "another key than the offer's");
    assert_eq!(world.people[BOB].count("rekey-heard"), 0);
    world.write(ALICE, BOB, "all the same");
    world.settle();
    assert_eq!(world.received(BOB, ALICE).last().unwrap(), "all the same");
}

#[test]
fn an_answer_that_does_not_confirm_ends_it_and_the_session_goes_on() {
    let mut world = World::two_who_talk(1_006);
    let old = world.out_session(ALICE, BOB);
    world.rekey_now(ALICE, BOB);
    while world.people[BOB].count("pool") == 0 {
        world.pass(SECOND);
    }
    let person = &mut world.people[BOB];
    let (_, note) = person.vault.iter_mut().find(|(key, _)| key.starts_with("pool/")).unwrap();
    let tag = note.windows(3).position(|bytes| bytes == [0x05, 0x58, 0x20]).unwrap();
    note[tag + 3] ^= 1;
    world.reopen(BOB);
    world.pass(10 * MINUTE);
    assert_eq!(world.people[ALICE].count("rekey"), 0);
    assert_eq!(world.out_session(ALICE, BOB), old);
    world.write(ALICE, BOB, "still here");
    world.settle();
    assert_eq!(world.received(BOB, ALICE).last().unwrap(), "still here");
}

#[test]
fn a_changed_list_ends_it() {
    let mut world = World::two_who_talk(1_020);
    world.rekey_now(ALICE, BOB);
    world.move_list(BOB);
    world.pass(10 * MINUTE);
    assert_eq!(world.claims(), 0, "the offer was for another list");
    assert_eq!(world.people[BOB].count("next-session"), 0);
    world.write(ALICE, BOB, "to the new list");
    world.pass(MINUTE);
    assert_eq!(world.received(BOB, ALICE).last().unwrap(), "to the new list");
    world.pass(30 * AN_HOUR);
    assert_eq!(world.people[ALICE].count("rekey"), 0);
}

#[test]
fn without_an_answer_the_offer_goes_after_a_day() {
    let mut world = World::two_who_talk(1_028);
    world.go_offline(BOB);
    world.rekey_now(ALICE, BOB);
    assert_eq!(world.people[ALICE].count("rekey"), 1);
    world.pass(AN_HOUR);
    let before = world.claims();
    world.go_online(BOB);
    world.pass(AN_HOUR);
    assert_eq!(world.claims(), before, "the row is gone, and an old offer is not looked after");
    world.pass(50 * AN_HOUR);
    assert_eq!(world.people[ALICE].count("rekey"), 0);
}

#[test]
fn a_crash_anywhere_in_a_rekeying_loses_no_letter() {
    let mut agreed = 0;
    for (seed, crash) in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterSending]
        .into_iter()
        .flat_map(|crash| (0..11).map(move |n| (n, crash)))
    {
        for who in [ALICE, BOB] {
            let mut world = World::two_who_talk(2_000 + seed);
            let old = world.out_session(ALICE, BOB);
            let at = world.people[who].steps + seed as u32;
            world.people[who].crash = Some((at, crash));
            world.rekey_now(ALICE, BOB);
            for n in 3..6 {
                world.pass(2 * MINUTE);
                world.write(ALICE, BOB, &format!("a{n}"));
                world.write(BOB, ALICE, &format!("b{n}"));
            }
            world.pass(AN_HOUR);
            agreed += u32::from(world.out_session(ALICE, BOB) != old);
            world.write(ALICE, BOB, "a6");
            world.write(BOB, ALICE, "b6");
            world.pass(10 * MINUTE);
            assert!(world.people[who].crashed, "{seed} {crash:?}");
            for (writer, reader) in [(ALICE, BOB), (BOB, ALICE)] {
                let mut written = world.written(writer, reader);
                let mut received = world.received(reader, writer);
                written.sort();
                received.sort();
                // A crash before the commit may take the writing of one letter with it.
                assert!(written.len() >= 6, "{seed} {crash:?} {who}");
                assert_eq!(received, written, "{seed} {crash:?} {who}");
            }
        }
    }
    assert!(agreed > 40, "{agreed} of 66 came to an end");
}

#[test]
fn an_offer_of_another_session_or_device_is_not_heard() {
    let mut world = World::two_who_talk(1_029);
    let contact = world.contact(BOB, ALICE).unwrap().id;
    let session = world.out_session(ALICE, BOB);
    let device = world.device(ALICE).unwrap();
    let heard = |world: &mut World, offered: SessionId, from: DeviceId| {
        let stored = crate::types::UnixTime(world.now / 1_000);
        let offer = crate::rekey::RekeyOffer {
            version: crate::rekey::REKEY_VERSION,
            exchange: Bytes::random(&mut world.rng),
            ephemeral_key: Bytes([9; 32]),
            session: offered,
            next_session: Bytes([1; 16]),
            device_id: from,
            sender_list_version: 1,
            recipient_list_version: 1,
        };
        let phone = world.people[ALICE].phone.clone();
        let mut content =
            crate::content::Content::text(&phone, &device, Bytes([7; 16]), world.now, "");
        content.body = offer.to_cbor();
        let now = world.now;
        let Person { engine, .. } = &mut world.people[BOB];
        let Engine { records, memory } = engine;
        let out = Output::default();
        let mut turn = turn::Turn { records, memory, now, rng: &mut world.rng, out };
        turn.hear_offer(contact, session, stored, &content);
        let heard = engine.records.list::<rekey_answer::OfferHeard>(&[]).len();
        engine.records.delete_all::<rekey_answer::OfferHeard>(&[]);
        heard
    };
    assert_eq!(heard(&mut world, session, device), 1);
    assert_eq!(heard(&mut world, Bytes([0; 16]), device), 0);
    assert_eq!(heard(&mut world, session, Bytes([0; 16])), 0);
}

/// Two people who have just written to each other, the second with two devices.
fn three_devices(seed: u64) -> (World, usize) {
    let mut world = World::new(2, seed);
    let phone = world.graft(BOB, "Phone");
    for n in 0..3 {
        world.write(ALICE, BOB, &format!("a{n}"));
        world.pass(2 * MINUTE);
        world.write(BOB, ALICE, &format!("b{n}"));
        world.pass(2 * MINUTE);
    }
    world.pass(30 * MINUTE);
    for who in [ALICE, BOB, phone] {
        world.change_records(who, |records| records.delete_all::<Talk>(&[]));
    }
    (world, phone)
}

#[test]
fn of_two_devices_one_claims_and_both_read_on() {
    let (mut world, phone) = three_devices(1_010);
    let (old, claims) = (world.out_session(ALICE, BOB), world.claims());
    world.rekey_now(ALICE, BOB);
    let heard = |world: &World, who: usize| world.people[who].count("rekey-heard");
    assert_eq!((heard(&world, BOB), heard(&world, phone)), (1, 1));
    world.pass(20 * MINUTE);
    assert_ne!(world.out_session(ALICE, BOB), old, "agreed");
    assert_eq!(world.claims(), claims + 1);
    assert_eq!((heard(&world, BOB), heard(&world, phone)), (0, 0));
    for who in [BOB, phone] {
        assert_eq!(world.people[who].count("next-session"), 1);
    }
    for n in 0..4 {
        world.write(ALICE, BOB, &format!("next {n}"));
        world.pass(MINUTE);
    }
    let expected = ["a0", "a1", "a2", "next 0", "next 1", "next 2", "next 3"];
    assert_eq!(world.received(BOB, ALICE), expected);
    assert_eq!(world.received(phone, ALICE), expected);
    assert_eq!(world.people[phone].count("next-session"), 0);
}

#[test]
fn a_sibling_who_was_away_reads_the_next_session_too() {
    let (mut world, phone) = three_devices(1_011);
    let old = world.out_session(ALICE, BOB);
    world.go_offline(phone);
    world.rekey_now(ALICE, BOB);
    world.pass(20 * MINUTE);
    assert_ne!(world.out_session(ALICE, BOB), old, "agreed");
    world.write(ALICE, BOB, "while the phone was off");
    world.pass(5 * AN_HOUR);
    world.go_online(phone);
    assert_eq!(world.received(phone, ALICE).last().unwrap(), "while the phone was off");
    world.write(ALICE, BOB, "and on");
    world.settle();
    assert_eq!(world.received(phone, ALICE).last().unwrap(), "and on");
}

#[test]
fn no_answer_leaves_before_the_siblings_have_the_key() {
    let (mut world, phone) = three_devices(1_012);
    let old = world.out_session(ALICE, BOB);
    world.go_offline(phone);
    // The server has counted on without this device.
    let number = world.people[BOB].phone.clone();
    let device = world.device(BOB).unwrap();
    world.server.accounts.get_mut(&number).unwrap().devices.get_mut(&device).unwrap().counter += 7;
    world.rekey_now(ALICE, BOB);
    let mut answers = 0;
    for _ in 0..20 * 60 {
        world.pass(SECOND);
        answers += world.people[BOB].count("pool");
    }
    assert_eq!(answers, 0, "the wrap was refused, and with it the answer");
    assert_eq!(
        world.people[BOB].count("next-session") + world.people[BOB].count("rekey-answer"),
        0
    );
    assert_eq!(world.out_session(ALICE, BOB), old);
    // The counter was learned: the next one comes to an end.
    world.change_records(ALICE, |records| records.delete_all::<rekey_offer::OfferMade>(&[]));
    world.rekey_now(ALICE, BOB);
    world.pass(20 * MINUTE);
    assert_ne!(world.out_session(ALICE, BOB), old);
}

/// Goes on, carrying what is asked of the server, until Bob wraps a next key: where in his queue.
fn until_wrapped(world: &mut World) -> Option<usize> {
    for _ in 0..20 * 60 {
        world.now += SECOND;
        for who in [ALICE, BOB] {
            world.step(who, Input::Tick);
            while world.carry(who) {
                let mut queue = world.people[BOB].queue.iter();
                if let Some(at) = queue.position(|request| request.path == "/v1/session-keys") {
                    return Some(at);
                }
            }
        }
    }
    None
}

#[test]
fn a_conversation_deleted_while_its_next_key_is_wrapped_leaves_the_counter_right() {
    let mut worlds = (1_013..1_023).filter_map(|seed| {
        let (mut world, phone) = three_devices(seed);
        world.go_offline(phone);
        world.rekey_now(ALICE, BOB);
        let at = until_wrapped(&mut world)?;
        Some((world, phone, at))
    });
    let (mut world, phone, at) = worlds.next().expect("the next key is wrapped");
    let request = world.people[BOB].queue.remove(at).unwrap();
    let contact = world.contact(BOB, ALICE).unwrap().id;
    world.step(BOB, Input::DeleteConversation { contact });
    let (status, body) = world.reach_server(BOB, &request);
    assert_eq!(status, 204);
    world.step(BOB, Input::Response { request: request.id, status, retry_after: None, body });
    world.settle();
    let (number, device) = (world.people[BOB].phone.clone(), world.device(BOB).unwrap());
    let counted = world.server.accounts[&number].devices[&device].counter;
    world.change_records(BOB, |records| {
        let known: WrapCounter = records.get(&RecordKey::only()).unwrap();
        assert_eq!(known.last, counted);
    });
    world.go_online(phone);
    world.write(ALICE, BOB, "and on");
    world.pass(10 * MINUTE);
    for who in [BOB, phone] {
        assert_eq!(world.received(who, ALICE).last().unwrap(), "and on");
    }
}

#[test]
fn a_crash_of_the_answering_device_loses_nothing_for_its_sibling() {
    let mut agreed = 0;
    for crash in [Crash::BeforeCommit, Crash::AfterCommit, Crash::AfterSending] {
        for n in 0..8 {
            let (mut world, phone) = three_devices(1_020);
            world.go_offline(phone);
            let old = world.out_session(ALICE, BOB);
            world.people[BOB].crash = Some((world.people[BOB].steps + n, crash));
            world.rekey_now(ALICE, BOB);
            world.pass(30 * MINUTE);
            agreed += u32::from(world.out_session(ALICE, BOB) != old);
            world.write(ALICE, BOB, "after");
            world.go_online(phone);
            world.pass(10 * MINUTE);
            let expected = ["a0", "a1", "a2", "after"];
            assert_eq!(world.received(BOB, ALICE), expected, "{n} {crash:?}");
            assert_eq!(world.received(phone, ALICE), expected, "{n} {crash:?}");
        }
    }
    assert!(agreed >= 12, "{agreed} of 24 came to an end");
}
