//! Requests for which the person touches the passkey.
//!
//! Which they are, [`Purpose::needs_touch`] says; the host asks for the touch and sends it along.

use super::interface::{LinkEnd, RequestId};
use super::purpose::Purpose;
use super::turn::Turn;

impl Turn<'_> {
    /// The person did not touch the passkey: the request is given up.
    pub(super) fn touch_declined(&mut self, id: RequestId) {
        let Some(purpose) = self.purpose_of(id).cloned().filter(Purpose::needs_touch) else {
            return;
        };
        self.forget(id);
        match purpose {
            Purpose::ApproveLink => self.approval_ends(LinkEnd::Declined),
            Purpose::BeginAnew => self.give_beginning_up(),
            Purpose::ChangeKeys { .. } => self.change_declined(),
            _ => {}
        }
    }
}
