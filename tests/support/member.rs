//! Somebody with an account: the secrets, the passkey and the session, without an engine, so that
//! a test can do each step otherwise.

use super::app::{Answer, Asking, TestApp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::Method;
use letterbox::client::passkey::Authenticator;
use letterbox_protocol::{
    device_list::DeviceList,
    keys::{ExchangeSecret, IdentitySecret, sign_messaging_key, sign_prekey},
    sealing,
    touch::touch_digest,
    types::{Blob, Bytes, DeviceId, Phone, UnixTime},
    wire::{
        DeviceAnswer, DeviceChallenge, Envelope, ListedDevice, NewAccount, OneTimePrekey,
        PublishKeys, SealedMessage, SessionKeyUpload, SignedDeviceList, SignedPrekey, StartTouch,
        TOUCH_HEADER,
    },
};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

/// A person with one device.
pub(crate) struct Member<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) phone: Phone,
    pub(crate) passkey: Authenticator,
    pub(crate) cookie: Option<String>,
    pub(crate) rng: StdRng,
    pub(crate) identity: IdentitySecret,
    pub(crate) device: ExchangeSecret,
    pub(crate) messaging: ExchangeSecret,
    pub(crate) device_id: DeviceId,
}

/// The server's clock is the machine's.
#[allow(clippy::disallowed_methods, reason = "the server under test reads the same clock")]
pub(crate) fn now() -> UnixTime {
    UnixTime(time::OffsetDateTime::now_utc().unix_timestamp())
}

impl<'a> Member<'a> {
    /// Somebody without an account. What they draw comes from the phone number.
    pub(crate) fn new(app: &'a TestApp, phone: &str) -> Self {
        let mut rng = StdRng::seed_from_u64(phone.trim_start_matches('+').parse().unwrap());
        Self {
            app,
            phone: phone.parse().unwrap(),
            passkey: Authenticator::new(app.running.origin.url()).unwrap(),
            cookie: None,
            identity: IdentitySecret::generate(&mut rng),
            device: ExchangeSecret::generate(&mut rng),
            messaging: ExchangeSecret::generate(&mut rng),
            device_id: Bytes::random(&mut rng),
            rng,
        }
    }

    /// Somebody who has signed up, in a device session.
    pub(crate) async fn signed_up(app: &'a TestApp, phone: &str) -> Self {
        let mut member = Self::new(app, phone);
        member.register_passkey().await;
        let keys = PublishKeys::Account(member.account());
        let published = member.send(Method::PUT, "/v1/keys", &keys).await;
        assert_eq!(published.status, 200, "{published:?}");
        member
    }

    /// Up to a session that waits for the first keys.
    pub(crate) async fn register_passkey(&mut self) {
        self.prove_phone().await;
        let options: Value = self.post("/v1/passkeys/register/start", &json!({})).await.read();
        let credential = self.passkey.create(&options, &mut self.rng).unwrap();
        let finished = self.post("/v1/passkeys/register/finish", &credential).await;
        assert_eq!(finished.status, 204, "{finished:?}");
    }

    pub(crate) async fn prove_phone(&mut self) {
        let phone = json!({ "phone": self.phone });
        assert_eq!(self.post("/v1/registration", &phone).await.status, 202);
        let code = self.app.code(&self.phone).await;
        let proof = json!({ "phone": self.phone, "code": code });
        let proved: Value = self.post("/v1/registration/verify", &proof).await.read();
        assert_eq!(proved["next"], "register_passkey");
    }

    /// Signs in with the passkey, in a new session.
    pub(crate) async fn sign_in(&mut self) {
        self.cookie = None;
        let options: Value = self.post("/v1/passkeys/login/start", &json!({})).await.read();
        let answer = self.passkey.get(&options).unwrap();
        let signed_in = self.post("/v1/passkeys/login/finish", &answer).await;
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
    }

    /// The value of the touch header for this request, made with this member's passkey.
    pub(crate) async fn touch(&mut self, method: &Method, path: &str, body: &[u8]) -> String {
        let digest = touch_digest(method.as_str(), path, body);
        let options: Value = self.post("/v1/touch", &StartTouch { digest }).await.read();
        let mut assertion = self.passkey.get(&options).unwrap();
        assertion.as_object_mut().unwrap().remove("clientExtensionResults");
        URL_SAFE_NO_PAD.encode(assertion.to_string())
    }

