//! The log as the adversary reads it: who was connected, what was brought to which mailbox, and who
//! acknowledged what.

use super::{
    lived::Lived,
    world::log::{Seen, What},
};
use letterbox_protocol::{
    engine::Millis,
    types::MessageId,
    wire::{AckStatus, ClientFrame, InboxAcks, SealedEphemeralKey, SealedMessage},
};
use std::collections::HashMap;

/// A letter that somebody brought to a mailbox.
pub(super) struct Deposit {
    /// Where it stands in the log.
    pub(super) index: usize,
    pub(super) at: Millis,
    /// Whose mailbox.
    pub(super) to: usize,
    pub(super) message: MessageId,
    /// Bytes of ciphertext.
    pub(super) size: usize,
    /// How many envelopes came with it.
    pub(super) envelopes: usize,
    /// When one of the owner's devices first acknowledged it.
    pub(super) taken_at: Option<Millis>,
}

impl Deposit {
    /// What devices say by themselves has 4 KiB; what the people here write has less.
    pub(super) fn is_note(&self) -> bool {
        self.size >= 4_096
    }
}

/// An ephemeral key for somebody's mailbox, with who claimed it when.
pub(super) struct Exchange {
    pub(super) index: usize,
    pub(super) to: usize,
    pub(super) claimed_at: Millis,
}

/// Something that a device did under its name.
pub(super) struct Deed<'a> {
    pub(super) at: Millis,
    pub(super) who: usize,
    pub(super) path: &'a str,
}

/// What can be read in the log.
pub(super) struct View<'a> {
    pub(super) lived: &'a Lived,
    pub(super) deposits: Vec<Deposit>,
    pub(super) exchanges: Vec<Exchange>,
    /// When letters were given up as failed, and by whom.
    pub(super) failures: Vec<(Millis, usize, MessageId)>,
    pub(super) deeds: Vec<Deed<'a>>,
    /// When each person took short letters.
    pub(super) takes: Vec<Vec<Millis>>,
    /// From when to when each person had a live socket open.
    connected: Vec<Vec<(Millis, Millis)>>,
    /// How many devices each person has.
    pub(super) devices: Vec<usize>,
}

impl<'a> View<'a> {
    /// Reads a log.
    pub(super) fn of(lived: &'a Lived) -> Self {
        let people = lived.phones.len();
        let mut view = Self {
            lived,
            deposits: Vec::new(),
            exchanges: Vec::new(),
            failures: Vec::new(),
            deeds: Vec::new(),
            takes: vec![Vec::new(); people],
            connected: connections(lived),
            devices: vec![0; people],
        };
        lived.owners.iter().for_each(|owner| view.devices[*owner] += 1);
        let mut reader = Reader::default();
        for (index, seen) in lived.seen.iter().enumerate() {
            match seen.device {
                None => view.read_sealed(&mut reader, index, seen),
                Some(device) => view.read_named(&mut reader, lived.owners[device], seen),
            }
        }
        view
    }

    fn person(&self, phone: &str) -> usize {
        self.lived.phones.iter().position(|known| known == phone).expect("a known mailbox")
    }

    fn read_sealed(&mut self, reader: &mut Reader, index: usize, seen: &'a Seen) {
        if seen.status != 202 {
            return;
        }
        match seen.path.as_str() {
            "/v1/sealed/messages" => {
                let letter: SealedMessage = serde_json::from_str(&seen.body).expect("it was taken");
                let envelopes = letter.session_keys.map_or(0, |keys| keys.envelopes.len());
                reader.deposits.insert(letter.message_id, self.deposits.len());
                self.deposits.push(Deposit {
                    index,
                    at: seen.at,
                    to: self.person(letter.destination.as_str()),
                    message: letter.message_id,
                    size: letter.encrypted_content.0.len(),
                    envelopes,
                    taken_at: None,
                });
            }
            "/v1/sealed/ephemeral-keys" => {
                let key: SealedEphemeralKey = serde_json::from_str(&seen.body).expect("taken");
                let to = self.person(key.destination.as_str());
                reader.exchanges.insert(key.key_exchange_id.to_text(), (index, to));
            }
            _ => {}
        }
    }

