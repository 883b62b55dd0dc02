//! letterbox: a sealed-sender mailbox.

pub mod client;
pub mod db;
pub mod mailbox;
pub mod routes;
