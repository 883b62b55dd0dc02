//! The three people, and the browsers in which each has a passkey, a vault and a device.

use super::DemoError;
use crate::client::{Client, Link, MemoryVault, Server, Surroundings, passkey::Authenticator};
use letterbox_protocol::{
    engine::{ContactId, Event, Millis},
    types::Phone,
};
use rand::rngs::StdRng;

/// How long notes wait in the delayed pool on average, in milliseconds. A minute otherwise; but
/// somebody is watching.
const POOL_MEAN: Millis = 500;

/// One person and their devices.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) phone: Phone,
    /// The first device.
    pub(super) first: Device,
    /// The one that is linked while the demo runs.
    pub(super) second: Device,
}

/// One browser, which is on or off.
pub(super) struct Device {
    /// What its owner calls it.
    pub(super) name: String,
    vault: MemoryVault,
    link: Link,
    passkey: Authenticator,
    client: Option<Client<MemoryVault>>,
}

impl Person {
    pub(super) fn new(
        name: &'static str,
        phone: Phone,
        server: &Server,
    ) -> Result<Self, DemoError> {
        let first = Device::new(format!("{name}'s phone"), server)?;
        let second = Device::new(format!("{name}'s laptop"), server)?;
        Ok(Self { name, phone, first, second })
    }

    /// Asks for the code that `codes` then gives, makes a passkey, publishes keys.
    pub(super) async fn sign_up(
        &mut self,
        code: impl AsyncFnOnce(&Phone) -> Option<String>,
        rng: &mut StdRng,
    ) -> Result<(), DemoError> {
        let Self { phone, first, .. } = self;
        let mut client = first.open()?;
        client.ask_for_code(phone).await?;
        let code = code(phone).await.ok_or(DemoError::NoCode)?;
        client.sign_up(phone, &code, &first.name, &mut first.passkey, rng).await?;
        first.client = Some(client);
        Ok(())
    }

    /// The second browser shows a code.
    pub(super) async fn offer_link(&mut self) -> Result<String, DemoError> {
        let client = self.second.client.insert(self.second.open()?);
        Ok(client.offer_link(&self.second.name).await?)
    }

    /// The code is typed at the first device, which shows digits.
    pub(super) async fn approve_link(&mut self, code: &str) -> Result<String, DemoError> {
        Ok(self.first.client()?.approve_link(code).await?)
    }

    /// The digits are typed at the second browser. The first device's passkey is touched, the second
    /// browser makes one of its own, and is a device.
    pub(super) async fn join(&mut self, digits: &str, rng: &mut StdRng) -> Result<(), DemoError> {
        let Device { client, passkey, .. } = &mut self.second;
        client.as_mut().ok_or(DemoError::SwitchedOff)?.join(digits, passkey, rng).await?;
        self.first.client()?.linked().await?;
        Ok(())
    }
}

impl Device {
    fn new(name: String, server: &Server) -> Result<Self, DemoError> {
        let passkey =
            Authenticator::new(server.origin()).map_err(crate::client::ClientError::from)?;
        let (vault, link) = (MemoryVault::default(), Link::new(server.clone()));
        Ok(Self { name, vault, link, passkey, client: None })
    }

    /// The device goes off. What it knows stays in its vault.
    pub(super) fn switch_off(&mut self) {
        self.client = None;
    }

    /// The device comes back and signs in with its passkey.
    pub(super) async fn switch_on(&mut self) -> Result<(), DemoError> {
        let mut client = self.open()?;
        client.sign_in(&self.passkey).await?;
        self.client = Some(client);
        Ok(())
    }

    /// Writes, and waits until the server has the letter.
    pub(super) async fn write(&mut self, to: &Phone, text: &str) -> Result<(), DemoError> {
        let client = self.client()?;
        let contact = client.find(to).await?;
        let letter = client.write(contact, text).await?;
        Ok(client.sent(letter).await?)
    }

    /// Waits for a letter, and says what its owner sees as the sender's number.
    pub(super) async fn read(&mut self, text: &str) -> Result<Phone, DemoError> {
        let client = self.client()?;
        let letter = client.received(text).await?;
        let sender = |event: &Event| phone_of(event, letter.contact);
        Ok(client.ever("the sender's number", sender).await?)
    }

    /// Waits until a letter that another of its owner's devices wrote shows here too.
    pub(super) async fn copied(&mut self, text: &str) -> Result<(), DemoError> {
        self.client()?.copied(text).await?;
        Ok(())
    }

    fn open(&self) -> Result<Client<MemoryVault>, DemoError> {
        let (vault, link) = (self.vault.clone(), self.link.clone());
        let surroundings = Surroundings { pool_mean: Some(POOL_MEAN), ..Surroundings::real() };
        Ok(Client::open(vault, link, surroundings)?)
    }

    fn client(&mut self) -> Result<&mut Client<MemoryVault>, DemoError> {
        self.client.as_mut().ok_or(DemoError::SwitchedOff)
    }
}

fn phone_of(event: &Event, wanted: ContactId) -> Option<Phone> {
    match event {
        Event::Contact { contact } if contact.id == wanted => Some(contact.phone.clone()),
        _ => None,
    }
}
