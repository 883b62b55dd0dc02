//! The own mailbox as a peer: how an account's devices tell each other things.
//!
//! The own number is a contact like any other, hidden until its owner opens a conversation with
//! themselves. Its outbound sessions have an envelope for every sibling and a filler for this
//! device. With one device there is nobody to tell.

use super::contacts::Contact;
use super::interface::{ContactId, Standing};
use super::own_list::OwnList;
use super::turn::Turn;
use crate::notes::Note;
use crate::types::Phone;

impl Turn<'_> {
    pub(super) fn is_own(&self, phone: &Phone) -> bool {
        self.account().is_some_and(|account| account.phone == *phone)
    }

    /// Whether the account has another device.
    pub(super) fn has_siblings(&self) -> bool {
        OwnList::current(self.records).is_some_and(|list| list.devices.len() > 1)
    }

    /// Says something to the account's other devices, where there are any.
    pub(super) fn tell_siblings(&mut self, note: &Note) {
        if self.has_siblings()
            && let Some(own) = self.own_contact()
        {
            self.pool_note(own, note);
        }
    }

    /// The contact of the own number, under the identity that the account has now.
    pub(super) fn own_contact(&mut self) -> Option<ContactId> {
        let account = self.account()?;
        let identity = account.identity.public();
        let list = OwnList::current(self.records);
        let Some((id, contact)) = self.contact_by_phone(&account.phone) else {
            let id = ContactId::random(&mut self.rng);
            let contact = Contact::new(account.phone, identity, Standing::Accepted);
            self.put_contact(id, &Contact { list, hidden: true, ..contact });
            return Some(id);
        };
        if contact.identity != identity {
            let (changed, offered) = (false, None);
            self.put_contact(id, &Contact { identity, list, changed, offered, ..contact });
        }
        Some(id)
    }
}
