//! Signing up, linking a second device, signing in, going to sleep and waking up.

use super::{Happening, World, server::Asked};
use letterbox_protocol::{
    engine::{Input, LinkView, Millis},
    wire::{RegisterPasskey, StartRegistration, VerifyRegistration},
};
use serde_json::Value;

/// How long the world may take for what somebody waits for.
const PATIENCE: Millis = 600_000;

impl World {
    /// Somebody with this number signs up. Their first device.
    pub(crate) async fn sign_up(&mut self, phone: &str, seed: u64) -> usize {
        let owner = self.phones.len();
        self.phones.push(phone.parse().unwrap());
        let device = self.add_device(owner, seed);
        let text = phone.to_owned();
        let start = StartRegistration { phone: text.clone() };
        self.post(device, "/v1/registration", &serde_json::to_value(start).unwrap()).await;
        let code = self.server.code(&self.phones[owner].clone()).await;
        let proof = serde_json::to_value(VerifyRegistration { phone: text, code }).unwrap();
        self.post(device, "/v1/registration/verify", &proof).await;
        self.register_passkey(device, &Value::Null).await;
        let (phone, device_name) = (self.phones[owner].clone(), "laptop".to_owned());
        self.tell(device, Input::CreateAccount { phone, device_name });
        self.run_until(|world| world.devices[device].is_ready).await;
        device
    }

    /// A second browser becomes a device of this one's owner.
    pub(crate) async fn link(&mut self, first: usize, seed: u64) -> usize {
        let new = self.add_device(self.devices[first].owner, seed);
        self.tell(new, Input::OfferLink { device_name: "tablet".to_owned() });
        let code = self.until_link(new, |link| match link {
            LinkView::Offered { code, .. } => Some(code.clone()),
            _ => None,
        });
        let code = code.await;
        self.tell(first, Input::ApproveLink { code });
        let digits = self.until_link(first, |link| match link {
            LinkView::ShowDigits { digits, .. } => Some(digits.clone()),
            _ => None,
        });
        let digits = digits.await;
        self.tell(new, Input::EnterLinkDigits { digits });
        let link = self.until_link(new, |link| match link {
            LinkView::Approved { link, .. } => Some(*link),
            _ => None,
        });
        let link = RegisterPasskey { link: Some(link.await) };
        self.register_passkey(new, &serde_json::to_value(link).unwrap()).await;
        self.tell(new, Input::CompleteLink);
        self.run_until(|world| world.devices[new].is_ready).await;
        new
    }

    async fn until_link<T>(&mut self, device: usize, find: impl Fn(&LinkView) -> Option<T>) -> T {
        let found = |world: &Self| world.devices[device].link.as_ref().and_then(&find);
        self.run_until(|world| found(world).is_some()).await;
        found(self).unwrap()
    }

    async fn register_passkey(&mut self, device: usize, start: &Value) {
        let options = self.post(device, "/v1/passkeys/register/start", start).await;
        let host = &mut self.devices[device];
        let credential = host.passkey.create(&options, &mut host.rng).unwrap();
        self.post(device, "/v1/passkeys/register/finish", &credential).await;
    }

    /// The person signs in with the passkey, where the session is over.
    pub(super) async fn sign_in_if_needed(&mut self, device: usize) {
        if self.devices[device].awake && self.devices[device].signs_in {
            self.sign_in(device).await;
        }
    }

    async fn sign_in(&mut self, device: usize) {
        self.devices[device].signs_in = false;
        let options = self.post(device, "/v1/passkeys/login/start", &Value::Null).await;
        let assertion = self.devices[device].passkey.get(&options).unwrap();
        self.post(device, "/v1/passkeys/login/finish", &assertion).await;
        self.close_line(device);
        self.tell(device, Input::SignedIn);
    }

    /// A call of the account half that succeeds.
    pub(super) async fn post(&mut self, device: usize, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (method, path, headers) = ("POST".to_owned(), path.to_owned(), Vec::new());
        let answered = self.call(device, Asked { method, path, headers, body }).await;
        assert!((200..300).contains(&answered.status), "{}", answered.body);
        if answered.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&answered.body).unwrap()
    }

    /// Lets the world run until this holds.
    pub(crate) async fn run_until(&mut self, holds: impl Fn(&Self) -> bool) {
        let end = self.now + PATIENCE;
        while !holds(self) {
            assert!(self.now < end && !self.queue.is_empty(), "it never came to be");
            self.advance().await;
        }
    }

    /// The machine goes to sleep, in the middle of whatever it did.
    pub(crate) fn sleep(&mut self, device: usize) {
        self.devices[device].awake = false;
        self.close_line(device);
    }

    /// The machine wakes up. On a new day, its person touches the passkey.
    pub(crate) fn wake(&mut self, device: usize, signs_in: bool) {
        self.devices[device].awake = true;
        self.tell(device, Input::LiveClosed);
        for request in std::mem::take(&mut self.devices[device].missed) {
            self.tell(device, Input::NoAnswer { request });
        }
        let at = self.now + 200;
        self.devices[device].signs_in |= signs_in;
        if self.devices[device].signs_in {
            self.schedule(at, Happening::SignsIn { device });
        } else {
            self.schedule(at, Happening::Opens { device });
        }
    }
}