    /// A request that needs a touch, with one. `None` is no body.
    pub(crate) async fn send_touched(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&impl serde::Serialize>,
    ) -> Answer {
        let bytes = body.map_or(Vec::new(), |body| serde_json::to_vec(body).unwrap());
        let touch = self.touch(&method, path, &bytes).await;
        let asking = self.app.request(method, path).header(TOUCH_HEADER, &touch);
        let asking = asking.cookie(self.cookie.as_deref());
        let asking = match body {
            Some(_) => asking.header("content-type", "application/json").bytes(bytes),
            None => asking,
        };
        self.keep_cookie(asking.send().await)
    }

    /// Proves the device key.
    pub(crate) async fn prove_device(&mut self) -> Answer {
        let challenge: DeviceChallenge =
            self.post("/v1/device-session/start", &json!({})).await.read();
        let opened = sealing::open_challenge(
            &self.device,
            &self.phone,
            &self.device_id,
            &challenge.sealed.0,
        );
        let answer = DeviceAnswer { opened: Bytes(opened.unwrap()) };
        self.post("/v1/device-session/finish", &answer).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &impl serde::Serialize) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        let asking = self.app.get(path).cookie(self.cookie.as_deref());
        self.keep_cookie(asking.send().await)
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Answer {
        let asking = self.app.request(method, path).cookie(self.cookie.as_deref()).json(body);
        self.keep_cookie(asking.send().await)
    }

    pub(crate) fn with_cookie<'b>(&self, asking: Asking<'b>) -> Asking<'b> {
        asking.cookie(self.cookie.as_deref())
    }

    fn keep_cookie(&mut self, answer: Answer) -> Answer {
        if let Some(cookie) = answer.cookie() {
            self.cookie = Some(cookie);
        }
        answer
    }

    pub(crate) fn listed(&self) -> ListedDevice {
        ListedDevice {
            device_id: self.device_id,
            registration_id: 7,
            device_key: self.device.public(),
        }
    }

    pub(crate) fn list(&self, version: u64) -> SignedDeviceList {
        let (messaging, devices) = (self.messaging.public(), vec![self.listed()]);
        DeviceList::sign(&self.identity, &self.phone, version, now(), &messaging, devices)
    }

    pub(crate) fn prekey(&mut self, key_id: u32) -> SignedPrekey {
        let key = ExchangeSecret::generate(&mut self.rng).public();
        sign_prekey(&self.identity, &self.device_id, key_id, now().hour(), &key)
    }

    pub(crate) fn one_time(&mut self, ids: std::ops::RangeInclusive<u32>) -> Vec<OneTimePrekey> {
        let mut draw = || ExchangeSecret::generate(&mut self.rng).public();
        ids.map(|key_id| OneTimePrekey { key_id, public_key: draw() }).collect()
    }

    /// A good first publication.
    pub(crate) fn account(&mut self) -> NewAccount {
        let key = self.messaging.public();
        let hour = now().hour();
        NewAccount {
            identity_key: self.identity.public(),
            device_list: self.list(1),
            messaging_key: sign_messaging_key(&self.identity, &self.phone, 1, hour, &key),
            signed_prekey: self.prekey(1),
            one_time_prekeys: self.one_time(1..=3),
            encrypted_name: Blob(vec![9; 80]),
        }
    }
}

/// A good letter of 1 KiB for this member, with an envelope or without; its id from `n`.
pub(crate) fn letter(to: &Member<'_>, n: u8, with_envelope: bool) -> SealedMessage {
    let envelope =
        Envelope { device_id: to.device_id, encrypted_session_key: Blob(vec![n; 2_048]) };
    let session_keys = with_envelope
        .then(|| SessionKeyUpload { session_key_id: Bytes([n; 16]), envelopes: vec![envelope] });
    SealedMessage {
        destination: to.phone.clone(),
        list_version: 1,
        message_id: Bytes([n; 16]),
        expiry_days: 7,
        encrypted_content: Blob(vec![n; 1_024]),
        session_keys,
    }
}

/// Sends a letter with a token of its own.
pub(crate) async fn deliver(app: &TestApp, message: &SealedMessage) -> Answer {
    let token = app.token(message.message_id.0[0]).await;
    app.post("/v1/sealed/messages").origin(None).token(&token).json(message).send().await
}
