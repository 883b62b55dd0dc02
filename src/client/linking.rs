//! Linking another browser to an account, as its person goes about it on both sides.

use super::{Client, ClientError, Vault, passkey::Authenticator};
use letterbox_protocol::{
    engine::{Event, Input, LinkEnd, LinkView},
    types::DeviceId,
    wire::RegisterPasskey,
};

impl<V: Vault> Client<V> {
    /// In the new browser: offers it to an account. The code to be typed at a signed-in device.
    ///
    /// # Errors
    /// When the link ends before it has begun.
    pub async fn offer_link(&mut self, device_name: &str) -> Result<String, ClientError> {
        self.tell(Input::OfferLink { device_name: device_name.to_owned() });
        let offered = |link: &LinkView| match link {
            LinkView::Offered { code, .. } => Some(code.clone()),
            _ => None,
        };
        self.link("a code", offered).await
    }

    /// On a signed-in device: takes the code that the new browser shows. The digits to be typed
    /// there.
    ///
    /// # Errors
    /// When the code is wrong, or nobody offers under it.
    pub async fn approve_link(&mut self, code: &str) -> Result<String, ClientError> {
        self.tell(Input::ApproveLink { code: code.to_owned() });
        let shown = |link: &LinkView| match link {
            LinkView::ShowDigits { digits, .. } => Some(digits.clone()),
            _ => None,
        };
        self.link("six digits", shown).await
    }

    /// In the new browser: takes the digits that the signed-in device shows, makes a passkey once
    /// they were right, and publishes this device's keys.
    ///
    /// # Errors
    /// When the link ends, for example because the digits were other ones.
    pub async fn join(
        &mut self,
        digits: &str,
        authenticator: &mut Authenticator,
        rng: &mut impl rand::CryptoRng,
    ) -> Result<DeviceId, ClientError> {
        self.tell(Input::EnterLinkDigits { digits: digits.to_owned() });
        let approved = |link: &LinkView| match link {
            LinkView::Approved { link, .. } => Some(*link),
            _ => None,
        };
        let link = self.link("the link's approval", approved).await?;
        let link = RegisterPasskey { link: Some(link) };
        let options = self.post("/v1/passkeys/register/start", &link).await?;
        let credential = authenticator.create(&options, rng)?;
        self.post("/v1/passkeys/register/finish", &credential).await?;
        self.touch_with(authenticator);
        self.tell(Input::CompleteLink);
        let device = self.linked().await?;
        let ready = |event: &Event| (*event == Event::DeviceReady).then_some(());
        self.ever("the device session", ready).await?;
        Ok(device)
    }

    /// On either side: waits until the new device is one of the account's.
    ///
    /// # Errors
    /// When the link ends without one.
    pub async fn linked(&mut self) -> Result<DeviceId, ClientError> {
        let linked = |link: &LinkView| match link {
            LinkView::Linked { device } => Some(*device),
            _ => None,
        };
        self.link("the new device", linked).await
    }

    /// On either side: waits until the link is over without a new device, and says why.
    ///
    /// # Errors
    /// When it goes on.
    pub async fn link_ended(&mut self) -> Result<LinkEnd, ClientError> {
        match self.link("the link's end", |_| None::<()>).await {
            Err(ClientError::LinkEnded(reason)) => Ok(reason),
            Err(other) => Err(other),
            Ok(()) => Err(ClientError::Stopped),
        }
    }

    /// Waits until the link stands so, or has ended.
    async fn link<T>(
        &mut self,
        what: &'static str,
        wanted: impl Fn(&LinkView) -> Option<T>,
    ) -> Result<T, ClientError> {
        let stands = |event: &Event| match event {
            Event::Link { link: LinkView::Ended { reason } } => {
                Some(Err(ClientError::LinkEnded(*reason)))
            }
            Event::Link { link } => wanted(link).map(Ok),
            _ => None,
        };
        self.next(what, stands).await?
    }
}
