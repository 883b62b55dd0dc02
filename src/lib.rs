//! letterbox: a sealed-sender mailbox.

pub mod client;
pub mod clock;
pub mod config;
pub mod db;
pub mod mailbox;
pub mod routes;
pub mod serve;