    fn read_named(&mut self, reader: &mut Reader, who: usize, seen: &'a Seen) {
        self.deeds.push(Deed { at: seen.at, who, path: &seen.path });
        if seen.what == What::Frame {
            let frame: ClientFrame = serde_json::from_str(&seen.body).expect("it was taken");
            let ClientFrame::Acks { letters, .. } = frame;
            let acks = letters.iter().map(|ack| (ack.message_id, ack.status));
            acks.for_each(|(letter, status)| self.read_ack(reader, who, seen.at, letter, status));
        } else if seen.path == "/v1/inbox/acks" {
            let acks: InboxAcks = serde_json::from_str(&seen.body).expect("it was taken");
            for ack in acks.acks {
                self.read_ack(reader, who, seen.at, ack.message_id, ack.status);
            }
        } else if let Some(exchange) =
            seen.path.strip_suffix("/claim").filter(|_| seen.status == 204)
            && let Some(exchange) = exchange.rsplit('/').next()
            && let Some((index, to)) = reader.exchanges.remove(exchange)
        {
            self.exchanges.push(Exchange { index, to, claimed_at: seen.at });
        }
    }

    fn read_ack(
        &mut self,
        reader: &Reader,
        who: usize,
        at: Millis,
        letter: MessageId,
        status: AckStatus,
    ) {
        if status == AckStatus::Failed {
            return self.failures.push((at, who, letter));
        }
        let Some(deposit) = reader.deposits.get(&letter) else { return };
        let deposit = &mut self.deposits[*deposit];
        if deposit.taken_at.is_none() {
            deposit.taken_at = Some(at);
            if !deposit.is_note() {
                self.takes[who].push(at);
            }
        }
    }

    /// Everybody who had a live socket open at that moment, but this person.
    pub(super) fn active(&self, at: Millis, but: usize) -> Vec<usize> {
        let is_on = |spans: &[(Millis, Millis)]| {
            spans.iter().any(|(from, until)| *from <= at && at <= *until)
        };
        (0..self.connected.len())
            .filter(|who| *who != but && is_on(&self.connected[*who]))
            .collect()
    }

    /// When each mailbox got notes (4 KiB), or short letters.
    pub(super) fn brought(&self, notes: bool) -> Vec<Vec<Millis>> {
        let mut times = vec![Vec::new(); self.devices.len()];
        for deposit in self.deposits.iter().filter(|deposit| deposit.is_note() == notes) {
            times[deposit.to].push(deposit.at);
        }
        times
    }

    /// The letters that people wrote: the attacks' targets.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Deposit> {
        self.deposits.iter().filter(|deposit| self.lived.is_text(deposit.index))
    }
}

/// What was brought, by its public names.
#[derive(Default)]
struct Reader {
    deposits: HashMap<MessageId, usize>,
    exchanges: HashMap<String, (usize, usize)>,
}

/// From when to when each person's devices had live sockets. One that was open before the watching
/// began was so from the beginning.
fn connections(lived: &Lived) -> Vec<Vec<(Millis, Millis)>> {
    let from = lived.seen.first().map_or(0, |seen| seen.at);
    let mut open: Vec<Option<Millis>> = vec![None; lived.owners.len()];
    let mut heard = vec![false; lived.owners.len()];
    let mut spans = vec![Vec::new(); lived.phones.len()];
    for seen in &lived.seen {
        let Some(device) = seen.device else { continue };
        match seen.what {
            What::SocketOpened => open[device] = Some(seen.at),
            What::SocketClosed => {
                let since = open[device].take().or((!heard[device]).then_some(from));
                spans[lived.owners[device]].extend(since.map(|since| (since, seen.at)));
            }
            What::Frame if !heard[device] && open[device].is_none() => open[device] = Some(from),
            What::Frame | What::Request => continue,
        }
        heard[device] = true;
    }
    for (device, since) in open.into_iter().enumerate() {
        spans[lived.owners[device]].extend(since.map(|since| (since, lived.until)));
    }
    spans
}
