//! Channels to other people's devices, chosen after Sesame (Signal's specification): of several to
//! one device, the one that last received is used for sending, and a few earlier ones are kept for
//! what is still on its way.

use super::interface::ContactId;
use super::records::{Record, RecordKey};
use super::turn::Turn;
use crate::channel::{Channel, ChannelId};
use crate::types::{DAY, DeviceId, Key, UnixTime};
use crate::wire::{ListedDevice, SignedDeviceList};
use minicbor::{Decode, Encode};

/// Another person's device: `peer/<contact>/<device>`.
#[derive(Encode, Decode)]
#[cbor(map)]
pub(super) struct PeerDevice {
    #[n(0)]
    device_key: Key,
    /// Another one means that the device's state began anew, without the channels of before.
    #[n(1)]
    registration_id: u32,
    /// The active one first.
    #[n(2)]
    pub(super) channels: Vec<ChannelId>,
}

impl Record for PeerDevice {
    const KIND: &'static str = "peer";
}

impl PeerDevice {
    fn key(contact: ContactId, device: &DeviceId) -> RecordKey<Self> {
        RecordKey::of(&[&contact.to_text(), &device.to_text()])
    }

    fn is(&self, device: &ListedDevice) -> bool {
        self.device_key == device.device_key && self.registration_id == device.registration_id
    }
}

/// A channel: `channel/<id>`.
#[derive(Clone, Encode, Decode)]
#[cbor(map)]
pub(super) struct ChannelRecord {
    #[n(0)]
    pub(super) contact: ContactId,
    /// The device's, when the channel began.
    #[n(1)]
    pub(super) registration_id: u32,
    #[n(2)]
    pub(super) channel: Channel,
    #[n(3)]
    pub(super) begun_at: UnixTime,
    /// Its other end could not open what came in it: nothing more is sent.
    #[n(4)]
    #[cbor(default)]
    pub(super) ended: bool,
}

impl Record for ChannelRecord {
    const KIND: &'static str = "channel";
}

impl ChannelRecord {
    pub(super) fn key(id: ChannelId) -> RecordKey<Self> {
        RecordKey::of(&[&id.to_text()])
    }
}

/// Channels kept for one device: the active one and four before it.
const CHANNELS: usize = 5;
/// A channel that was never answered rests on a prekey whose secret will be deleted: after this
/// long a new one is begun.
const UNANSWERED_LIFE: i64 = 7 * DAY;

impl Turn<'_> {
    /// The channel to use for sending to a device, where there is one.
    pub(super) fn live_channel(
        &self,
        contact: ContactId,
        device: &ListedDevice,
    ) -> Option<ChannelRecord> {
        let peer: PeerDevice = self.records.get(&PeerDevice::key(contact, &device.device_id))?;
        if !peer.is(device) {
            return None;
        }
        let identity = self.account()?.identity.public();
        // Channels of the time before the own identity was replaced only receive.
        let mut channels = peer.channels.iter();
        let record = channels.find_map(|id| {
            let record: Option<ChannelRecord> = self.records.get(&ChannelRecord::key(*id));
            record.filter(|record| !record.ended && record.channel.own().identity_key == identity)
        })?;
        let unanswered = !record.channel.is_answered();
        let stale = unanswered && self.time().since(record.begun_at) > UNANSWERED_LIFE;
        (!stale).then_some(record)
    }

    /// Keeps a channel of a device's earlier state, which has been written in before that state began
    /// anew: behind the channels of now, none of which it may displace.
    pub(super) fn keep_behind(&mut self, record: &ChannelRecord) {
        let id = *record.channel.id();
        let key = PeerDevice::key(record.contact, &record.channel.peer().device_id);
        match self.records.get(&key) {
            Some(peer) if peer.registration_id != record.registration_id => {
                let PeerDevice { device_key, registration_id, mut channels } = peer;
                if !channels.contains(&id) {
                    channels.push(id);
                }
                if channels.len() <= CHANNELS {
                    self.records.put(&ChannelRecord::key(id), record);
                    self.records.put(&key, &PeerDevice { device_key, registration_id, channels });
                }
            }
            _ => self.activate(record),
        }
    }

    /// Nothing more is sent in the channels to a device. They are kept for what comes in them.
    pub(super) fn end_channels(&mut self, contact: ContactId, device: &DeviceId) {
        let peer: Option<PeerDevice> = self.records.get(&PeerDevice::key(contact, device));
        for id in peer.map(|peer| peer.channels).unwrap_or_default() {
            let key = ChannelRecord::key(id);
            if let Some(record) = self.records.get(&key) {
                self.records.put(&key, &ChannelRecord { ended: true, ..record });
            }
        }
    }

    /// The devices of a contact with which there are channels.
    pub(super) fn peer_devices(&self, contact: ContactId) -> Vec<DeviceId> {
        let peers = self.records.list::<PeerDevice>(&[&contact.to_text()]).into_iter();
        peers.filter_map(|(device, _)| device.parse().ok()).collect()
    }

    /// Devices that their owner's newest list does not name any more.
    pub(super) fn drop_unlisted_devices(&mut self, contact: ContactId, list: &SignedDeviceList) {
        for (text, peer) in self.records.list::<PeerDevice>(&[&contact.to_text()]) {
            let Ok(device_id) = text.parse::<DeviceId>() else { continue };
            if list.names(&device_id) {
                continue;
            }
            for channel in peer.channels {
                self.records.delete(&ChannelRecord::key(channel));
            }
            self.records.delete(&PeerDevice::key(contact, &device_id));
        }
    }

    /// A contact's identity key is another: nothing that was agreed under the old one goes on.
    pub(super) fn drop_devices(&mut self, contact: ContactId) {
        for (_, peer) in self.records.list::<PeerDevice>(&[&contact.to_text()]) {
            for channel in peer.channels {
                self.records.delete(&ChannelRecord::key(channel));
            }
        }
        self.records.delete_all::<PeerDevice>(&[&contact.to_text()]);
    }

    /// Makes a channel the active one of its device: it is new, or has just received.
    pub(super) fn activate(&mut self, record: &ChannelRecord) {
        let id = *record.channel.id();
        self.records.put(&ChannelRecord::key(id), record);
        let peer = record.channel.peer();
        let device = ListedDevice {
            device_id: peer.device_id,
            registration_id: record.registration_id,
            device_key: peer.device_key,
        };
        let key = PeerDevice::key(record.contact, &device.device_id);
        let old: Option<PeerDevice> = self.records.get(&key);
        let mut channels = vec![id];
        match old {
            Some(old) if old.is(&device) => {
                channels.extend(old.channels.into_iter().filter(|other| *other != id));
            }
            // The device began anew: what was said in its old channels cannot go on.
            Some(old) => old.channels.iter().filter(|other| **other != id).for_each(|other| {
                self.records.delete(&ChannelRecord::key(*other));
            }),
            None => {}
        }
        for dropped in channels.drain(CHANNELS.min(channels.len())..) {
            self.records.delete(&ChannelRecord::key(dropped));
        }
        let ListedDevice { device_key, registration_id, .. } = device;
        self.records.put(&key, &PeerDevice { device_key, registration_id, channels });
    }
}
