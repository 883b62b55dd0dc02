//! Wake-ups: "look in your inbox", "your account has changed". They carry nothing else, and what has
//! changed is read from the database, so a lost one delays it until the next and never loses it.
//!
//! They stay in the process. Several nodes will pass them to each other from here.

use crate::db::CredentialRow;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};
use tokio::sync::Notify;

/// Who listens, by device.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Mutex<HashMap<CredentialRow, Vec<Arc<Bell>>>>>);

#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    /// What it was rung for, a bit for each of [`CALLS`].
    calls: AtomicU8,
}

/// What a listener is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// The device was revoked: close.
    Revoked,
    /// The session has ended: close.
    Over,
    /// The account's keys, devices or waiting period have changed.
    Changed,
    /// There may be something new in the inbox.
    Look,
}

/// The most pressing first.
const CALLS: [Call; 4] = [Call::Revoked, Call::Over, Call::Changed, Call::Look];

/// One open socket's ear. Dropping it ends the listening.
#[derive(Debug)]
pub struct Listener {
    wake: Wake,
    device: CredentialRow,
    bell: Arc<Bell>,
}

impl Wake {
    /// Listens for a device. Whatever is committed after this call wakes the listener.
    pub fn listen(&self, device: CredentialRow) -> Listener {
        let bell = Arc::new(Bell::default());
        self.lock().entry(device).or_default().push(bell.clone());
        Listener { wake: self.clone(), device, bell }
    }

    /// Wakes these devices, where they listen.
    pub fn look(&self, devices: impl IntoIterator<Item = CredentialRow>) {
        let listening = self.lock();
        for bell in devices.into_iter().filter_map(|device| listening.get(&device)).flatten() {
            bell.ring(Call::Look);
        }
    }

    /// Calls every listener of a device.
    pub fn call(&self, device: CredentialRow, call: Call) {
        for bell in self.lock().get(&device).into_iter().flatten() {
            bell.ring(call);
        }
    }

    /// A poisoned lock holds only bells: using it on is right.
    fn lock(&self) -> MutexGuard<'_, HashMap<CredentialRow, Vec<Arc<Bell>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    fn ring(&self, call: Call) {
        self.calls.fetch_or(call.bit(), Ordering::AcqRel);
        self.rung.notify_one();
    }

    /// The most pressing call, which is answered herewith.
    fn answer(&self) -> Option<Call> {
        let rung =
            |call: &Call| self.calls.fetch_and(!call.bit(), Ordering::AcqRel) & call.bit() != 0;
        CALLS.into_iter().find(rung)
    }
}

impl Call {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Listener {
    /// Waits for the next call. Several of one kind that came meanwhile are one. Safe to cancel.
    pub async fn called(&self) -> Call {
        loop {
            match self.bell.answer() {
                Some(call) => return call,
                // Rung since then, it returns at once.
                None => self.bell.rung.notified().await,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut listening = self.wake.lock();
        let Some(bells) = listening.get_mut(&self.device) else { return };
        bells.retain(|bell| !Arc::ptr_eq(bell, &self.bell));
        if bells.is_empty() {
            listening.remove(&self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: CredentialRow = CredentialRow(7);

    #[tokio::test]
    async fn a_call_before_the_wait_is_not_lost() {
        let wake = Wake::default();
        let (one, two) = (wake.listen(DEVICE), wake.listen(DEVICE));
        wake.look([DEVICE, CredentialRow(8)]);
        assert_eq!(one.called().await, Call::Look);
        assert_eq!(two.called().await, Call::Look);
        wake.call(DEVICE, Call::Over);
        assert_eq!(one.called().await, Call::Over);
    }

    #[tokio::test]
    async fn calls_of_several_kinds_are_all_heard_the_most_pressing_first() {
        let wake = Wake::default();
        let listener = wake.listen(DEVICE);
        for call in [Call::Look, Call::Changed, Call::Look, Call::Over, Call::Revoked] {
            wake.call(DEVICE, call);
        }
        for call in CALLS {
            assert_eq!(listener.called().await, call);
        }
        let more = tokio::time::timeout(std::time::Duration::from_millis(20), listener.called());
        assert!(more.await.is_err(), "each call is heard once");
    }

    #[tokio::test]
    async fn nothing_is_kept_for_those_who_left() {
        let wake = Wake::default();
        let one = wake.listen(DEVICE);
        drop(wake.listen(DEVICE));
        assert_eq!(wake.lock().len(), 1);
        drop(one);
        assert!(wake.lock().is_empty());
    }
}
