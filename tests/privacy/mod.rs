//! Tests: what the mailbox and the log must never hold.

mod debug;
mod disclosure;
mod harness;
mod identity;
mod log;
mod mailbox;
mod rerun;
mod search;
