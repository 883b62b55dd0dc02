//! The handlers, a file a resource. They parse, ask the mailbox or the database for one thing, and
//! answer; which of them there are, and behind which layers, stands in `router.rs`.

pub mod account;
pub(crate) mod body;
pub mod device_session;
pub mod devices;
pub mod docs;
pub mod ephemeral_keys;
pub mod health;
pub mod inbox;
pub mod keys;
pub mod links;
pub mod live;
pub mod page;
pub mod passkeys;
pub mod publish;
pub mod recovery;
pub(crate) mod redeem;
pub mod registration;
pub mod resets;
pub mod rotation;
pub mod sealed;
pub mod server;
pub(crate) mod session;
pub mod session_keys;
pub mod tokens;
pub mod touch;
