//! The native client: the engine on an HTTP driver and a software passkey. The demo, the tests and
//! the load generator run any number of them in one process.

mod driver;
mod http;
mod line;
mod linking;
mod live;
pub mod passkey;
mod recovery;
mod sign_in;
mod vault;

pub use driver::{Stopped, Surroundings};
pub use http::{Answer, CallError, Link, NotPlainHttp, Server};
pub use vault::{Crash, FileVault, LettersRead, MemoryVault, Vault, VaultError};

use driver::Driver;
use letterbox_protocol::{
    engine::{ContactId, Event, FindOutcome, Input, LetterId, LetterState, LetterView, LinkEnd},
    types::Phone,
};
use passkey::PasskeyError;
use std::time::Duration;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

/// How long a client waits for what must come.
const PATIENCE: Duration = Duration::from_secs(100);

/// One person's device, running. Dropping it is switching the device off at that moment: the vault
/// and the link's session stay, and a new client can be opened on them.
pub struct Client<V> {
    vault: V,
    link: Link,
    inputs: UnboundedSender<Input>,
    events: UnboundedReceiver<Event>,
    seen: Vec<Event>,
    task: JoinHandle<Result<(), Stopped>>,
}

/// Why something that a client was asked to do did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server was not reached, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The passkey did not come about.
    #[error(transparent)]
    Passkey(#[from] PasskeyError),
    /// The engine stopped.
    #[error("the client stopped")]
    Stopped,
    /// It did not happen in time.
    #[error("waited in vain for {0}")]
    InVain(&'static str),
    /// The account's keys were refused.
    #[error("the server refused the account's keys: {0}")]
    AccountRefused(String),
    /// The session is not good any more.
    #[error("a sign-in is needed")]
    SignInNeeded,
    /// The passkey is of another device, or of none.
    #[error("the server does not know this device")]
    DeviceUnknown,
    /// The number was not found.
    #[error("looking the number up came to {0:?}")]
    NotFound(FindOutcome),
    /// The link came to nothing.
    #[error("the link ended: {0:?}")]
    LinkEnded(LinkEnd),
    /// The recovery capsule does not open with that secret.
    #[error("the recovery capsule does not open with this secret")]
    RecoveryRefused,
}

impl<V: Vault> Client<V> {
    /// Switches a device on. It resumes what was under way; for its inbox it has to sign in.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn open(vault: V, link: Link, surroundings: Surroundings) -> Result<Self, Stopped> {
        let (inputs, driver_inputs) = unbounded_channel();
        let (driver_events, events) = unbounded_channel();
        let driver = Driver::open(vault.clone(), link.clone(), surroundings, driver_events)?;
        let task = tokio::spawn(driver.run(driver_inputs));
        Ok(Self { vault, link, inputs, events, seen: Vec::new(), task })
    }

    /// Tells the engine something, without waiting for what comes of it.
    pub fn tell(&self, input: Input) {
        // Where the driver has stopped, the next wait for an event says so.
        let _ = self.inputs.send(input);
    }

    /// Looks a number up and opens a conversation with it.
    ///
    /// # Errors
    /// When nobody has that number, or the server cannot be asked.
    pub async fn find(&mut self, phone: &Phone) -> Result<ContactId, ClientError> {
        self.tell(Input::FindContact { phone: phone.clone() });
        let found = |event: &Event| match event {
            Event::Found { phone: of, outcome } if of == phone => Some(outcome.clone()),
            _ => None,
        };
        match self.next("what became of the look-up", found).await? {
            FindOutcome::Found { contact } => Ok(contact),
            outcome => Err(ClientError::NotFound(outcome)),
        }
    }

    /// Writes to a contact. The letter is in the vault when this returns, and on its way.
    ///
    /// # Errors
    /// When the engine takes no such letter.
    pub async fn write(&mut self, contact: ContactId, text: &str) -> Result<LetterId, ClientError> {
        let known: Vec<LetterId> = self.letters(contact)?.iter().map(|l| l.id).collect();
        self.tell(Input::SendText { contact, text: text.to_owned() });
        let written = |event: &Event| match event {
            Event::Letter { letter } if letter.outgoing && letter.contact == contact => {
                (!known.contains(&letter.id)).then_some(letter.id)
            }
            _ => None,
        };
        self.next("a letter to be written", written).await
    }

    /// Waits until the server has said that it has the letter.
    ///
    /// # Errors
    /// When it does not say so in time.
    pub async fn sent(&mut self, id: LetterId) -> Result<(), ClientError> {
        let sent = |event: &Event| match event {
            Event::Letter { letter } if letter.id == id => {
                (letter.state == LetterState::Sent).then_some(())
            }
            _ => None,
        };
        self.ever("a letter to be sent", sent).await
    }

    /// Waits for a letter from somebody else that says this; also one that came before.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn received(&mut self, text: &str) -> Result<LetterView, ClientError> {
        let received = |event: &Event| match event {
            Event::Letter { letter } if !letter.outgoing && says(letter, text) => {
                Some(letter.clone())
            }
            _ => None,
        };
        self.ever("a letter to arrive", received).await
    }

    /// Waits for a letter that another device of this account's wrote; also one that came before.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn copied(&mut self, text: &str) -> Result<LetterView, ClientError> {
        let copied = |event: &Event| match event {
            Event::Letter { letter } if letter.outgoing && says(letter, text) => {
                Some(letter.clone())
            }
            _ => None,
        };
        self.ever("a letter's copy to arrive", copied).await
    }

    /// The conversation with a contact, from the vault.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn letters(&self, contact: ContactId) -> Result<Vec<LetterView>, ClientError> {
        self.vault.letters(contact).map_err(|_| ClientError::Stopped)
    }

    /// Waits for an event from now on in which `find` finds something.
    ///
    /// # Errors
    /// When none comes in time, or the engine has stopped.
    pub async fn next<T>(
        &mut self,
        what: &'static str,
        mut find: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, ClientError> {
        let search = async {
            loop {
                let event = self.events.recv().await.ok_or(ClientError::Stopped)?;
                let found = find(&event);
                self.seen.push(event);
                if let Some(found) = found {
                    return Ok(found);
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or(Err(ClientError::InVain(what)))
    }

    /// Like [`Client::next`], but an event since the opening will do as well.
    ///
    /// # Errors
    /// When none comes in time, or the engine has stopped.
    pub async fn ever<T>(
        &mut self,
        what: &'static str,
        mut find: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, ClientError> {
        match self.seen.iter().rev().find_map(&mut find) {
            Some(found) => Ok(found),
            None => self.next(what, find).await,
        }
    }

    /// Everything that has happened since the opening.
    pub fn history(&mut self) -> &[Event] {
        while let Ok(event) = self.events.try_recv() {
            self.seen.push(event);
        }
        &self.seen
    }

    /// Switches the device off, and waits until it has let go of its vault.
    pub async fn switch_off(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl<V> Drop for Client<V> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn says(letter: &LetterView, wanted: &str) -> bool {
    use letterbox_protocol::engine::ContentView;
    matches!(&letter.content, ContentView::Text { text } if text == wanted)
}
