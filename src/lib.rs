//! letterbox: a sealed-sender mailbox.
//!
//! The map, from the outside in; dependencies point one way.
//!
//! - [`config`], [`serve`]: settings, and the parts put together. [`app`] is what handlers share.
//! - [`net`]: the accept loop with its limits, client addresses, rates.
//! - [`router`], [`headers`], [`error`], [`routes`]: HTTP. Every route stands in `router`.
//! - [`tokens`]: the token issuer.
//! - [`mailbox`]: the group-commit writer, the delivery state machine, wake-ups.
//! - [`db`]: every SQL statement, for SQLite and PostgreSQL.
//! - [`audit`]: the privacy manifest, the checks of a live database, what is held on one number.
//! - [`client`], [`demo`]: the other side, natively.
//!
//! The walk of a letter: the page's engine → [`routes::sealed`] → [`mailbox::writer`] → `db` →
//! [`mailbox::wake`] → [`mailbox::delivery`] → [`routes::live`] → the recipient's engine.

pub mod app;
pub mod audit;
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
pub mod randomness;
pub mod router;
pub mod routes;
pub mod serve;
pub mod sms;
pub mod stop;
pub mod tokens;
