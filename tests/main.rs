//! Every test of the server, in one binary, so that it is linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy.toml allows them in test functions; here the functions beside them are tests too"
)]

mod api;
mod audit;
mod crash;
mod db;
mod privacy;
mod support;
mod talk;
