//! Signing up and signing in: the calls that a person's hand is needed for, around the engine.

use super::{Client, ClientError, Vault, http::CallError, passkey::Authenticator};
use hyper::Method;
use letterbox_protocol::{
    engine::{Event, Input},
    types::Phone,
    wire::{StartRegistration, VerifyRegistration},
};
use serde::Serialize;
use serde_json::Value;

impl<V: Vault> Client<V> {
    /// Asks the server to send a code to this phone.
    ///
    /// # Errors
    /// When the server is not reached, or refuses.
    pub async fn ask_for_code(&self, phone: &Phone) -> Result<(), ClientError> {
        let body = StartRegistration { phone: phone.as_str().to_owned() };
        self.post("/v1/registration", &body).await.map(drop)
    }

    /// Proves the phone, makes a passkey and publishes the account's keys.
    ///
    /// # Errors
    /// When the server refuses one of the steps.
    pub async fn sign_up(
        &mut self,
        phone: &Phone,
        code: &str,
        device_name: &str,
        authenticator: &mut Authenticator,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<(), ClientError> {
        let proof = VerifyRegistration { phone: phone.as_str().to_owned(), code: code.to_owned() };
        self.post("/v1/registration/verify", &proof).await?;
        let options = self.post("/v1/passkeys/register/start", &Value::Null).await?;
        let credential = authenticator.create(&options, rng)?;
        self.post("/v1/passkeys/register/finish", &credential).await?;
        self.touch_with(authenticator);
        let device_name = device_name.to_owned();
        self.tell(Input::CreateAccount { phone: phone.clone(), device_name });
        self.next("the account", |event| match event {
            Event::AccountReady { .. } => Some(Ok(())),
            Event::AccountRefused { problem } => {
                Some(Err(ClientError::AccountRefused(problem.clone())))
            }
            _ => None,
        })
        .await??;
        let ready = |event: &Event| (*event == Event::DeviceReady).then_some(());
        self.next("the device session", ready).await
    }

    /// Signs in with a passkey and proves the device key.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn sign_in(&mut self, authenticator: &Authenticator) -> Result<(), ClientError> {
        self.show_passkey(authenticator).await?;
        self.take_up_session().await
    }

    /// Signs in with a passkey, whatever the vault holds. That alone makes no device.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn show_passkey(&self, authenticator: &Authenticator) -> Result<(), ClientError> {
        let options = self.post("/v1/passkeys/login/start", &Value::Null).await?;
        let assertion = authenticator.get(&options)?;
        self.post("/v1/passkeys/login/finish", &assertion).await?;
        self.touch_with(authenticator);
        Ok(())
    }

    /// From now on this passkey is touched for the requests that ask for it.
    pub(super) fn touch_with(&self, authenticator: &Authenticator) {
        self.link.touch_with(Some(authenticator.clone()));
    }

    /// Goes on with the session of before, as a device does that was only switched off.
    ///
    /// # Errors
    /// When the session is not good any more, or belongs to another device.
    pub async fn take_up_session(&mut self) -> Result<(), ClientError> {
        // What happened before says nothing about this session.
        self.history();
        self.tell(Input::SignedIn);
        self.next("the device session", |event| match event {
            Event::DeviceReady => Some(Ok(())),
            Event::DeviceUnknown => Some(Err(ClientError::DeviceUnknown)),
            Event::SignInNeeded => Some(Err(ClientError::SignInNeeded)),
            _ => None,
        })
        .await?
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Value, ClientError> {
        let body = serde_json::to_value(body).map_err(|_| CallError::NotJson)?;
        Ok(self.link.call(Method::POST, path, &body).await?)
    }
}
