//! The mailbox between the routes and the database: the group-commit writer, what a live socket
//! says and when, and who is woken.

pub mod delivery;
pub mod feed;
pub mod wake;
pub mod writer;

pub use delivery::Delivery;
pub use feed::{Feed, FeedError};
pub use wake::{Call, Wake};
