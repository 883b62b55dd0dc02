//! The three people: each one's phone, passkey, vault and device.

use super::DemoError;
use crate::client::{Client, Link, MemoryVault, Server, Surroundings, passkey::Authenticator};
use letterbox_protocol::{
    engine::{ContactId, Event},
    types::Phone,
};
use rand::rngs::StdRng;

/// One person, whose device is on or off.
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) phone: Phone,
    vault: MemoryVault,
    link: Link,
    passkey: Authenticator,
    device: Option<Client<MemoryVault>>,
}

impl Person {
    pub(super) fn new(
        name: &'static str,
        phone: Phone,
        server: &Server,
    ) -> Result<Self, DemoError> {
        Ok(Self {
            name,
            phone,
            vault: MemoryVault::default(),
            link: Link::new(server.clone()),
            passkey: Authenticator::new(server.origin())
                .map_err(crate::client::ClientError::from)?,
            device: None,
        })
    }

    /// Asks for the code that `codes` then gives, makes a passkey, publishes keys.
    pub(super) async fn sign_up(
        &mut self,
        code: impl AsyncFnOnce(&Phone) -> Option<String>,
        rng: &mut StdRng,
    ) -> Result<(), DemoError> {
        let mut device = self.open()?;
        device.ask_for_code(&self.phone).await?;
        let code = code(&self.phone).await.ok_or(DemoError::NoCode)?;
        let name = format!("{}'s device", self.name);
        device.sign_up(&self.phone, &code, &name, &mut self.passkey, rng).await?;
        self.device = Some(device);
        Ok(())
    }

    /// The device goes off. What it knows stays in its vault.
    pub(super) fn switch_off(&mut self) {
        self.device = None;
    }

    /// The device comes back and signs in with its passkey.
    pub(super) async fn switch_on(&mut self) -> Result<(), DemoError> {
        let mut device = self.open()?;
        device.sign_in(&mut self.passkey).await?;
        self.device = Some(device);
        Ok(())
    }

    /// Writes, and waits until the server has the letter.
    pub(super) async fn write(&mut self, to: &Phone, text: &str) -> Result<(), DemoError> {
        let device = self.device()?;
        let contact = device.find(to).await?;
        let letter = device.write(contact, text).await?;
        Ok(device.sent(letter).await?)
    }

    /// Waits for a letter, and says what this person sees as its sender's number.
    pub(super) async fn read(&mut self, text: &str) -> Result<Phone, DemoError> {
        let device = self.device()?;
        let letter = device.received(text).await?;
        let sender = |event: &Event| phone_of(event, letter.contact);
        Ok(device.ever("the sender's number", sender).await?)
    }

    fn open(&self) -> Result<Client<MemoryVault>, DemoError> {
        let (vault, link) = (self.vault.clone(), self.link.clone());
        Ok(Client::open(vault, link, Surroundings::real())?)
    }

    fn device(&mut self) -> Result<&mut Client<MemoryVault>, DemoError> {
        self.device.as_mut().ok_or(DemoError::SwitchedOff)
    }
}

fn phone_of(event: &Event, wanted: ContactId) -> Option<Phone> {
    match event {
        Event::Contact { contact } if contact.id == wanted => Some(contact.phone.clone()),
        _ => None,
    }
}
