//! Somebody copies a device's vault and from then on only listens: what they can still open, and
//! what not any more.

use super::world::*;
use crate::content::Content;
use crate::engine::account::{Account, MessagingSecret};
use crate::engine::contacts::Seen;
use crate::engine::envelopes::InSession;
use crate::engine::*;
use crate::handshake::Party;
use crate::sealing::{LetterBinding, open_letter};
use crate::secret::Secret;
use crate::session_key::SessionId;
use crate::sessions::{InboundSession, SessionPart, SessionParties};
use crate::sizes::ExpiryClass;
use crate::types::{SessionLabel, UnixTime};
use crate::wire::{InboxEnvelope, InboxLetter, ServerFrame};
use minicbor::{Decode, Encode};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use std::collections::BTreeSet;

/// An engine on a copied vault, which is shown everything that the server hands to the true device
/// and says nothing to anybody.
struct Listener {
    engine: Engine,
    rng: ChaCha20Rng,
    envelopes: BTreeSet<SessionLabel>,
}

impl World {
    fn copy_vault(&mut self, who: usize) -> Listener {
        let engine = Engine::open(HOST, self.people[who].records()).unwrap();
        // Whoever copied a vault draws other numbers than its owner.
        Listener { engine, rng: ChaCha20Rng::seed_from_u64(4_711), envelopes: BTreeSet::new() }
    }

    /// Everything that lies in somebody's mailbox, before they fetch it.
    fn tap(&self, who: usize) -> (Vec<InboxEnvelope>, Vec<InboxLetter>) {
        let account = &self.server.accounts[&self.people[who].phone];
        let device = self.device(who).unwrap();
        (account.devices[&device].envelopes.clone(), account.pending(device))
    }

    /// A letter that the listener is shown before its reader gets it. Whether it opened it.
    fn overheard(&mut self, by: &mut Listener, from: usize, to: usize, text: &str) -> bool {
        self.go_offline(to);
        self.write(from, to, text);
        self.settle();
        let (envelopes, letters) = self.tap(to);
        let opened = by.hear(self.now, envelopes, letters);
        self.go_online(to);
        assert_eq!(self.received(to, from).last().unwrap(), text, "the reader can read it");
        opened.contains(&text.to_owned())
    }
}

impl Listener {
    fn hear(
        &mut self,
        now: Millis,
        mut envelopes: Vec<InboxEnvelope>,
        letters: Vec<InboxLetter>,
    ) -> Vec<String> {
        envelopes.retain(|envelope| self.envelopes.insert(envelope.session_key_id));
        let mut opened = Vec::new();
        for frame in [ServerFrame::Envelopes { envelopes }, ServerFrame::Letters { letters }] {
            let text = serde_json::to_string(&frame).unwrap();
            let out = self.engine.step(now, &mut self.rng, Input::LiveFrame { text });
            opened.extend(out.events.into_iter().filter_map(|event| match event {
                Event::Letter { letter } if !letter.outgoing => Some(super::world::text(&letter)),
                _ => None,
            }));
        }
        opened
    }
}

#[test]
fn a_copied_readers_state_opens_nothing_after_one_envelope_each_way() {
    let mut world = World::two_who_talk(3_000);
    let mut thief = world.copy_vault(BOB);
    assert!(world.overheard(&mut thief, ALICE, BOB, "in the session of now"));
    // The next session's envelope still goes to a ratchet key of the copied state.
    world.pass(25 * AN_HOUR);
    assert!(world.overheard(&mut thief, ALICE, BOB, "in a new session"));
    // And back, with a ratchet key that Bob drew since.
    world.write(BOB, ALICE, "an envelope the other way");
    world.settle();
    world.pass(25 * AN_HOUR);
    for n in 0..3 {
        assert!(!world.overheard(&mut thief, ALICE, BOB, &format!("healed {n}")));
        world.pass(25 * AN_HOUR);
    }
}

#[test]
fn a_copied_readers_state_opens_nothing_after_a_live_rekeying() {
    let mut world = World::two_who_talk(3_001);
    let mut thief = world.copy_vault(BOB);
    assert!(world.overheard(&mut thief, ALICE, BOB, "before"));
    let old = world.out_session(ALICE, BOB);
    world.rekey_overheard(&mut thief, BOB);
    assert_ne!(world.out_session(ALICE, BOB), old);
    for n in 0..3 {
        assert!(!world.overheard(&mut thief, ALICE, BOB, &format!("after {n}")));
    }
    assert_eq!(thief.engine.records.list::<rekey_next::NextSession>(&[]).len(), 0);
}

