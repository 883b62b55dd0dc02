//! Coming back after the vault was lost, by the passkey.

use super::{Client, ClientError, Vault, passkey::Authenticator};
use hyper::Method;
use letterbox_protocol::{
    engine::{Event, Input, RecoveryMethod},
    keys::ExchangeSecret,
    types::Bytes,
};
use serde_json::Value;

impl<V: Vault> Client<V> {
    /// In an empty vault: signs in with the passkey of the device that lost it, and brings that
    /// device back with the secret of its recovery capsule ([`letterbox_protocol::capsule`]).
    ///
    /// # Errors
    /// When the server refuses, or the capsule does not open with this secret.
    pub async fn recover(
        &mut self,
        authenticator: &Authenticator,
        secret: &ExchangeSecret,
        method: RecoveryMethod,
    ) -> Result<(), ClientError> {
        self.show_passkey(authenticator).await?;
        let info = self.link.call(Method::GET, "/v1/recovery-capsule", &Value::Null).await?;
        let secret = Bytes(*secret.expose());
        self.tell(Input::Recover { secret, method, info: info.to_string() });
        let back = |event: &Event| match event {
            Event::Recovered { .. } => Some(Ok(())),
            Event::RecoveryRefused => Some(Err(ClientError::RecoveryRefused)),
            _ => None,
        };
        self.next("the device to be back", back).await??;
        let ready = |event: &Event| (*event == Event::DeviceReady).then_some(());
        self.ever("the device session", ready).await
    }
}
