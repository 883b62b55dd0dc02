//! Linking a new browser to the account: what both sides share. `newcomer` is the new browser,
//! `approval` the signed-in device. Either asks the server every two seconds how the offer stands;
//! whatever does not hold ends the link, and nothing was sent or changed.

use super::approval::Approval;
use super::interface::{Event, LinkEnd, LinkView, Millis};
use super::newcomer::Newcomer;
use super::purpose::Purpose;
use super::records::{RecordKey, Records};
use super::requests::{Answer, Method};
use super::turn::Turn;
use crate::wire::{Link, LinkId};

/// How linking stands, as far as it need not survive a restart.
#[derive(Default)]
pub(super) struct Linking {
    /// On the signed-in device.
    pub(super) approval: Option<Approval>,
    poll_at: Option<Millis>,
    /// Why the new browser's completion was refused, until it is known that it truly was.
    pub(super) refused: Option<LinkEnd>,
}

/// Offers live for ten minutes, whatever the server says.
pub(super) const OFFER_LIFE: Millis = 600_000;
/// How often the server is asked.
const POLL_PAUSE: Millis = 2_000;

/// The link under way, in the page's first view.
pub(super) fn link_view(records: &Records, linking: &Linking) -> Option<LinkView> {
    let newcomer: Option<Newcomer> = records.get(&RecordKey::only());
    let approval = linking.approval.as_ref();
    newcomer.and_then(|newcomer| newcomer.view()).or_else(|| approval.map(Approval::view))
}

/// Where an offer is found and answered.
pub(super) fn link_path(id: LinkId, call: &str) -> String {
    format!("/v1/device-links/{}{call}", id.to_text())
}

impl Turn<'_> {
    pub(super) fn cancel_link(&mut self) {
        if self.newcomer().is_some() {
            self.newcomer_ends(LinkEnd::Cancelled);
        } else if self.memory.linking.approval.as_ref().is_some_and(Approval::is_open) {
            self.approval_ends(LinkEnd::Cancelled);
        }
    }

    /// Asks how the offer stands, and lets it end in time.
    pub(super) fn follow_link(&mut self) {
        self.follow_newcomer();
        self.follow_approval();
        let Some(id) = self.polled_link() else {
            self.memory.linking.poll_at = None;
            return;
        };
        let due = self.memory.linking.poll_at.is_none_or(|at| at <= self.now);
        if due && !self.is_asked(|purpose| *purpose == Purpose::PollLink) {
            self.memory.linking.poll_at = Some(self.now + POLL_PAUSE);
            self.ask(Purpose::PollLink, Method::Get, link_path(id, ""), None);
        }
    }

    fn polled_link(&self) -> Option<LinkId> {
        let approval = self.memory.linking.approval.as_ref();
        let newcomer = self.newcomer().filter(Newcomer::polls);
        newcomer.map(|newcomer| newcomer.id()).or_else(|| approval.map(Approval::id))
    }

    pub(super) fn link_polled(&mut self, answer: &Answer) {
        let link = answer.read::<Link>();
        if self.newcomer().is_some() {
            self.newcomer_polled(link, answer);
        } else {
            self.approval_polled(link, answer);
        }
    }

    pub(super) fn next_link_at(&self) -> Option<Millis> {
        let asked = self.is_asked(|purpose| *purpose == Purpose::PollLink);
        let poll_at = self.memory.linking.poll_at.filter(|_| !asked);
        let approval = self.memory.linking.approval.as_ref();
        let newcomer = self.newcomer().filter(Newcomer::is_open);
        let ends = [newcomer.map(|newcomer| newcomer.ends_at()), approval.map(Approval::ends_at)];
        ends.into_iter().flatten().chain(poll_at).min()
    }

    pub(super) fn put_back_linking(&mut self, by: Millis) {
        let linking = &mut self.memory.linking;
        linking.poll_at = linking.poll_at.map(|at| at.saturating_sub(by));
        if let Some(approval) = &mut linking.approval {
            approval.put_back(by);
        }
    }

    pub(super) fn tell_link(&mut self, link: LinkView) {
        self.tell(Event::Link { link });
    }

    pub(super) fn stop_polling(&mut self) {
        self.memory.linking.poll_at = None;
        self.give_up(|purpose| *purpose == Purpose::PollLink);
    }
}
