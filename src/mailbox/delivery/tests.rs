use super::*;
use letterbox_protocol::types::{Blob, Bytes, UnixTime};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const PAGE: usize = 2;

/// A mailbox in memory, as the database would answer, and the client at the other end.
#[derive(Default)]
struct World {
    letters: BTreeMap<i64, (MessageId, Option<SessionLabel>)>,
    envelopes: BTreeMap<i64, SessionLabel>,
    delivery: Delivery,
    todo: VecDeque<Do>,
    frames: VecDeque<ServerFrame>,
    opened: Vec<SessionLabel>,
    got: Vec<MessageId>,
    caught_up: usize,
    changes: usize,
}

fn page<T: Clone>(rows: &BTreeMap<i64, T>, after: Option<Position>) -> (Vec<T>, Option<Position>) {
    let from = after.map_or(i64::MIN, |after| after.0 + 1);
    let found: Vec<_> = rows.range(from..).take(PAGE).collect();
    let more = found.last().filter(|(last, _)| rows.range(*last + 1..).next().is_some());
    (found.iter().map(|(_, row)| (*row).clone()).collect(), more.map(|(id, _)| Position(**id)))
}

fn label(n: u8) -> SessionLabel {
    Bytes([n; 16])
}

impl World {
    /// Commits a letter, where `place` says in the order of ids, with an envelope or without.
    fn commit(&mut self, n: u8, place: i64, with_envelope: bool) {
        let place = place * 256 + i64::from(n);
        if with_envelope {
            self.envelopes.insert(place, label(n));
        }
        self.letters.insert(place, (Bytes([n; 16]), with_envelope.then(|| label(n))));
    }

    fn tell(&mut self, happened: Happened) {
        self.todo.extend(self.delivery.step(happened));
    }

    /// Does the next thing that was asked for; false when there is nothing to do.
    fn work(&mut self) -> bool {
        let Some(next) = self.todo.pop_front() else { return false };
        match next {
            Do::ReadLetters(after) => {
                let (rows, next) = page(&self.letters, after);
                let page = rows.into_iter().map(|(message_id, _)| letter(message_id)).collect();
                self.tell(Happened::Letters { page, next });
            }
            Do::ReadEnvelopes(after) => {
                let (rows, next) = page(&self.envelopes, after);
                let page = rows.into_iter().map(envelope).collect();
                self.tell(Happened::Envelopes { page, next });
            }
            Do::Send(ServerFrame::CaughtUp) => self.caught_up += 1,
            Do::Send(ServerFrame::AccountChanged) => self.changes += 1,
            Do::Send(frame) => self.frames.push_back(frame),
            Do::AcknowledgeLetters(acks) => {
                self.letters.retain(|_, (id, _)| acks.iter().all(|ack| ack.message_id != *id));
            }
            Do::AcknowledgeEnvelopes(labels) => {
                self.envelopes.retain(|_, label| !labels.contains(label));
            }
            Do::Refuse => panic!("refused"),
        }
        true
    }

    /// The client takes one frame and acknowledges it; with `hold` it holds all of it back.
    fn answer(&mut self, hold: bool) -> bool {
        let Some(frame) = self.frames.pop_front() else { return false };
        assert!(self.frames.is_empty(), "a second batch before the first was acknowledged");
        let (mut letters, mut envelopes) = (Vec::new(), Vec::new());
        match frame {
            ServerFrame::Envelopes { envelopes: sent } => {
                envelopes.extend(sent.iter().map(|envelope| envelope.session_key_id));
                self.opened.extend(&envelopes);
            }
            ServerFrame::Letters { letters: sent } => {
                letters.extend(sent.iter().map(|letter| letter.message_id));
                self.got.extend(&letters);
            }
            ServerFrame::CaughtUp | ServerFrame::AccountChanged => unreachable!(),
        }
        if hold {
            (letters, envelopes) = (Vec::new(), Vec::new());
        }
        let ack = |message_id| InboxAck { message_id, status: AckStatus::Delivered };
        let letters = letters.into_iter().map(ack).collect();
        self.tell(Happened::Frame(ClientFrame::Acks { letters, envelopes }));
        true
    }

    fn settle(&mut self) {
        while self.work() || self.answer(false) {}
    }
}

