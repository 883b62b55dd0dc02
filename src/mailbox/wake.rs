//! Wake-ups: "look in your inbox". They carry nothing else, and the inbox is read from the
//! database, so a lost one delays a letter until the next and never loses it.
//!
//! They stay in the process. Several nodes will pass them to each other from here.

use crate::db::CredentialRow;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// Who listens, by device.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Mutex<HashMap<CredentialRow, Vec<Arc<Bell>>>>>);

#[derive(Debug, Default)]
struct Bell {
    rung: Notify,
    over: AtomicBool,
}

/// What a listener is woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// There may be something new.
    Look,
    /// The session has ended: close.
    Over,
}

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
            bell.rung.notify_one();
        }
    }

    /// Ends every listener of a device.
    pub fn end(&self, device: CredentialRow) {
        for bell in self.lock().get(&device).into_iter().flatten() {
            bell.over.store(true, Ordering::Release);
            bell.rung.notify_one();
        }
    }

    /// A poisoned lock holds only bells: using it on is right.
    fn lock(&self) -> MutexGuard<'_, HashMap<CredentialRow, Vec<Arc<Bell>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits for the next call. Several that came meanwhile are one. Safe to cancel.
    pub async fn called(&self) -> Call {
        self.bell.rung.notified().await;
        if self.bell.over.load(Ordering::Acquire) { Call::Over } else { Call::Look }
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
        wake.end(DEVICE);
        assert_eq!(one.called().await, Call::Over);
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
