//! Somebody with a phone, a passkey and a vault.

use super::process::ServerProcess;
use letterbox::client::{
    Client, ClientError, Link, MemoryVault, Surroundings, passkey::Authenticator,
};
use letterbox_protocol::{
    engine::{ContactId, ContentView, Event, LETTER_PREFIX, LetterView},
    types::{DeviceId, Phone},
};
use rand::{SeedableRng, rngs::StdRng};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

/// One browser of a person's, and what is theirs in it, apart from a running client.
pub(crate) struct Person {
    pub(crate) phone: Phone,
    pub(crate) vault: MemoryVault,
    pub(crate) link: Link,
    pub(crate) passkey: Authenticator,
    /// Milliseconds by which the clock of this browser is ahead.
    ahead: Arc<AtomicI64>,
    seed: u64,
}

pub(crate) type Device = Client<MemoryVault>;

/// Nobody waits a minute for what a test wants to see.
const POOL_MEAN: i64 = 200;

impl Person {
    /// Somebody without an account. Everything they draw comes from the seed.
    pub(crate) fn new(server: &ServerProcess, phone: &str, seed: u64) -> Self {
        let server = server.server();
        let passkey = Authenticator::new(server.origin()).expect("an origin with a host");
        let phone = phone.parse().expect("a phone number");
        Self {
            phone,
            vault: MemoryVault::default(),
            link: Link::new(server),
            passkey,
            ahead: Arc::default(),
            seed,
        }
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

    /// Another browser of the same person's, which is nobody's device yet.
    pub(crate) fn browser(&self, seed: u64) -> Self {
        let server = self.link.server().clone();
        let passkey = Authenticator::new(server.origin()).expect("an origin with a host");
        let (phone, vault) = (self.phone.clone(), MemoryVault::default());
        Self { phone, vault, link: Link::new(server), passkey, ahead: Arc::default(), seed }
    }

    /// Links another browser of the same person's, through this device.
    pub(crate) async fn link(&self, device: &mut Device, seed: u64) -> (Self, Device) {
        let mut browser = self.browser(seed);
        let mut new = browser.open();
        let code = new.offer_link("another device").await.expect("a code");
        let digits = device.approve_link(&code).await.expect("digits");
        let joined = browser.join(&mut new, &digits).await.expect("a new device");
        assert_eq!(device.linked().await.expect("linked"), joined);
        (browser, new)
    }

    /// Types the digits in the browser that offers itself, and makes its passkey.
    pub(crate) async fn join(
        &mut self,
        device: &mut Device,
        digits: &str,
    ) -> Result<DeviceId, ClientError> {
        let mut rng = self.rng();
        device.join(digits, &mut self.passkey, &mut rng).await
    }

    /// So many milliseconds pass in this browser only.
    pub(crate) fn pass(&self, millis: i64) {
        self.ahead.fetch_add(millis, Relaxed);
    }

    /// The device is switched on, and not signed in.
    pub(crate) fn open(&mut self) -> Device {
        let pool_mean = Some(POOL_MEAN);
        let (real, ahead) = (Surroundings::real(), self.ahead.clone());
        let now = Arc::new(move || (real.now)() + ahead.load(Relaxed));
        let surroundings = Surroundings { rng: self.rng(), pool_mean, now };
        Client::open(self.vault.clone(), self.link.clone(), surroundings).expect("a good vault")
    }

    /// The device is switched on, and signs in with the passkey.
    pub(crate) async fn sign_in(&mut self) -> Device {
        let mut device = self.open();
        device.sign_in(&self.passkey).await.expect("a sign-in");
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
        letters(&self.vault)
    }

    /// A generator that continues where the last one cannot be: never the same numbers twice.
    fn rng(&mut self) -> StdRng {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        StdRng::seed_from_u64(self.seed)
    }
}

/// All letters in a vault.
pub(crate) fn letters(vault: &MemoryVault) -> impl Iterator<Item = LetterView> + use<> {
    let records = vault.dump().into_iter();
    records
        .filter(|(key, _)| key.starts_with(LETTER_PREFIX))
        .map(|(key, value)| LetterView::from_record(&key, &value).expect("a letter's record"))
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
        ContentView::IdentityChanged => "(identity changed)".to_owned(),
    }
}

/// The conversation with a number, once a device shows one.
pub(crate) async fn contact_of(device: &mut Device, phone: &Phone) -> ContactId {
    let contact = |event: &Event| match event {
        Event::Contact { contact } if contact.phone == *phone => Some(contact.id),
        _ => None,
    };
    device.ever("a contact", contact).await.expect("a contact")
}
