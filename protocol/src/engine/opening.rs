//! Opening what came over a channel, and keeping the channel once what it brought has held.

use super::account::{Account, OneTimeSecret, SignedPrekeySecret};
use super::base_keys::BaseKey;
use super::channels::ChannelRecord;
use super::interface::ContactId;
use super::turn::Turn;
use crate::channel::{Channel, ChannelMessage, OwnDevice, PrekeySecrets};
use crate::handshake::HandshakeHeader;
use crate::types::{DeviceId, UnixTime};
use crate::wire::SignedDeviceList;
use zeroize::Zeroizing;

/// A channel message that was opened, before any of it is kept.
pub(super) struct Opened {
    pub(super) channel: Channel,
    pub(super) payload: Zeroizing<Vec<u8>>,
    /// The handshake, where the channel is new.
    accepted: Option<HandshakeHeader>,
    /// The channel as it was, where it is not.
    pub(super) known: Option<ChannelRecord>,
}

impl Turn<'_> {
    /// Opens a channel message without keeping anything yet.
    pub(super) fn open_message(
        &mut self,
        account: &Account,
        message: &ChannelMessage,
        stored: UnixTime,
    ) -> Option<Opened> {
        match self.records.get(&ChannelRecord::key(message.channel_id)) {
            Some(known) => self.open_in(known, message, stored),
            None => self.open_first(account, message),
        }
    }

    fn open_in(
        &mut self,
        known: ChannelRecord,
        message: &ChannelMessage,
        stored: UnixTime,
    ) -> Option<Opened> {
        let now = self.time();
        match known.channel.decrypt(self.rng, message, now) {
            Ok((channel, payload)) => {
                Some(Opened { channel, payload, accepted: None, known: Some(known) })
            }
            Err(error) => {
                self.channel_failed(&known, error, stored);
                None
            }
        }
    }

    /// A message of a channel that is not known here: it has to bring a handshake, once.
    fn open_first(&mut self, account: &Account, message: &ChannelMessage) -> Option<Opened> {
        let header = message.handshake.clone()?;
        if self.records.has(&BaseKey::key(header.signed_prekey_id, &header.base_key)) {
            return None;
        }
        // Who it says it is from counts for nothing: all of that is public, and whoever is asked to send
        // again because of it is named as a contact. Letters of a session that does not come tell by
        // its mark whose they are.
        let (signed, one_time) = self.prekeys_of(&header)?;
        let one_time_id = header.one_time_prekey_id;
        let prekeys = PrekeySecrets {
            signed: (header.signed_prekey_id, &signed.secret),
            one_time: one_time_id.zip(one_time.as_ref().map(|prekey| &prekey.secret)),
        };
        let now = self.time();
        // Who has not learned of a replaced identity yet means this device all the same.
        for party in self.own_parties(account) {
            let own = OwnDevice { party: &party, secret: &account.device };
            if let Ok((channel, payload)) = Channel::accept(self.rng, &own, &prekeys, message, now)
            {
                return Some(Opened { channel, payload, accepted: Some(header), known: None });
            }
        }
        None
    }

    /// The prekeys that a handshake rests on, where none of them is gone.
    fn prekeys_of(
        &self,
        header: &HandshakeHeader,
    ) -> Option<(SignedPrekeySecret, Option<OneTimeSecret>)> {
        let signed = self.records.get(&SignedPrekeySecret::key(header.signed_prekey_id))?;
        let one_time = match header.one_time_prekey_id {
            Some(id) => Some(self.records.get(&OneTimeSecret::key(id))?),
            None => None,
        };
        Some((signed, one_time))
    }

    pub(super) fn is_one_handshake_too_many(
        &self,
        from: Option<ContactId>,
        opened: &Opened,
    ) -> bool {
        match (from, &opened.accepted) {
            (Some(contact), Some(header)) => {
                self.has_too_many_handshakes(contact, header.signed_prekey_id)
            }
            _ => false,
        }
    }

    /// The channel has received: it is the active one. A one-time prekey has had its use.
    pub(super) fn keep_channel(
        &mut self,
        contact: ContactId,
        sender: &DeviceId,
        list: &SignedDeviceList,
        opened: Opened,
    ) {
        let Opened { channel, accepted, known, .. } = opened;
        if let Some(header) = accepted {
            let base_key = BaseKey::key(header.signed_prekey_id, &header.base_key);
            self.records.put(&base_key, &BaseKey { contact: Some(contact) });
            if let Some(id) = header.one_time_prekey_id {
                self.records.delete(&OneTimeSecret::key(id));
                self.prekey_used();
            }
        }
        let registration = |list: &SignedDeviceList| {
            let listed = list.devices.iter().find(|device| device.device_id == *sender);
            listed.map_or(0, |device| device.registration_id)
        };
        let registration_id = registration(list);
        let newest = self.contact(contact).and_then(|contact| contact.list);
        let begun_at = known.map_or(self.time(), |record| record.begun_at);
        let ended = false;
        let record = ChannelRecord { contact, registration_id, channel, begun_at, ended };
        if newest.is_some_and(|list| registration(&list) != registration_id) {
            self.keep_behind(&record);
        } else {
            self.activate(&record);
        }
    }
}