#[test]
fn a_listener_who_claims_for_itself_comes_to_another_key() {
    let mut world = World::two_who_talk(3_002);
    let mut thief = world.copy_vault(BOB);
    world.rekey_overheard(&mut thief, BOB);
    // It pretends to itself that its claim was taken, and draws a key of its own.
    let now = world.now;
    let Listener { engine, rng, .. } = &mut thief;
    let Engine { records, memory } = engine;
    let (_, heard) = records.list::<rekey_answer::OfferHeard>(&[]).remove(0);
    let out = Output::default();
    let mut turn = turn::Turn { records, memory, now, rng, out };
    let claimed = requests::Answer { status: 204, body: "" };
    turn.claim_answered(heard.exchange(), &claimed);
    assert_eq!(thief.engine.records.list::<rekey_next::NextSession>(&[]).len(), 1);
    assert!(!world.overheard(&mut thief, ALICE, BOB, "for Bob alone"));
}

impl World {
    /// A re-keying of Alice's session, all of which the listener is shown.
    fn rekey_overheard(&mut self, thief: &mut Listener, to: usize) {
        self.go_offline(to);
        self.rekey_now(ALICE, BOB);
        self.pass(SECOND);
        let (envelopes, letters) = self.tap(to);
        thief.hear(self.now, envelopes, letters);
        assert_eq!(
            thief.engine.records.list::<rekey_answer::OfferHeard>(&[]).len(),
            1,
            "the listener reads the offer"
        );
        self.go_online(to);
        self.pass(10 * MINUTE);
    }
}

/// The parts of a sending end that open letters, read from its record.
#[derive(Decode)]
#[cbor(map)]
struct CopiedOut {
    #[n(0)]
    ratchet: CopiedChain,
}

#[derive(Decode)]
#[cbor(map)]
struct CopiedChain {
    #[n(0)]
    id: SessionId,
    #[n(1)]
    parties: SessionParties,
    #[n(2)]
    chain: Secret,
    #[n(3)]
    next: u32,
}

/// A receiving end's record.
#[derive(Encode)]
#[cbor(map)]
struct Forged {
    #[n(0)]
    id: SessionId,
    #[n(1)]
    parties: SessionParties,
    #[n(2)]
    chain: Secret,
    #[n(3)]
    next: u32,
    #[n(4)]
    skipped: Vec<()>,
    #[n(5)]
    created_at: UnixTime,
    #[n(6)]
    certified_until: UnixTime,
}

/// What somebody makes of a copied sending end: a receiving end for what is sent from then on.
fn receiving_end(world: &World, who: usize, whom: usize) -> InboundSession {
    let contact = world.contact(who, whom).unwrap().id.to_text();
    let record = &world.people[who].vault[&format!("out/{contact}")];
    let CopiedChain { id, parties, chain, next } =
        minicbor::decode::<CopiedOut>(record).unwrap().ratchet;
    let created_at = UnixTime(world.now / 1_000).plus(-3_600);
    let (skipped, certified_until) = (Vec::new(), created_at.plus(40 * 86_400));
    let forged = Forged { id, parties, chain, next, skipped, created_at, certified_until };
    minicbor::decode(&crate::record::to_cbor(&forged)).unwrap()
}

/// A letter's seal opened with the reader's own secrets, as a leaked messaging key would.
fn unsealed(world: &World, reader: usize, letter: &InboxLetter) -> Vec<u8> {
    let account: Account = minicbor::decode(&world.people[reader].vault["account"]).unwrap();
    let vault = world.people[reader].vault.iter();
    let secrets = vault.filter(|(key, _)| key.starts_with("messaging/"));
    secrets
        .filter_map(|(_, record)| {
            let messaging: MessagingSecret = minicbor::decode(record).unwrap();
            let binding = LetterBinding {
                phone: &account.phone,
                key_version: messaging.key_version,
                message_id: &letter.message_id,
                expiry: ExpiryClass::of_letter(letter.timestamp, letter.expires_at).unwrap(),
            };
            open_letter(&messaging.secret, &binding, &letter.encrypted_content.0).ok()
        })
        .next()
        .unwrap()
}

fn opens(session: &InboundSession, part: &[u8], stored: UnixTime) -> Option<Content> {
    let part = SessionPart::parse(part).unwrap();
    session.decrypt(&part, stored).ok().map(|(_, content)| content)
}

