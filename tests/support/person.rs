//! Somebody with a phone, a passkey and a vault.

use super::process::ServerProcess;
use letterbox::client::{Client, Link, MemoryVault, Surroundings, passkey::Authenticator};
use letterbox_protocol::{
    engine::{ContactId, ContentView, Event, LETTER_PREFIX, LetterView},
    types::Phone,
};
use rand::{SeedableRng, rngs::StdRng};

/// A person and what is theirs, apart from a running client.
pub(crate) struct Person {
    pub(crate) phone: Phone,
    pub(crate) vault: MemoryVault,
    pub(crate) link: Link,
    pub(crate) passkey: Authenticator,
    seed: u64,
}

pub(crate) type Device = Client<MemoryVault>;

impl Person {
    /// Somebody without an account. Everything they draw comes from the seed.
    pub(crate) fn new(server: &ServerProcess, phone: &str, seed: u64) -> Self {
        let server = server.server();
        let passkey = Authenticator::new(server.origin()).expect("an origin with a host");
        let phone = phone.parse().expect("a phone number");
        Self { phone, vault: MemoryVault::default(), link: Link::new(server), passkey, seed }
    }

    /// Signs up; the device is on.
    pub(crate) async fn sign_up(server: &ServerProcess, phone: &str, seed: u64) -> (Self, Device) {
        let mut person = Self::new(server, phone, seed);
        let mut device = person.open();
        device.ask_for_code(&person.phone).await.expect("a code is on its way");
        let code = server.code(&person.phone).await;
        let mut rng = person.rng();
        let Self { phone, passkey, .. } = &mut person;
        device.sign_up(phone, &code, "a device", passkey, &mut rng).await.expect("an account");
        (person, device)
    }

    /// The device is switched on, and not signed in.
    pub(crate) fn open(&mut self) -> Device {
        let surroundings = Surroundings { rng: self.rng(), ..Surroundings::real() };
        Client::open(self.vault.clone(), self.link.clone(), surroundings).expect("a good vault")
    }

    /// The device is switched on, and signs in with the passkey.
    pub(crate) async fn sign_in(&mut self) -> Device {
        let mut device = self.open();
        device.sign_in(&mut self.passkey).await.expect("a sign-in");
        device
    }

    /// What the letters of one conversation say, in thread order, as the vault has them.
    pub(crate) fn thread(&self, contact: ContactId) -> Vec<String> {
        self.letters().filter(|letter| letter.contact == contact).map(said).collect()
    }

    /// What all letters say, in thread order within each conversation.
    pub(crate) fn threads(&self) -> Vec<String> {
        self.letters().map(said).collect()
    }

    /// All letters in the vault.
    pub(crate) fn letters(&self) -> impl Iterator<Item = LetterView> + use<> {
        let records = self.vault.dump().into_iter();
        records
            .filter(|(key, _)| key.starts_with(LETTER_PREFIX))
            .map(|(key, value)| LetterView::from_record(&key, &value).expect("a letter's record"))
    }

    /// A generator that continues where the last one cannot be: never the same numbers twice.
    fn rng(&mut self) -> StdRng {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        StdRng::seed_from_u64(self.seed)
    }
}

/// The number that a device shows for a contact.
pub(crate) async fn number_of(device: &mut Device, wanted: ContactId) -> Phone {
    let number = |event: &Event| match event {
        Event::Contact { contact } if contact.id == wanted => Some(contact.phone.clone()),
        _ => None,
    };
    device.ever("a contact's number", number).await.expect("a contact")
}

fn said(letter: LetterView) -> String {
    match letter.content {
        ContentView::Text { text } => text,
        ContentView::Newer => "(newer)".to_owned(),
    }
}
