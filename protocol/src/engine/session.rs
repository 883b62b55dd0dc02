//! The account half's session: signing in is the host's, proving the device key is done here.

use super::interface::{Event, Millis};
use super::purpose::Purpose;
use super::recovery::is_outdated;
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::sealing::open_challenge;
use crate::types::Bytes;
use crate::wire::{DeviceAnswer, DeviceChallenge};

/// What the account half's session is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Session {
    /// Not tried yet.
    #[default]
    Unknown,
    /// A passkey session, as far as is known; the device key's challenge is under way.
    Proving,
    /// It may read the inbox and change keys.
    Ready,
    /// Gone: a sign-in is needed.
    Lost,
}

/// How long after a failed proof the next one is tried.
const PROOF_PAUSE: Millis = 30_000;

impl Turn<'_> {
    pub(super) fn signed_in(&mut self) {
        match self.account() {
            Some(_) if is_outdated(self.records) => self.tell(Event::VaultOutdated),
            Some(account) if account.published => self.prove(),
            // Perhaps its publication arrived, and the session went before the answer came.
            Some(_) if !self.is_asked(|purpose| *purpose == Purpose::CreateAccount) => {
                self.ask(Purpose::WhoAmI, Method::Get, "/v1/account", None);
            }
            _ => {}
        }
    }

    /// The server wants the device key proved (again).
    pub(super) fn prove_again(&mut self) {
        if self.memory.session == Session::Ready {
            self.memory.session = Session::Unknown;
            self.prove();
        }
    }

    pub(super) fn prove(&mut self) {
        let proving = |p: &Purpose| matches!(p, Purpose::ProofStart | Purpose::ProofFinish);
        self.give_up(proving);
        self.memory.session = Session::Proving;
        self.ask(Purpose::ProofStart, Method::Post, "/v1/device-session/start", None);
    }

    pub(super) fn challenge_received(&mut self, answer: &Answer) {
        let Some(account) = self.account() else { return };
        if answer.status == 404 {
            return self.device_unknown();
        }
        let opened = answer.read::<DeviceChallenge>().and_then(|challenge| {
            open_challenge(&account.device, &account.phone, &account.device_id, &challenge.sealed.0)
                .ok()
        });
        let Some(opened) = opened else {
            // Sealed to another device key: that of another device, or of this one's later life.
            return if answer.is_ok() { self.ask_whose_session() } else { self.proof_failed() };
        };
        let body = serde_json::to_string(&DeviceAnswer { opened: Bytes(opened) }).ok();
        self.ask(Purpose::ProofFinish, Method::Post, "/v1/device-session/finish", body);
    }

    pub(super) fn proof_answered(&mut self, answer: &Answer) {
        if answer.is_ok() { self.device_ready() } else { self.proof_failed() }
    }

    /// From here on the inbox may be read.
    pub(super) fn device_ready(&mut self) {
        self.memory.session = Session::Ready;
        self.tell(Event::DeviceReady);
        self.expect_live();
        self.begin_upkeep();
    }

    fn proof_failed(&mut self) {
        self.memory.session = Session::Unknown;
        let at = self.now + self.around(PROOF_PAUSE);
        self.memory.upkeep.prove_at = Some(at);
    }

    pub(super) fn prove_if_due(&mut self) {
        if self.memory.upkeep.prove_at.is_some_and(|at| at <= self.now) {
            self.memory.upkeep.prove_at = None;
            if self.memory.session == Session::Unknown {
                self.prove();
            }
        }
    }

    fn ask_whose_session(&mut self) {
        self.ask(Purpose::WhoAmI, Method::Get, "/v1/account", None);
    }

    pub(super) fn device_unknown(&mut self) {
        self.memory.session = Session::Lost;
        self.tell(Event::DeviceUnknown);
    }

    pub(super) fn session_lost(&mut self) {
        if self.memory.session != Session::Lost {
            self.memory.session = Session::Lost;
            self.tell(Event::SignInNeeded);
            // Whether the device was revoked, a stranger's look-up tells.
            self.look_up_soon();
        }
        self.memory.polling = Default::default();
    }
}