fn letter(message_id: MessageId) -> InboxLetter {
    let (timestamp, expires_at) = (UnixTime(0), UnixTime(0));
    InboxLetter {
        message_id,
        timestamp,
        expires_at,
        read: false,
        encrypted_content: Blob::default(),
    }
}

fn envelope(session_key_id: SessionLabel) -> InboxEnvelope {
    InboxEnvelope {
        session_key_id,
        created_at: UnixTime(0),
        encrypted_session_key: Blob::default(),
    }
}

#[test]
fn an_empty_mailbox_is_caught_up_at_once_and_only_once() {
    let mut world = World::default();
    world.tell(Happened::Opened);
    world.settle();
    assert_eq!(world.caught_up, 1);
    world.commit(1, 0, true);
    world.tell(Happened::Woken);
    world.settle();
    assert_eq!((world.caught_up, world.got.len(), world.opened.len()), (1, 1, 1));
}

#[test]
fn the_next_batch_waits_for_the_acknowledgement() {
    let mut world = World::default();
    for n in 0..5 {
        world.commit(n, i64::from(n), false);
    }
    world.tell(Happened::Opened);
    while world.work() {}
    assert_eq!(world.frames.len(), 1);
    world.tell(Happened::Woken);
    while world.work() {}
    assert_eq!(world.frames.len(), 1);
}

#[test]
fn what_is_held_back_is_not_sent_again_on_this_connection() {
    let mut world = World::default();
    world.commit(1, 0, true);
    world.tell(Happened::Opened);
    while world.work() || world.answer(true) {}
    world.commit(2, -1, true);
    world.tell(Happened::Woken);
    world.settle();
    assert_eq!(world.got, [Bytes([1; 16]), Bytes([2; 16])]);
    // Acknowledged out of turn, it goes.
    let acks = vec![InboxAck { message_id: Bytes([1; 16]), status: AckStatus::Delivered }];
    world.tell(Happened::Frame(ClientFrame::Acks { letters: acks, envelopes: vec![label(1)] }));
    world.settle();
    assert!(world.letters.is_empty() && world.envelopes.is_empty());
    assert_eq!(world.delivery.sent_letters.len() + world.delivery.sent_envelopes.len(), 0);
}

#[test]
fn too_many_acknowledgements_are_refused() {
    let mut delivery = Delivery::default();
    let envelopes = vec![label(0); ACKS + 1];
    let frame = ClientFrame::Acks { letters: Vec::new(), envelopes };
    assert_eq!(delivery.step(Happened::Frame(frame)), [Do::Refuse]);
}

#[derive(Debug, Clone)]
enum Act {
    Commit { place: i64, with_envelope: bool },
    Work,
    Answer,
    ChangeAccount,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (-4..4_i64, any::<bool>())
            .prop_map(|(place, with_envelope)| Act::Commit { place, with_envelope }),
        Just(Act::Work),
        Just(Act::Work),
        Just(Act::Answer),
        Just(Act::ChangeAccount),
    ]
}

proptest! {
    /// Whatever the order of commits, wake-ups, reads and acknowledgements: every letter comes
    /// once, after its envelope, and nothing stays behind; word of a changed account disturbs nothing.
    #[test]
    fn every_letter_comes_once_and_after_its_envelope(acts in prop::collection::vec(act(), 0..120)) {
        let mut world = World::default();
        world.tell(Happened::Opened);
        let (mut committed, mut needs, mut changes) = (0_u8, BTreeMap::new(), 0);
        for act in acts {
            match act {
                Act::Commit { place, with_envelope } => {
                    world.commit(committed, place, with_envelope);
                    needs.insert(Bytes([committed; 16]), with_envelope.then(|| label(committed)));
                    committed += 1;
                    world.tell(Happened::Woken);
                }
                Act::Work => drop(world.work()),
                Act::ChangeAccount => {
                    world.tell(Happened::AccountChanged);
                    changes += 1;
                }
                Act::Answer => {
                    let (got, opened) = (world.got.len(), world.opened.len());
                    world.answer(false);
                    for id in &world.got[got..] {
                        let before = &world.opened[..opened];
                        prop_assert!(needs[id].is_none_or(|label| before.contains(&label)));
                    }
                }
            }
        }
        world.settle();
        prop_assert_eq!(world.got.len(), usize::from(committed));
        prop_assert!(world.letters.is_empty() && world.envelopes.is_empty());
        prop_assert_eq!(world.caught_up, 1);
        prop_assert_eq!(world.changes, changes);
    }
}
