//! A second device for somebody, as linking leaves it behind: for tests of what several devices do
//! together, which need not link each time.

use super::server::{Cookie, ServerDevice};
use super::world::{ALICE, BOB, World};
use crate::device_list::DeviceList;
use crate::device_name::seal_name;
use crate::engine::account::{
    Account, MessagingSecret, OneTimeSecret, PrekeyIds, SignedPrekeySecret,
};
use crate::engine::interface::*;
use crate::engine::own_list::OwnList;
use crate::engine::records::{RecordKey, Records};
use crate::keys::{ExchangeSecret, sign_prekey};
use crate::types::*;
use crate::wire::*;
use std::collections::BTreeMap;

impl World {
    /// Adds a device to somebody's account and signs it in; gives its index in `people`.
    pub(super) fn graft(&mut self, of: usize, name: &str) -> usize {
        let now = UnixTime(self.now.div_euclid(1_000));
        let old: Account = minicbor::decode(&self.people[of].vault["account"]).unwrap();
        let device = ExchangeSecret::generate(&mut self.rng);
        let account = Account {
            device_name: name.to_owned(),
            device_id: DeviceId::random(&mut self.rng),
            registration_id: 1_000 + self.people.len() as u32,
            device,
            ..old
        };
        let mut records = Records::default();
        let prekeys = self.own_prekeys(&account, &mut records, now);
        self.list_device(of, &account, &mut records, prekeys, now);
        records.put(&RecordKey::only(), &account);
        let writes = records.take_writes().into_iter();
        let vault: BTreeMap<String, Vec<u8>> =
            writes.filter_map(|write| Some((write.key, write.value?))).collect();
        let cookie = Cookie {
            device: Some((account.phone.clone(), account.device_id)),
            proved: true,
            ..Cookie::default()
        };
        let who = self.push_device(account.phone.clone(), cookie, vault);
        self.tell_own_list(of);
        self.step(who, Input::Resume);
        self.step(who, Input::SignedIn);
        self.settle();
        who
    }

    /// The server tells all of somebody's devices that their account has changed.
    pub(super) fn account_changed(&mut self, of: usize) {
        let phone = self.people[of].phone.clone();
        for who in 0..self.people.len() {
            let listed = self.device(who).is_some_and(|device| {
                let account = self.server.accounts.get(&phone);
                account.is_some_and(|account| account.devices.contains_key(&device))
            });
            if listed && self.people[who].online {
                let text = serde_json::to_string(&ServerFrame::AccountChanged).unwrap();
                self.step(who, Input::LiveFrame { text });
            }
        }
    }

    /// The identity key in a device's vault.
    pub(super) fn identity(&self, who: usize) -> Key {
        let account: Account = minicbor::decode(&self.people[who].vault["account"]).unwrap();
        account.identity.public()
    }

    fn own_prekeys(
        &mut self,
        account: &Account,
        records: &mut Records,
        now: UnixTime,
    ) -> (SignedPrekey, Vec<OneTimePrekey>) {
        let secret = ExchangeSecret::generate(&mut self.rng);
        let (identity, id) = (&account.identity, &account.device_id);
        let signed = sign_prekey(identity, id, 1, now.hour(), &secret.public());
        let signature = signed.signature;
        let record = SignedPrekeySecret { secret, created_at: now.hour(), signature };
        records.put(&SignedPrekeySecret::key(1), &record);
        let mut one_time = Vec::new();
        for key_id in 1..=100 {
            let secret = ExchangeSecret::generate(&mut self.rng);
            one_time.push(OneTimePrekey { key_id, public_key: secret.public() });
            records.put(&OneTimeSecret::key(key_id), &OneTimeSecret { secret, created_at: now });
        }
        let ids = PrekeyIds { signed: 1, one_time: 100, published: 1 };
        records.put(&RecordKey::only(), &ids);
        (signed, one_time)
    }

    fn list_device(
        &mut self,
        of: usize,
        account: &Account,
        records: &mut Records,
        (signed_prekey, one_time): (SignedPrekey, Vec<OneTimePrekey>),
        now: UnixTime,
    ) {
        for (key, bytes) in &self.people[of].vault {
            if key.starts_with("messaging/") {
                let secret: MessagingSecret = minicbor::decode(bytes).unwrap();
                records.put(&MessagingSecret::key(secret.key_version), &secret);
            }
        }
        let sealed = seal_name(
            &mut self.rng,
            &account.identity,
            &account.phone,
            &account.device_id,
            &account.device_name,
        );
        let served = self.server.accounts.get_mut(&account.phone).unwrap();
        let mut devices = served.list.devices.clone();
        devices.push(account.listed());
        devices.sort_by_key(|device| device.device_id);
        let (version, messaging) = (served.list.version + 1, served.list.messaging_key);
        let (identity, phone) = (&account.identity, &account.phone);
        served.list = DeviceList::sign(identity, phone, version, now, &messaging, devices);
        let own = OwnList { list: served.list.clone(), published: true };
        records.put(&OwnList::key(version), &own);
        let device = ServerDevice::new(signed_prekey, one_time, Blob(sealed), now);
        served.devices.insert(account.device_id, device);
    }
}

#[test]
fn a_letter_reaches_every_device_of_a_person_once() {
    let mut world = World::new(2, 900);
    let phone = world.graft(BOB, "Phone");
    world.write(ALICE, BOB, "to both");
    world.settle();
    assert_eq!(world.received(BOB, ALICE), ["to both"]);
    assert_eq!(world.received(phone, ALICE), ["to both"]);
    world.write(phone, ALICE, "from the second");
    world.write(BOB, ALICE, "from the first");
    world.settle();
    let mut received = world.received(ALICE, BOB);
    received.sort();
    assert_eq!(received, ["from the first", "from the second"]);
}
