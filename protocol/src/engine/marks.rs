//! Whose a session is whose key never arrived: told by the mark on its id.

use super::contacts::Contact;
use super::interface::ContactId;
use super::revocation::FormerIdentity;
use super::turn::Turn;
use crate::keys::IdentitySecret;
use crate::session_key::SessionId;
use crate::session_mark::SessionMark;
use crate::types::Key;
use std::collections::BTreeMap;

/// Marks by own and other identity, as far as they were derived since the engine was opened.
pub(super) type Marks = BTreeMap<(Key, Key), Option<SessionMark>>;

/// An identity key of the account's own, and its secret.
type OwnIdentity = (Key, IdentitySecret);

impl Turn<'_> {
    /// An id for a session with a contact. `None` where their identity is no key.
    pub(super) fn draw_session_id(&mut self, contact: &Contact) -> Option<SessionId> {
        let account = self.account()?;
        let mark = SessionMark::to(&account.identity, &contact.identity)?;
        Some(mark.draw(self.rng))
    }

    /// The contact, the own number included, whose device began a session with this account.
    pub(super) fn who_began(&mut self, session: &SessionId) -> Option<ContactId> {
        let own = self.own_identities();
        let mut contacts = self.contacts().into_iter();
        contacts.find(|(_, contact)| self.is_marked(&own, contact, session)).map(|(id, _)| id)
    }

    /// The first of these sessions that this contact's devices began.
    pub(super) fn begun_by(
        &mut self,
        contact: ContactId,
        sessions: impl IntoIterator<Item = SessionId>,
    ) -> Option<SessionId> {
        let (own, contact) = (self.own_identities(), self.contact(contact)?);
        sessions.into_iter().find(|session| self.is_marked(&own, &contact, session))
    }

    fn is_marked(&mut self, own: &[OwnIdentity], contact: &Contact, session: &SessionId) -> bool {
        let mut senders = std::iter::once(&contact.identity).chain(&contact.former);
        senders.any(|sender| {
            own.iter().any(|(public, secret)| {
                let derive = || SessionMark::from(secret, sender);
                let mark = self.memory.marks.entry((*public, *sender)).or_insert_with(derive);
                mark.as_ref().is_some_and(|mark| mark.is_on(session))
            })
        })
    }

    /// The identity of now, and those for which something may still be on its way.
    fn own_identities(&self) -> Vec<OwnIdentity> {
        let former = self.records.list::<FormerIdentity>(&[]).into_iter();
        let former = former.filter_map(|(_, former)| Some((former.key, former.secret?)));
        let now = self.account().map(|account| (account.identity.public(), account.identity));
        now.into_iter().chain(former).collect()
    }
}