#[test]
fn a_copied_writers_state_opens_nothing_after_a_live_rekeying() {
    let mut world = World::two_who_talk(3_003);
    let copied = receiving_end(&world, ALICE, BOB);
    let heard = |world: &mut World, text: &str| {
        world.go_offline(BOB);
        world.write(ALICE, BOB, text);
        world.settle();
        let letter = world.tap(BOB).1.pop().unwrap();
        let part = unsealed(world, BOB, &letter);
        world.go_online(BOB);
        assert_eq!(world.received(BOB, ALICE).last().unwrap(), text);
        // Session ids are in the clear here: the copy is tried whatever the letter says it is of.
        let same = SessionPart::parse(&part).unwrap().session_id == *copied.id();
        let renamed = [&copied.id().0[..], &part[16..]].concat();
        let index = u32::from_be_bytes(part[16..20].try_into().unwrap());
        let any_index = (0..100u32).find_map(|n| {
            let again = [&renamed[..16], &n.to_be_bytes(), &renamed[20..]].concat();
            opens(&copied, &again, letter.timestamp)
        });
        assert!(index < 100);
        (same, opens(&copied, &renamed, letter.timestamp).or(any_index).is_some())
    };
    assert_eq!(heard(&mut world, "before"), (true, true));
    world.rekey_now(ALICE, BOB);
    world.pass(10 * MINUTE);
    for n in 0..3 {
        assert_eq!(heard(&mut world, &format!("after {n}")), (false, false));
    }
}

#[test]
fn a_state_opens_no_letter_that_it_has_opened_before() {
    let mut world = World::new(2, 3_004);
    world.write(BOB, ALICE, "hello");
    world.settle();
    let mut frames = Vec::new();
    for n in 0..6 {
        world.go_offline(BOB);
        world.write(ALICE, BOB, &format!("letter {n}"));
        world.settle();
        frames.push(world.tap(BOB));
        world.go_online(BOB);
        world.write(BOB, ALICE, &format!("answer {n}"));
        if n == 2 {
            world.rekey_now(ALICE, BOB);
        }
        world.pass(if n == 4 { 25 * AN_HOUR } else { 10 * MINUTE });
    }
    assert_eq!(world.received(BOB, ALICE).len(), 6);
    let sessions: BTreeSet<SessionId> = frames
        .iter()
        .flat_map(|(_, letters)| letters)
        .map(|letter| SessionPart::parse(&unsealed(&world, BOB, letter)).unwrap().session_id)
        .collect();
    assert!(sessions.len() >= 3, "one after a re-keying, one after a day");
    // Nothing in the copy says what was seen before, so that only missing keys can stop it.
    let mut thief = world.copy_vault(BOB);
    thief.engine.records.delete_all::<Seen>(&[]);
    for (envelopes, letters) in frames {
        assert!(thief.hear(world.now, envelopes, letters).is_empty());
    }
    // It is not deaf: what comes next, it opens.
    assert!(world.overheard(&mut thief, ALICE, BOB, "next"));
}

#[test]
fn a_state_from_after_a_rekeying_holds_no_key_of_the_one_before_on_the_writers_side() {
    let mut world = World::two_who_talk(3_005);
    world.go_offline(BOB);
    world.write(ALICE, BOB, "in the old one");
    world.settle();
    let letter = world.tap(BOB).1.pop().unwrap();
    world.go_online(BOB);
    world.rekey_now(ALICE, BOB);
    world.pass(10 * MINUTE);
    let part = unsealed(&world, BOB, &letter);
    let copied = receiving_end(&world, ALICE, BOB);
    for index in 0..100u32 {
        let again = [&copied.id().0[..], &index.to_be_bytes(), &part[20..]].concat();
        assert!(opens(&copied, &again, letter.timestamp).is_none());
    }
    assert_eq!(world.people[ALICE].count("rekey"), 0, "nor an ephemeral secret");
    let sessions = world.people[BOB].vault.iter().filter(|(key, _)| key.starts_with("in/"));
    for (_, record) in sessions {
        let known: InSession = minicbor::decode(record).unwrap();
        let parties: &Party = &known.session.parties().sender;
        assert_eq!(parties.phone, world.people[ALICE].phone);
        assert!(opens(&known.session, &part, letter.timestamp).is_none(), "the reader's neither");
    }
}
