//! letterbox: a sealed-sender mailbox.

pub mod app;
pub mod client;
pub mod clock;
pub mod config;
pub mod db;
pub mod demo;
pub mod error;
pub mod headers;
pub mod jobs;
pub mod mailbox;
pub mod net;
pub mod observe;
pub mod phone;
pub mod router;
pub mod routes;
pub mod serve;
pub mod sms;
pub mod stop;
